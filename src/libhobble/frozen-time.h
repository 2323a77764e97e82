/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How long something was frozen, counted by whoever freezes it. Pure; the times are of one monotonic clock,
 * in microseconds, and never 0. */

#include <stdbool.h>
#include <stdint.h>

/* A zeroed one is thawed, and was never frozen. */
struct frozen_time {
        uint64_t before_usec; /* in the freezes that have ended */
        uint64_t since_usec;  /* of the one that lasts, 0: none */
};

static inline bool frozen_time_runs(const struct frozen_time *f)
{
        return f->since_usec != 0;
}

/* Until now_usec. A look may be older than the freeze that it ends. */
static inline uint64_t frozen_time_at(const struct frozen_time *f, uint64_t now_usec)
{
        uint64_t running = f->since_usec != 0 && now_usec > f->since_usec ? now_usec - f->since_usec : 0;

        return f->before_usec + running;
}

/* Frozen, or thawed, from now_usec on. Frozen again changes nothing. */
static inline void frozen_time_set(struct frozen_time *f, bool frozen, uint64_t now_usec)
{
        if (frozen_time_runs(f) == frozen)
                return;
        f->before_usec = frozen_time_at(f, now_usec);
        f->since_usec = frozen ? now_usec : 0;
}
