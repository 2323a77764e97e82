/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an untouched process feels: neighbour SECONDS. It sleeps for a millisecond at a time, as cyclictest
 * does but at an ordinary priority, and then prints by how many nanoseconds each wake-up was late, one a
 * line. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#define PERIOD_NSEC 1000000

static int64_t nsec_of(const struct timespec *ts)
{
        return (int64_t) ts->tv_sec * 1000000000 + ts->tv_nsec;
}

int main(int argc, char *argv[])
{
        size_t n = argc > 1 ? (size_t) (atof(argv[1]) * 1e9 / PERIOD_NSEC) : 0;
        int64_t *late = calloc(n, sizeof(*late)), deadline, end;
        struct timespec ts;
        size_t done = 0;

        if (n == 0 || !late) {
                fprintf(stderr, "neighbour SECONDS\n");
                return 2;
        }
        /* The kernel's default slack, 50 us, would be taken for lateness. */
        (void) prctl(PR_SET_TIMERSLACK, 1);
        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        deadline = nsec_of(&ts);
        end = deadline + (int64_t) n * PERIOD_NSEC;
        while (done < n) {
                int64_t now;

                deadline += PERIOD_NSEC;
                ts.tv_sec = deadline / 1000000000;
                ts.tv_nsec = deadline % 1000000000;
                (void) clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
                (void) clock_gettime(CLOCK_MONOTONIC, &ts);
                now = nsec_of(&ts);
                late[done++] = now - deadline;
                if (now >= end)
                        break;
                /* Who was late by more than a period missed those meanwhile. */
                while (deadline + PERIOD_NSEC < now)
                        deadline += PERIOD_NSEC;
        }
        for (size_t i = 0; i < done; i++)
                printf("%lld\n", (long long) late[i]);
        free(late);
        return 0;
}
