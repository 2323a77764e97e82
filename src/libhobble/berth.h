/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where the members of a tree are put: a directory for each origin. The first is the subject's own, for those
 * of the root's origin, in the pit or nested; the others are right beneath it. */

#include <stddef.h>

#include "hobble.h"

struct berth {
        char *origin;
        int dir_fd;
        int procs_fd;
        bool left_out;  /* its processes stay where they are: the origin is frozen by someone else, or */
        bool elsewhere; /* is of another unit, which would lose them */
};

struct berths {
        hobble_subject *subject; /* borrowed */
        char *path;              /* of the first one's directory, in the hierarchy; NULL until it is made */
        struct berth *berth;
        size_t n;
};

void berths_init(struct berths *b, hobble_subject *s);
void berths_done(struct berths *b);

/* Make the subject's directory, for its root. Returns 0 or a negative errno, with a clause (static) where
 * there is one. Where it cannot be nested it goes to the pit, which is told. */
int berths_begin(struct berths *b, const char *origin, const char **ret_reason);

/* Write down when the subject is taken in: now. dir_fd: its directory in the tarpit. */
void berth_mark_since(hobble_subject *s, int dir_fd);

/* The place for a process that comes from this origin; there is a first one. Returns 0 or a negative errno.
 */
int berths_find(struct berths *b, const struct hobble_process *p, const char *origin, struct berth **ret);
