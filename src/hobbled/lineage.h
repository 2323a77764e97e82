/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who descends from whom, looked up once a round and kept until its end. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "pidmap.h"

struct lineage_fact {
        pid_t parent; /* 0: none */
        uint64_t start_time;
};

/* Returns 0, or -ESRCH where there is no such process; other errors count as that, too. */
typedef int (*lineage_lookup)(pid_t pid, struct lineage_fact *ret, void *userdata);

/* One process. The last three members are for the caller's use. */
struct kin {
        pid_t pid, parent; /* parent 0: none */
        uint64_t start_time;
        bool exists;

        bool judged;
        void *named, *hobbled;
};

struct lineage {
        lineage_lookup lookup;
        void *userdata;
        struct pidmap kin;
        unsigned budget; /* lookups left */
};

/* Forget everyone. */
void lineage_clear(struct lineage *l);

/* Both return 0, -EAGAIN where no lookup is left, or -ENOMEM. */
int lineage_get(struct lineage *l, pid_t pid, struct kin **ret);

/* *ret is NULL where the process has no parent. */
int lineage_parent(struct lineage *l, const struct kin *kin, struct kin **ret);
