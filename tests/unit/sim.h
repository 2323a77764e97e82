/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A simulated host for the planner: CPUs, loads that run on them, a clock, looks that come late. Freezing
 * stops a load at once or after a while, as told. Everything that is random comes from the seed. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "planner.h"

enum sim_kind {
        SIM_SLEEPER,  /* never runs */
        SIM_BUSY,     /* threads that always run */
        SIM_LIGHT,    /* work_usec of work to do every every_usec, or so: half of that to one and a half */
        SIM_GAME,     /* runs for work_usec at the start of every every_usec, which begin at phase_usec */
        SIM_ADAPTIVE, /* works in stretches that grow until one is cut short by a freeze */
        SIM_WAITER,   /* always waits for a disk, and uses 1 % CPU */
};

struct sim_load {
        enum sim_kind kind;
        unsigned threads; /* 0: one */
        uint64_t work_usec, every_usec, phase_usec;
        bool outside;
};

struct sim_subject {
        struct planner_subject planner; /* first, so that a pointer to it is one to this */
        struct sim_load load;
        uint64_t cpu_usec, wait_usec;
        uint64_t freezes;
        bool frozen, present;
        uint64_t freezing_usec; /* a freeze takes effect then; 0: none under way */

        uint64_t work_usec,
                next_usec; /* of SIM_LIGHT and SIM_ADAPTIVE: what is to do now, and when there is more */
        uint64_t stretch_usec;
        bool cut_short;
        uint64_t marked_usec, marked_freezes;
        bool idle;
        uint64_t virtual_usec; /* of the scheduler */
};

struct sim {
        struct planner *planner;
        struct planner_config config;
        struct sim_subject **subjects;
        size_t n, room;
        uint64_t now_usec, look_usec; /* the next look */
        uint64_t gone_usec;           /* CPU time of members that were removed */
        uint64_t random;

        uint64_t marked_looks;

        /* to be set after sim_init() as wanted */
        uint64_t step_usec;      /* 500: loads run in steps of that */
        uint64_t delay_usec;     /* looks are up to that late */
        uint64_t late_usec;      /* and one in late_one_in by that */
        unsigned late_one_in;    /* 0: none */
        uint64_t act_usec;       /* freezing takes effect that late: whole steps */
        unsigned others_percent; /* of the CPUs' time goes to others */

        uint64_t virtual_usec; /* of the scheduler: the least of those that run */
        unsigned *queue;       /* of a step */
        size_t queue_room;
};

/* A test's seed: a fixed one, or what SIM_SEED in the environment says. */
uint64_t sim_seed(void);

uint64_t sim_random(struct sim *s, uint64_t below);

void sim_init(struct sim *s, const struct planner_config *config, uint64_t seed);
void sim_done(struct sim *s);

/* Returns its place in subjects. */
size_t sim_add(struct sim *s, const struct sim_load *load);
void sim_add_many(struct sim *s, size_t n, const struct sim_load *load);

/* It leaves; its place stays, so that its usage can be read. */
void sim_remove(struct sim *s, size_t i);

void sim_run(struct sim *s, uint64_t usec);

/* Measure from here on. */
void sim_mark(struct sim *s);

/* Since the mark: what subjects from to to (not included) used, CPU and waiting, and what the least and most
 * served of them did. */
uint64_t sim_used(const struct sim *s, size_t from, size_t to);
uint64_t sim_least(const struct sim *s, size_t from, size_t to);
uint64_t sim_most(const struct sim *s, size_t from, size_t to);
uint64_t sim_freezes(const struct sim *s, size_t from, size_t to);
uint64_t sim_looks(const struct sim *s);
