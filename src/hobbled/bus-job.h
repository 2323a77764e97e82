/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Answers that take long: they are made in slices, after everything else. */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

struct bus;
struct bus_jobs;
struct bus_peer;

struct bus_job;

struct bus_job_type {
        /* Add a little more to the answer. Returns 1 where there is more to do, 0 at the end, or a negative
         * errno, with the error set or not. */
        int (*step)(struct bus *b, void *state, sd_bus_message *answer, sd_bus_error *error);

        void (*done)(void *state); /* free the state */

        const char *array; /* what the answer is an array of: the type of an element */
};

struct bus_jobs *bus_jobs_new(struct bus *b);
struct bus_jobs *bus_jobs_free(struct bus_jobs *jobs);

/* The peer is being freed: no answer is wanted. */
void bus_jobs_forget(struct bus_jobs *jobs, struct bus_peer *p);

/* Answer a call by a job. The state is the job's, also where that fails. Returns 1, or a negative errno with
 * the error set or not. */
int bus_job_new(struct bus_peer *p, sd_bus_message *m, const struct bus_job_type *type, void *state,
                sd_bus_error *error);
