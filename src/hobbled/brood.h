/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The sources of a source: those that its value or its output names by now. One that is not named any more
 * ends, and is kept until it is over. */

#include <stddef.h>

#include "source-kind.h"

struct brood_item {
        enum source_kind kind;
        char *value;
};

struct brood {
        struct source **children; /* by kind and value; those that are ending at the end */
        size_t n, n_ending;
};

/* To be called before brood_set(). Sorts and takes out duplicates. Returns how many are left. */
size_t brood_sort(struct brood_item *items, size_t n);

/* These, sorted, are the children from now on. Returns 1 where one came or went, 0 or -ENOMEM; a child that
 * cannot be made has said why, and is left out. */
int brood_set(struct brood *b, struct source *parent, const struct brood_item *items, size_t n);

/* Free the children that are over. */
void brood_sweep(struct brood *b);

/* Free all. */
void brood_done(struct brood *b);

/* What struct source_ops has, for all children. */
void brood_reread(struct brood *b);
int brood_for_each(const struct brood *b, source_process_fn fn, void *userdata);
int brood_for_each_cgroup(const struct brood *b, source_cgroup_fn fn, void *userdata);
void brood_process_ended(struct brood *b, pid_t pid, uint64_t start_time);
enum hobble_placement brood_placement(const struct brood *b);
void brood_void(struct brood *b);
void brood_end(struct brood *b);
bool brood_is_over(const struct brood *b);
