/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "pidmap.h"
#include "macro.h"

#include <stdint.h>

void pidmap_clear(struct pidmap *m, void (*free_value)(void *value))
{
        for (size_t i = 0; free_value && i < m->n_slots; i++) {
                if (m->slots[i].pid)
                        free_value(m->slots[i].value);
        }
        free(m->slots);
        *m = (struct pidmap){ 0 };
}

/* Where the search for a pid begins. Pids come in runs; the multiplication spreads them. */
static size_t slot_home(const struct pidmap *m, pid_t pid)
{
        return (size_t) ((uint64_t) (uint32_t) pid * 0x9e3779b97f4a7c15ULL >> 32) & (m->n_slots - 1);
}

/* The slot of the pid, or the free one where it would go. */
static struct pidmap_slot *slot_find(const struct pidmap *m, pid_t pid)
{
        size_t i = slot_home(m, pid);

        while (m->slots[i].pid && m->slots[i].pid != pid)
                i = (i + 1) & (m->n_slots - 1);
        return m->slots + i;
}

void *pidmap_get(const struct pidmap *m, pid_t pid)
{
        return m->n ? slot_find(m, pid)->value : NULL;
}

static int pidmap_grow(struct pidmap *m)
{
        struct pidmap bigger = { .n_slots = MAX(m->n_slots * 2, (size_t) 64), .n = m->n };

        bigger.slots = calloc(bigger.n_slots, sizeof(*bigger.slots));
        if (!bigger.slots)
                return -ENOMEM;
        for (size_t i = 0; i < m->n_slots; i++) {
                if (m->slots[i].pid)
                        *slot_find(&bigger, m->slots[i].pid) = m->slots[i];
        }

        free(m->slots);
        *m = bigger;
        return 0;
}

int pidmap_put(struct pidmap *m, pid_t pid, void *value)
{
        struct pidmap_slot *slot;
        int r;

        if (m->n >= m->n_slots / 2) {
                r = pidmap_grow(m);
                if (r < 0)
                        return r;
        }

        slot = slot_find(m, pid);
        m->n += !slot->pid;
        *slot = (struct pidmap_slot){ .pid = pid, .value = value };
        return 0;
}

void pidmap_remove(struct pidmap *m, pid_t pid)
{
        size_t mask = m->n_slots - 1, hole, i;

        if (!m->n || !slot_find(m, pid)->pid)
                return;

        /* Close the hole: whoever was pushed past it moves up, so that no search ends there too early. */
        hole = (size_t) (slot_find(m, pid) - m->slots);
        for (i = (hole + 1) & mask; m->slots[i].pid; i = (i + 1) & mask) {
                if (((i - slot_home(m, m->slots[i].pid)) & mask) >= ((i - hole) & mask)) {
                        m->slots[hole] = m->slots[i];
                        hole = i;
                }
        }
        m->slots[hole] = (struct pidmap_slot){ 0 };
        m->n--;
}

void *pidmap_next(const struct pidmap *m, size_t *cursor)
{
        while (*cursor < m->n_slots) {
                const struct pidmap_slot *slot = m->slots + (*cursor)++;

                if (slot->pid)
                        return slot->value;
        }
        return NULL;
}
