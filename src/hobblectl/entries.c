/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "entries.h"
#include "hierarchy-text.h"
#include "macro.h"
#include "message.h"
#include "verb.h"

#include <string.h>

void entries_done(struct entries *entries)
{
        for (size_t i = 0; i < entries->n; i++) {
                free((char *) entries->items[i].instance);
                free((char *) entries->items[i].tarpit);
                free((char *) entries->items[i].subject);
                free((char *) entries->items[i].cgroup);
                free((char *) entries->items[i].command);
                free((char *) entries->items[i].origin);
        }
        free(entries->items);
        *entries = (struct entries){ 0 };
}

int entries_add(struct entries *entries, const struct hobble_entry *entry)
{
        struct hobble_entry *item;

        if (entries->n == entries->allocated) {
                size_t allocated = MAX(entries->allocated * 2, 64U);
                struct hobble_entry *items = reallocarray(entries->items, allocated, sizeof(*items));

                if (!items)
                        return -ENOMEM;
                entries->items = items;
                entries->allocated = allocated;
        }

        item = &entries->items[entries->n++];
        *item = *entry;
        item->instance = strdup(entry->instance);
        item->tarpit = strdup(entry->tarpit);
        item->subject = strdup(entry->subject);
        item->cgroup = strdup(entry->cgroup);
        item->command = strdup(entry->command);
        item->origin = strdup(entry->origin);
        return item->instance && item->tarpit && item->subject && item->cgroup && item->command &&
                               item->origin
                       ? 0
                       : -ENOMEM;
}

static int entry_compare(const void *a, const void *b)
{
        const struct hobble_entry *x = a, *y = b;
        int r = strverscmp(x->tarpit, y->tarpit);

        if (r == 0)
                r = strverscmp(x->subject, y->subject);
        return r != 0 ? r : strverscmp(x->instance, y->instance);
}

void entries_sort(struct entries *entries)
{
        if (entries->n > 0)
                qsort(entries->items, entries->n, sizeof(*entries->items), entry_compare);
}

static int add(const struct hobble_entry *entry, void *userdata)
{
        return entries_add(userdata, entry);
}

int entries_read(struct entries *ret)
{
        struct entries entries = { 0 };
        int r = hobble_list(add, &entries);

        if (r < 0) {
                entries_done(&entries);
                return r;
        }
        entries_sort(&entries);
        *ret = entries;
        return 0;
}

const char *entry_state(const struct hobble_entry *entry)
{
        static const char *const names[] = {
                [HOBBLE_THAWED] = "thawed",
                [HOBBLE_FROZEN] = "frozen",
                [HOBBLE_HELD] = "held",
        };
        _Static_assert(ELEMENTSOF(names) == HOBBLE_STATE_MAX, "a name for each state");

        return entry->alive ? names[entry->state] : "orphaned";
}

const char *entry_container(const struct hobble_entry *entry, char *buf)
{
        /* Who is not root cannot see where a tree came from, but mostly it is beneath that. */
        (void) container_of_cgroup(*entry->origin ? entry->origin : entry->cgroup, buf);
        return buf;
}

int entries_failed(int error)
{
        switch (error) {
        case -EPERM:
        case -EACCES:
                complain("not permitted to read the cgroup tree");
                return STATUS_NOT_PERMITTED;
        default:
                complain("cannot list what is hobbled: %s", hierarchy_failure(error) ?: strerror(-error));
                return STATUS_FAILED;
        }
}
