/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A walk through all processes, once for all who look for some of them, in slices that hold nobody up. What a
 * process is asked costs something only where somebody asks. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

struct census;
struct census_seat;

/* A process that is being looked at; see the questions below. */
struct census_fact {
        int proc_fd;
        pid_t pid;
        unsigned known; /* which of the rest were found out, 1 << enum census_question */
        uid_t uid;      /* (uid_t) -1: not known */
        char comm[64];
        char exe[4096];
        char home[4096];
};

/* Its effective user; (uid_t) -1 where the process has ended. */
uid_t census_uid(struct census_fact *f);

/* "" where it has ended, or where this may not be known. Valid until the next process is looked at. */
const char *census_comm(struct census_fact *f);
const char *census_exe(struct census_fact *f);  /* without the kernel's " (deleted)" */
const char *census_home(struct census_fact *f); /* see hobble_process_home() */

struct census_handler {
        bool (*match)(struct census_fact *f, void *userdata);

        /* A round is over: these matched. numbers are in ascending order, each once; valid during the call.
         */
        void (*taken)(const pid_t *numbers, size_t n, void *userdata);
};

/* Returns 0 or a negative errno. */
int census_new(struct census **ret, sd_event *event);

/* All seats have been left. NULL is fine. Returns NULL. */
struct census *census_free(struct census *c);

/* Take part in each round from now on, the first one at once. There is one every check_usec, of those who
 * take part the shortest. Returns 0 or a negative errno. */
int census_join(struct census_seat **ret, struct census *c, uint64_t check_usec,
                const struct census_handler *handler, void *userdata);

/* NULL is fine. Returns NULL. */
struct census_seat *census_leave(struct census_seat *seat);

/* Somebody has come: a round is due now, unless one has just been. */
void census_hurry(struct census *c);

/* What matches says of the one process. */
bool census_ask(const struct census_seat *seat, pid_t pid);
