/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Brings the tarpits in line with the sources, and says what happens. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "hobble.h"

/* The tarpit of the SOURCEs of a command line. */
#define MANAGER_TARPIT "command-line"

struct manager;

struct manager_options {
        const char *instance;     /* NULL: the process id */
        const char *bus_socket;   /* where org.hobbled1 is offered, besides the system bus; NULL: nowhere */
        const char *guard_socket; /* NULL: the engine starts a guard of its own */

        bool configured;        /* read the configuration */
        const char *config_dir; /* instead of the usual places; NULL: those */

        struct hobble_duty duty; /* of the SOURCEs */
        uint64_t check_usec;
        char *const *sources; /* paths */
        size_t n_sources;
};

/* Start an engine, and begin with the sources. What goes wrong is said. The loop ends with 0 when another
 * took everything away (hobblectl rescue --all). Returns 0 or a negative errno. */
int manager_new(struct manager **ret, sd_event *event, const struct manager_options *options);

/* Release everything. NULL is fine. Returns NULL. */
struct manager *manager_free(struct manager *m);

/* Read the configuration again, and look at all sources. A configuration with errors changes nothing. Returns
 * 0, -EINVAL where it has errors, or another negative errno; messages tell more. */
int manager_reload(struct manager *m);
