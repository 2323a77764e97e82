/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An explanation in a few plain sentences. Pure: what is known goes in, text comes out. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "explain.h"

/* What the text tells beside the explanation itself. Names are as the kernel and the files have them, and
 * shown escaped; those that are not known are NULL. */
struct explain_facts {
        const char *user;        /* whose process it is */
        bool ended;              /* it is a zombie */
        struct hobble_duty duty; /* of the tarpit */
        bool paused, guarded;    /* the tarpit is; a guard watches */
        size_t n_tarpits;

        const char *place; /* EXPLAIN_IN_PLACE: the cgroup's path */
        const char *unit;  /* that the process belongs to */

        /* EXPLAIN_MEMBER: the root of its tree; else, where it is not for itself that it is named: the one
         * above it that is. 0: none. */
        pid_t over_pid;
        const char *over_comm; /* NULL: it has ended */
        bool over_hobbled;     /* EXPLAIN_NOT_NAMED: that one is, without this one */

        bool by_hand;        /* what names it, or what released it, is a request */
        const char *asker;   /* whose */
        uint64_t asked_usec; /* CLOCK_REALTIME of it, 0: not known */

        uint64_t retry_usec; /* EXPLAIN_FAILED: how often it is tried, UINT64_MAX: not any more */
};

/* Write the text of x (all but its own `text` counts) to buf, which is then UTF-8 without control characters.
 * What does not fit is cut, with "..." at the end. size is at least 4. Returns buf. */
char *explain_write(const struct explanation *x, const struct explain_facts *f, char *buf, size_t size);

/* "process 4711 (stress)"; comm NULL: "process 4711". Returns buf. */
char *explain_label(pid_t pid, const char *comm, char *buf, size_t size);

/* CPU time and the like, to three digits: "120 ms", "2.31 s", "1 h 2 min". Returns buf. */
char *explain_span(uint64_t usec, char *buf, size_t size);
