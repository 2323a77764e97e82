/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The subjects that are hobbled at this moment, each with a number of its own, which is never given twice. */

#include <stdbool.h>
#include <stddef.h>

#include "hobble.h"

struct tarpit;

struct subjects_item {
        unsigned id;            /* from 1 */
        hobble_subject *handle; /* valid for as long as the item is there */
        const struct tarpit *tarpit;
        const char *source; /* what names it; lives as long as the manager */
};

/* In the order of their numbers. */
struct subjects {
        struct subjects_item *items;
        size_t n, n_allocated;
        unsigned newest;
};

void subjects_done(struct subjects *s);

/* Returns its number, or -ENOMEM. */
int subjects_add(struct subjects *s, hobble_subject *handle, const struct tarpit *tarpit, const char *source);

/* Forget it; 0 and unknown numbers are fine. Returns whether it was there. */
bool subjects_remove(struct subjects *s, unsigned id);

/* The one of that number; NULL: there is none. */
const struct subjects_item *subjects_find(const struct subjects *s, unsigned id);

/* The one of that handle. */
const struct subjects_item *subjects_find_handle(const struct subjects *s, const hobble_subject *handle);

/* The first with a number above id; NULL: none. So a walk can be interrupted, whoever comes and goes. */
const struct subjects_item *subjects_next(const struct subjects *s, unsigned id);
