/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Brings the tarpit in line with the sources, and says what happens. */

#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "hobble.h"

/* The tarpit of the SOURCEs of a command line. */
#define MANAGER_TARPIT "command-line"

struct manager;

struct manager_options {
        const char *instance;     /* NULL: the process id */
        const char *guard_socket; /* of the service that guards; NULL: a guard of one's own */
        struct hobble_duty duty;
        uint64_t check_usec;
        char *const *sources; /* paths */
        size_t n_sources;
};

/* Start an engine, and begin with the sources. What goes wrong is said. The loop ends with 0 when another
 * took everything away (hobblectl rescue --all). Returns 0 or a negative errno. */
int manager_new(struct manager **ret, sd_event *event, const struct manager_options *options);

/* Release everything. NULL is fine. Returns NULL. */
struct manager *manager_free(struct manager *m);

/* Look at all sources again. */
void manager_reread(struct manager *m);
