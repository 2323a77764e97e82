/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon as a whole: its properties. */

#include "client.h"

#include <stdbool.h>
#include <stdint.h>

struct overview {
        char *version, *instance;
        uint32_t pid;
        bool guarded, outdated;
        uint32_t errors, tarpits, subjects, requests, descriptors;
        uint64_t since_usec;
        uint64_t looks, samples, freezes, thaws, windows, windows_skipped, late_max_usec, attached,
                events_lost;
};

/* The properties that are counters of events. */
struct overview_counter {
        const char *name, *what; /* "looks", "Wake-ups of the clocks of tarpits" */
        size_t offset;
};

extern const struct overview_counter overview_counters[]; /* ends with a row without a name */

uint64_t overview_count(const struct overview *overview, const struct overview_counter *counter);

/* Returns 0 or an exit status after a message; overview_done() in either case. */
int overview_get(struct client *client, struct overview *overview);
void overview_done(struct overview *overview);
