/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A SOURCE: a path that says who is to be hobbled. What is there, a file of pids or a cgroup, is found out
 * again whenever it may have changed; the rest is left to source-pidfile and source-cgroup. */

#include <stdint.h>

#include <systemd/sd-event.h>

#include "hobble.h"
#include "message.h"

/* The longest stretch that anything but the duty cycle's own clock may work in a row. */
#define CLOCK_SLICE_USEC (4 * USEC_PER_MSEC)

struct source;

/* What sources need of their surroundings; outlives them. */
struct source_host {
        sd_event *event;
        hobble_engine *engine;
        hobble_tarpit *tarpit;
        uint64_t check_usec;
        void (*changed)(void *userdata); /* source_for_each() has something else to say than before */
        void *userdata;
};

/* Begin with the path; the work is done from the loop. Returns 0 or a negative errno. */
int source_new(struct source **ret, const struct source_host *host, const char *path);

/* Forget it; releases nobody. NULL is fine. Returns NULL. */
struct source *source_free(struct source *s);

/* Look again, changed or not. */
void source_reread(struct source *s);

/* Call fn for each process that a file of pids names. fn returns 0 to go on, else that is returned. */
int source_for_each(const struct source *s, int (*fn)(pid_t pid, uint64_t start_time, void *userdata),
                    void *userdata);

/* A process that was named has ended. */
void source_process_ended(struct source *s, pid_t pid, uint64_t start_time);

/* An event of a subject whose userdata is this source. */
void source_event(struct source *s, const struct hobble_event *event);

/* All subjects are void. */
void source_void(struct source *s);
