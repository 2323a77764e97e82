/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "brood.h"

#include <string.h>

static int compare(enum source_kind kind_a, const char *value_a, enum source_kind kind_b, const char *value_b)
{
        return kind_a != kind_b ? (kind_a > kind_b) - (kind_a < kind_b) : strcmp(value_a, value_b);
}

static int compare_items(const void *a, const void *b)
{
        const struct brood_item *x = a, *y = b;

        return compare(x->kind, x->value, y->kind, y->value);
}

size_t brood_sort(struct brood_item *items, size_t n)
{
        size_t k = 0;

        if (n > 0)
                qsort(items, n, sizeof(*items), compare_items);
        for (size_t i = 0; i < n; i++) {
                if (k > 0 && compare_items(items + k - 1, items + i) == 0)
                        free(items[i].value);
                else
                        items[k++] = items[i];
        }
        return k;
}

int brood_set(struct brood *b, struct source *parent, const struct brood_item *items, size_t n)
{
        size_t i = 0, j = 0, k = 0, n_ended = 0;
        struct source **children, **ended;
        bool changed = false;

        children = reallocarray(NULL, b->n + b->n_ending + n + 1, sizeof(*children));
        ended = reallocarray(NULL, b->n + 1, sizeof(*ended));
        if (!children || !ended) {
                free(children);
                free(ended);
                return -ENOMEM;
        }

        while (i < b->n || j < n) {
                struct source *child = i < b->n ? b->children[i] : NULL;
                int order = !child   ? 1
                            : j == n ? -1
                                     : compare(child->kind, child->value, items[j].kind, items[j].value);

                if (order < 0)
                        ended[n_ended++] = child;
                else if (order == 0)
                        children[k++] = child;
                else if (source_new_child(&child, parent, items[j].kind, items[j].value) >= 0) {
                        children[k++] = child;
                        changed = true;
                }
                i += order <= 0;
                j += order >= 0;
        }

        memcpy(children + k, ended, n_ended * sizeof(*ended));
        if (b->n_ending > 0)
                memcpy(children + k + n_ended, b->children + b->n, b->n_ending * sizeof(*children));
        free(b->children);
        b->children = children;
        b->n = k;
        b->n_ending += n_ended;
        for (i = 0; i < n_ended; i++)
                source_end(ended[i]);
        free(ended);
        brood_sweep(b);
        return changed || n_ended > 0;
}

void brood_sweep(struct brood *b)
{
        size_t k = b->n;

        for (size_t i = b->n; i < b->n + b->n_ending; i++) {
                if (source_is_over(b->children[i]))
                        source_free(b->children[i]);
                else
                        b->children[k++] = b->children[i];
        }
        b->n_ending = k - b->n;
}

void brood_done(struct brood *b)
{
        for (size_t i = 0; i < b->n + b->n_ending; i++)
                source_free(b->children[i]);
        free(b->children);
        *b = (struct brood){ 0 };
}

void brood_reread(struct brood *b)
{
        for (size_t i = 0; i < b->n; i++)
                source_reread(b->children[i]);
}

int brood_for_each(const struct brood *b, source_process_fn fn, void *userdata)
{
        int r = 0;

        for (size_t i = 0; i < b->n && r == 0; i++)
                r = source_for_each(b->children[i], fn, userdata);
        return r;
}

int brood_for_each_cgroup(const struct brood *b, source_cgroup_fn fn, void *userdata)
{
        int r = 0;

        for (size_t i = 0; i < b->n && r == 0; i++)
                r = source_for_each_cgroup(b->children[i], fn, userdata);
        return r;
}

void brood_process_ended(struct brood *b, pid_t pid, uint64_t start_time)
{
        for (size_t i = 0; i < b->n; i++)
                source_process_ended(b->children[i], pid, start_time);
}

enum hobble_placement brood_placement(const struct brood *b)
{
        for (size_t i = 0; i < b->n; i++) {
                enum hobble_placement placement = source_placement(b->children[i]);

                if (placement != HOBBLE_PLACEMENT_AUTO)
                        return placement;
        }
        return HOBBLE_PLACEMENT_AUTO;
}

void brood_void(struct brood *b)
{
        for (size_t i = 0; i < b->n + b->n_ending; i++)
                source_void(b->children[i]);
        brood_sweep(b);
}

void brood_end(struct brood *b)
{
        for (size_t i = 0; i < b->n; i++)
                source_end(b->children[i]);
        b->n_ending += b->n;
        b->n = 0;
        brood_sweep(b);
}

bool brood_is_over(const struct brood *b)
{
        return b->n + b->n_ending == 0;
}
