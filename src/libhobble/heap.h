/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A binary heap of intrusive nodes, the least key first and equal keys in the order in which they came. Room
 * is reserved apart from pushing, so that pushing cannot fail. */

#include <stddef.h>
#include <stdint.h>

struct heap;

/* A zeroed node is in no heap. */
struct heap_node {
        uint64_t key;
        uint64_t turn; /* breaks ties */
        struct heap *heap;
        size_t position; /* in its array */
};

/* A zeroed heap is empty. */
struct heap {
        struct heap_node **nodes;
        size_t count, room;
        uint64_t turns;
};

/* Make room for that many nodes. Returns 0 or -ENOMEM. */
int heap_reserve(struct heap *h, size_t count);

/* Free the array; the nodes are their owner's. */
void heap_done(struct heap *h);

/* Room must have been reserved, and the node be in no heap. */
void heap_push(struct heap *h, struct heap_node *n, uint64_t key);

/* Harmless where the node is in no heap. */
void heap_remove(struct heap_node *n);

/* The least, or NULL. It stays in the heap. */
static inline struct heap_node *heap_first(const struct heap *h)
{
        return h->count > 0 ? h->nodes[0] : NULL;
}
