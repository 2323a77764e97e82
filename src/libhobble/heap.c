/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "heap.h"

#include <stdbool.h>

#include "macro.h"

int heap_reserve(struct heap *h, size_t count)
{
        size_t room = MAX(h->room, (size_t) 16);
        struct heap_node **nodes;

        if (count <= h->room)
                return 0;
        while (room < count)
                room *= 2;
        nodes = reallocarray(h->nodes, room, sizeof(*nodes));
        if (!nodes)
                return -ENOMEM;
        h->nodes = nodes;
        h->room = room;
        return 0;
}

void heap_done(struct heap *h)
{
        free(h->nodes);
        *h = (struct heap){ 0 };
}

static bool comes_before(const struct heap_node *a, const struct heap_node *b)
{
        return a->key != b->key ? a->key < b->key : a->turn < b->turn;
}

static void put(struct heap *h, size_t i, struct heap_node *n)
{
        h->nodes[i] = n;
        n->position = i;
}

static void sift_up(struct heap *h, size_t i, struct heap_node *n)
{
        while (i > 0 && comes_before(n, h->nodes[(i - 1) / 2])) {
                put(h, i, h->nodes[(i - 1) / 2]);
                i = (i - 1) / 2;
        }
        put(h, i, n);
}

static void sift_down(struct heap *h, size_t i, struct heap_node *n)
{
        for (size_t child; (child = 2 * i + 1) < h->count; i = child) {
                if (child + 1 < h->count && comes_before(h->nodes[child + 1], h->nodes[child]))
                        child++;
                if (!comes_before(h->nodes[child], n))
                        break;
                put(h, i, h->nodes[child]);
        }
        put(h, i, n);
}

void heap_push(struct heap *h, struct heap_node *n, uint64_t key)
{
        n->key = key;
        n->turn = h->turns++;
        n->heap = h;
        sift_up(h, h->count++, n);
}

void heap_remove(struct heap_node *n)
{
        struct heap *h = TAKE_PTR(n->heap);
        size_t i = n->position;
        struct heap_node *last;

        if (!h)
                return;
        last = h->nodes[--h->count];
        if (last == n)
                return;
        if (i > 0 && comes_before(last, h->nodes[(i - 1) / 2]))
                sift_up(h, i, last);
        else
                sift_down(h, i, last);
}
