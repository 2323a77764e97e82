/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the daemon's answers say. */

#include "macro.h"
#include "text.h"
#include "top-link-internal.h"
#include "top-list.h"

#include <stdio.h>
#include <string.h>

void top_tarpits_done(struct top_tarpits *tarpits)
{
        for (size_t i = 0; i < tarpits->n; i++)
                free(tarpits->names[i]);
        free(tarpits->names);
        free(tarpits->paused);
        *tarpits = (struct top_tarpits){ 0 };
}

unsigned top_tarpits_paused(const struct top_tarpits *tarpits)
{
        unsigned n = 0;

        for (size_t i = 0; i < tarpits->n; i++)
                n += tarpits->paused[i];
        return n;
}

static int read_text(sd_bus_message *m, char *buf, size_t size)
{
        const char *text;
        int r = sd_bus_message_read(m, "v", "s", &text);

        if (r >= 0)
                (void) escape_text(text, strlen(text), buf, size);
        return r;
}

static int read_property(struct top_header *header, sd_bus_message *m)
{
        const char *name;
        int r, flag;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        if (strcmp(name, "Version") == 0)
                return read_text(m, header->version, sizeof(header->version));
        if (strcmp(name, "Instance") == 0)
                return read_text(m, header->instance, sizeof(header->instance));
        if (strcmp(name, "ConfigurationErrors") == 0)
                return sd_bus_message_read(m, "v", "u", &header->config_errors);
        if (strcmp(name, "Guarded") != 0)
                return sd_bus_message_skip(m, "v");
        r = sd_bus_message_read(m, "v", "b", &flag);
        if (r >= 0)
                header->guarded = flag;
        return r;
}

int top_header_from_message(struct top_header *header, sd_bus_message *m)
{
        int r = sd_bus_message_enter_container(m, 'a', "{sv}");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = read_property(header, m);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int add_tarpit(struct top_tarpits *tarpits, const char *name, bool paused)
{
        if (tarpits->n == tarpits->allocated) {
                size_t allocated = MAX(tarpits->allocated * 2, 16U);
                char **names = reallocarray(tarpits->names, allocated, sizeof(*names));
                bool *flags;

                if (!names)
                        return -ENOMEM;
                tarpits->names = names;
                flags = reallocarray(tarpits->paused, allocated, sizeof(*flags));
                if (!flags)
                        return -ENOMEM;
                tarpits->paused = flags;
                tarpits->allocated = allocated;
        }
        tarpits->paused[tarpits->n] = paused;
        tarpits->names[tarpits->n] = strdup(name);
        if (!tarpits->names[tarpits->n])
                return -ENOMEM;
        tarpits->n++;
        return 0;
}

int top_tarpits_from_message(struct top_tarpits *tarpits, sd_bus_message *m)
{
        uint64_t frozen_usec, thawed_usec;
        const char *name, *description, *path;
        int r, freeze_idle, paused;
        uint32_t subjects;

        top_tarpits_done(tarpits);
        r = sd_bus_message_enter_container(m, 'a', "(ssttbbuo)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(ssttbbuo)", &name, &description, &frozen_usec,
                                                  &thawed_usec, &freeze_idle, &paused, &subjects, &path)) > 0)
                r = add_tarpit(tarpits, name, paused);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static bool is_paused(const struct top_tarpits *tarpits, const char *name)
{
        for (size_t i = 0; i < tarpits->n; i++) {
                if (strcmp(tarpits->names[i], name) == 0)
                        return tarpits->paused[i];
        }
        return false;
}

/* What is read of one subject; the strings are the message's. */
struct subject {
        uint32_t id, pid, uid;
        const char *tarpit, *name, *command, *state, *source, *path;
        uint64_t cpu_usec, frozen_usec, since_usec, until_usec;
        int64_t balance_usec;
};

static int add_subject(struct top_rows *rows, const struct subject *s, const struct subject *before,
                       const char *instance)
{
        struct top_row *row = top_rows_add(rows);

        if (!row)
                return -ENOMEM;
        row->subject = top_escape(s->name);
        row->tarpit = top_escape(s->tarpit);
        row->command = top_escape(s->command);
        row->instance = strdup(instance);
        row->raw_tarpit = strdup(s->tarpit);
        row->path = strdup(s->path);
        /* Those of one user stand together, as a rule: the name is looked up once for them. */
        row->user = rows->n > 1 && before->uid == s->uid && row[-1].user ? strdup(row[-1].user)
                                                                         : top_user((uid_t) s->uid);
        (void) escape_text(s->state, strlen(s->state), row->state, sizeof(row->state));
        row->timed = true;
        row->cpu_usec = s->cpu_usec;
        row->frozen_usec = s->frozen_usec;
        row->since_usec = s->since_usec;
        row->balance_usec = s->balance_usec;
        return row->subject && row->tarpit && row->command && row->instance && row->raw_tarpit && row->path &&
                               row->user
                       ? 0
                       : -ENOMEM;
}

int top_rows_from_message(struct top_rows *rows, sd_bus_message *m, const struct top_tarpits *tarpits,
                          const char *instance)
{
        struct subject s = { 0 }, before = { 0 };
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(usssuusttttxso)");
        while (r >= 0 &&
               (r = sd_bus_message_read(m, "(usssuusttttxso)", &s.id, &s.tarpit, &s.name, &s.command, &s.pid,
                                        &s.uid, &s.state, &s.cpu_usec, &s.frozen_usec, &s.since_usec,
                                        &s.until_usec, &s.balance_usec, &s.source, &s.path)) > 0) {
                r = add_subject(rows, &s, &before, instance);
                if (r >= 0)
                        rows->items[rows->n - 1].tarpit_paused = is_paused(tarpits, s.tarpit);
                before = s;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}
