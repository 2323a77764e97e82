/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "balance.h"

#include "macro.h"

/* A debt has to hold whatever can be overrun between two looks, else it would be forgiven, and again each
 * time: a burst after a long idle time, a look that is late, a search among thousands of members. */
#define DEBT_WINDOWS 20
#define DEBT_USEC (500 * USEC_PER_MSEC)

void allowance_init(struct allowance *a, uint64_t frozen_usec, uint64_t thawed_usec, unsigned scale)
{
        *a = (struct allowance){
                .thawed_usec = thawed_usec,
                .period_usec = frozen_usec + thawed_usec,
                .scale = scale,
                .floor_usec = -(int64_t) (MAX(DEBT_WINDOWS * thawed_usec, DEBT_USEC) * scale),
                .ceiling_usec = (int64_t) (thawed_usec * scale),
        };
}

/* All that was earned since the clock's zero, for one of scale. Balances take differences of this, so that
 * however often and whenever they are brought up to date, nothing is lost to rounding. */
static uint64_t earned_until(const struct allowance *a, uint64_t now_usec)
{
        return now_usec / a->period_usec * a->thawed_usec +
               now_usec % a->period_usec * a->thawed_usec / a->period_usec;
}

static int64_t earned_between(const struct allowance *a, uint64_t from_usec, uint64_t to_usec)
{
        uint64_t enough = (uint64_t) (a->ceiling_usec - a->floor_usec) / a->scale + 1;

        if (to_usec <= from_usec)
                return 0;
        /* Once the deepest debt is paid the rest makes no difference; this way nothing overflows. */
        return (int64_t) (MIN(earned_until(a, to_usec) - earned_until(a, from_usec), enough) * a->scale);
}

void balance_init(struct balance *b, const struct allowance *a, uint64_t now_usec)
{
        *b = (struct balance){ .usec = a->ceiling_usec, .since_usec = now_usec };
}

int64_t balance_at(const struct balance *b, const struct allowance *a, uint64_t now_usec)
{
        return MIN(b->usec + earned_between(a, b->since_usec, now_usec), a->ceiling_usec);
}

void balance_earn(struct balance *b, const struct allowance *a, uint64_t now_usec)
{
        b->usec = balance_at(b, a, now_usec);
        b->since_usec = MAX(b->since_usec, now_usec);
}

void balance_charge(struct balance *b, const struct allowance *a, uint64_t now_usec, uint64_t used_usec)
{
        int64_t rich = b->usec + earned_between(a, b->since_usec, now_usec);
        uint64_t most = rich > a->floor_usec ? (uint64_t) (rich - a->floor_usec) : 0;
        int64_t used = (int64_t) MIN(used_usec, most);

        b->usec = MIN(rich - used, a->ceiling_usec);
        b->since_usec = MAX(b->since_usec, now_usec);
}

uint64_t balance_reaches(const struct balance *b, const struct allowance *a, int64_t level_usec)
{
        uint64_t missing, whole;

        if (b->usec >= level_usec)
                return b->since_usec;
        missing = ((uint64_t) (level_usec - b->usec) + a->scale - 1) / a->scale;
        whole = earned_until(a, b->since_usec) + missing;
        return whole / a->thawed_usec * a->period_usec +
               (whole % a->thawed_usec * a->period_usec + a->thawed_usec - 1) / a->thawed_usec;
}
