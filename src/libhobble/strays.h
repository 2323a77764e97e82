/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Processes of a subject that could not go back to where they came from, by the unit that they came from. */

#include <stddef.h>
#include <sys/types.h>

#include "hobble.h"

struct stray {
        char *origin; /* of the first of them; NULL: not known */
        char *where;  /* the last one went to */
        pid_t *pids;
        size_t n;
};

struct strays {
        struct stray *of;
        size_t n;
};

/* Note a process, or one of its threads, that was in the directory and was moved to the path `where`. Where
 * memory is short it is left out. */
void strays_add(struct strays *s, int dir_fd, const char *where, pid_t id);

/* Tell of them all. */
void strays_tell(const struct strays *s, hobble_subject *subject);

void strays_done(struct strays *s);
