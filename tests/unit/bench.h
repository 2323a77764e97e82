/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A planner and a few members that a test moves by hand. Time is counted from a window's start. */

#include "planner.h"
#include "unit.h"

#define PERIOD 260000ULL
#define BASE (1000 * PERIOD)
#define NEVER (UINT64_MAX - BASE)

/* 250 ms frozen, 10 ms thawed, two CPUs. */
extern const struct planner_config usual;

struct bench {
        struct planner *p;
        uint64_t total;
        struct member {
                struct planner_subject s;
                struct planner_sample counters;
        } m[200];
        char said[4096]; /* what the last look read and did: "read0 read1 freeze1" */
        unsigned reads, total_reads;
};

void bench_open(struct bench *b, const struct planner_config *c);
void bench_close(struct bench *b);

/* Members from to to (not included). */
void bench_add(struct bench *b, size_t from, size_t to, bool outside, uint64_t at);
void bench_use(struct bench *b, size_t i, uint64_t usec);
size_t bench_number(const struct bench *b, const struct planner_subject *s);

/* Fetch the actions into said. */
void bench_act(struct bench *b);

/* A whole look. */
void bench_look(struct bench *b, uint64_t at);

/* One that always runs, as far as its first freeze, at 20000. */
void bench_freeze_first(struct bench *b);

/* A look, what it reads and does, and when the next is due. */
#define LOOK(b, at, what, next)                                            \
        do {                                                               \
                bench_look(b, at);                                         \
                assert_string_equal((b)->said, what);                      \
                assert_int_equal(planner_deadline((b)->p) - BASE, (next)); \
        } while (false)
