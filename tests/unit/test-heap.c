/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* src/libhobble/heap: the least first, whatever is pushed and removed in between. */

#include "unit.h"

#include <stdbool.h>

#include "heap.h"
#include "macro.h"

#define N 200

static unsigned next_random(unsigned *state)
{
        return (*state = *state * 1103515245 + 12345) >> 8;
}

static bool comes_before(const struct heap_node *a, const struct heap_node *b)
{
        return a->key != b->key ? a->key < b->key : a->turn < b->turn;
}

static void check(const struct heap *h, struct heap_node *nodes)
{
        struct heap_node *least = NULL;
        size_t n = 0;

        for (size_t i = 0; i < N; i++) {
                if (!nodes[i].heap)
                        continue;
                n++;
                if (!least || comes_before(&nodes[i], least))
                        least = &nodes[i];
        }
        assert_int_equal(h->count, n);
        assert_ptr_equal(heap_first(h), least);
}

static void least_first(void **state)
{
        struct heap_node nodes[N] = { 0 };
        struct heap h = { 0 };
        unsigned dice = 1;

        assert_null(heap_first(&h));
        assert_int_equal(heap_reserve(&h, N), 0);
        for (int i = 0; i < 20000; i++) {
                struct heap_node *n = &nodes[next_random(&dice) % N];

                if (n->heap)
                        heap_remove(n);
                else
                        heap_push(&h, n, next_random(&dice) % 50);
                check(&h, nodes);
        }
        while (h.count > 0) {
                heap_remove(heap_first(&h));
                check(&h, nodes);
        }
        heap_remove(&nodes[0]); /* in none: harmless */
        heap_done(&h);
        assert_int_equal(h.room, 0);
}

UNIT_MAIN(cmocka_unit_test(least_first))
