/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Why a process is hobbled, or why it is not. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-bus.h>

#include "hobble.h"

struct manager;

enum explain_verdict {
        EXPLAIN_HOBBLED,  /* the root of a hobbled tree */
        EXPLAIN_MEMBER,   /* a member of one */
        EXPLAIN_IN_PLACE, /* a member of a cgroup that is hobbled in place */
        EXPLAIN_WAITING,  /* named, and about to be hobbled */
        EXPLAIN_EXEMPT,   /* named or not: it may not be hobbled */
        EXPLAIN_RELEASED, /* let go by hand */
        EXPLAIN_FAILED,   /* named, and it could not be hobbled */
        EXPLAIN_FOREIGN,  /* hobbled by another instance */
        EXPLAIN_NOT_NAMED,
        EXPLAIN_VERDICT_MAX,
};

struct explanation {
        enum explain_verdict verdict;
        struct hobble_process process;
        char home[4096];  /* the cgroup that it belongs to */
        unsigned subject; /* number, 0: none */
        const char
                *tarpit; /* name; these are NULL where they do not apply, and live until the loop goes on */
        const char *source;
        struct hobble_subject_status status; /* with subject */
        uint64_t until_usec;                 /* CLOCK_REALTIME of the end of a request, 0: none */
        int error;                           /* EXPLAIN_FAILED: negative errno */
        char reason[512];                    /* a clause: why not; "" where there is none */
        char text[2048];                     /* all of it in a few sentences, escaped */
};

/* "hobbled", "member", and so on, as on the bus. */
const char *explain_verdict_name(enum explain_verdict verdict);

/* Returns 0, or a negative errno with the error set: NoSuchProcess. */
int explain(struct manager *m, pid_t pid, struct explanation *ret, sd_bus_error *error);
