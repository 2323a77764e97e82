/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "top-list.h"
#include "entries.h"
#include "macro.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>

char *top_user(uid_t uid)
{
        const struct passwd *user = uid == (uid_t) -1 ? NULL : getpwuid(uid);
        char number[16] = "-";

        if (uid != (uid_t) -1)
                (void) snprintf(number, sizeof(number), "%u", uid);
        return top_escape(user ? user->pw_name : number);
}

struct adding {
        struct top_rows *rows;
        uid_t uid; /* of the row before */
        const char *user;
};

static int add(struct adding *a, const struct hobble_entry *e)
{
        struct top_row *row = top_rows_add(a->rows);

        if (!row)
                return -ENOMEM;
        row->subject = top_escape(e->subject);
        row->tarpit = top_escape(e->tarpit);
        row->command = top_escape(e->command);
        row->instance = top_escape(e->instance);
        row->raw_tarpit = strdup(e->tarpit);
        /* Those of one user stand together, as a rule: the name is looked up once for them. */
        row->user = a->user && a->uid == e->uid ? strdup(a->user) : top_user(e->uid);
        (void) snprintf(row->state, sizeof(row->state), "%s", entry_state(e));
        row->cpu_usec = e->cpu_usec;
        row->since_usec = e->since_usec;
        a->uid = e->uid;
        a->user = row->user;
        return row->subject && row->tarpit && row->command && row->instance && row->raw_tarpit && row->user
                       ? 0
                       : -ENOMEM;
}

int top_list_add(struct top_rows *rows, const char *but_instance)
{
        _cleanup_(entries_done) struct entries entries = { 0 };
        struct adding adding = { .rows = rows };
        int r = entries_read(&entries);

        for (size_t i = 0; r >= 0 && i < entries.n; i++) {
                if (!but_instance || strcmp(entries.items[i].instance, but_instance) != 0)
                        r = add(&adding, &entries.items[i]);
        }
        return r;
}
