/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A map from process ids to pointers. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct pidmap_slot {
        pid_t pid; /* 0: free */
        void *value;
};

struct pidmap {
        struct pidmap_slot *slots;
        size_t n_slots; /* 0 or a power of two */
        size_t n;
};

/* Forget all; free_value is called for each value where it is not NULL. The map can be used again. */
void pidmap_clear(struct pidmap *m, void (*free_value)(void *value));

/* NULL where there is none. */
void *pidmap_get(const struct pidmap *m, pid_t pid);

/* Add it, or put another value in its place; pid is positive. Returns 0 or -ENOMEM. */
int pidmap_put(struct pidmap *m, pid_t pid, void *value);

void pidmap_remove(struct pidmap *m, pid_t pid);

/* Go through the values in no order: *cursor is 0 before the first call. Returns NULL at the end. The map
 * must not be changed meanwhile. */
void *pidmap_next(const struct pidmap *m, size_t *cursor);
