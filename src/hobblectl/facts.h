/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One tarpit, or one subject: all that the daemon says about it. */

#include "client.h"

#include <stdbool.h>
#include <stdint.h>

struct tarpit_facts {
        char *name, *description, *placement, **sources;
        uint64_t frozen_usec, thawed_usec, check_usec, cpu_usec;
        int64_t balance_usec;
        bool freeze_idle, paused, configured;
        uint32_t subjects;
        uint64_t cpu_quota_ppm, cpu_weight, io_weight, memory_high, memory_max,
                tasks_max; /* UINT64_MAX: none */
};

struct subject_facts {
        char *name, *tarpit, *command, *state, *cgroup, *container, *source;
        uint32_t id, pid, uid;
        bool requested;
        uint64_t start_time, since_usec, until_usec, cpu_usec, frozen_usec;
        int64_t balance_usec;
        double rate, fair_share;
};

/* Each returns 0 or an exit status after a message; …_done() in either case. */
int tarpit_facts_get(struct client *client, const char *path, struct tarpit_facts *facts);
void tarpit_facts_done(struct tarpit_facts *facts);
int subject_facts_get(struct client *client, const char *path, struct subject_facts *facts);
void subject_facts_done(struct subject_facts *facts);
