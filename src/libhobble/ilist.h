/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An intrusive list that knows its length. A link knows its list, so that taking an item out needs no more
 * than the item, whichever list it is in, and is harmless when it is in none. */

#include <stddef.h>

struct ilist;

/* A zeroed link is in no list. */
struct ilist_link {
        struct ilist_link *prev, *next;
        struct ilist *list;
};

/* A zeroed list is empty. */
struct ilist {
        struct ilist_link *first, *last;
        size_t count;
};

static inline void ilist_append(struct ilist *l, struct ilist_link *k)
{
        k->list = l;
        k->prev = l->last;
        k->next = NULL;
        if (l->last)
                l->last->next = k;
        else
                l->first = k;
        l->last = k;
        l->count++;
}

static inline void ilist_prepend(struct ilist *l, struct ilist_link *k)
{
        k->list = l;
        k->prev = NULL;
        k->next = l->first;
        if (l->first)
                l->first->prev = k;
        else
                l->last = k;
        l->first = k;
        l->count++;
}

static inline void ilist_remove(struct ilist_link *k)
{
        struct ilist *l = k->list;

        if (!l)
                return;
        if (k->prev)
                k->prev->next = k->next;
        else
                l->first = k->next;
        if (k->next)
                k->next->prev = k->prev;
        else
                l->last = k->prev;
        l->count--;
        *k = (struct ilist_link){ 0 };
}

static inline struct ilist_link *ilist_take_first(struct ilist *l)
{
        struct ilist_link *k = l->first;

        if (k)
                ilist_remove(k);
        return k;
}

/* Move all of from to the end of l, one by one: each link names its list. */
static inline void ilist_append_all(struct ilist *l, struct ilist *from)
{
        struct ilist_link *k;

        while ((k = ilist_take_first(from)))
                ilist_append(l, k);
}

/* Move all of from to the front of l, in its order. */
static inline void ilist_prepend_all(struct ilist *l, struct ilist *from)
{
        while (from->last) {
                struct ilist_link *k = from->last;

                ilist_remove(k);
                ilist_prepend(l, k);
        }
}
