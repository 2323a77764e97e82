/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "subjects.h"
#include "macro.h"

#include <string.h>

void subjects_done(struct subjects *s)
{
        free(s->items);
        *s = (struct subjects){ 0 };
}

int subjects_add(struct subjects *s, hobble_subject *handle, const struct tarpit *tarpit, const char *source)
{
        if (s->n == s->n_allocated) {
                size_t n = MAX(s->n_allocated * 2, (size_t) 64);
                struct subjects_item *items = reallocarray(s->items, n, sizeof(*items));

                if (!items)
                        return -ENOMEM;
                s->items = items;
                s->n_allocated = n;
        }
        s->items[s->n++] = (struct subjects_item){
                .id = ++s->newest,
                .handle = handle,
                .tarpit = tarpit,
                .source = source,
        };
        return (int) s->newest;
}

/* The index of the first with a number of id or above. */
static size_t subjects_index(const struct subjects *s, unsigned id)
{
        size_t low = 0, high = s->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (s->items[middle].id < id)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

bool subjects_remove(struct subjects *s, unsigned id)
{
        size_t i = subjects_index(s, id);

        if (i == s->n || s->items[i].id != id)
                return false;
        memmove(s->items + i, s->items + i + 1, (--s->n - i) * sizeof(*s->items));
        return true;
}

const struct subjects_item *subjects_find(const struct subjects *s, unsigned id)
{
        size_t i = subjects_index(s, id);

        return i < s->n && s->items[i].id == id ? s->items + i : NULL;
}

const struct subjects_item *subjects_find_handle(const struct subjects *s, const hobble_subject *handle)
{
        for (size_t i = 0; i < s->n; i++) {
                if (s->items[i].handle == handle)
                        return s->items + i;
        }
        return NULL;
}

const struct subjects_item *subjects_next(const struct subjects *s, unsigned id)
{
        size_t i = subjects_index(s, id + 1);

        return i < s->n ? s->items + i : NULL;
}
