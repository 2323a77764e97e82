/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus-limit.h"
#include "clock.h"

/* The user's row. Where all are taken, that of whoever has had the longest rest is given away: with more
 * users than rows who call all the time, some of them get more than their share. */
static struct bus_user *find(struct bus_limits *l, uid_t uid)
{
        struct bus_user *oldest = l->users;

        for (unsigned i = 0; i < l->n; i++) {
                if (l->users[i].uid == uid)
                        return l->users + i;
                if (MAX(l->users[i].calls_usec, l->users[i].reads_usec) <
                    MAX(oldest->calls_usec, oldest->reads_usec))
                        oldest = l->users + i;
        }
        if (l->n < BUS_USERS_MAX)
                oldest = l->users + l->n++;
        *oldest = (struct bus_user){ .uid = uid };
        return oldest;
}

/* Take a token. Returns 0, or when there will be one. */
static uint64_t take(uint64_t *usec, unsigned burst, unsigned per_sec)
{
        const uint64_t interval = USEC_PER_SEC / per_sec;
        uint64_t now = clock_now(), at = MAX(*usec, now);

        if (at - now > (burst - 1) * interval)
                return at - (burst - 1) * interval;
        *usec = at + interval;
        return 0;
}

bool bus_limits_call(struct bus_limits *l, uid_t uid)
{
        return uid == 0 || take(&find(l, uid)->calls_usec, BUS_CALLS_BURST, BUS_CALLS_PER_SEC) == 0;
}

uint64_t bus_limits_read(struct bus_limits *l, uid_t uid)
{
        return uid == 0 ? 0 : take(&find(l, uid)->reads_usec, BUS_READS_BURST, BUS_READS_PER_SEC);
}
