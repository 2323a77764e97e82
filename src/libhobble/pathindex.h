/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Paths of cgroups, and what is at each: which of them is the nearest one at or above a path is found in one
 * walk along it, however many there are. */

#include <stddef.h>
#include <stdint.h>

/* A zeroed one is in no index. */
struct pathindex_node {
        struct pathindex_node *next;
        uint32_t hash;
        char *path; /* NULL: in no index */
};

/* A zeroed one is empty. */
struct pathindex {
        struct pathindex_node **buckets;
        size_t n_buckets; /* 0, or a power of two */
        size_t n;
};

/* Put the node in at path, which begins with a slash and ends without one; it leaves the place it had. Of
 * several at one path, the last one put in is found. Returns 0 or -ENOMEM. */
int pathindex_put(struct pathindex *x, struct pathindex_node *node, const char *path);

/* Take the node out. Harmless where it is in none. */
void pathindex_remove(struct pathindex *x, struct pathindex_node *node);

/* The node at path or, where there is none, the nearest one above. NULL: none. */
struct pathindex_node *pathindex_find(const struct pathindex *x, const char *path);

/* The nodes are the caller's, and out of it. */
void pathindex_done(struct pathindex *x);
