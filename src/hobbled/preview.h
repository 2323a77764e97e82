/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What would happen if somebody were to be hobbled by hand, without doing it. */

#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-bus.h>

#include "hobble.h"

struct manager;
struct preview;

enum preview_verdict {
        PREVIEW_HOBBLE,  /* would be the root of a hobbled tree, or of a part that stays in a unit of its own
                          */
        PREVIEW_MOVE,    /* would be hobbled with the tree that it is in */
        PREVIEW_FREEZE,  /* would be hobbled in place, with the cgroup that it is in */
        PREVIEW_STAY,    /* is meant, or in such a tree, and would be left out: someone else has frozen it */
        PREVIEW_EXEMPT,  /* is meant, and may not be hobbled */
        PREVIEW_ALREADY, /* is hobbled already */
        PREVIEW_VERDICT_MAX,
};

struct preview_line {
        struct hobble_process process;
        const char *home; /* its cgroup; as the kernel has it, may contain any byte */
        enum preview_verdict verdict;
        const char *text; /* a clause that tells more, escaped; "" where there is none */
};

const char *preview_verdict_name(enum preview_verdict verdict);

/* Same arguments and errors as control_hobble(); nobody has to be there. Of the flags, CONTROL_FORCE counts.
 * The manager has to live as long. Returns 0, or a negative errno with the error set, but for want of memory.
 */
int preview_new(struct preview **ret, struct manager *m, const char *what, const char *tarpit, uint64_t flags,
                sd_bus_error *error);

/* NULL is fine. Returns NULL. */
struct preview *preview_free(struct preview *p);

/* Look at a few processes more, for about a millisecond, and call fn for each that is concerned; the line is
 * valid during the call. fn returns 0, or a negative errno, which ends the step. Returns 1 where there is
 * more to do, 0 at the end, or a negative errno; -ETIMEDOUT: who the user is could not be found out. */
int preview_step(struct preview *p, int (*fn)(const struct preview_line *line, void *userdata),
                 void *userdata);
