/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The time now, in microseconds. */

#include <stdint.h>
#include <time.h>

#include "macro.h"

static inline uint64_t clock_usec(clockid_t clock)
{
        struct timespec ts;

        (void) clock_gettime(clock, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / NSEC_PER_USEC;
}

static inline uint64_t clock_now(void)
{
        return clock_usec(CLOCK_MONOTONIC);
}
