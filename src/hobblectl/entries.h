/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the cgroup tree shows as hobbled, kept. */

#include "container.h"
#include "hobble.h"

#include <stddef.h>

struct entries {
        struct hobble_entry *items; /* the strings are copies */
        size_t n, allocated;
};

/* Read all, sorted by tarpit, subject and instance. Returns 0 or a negative errno, see hobble_list(). */
int entries_read(struct entries *ret);

/* The same with, for whoever is not root and is not shown them by the cgroup tree, those of the daemon: it
 * tells everybody. socket: where it listens, NULL: wherever it is. No daemon, or one that does not answer, is
 * no failure. */
int entries_read_all(struct entries *ret, const char *socket);

/* Add a copy. Returns 0 or -ENOMEM. */
int entries_add(struct entries *entries, const struct hobble_entry *entry);

void entries_sort(struct entries *entries);

void entries_done(struct entries *entries);

/* What its state is called. */
const char *entry_state(const struct hobble_entry *entry);

/* The container that it is of, "" for none; not escaped. Returns buf, which has room for CONTAINER_MAX bytes.
 */
const char *entry_container(const struct hobble_entry *entry, char *buf);

/* Complain that they could not be read. Returns the exit status. */
int entries_failed(int error);
