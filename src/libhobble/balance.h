/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a subject, or a whole tarpit, has earned and not yet used. Everything is in microseconds. */

#include <stdint.h>

/* How fast a balance earns, and its bounds. */
struct allowance {
        uint64_t thawed_usec; /* earned in each period, for each of scale */
        uint64_t period_usec;
        uint64_t scale;       /* 1, or the number of CPUs */
        int64_t floor_usec;   /* no debt is deeper */
        int64_t ceiling_usec; /* nothing is saved beyond */
};

/* The allowance of a duty cycle. scale is at least 1, thawed_usec too. */
void allowance_init(struct allowance *a, uint64_t frozen_usec, uint64_t thawed_usec, unsigned scale);

struct balance {
        int64_t usec;        /* as of since_usec; below zero: owed */
        uint64_t since_usec; /* what comes later is not in it yet */
};

/* Full, as of now. */
void balance_init(struct balance *b, const struct allowance *a, uint64_t now_usec);

/* What it will be at now if nothing is charged. A time before since_usec counts as since_usec. */
int64_t balance_at(const struct balance *b, const struct allowance *a, uint64_t now_usec);

/* Add what was earned until now. */
void balance_earn(struct balance *b, const struct allowance *a, uint64_t now_usec);

/* Add what was earned until now and take what was used meanwhile. Earnings of the same stretch pay for it
 * before the ceiling cuts them: nobody knows in which order they came. */
void balance_charge(struct balance *b, const struct allowance *a, uint64_t now_usec, uint64_t used_usec);

/* The first time, not before since_usec, at which it will be level_usec or more if nothing is charged; the
 * level must not be above the ceiling. */
uint64_t balance_reaches(const struct balance *b, const struct allowance *a, int64_t level_usec);
