/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "rows.h"
#include "macro.h"

#include <string.h>

/* How the rows of one kind are read: their type, without the array around it. */
struct kind {
        const char *method, *wanted;
        size_t size;
        int (*read)(sd_bus_message *m, void *row);
};

void rows_done(struct rows *rows)
{
        free(rows->items);
        sd_bus_message_unref(rows->reply);
        *rows = (struct rows){ 0 };
}

static int read_tarpit(sd_bus_message *m, void *row)
{
        struct tarpit_row *t = row;
        int idle, paused, r;

        r = sd_bus_message_read(m, "(ssttbbuo)", &t->name, &t->description, &t->frozen_usec, &t->thawed_usec,
                                &idle, &paused, &t->subjects, &t->path);
        if (r > 0) {
                t->freeze_idle = idle;
                t->paused = paused;
        }
        return r;
}

static int read_subject(sd_bus_message *m, void *row)
{
        struct subject_row *s = row;

        return sd_bus_message_read(m, "(usssuusttttxso)", &s->id, &s->tarpit, &s->subject, &s->command,
                                   &s->pid, &s->uid, &s->state, &s->cpu_usec, &s->frozen_usec, &s->since_usec,
                                   &s->until_usec, &s->balance_usec, &s->source, &s->path);
}

static int read_request(sd_bus_message *m, void *row)
{
        struct request_row *q = row;
        int persistent, r;

        r = sd_bus_message_read(m, "(ssssttsb)", &q->id, &q->verb, &q->what, &q->tarpit, &q->since_usec,
                                &q->until_usec, &q->who, &persistent);
        if (r > 0)
                q->persistent = persistent;
        return r;
}

static int read_preview(sd_bus_message *m, void *row)
{
        struct preview_row *p = row;

        return sd_bus_message_read(m, "(ussss)", &p->pid, &p->command, &p->cgroup, &p->verdict, &p->text);
}

static const struct kind tarpits = { "ListTarpits", "a(ssttbbuo)", sizeof(struct tarpit_row), read_tarpit };
static const struct kind subjects = { "ListSubjects", "a(usssuusttttxso)", sizeof(struct subject_row),
                                      read_subject };
static const struct kind requests = { "ListRequests", "a(ssssttsb)", sizeof(struct request_row),
                                      read_request };
static const struct kind previews = { "Preview", "a(ussss)", sizeof(struct preview_row), read_preview };

static int read_rows(struct rows *rows, const struct kind *kind)
{
        size_t allocated = 0;
        int r;

        r = sd_bus_message_enter_container(rows->reply, 'a', kind->wanted + 1);
        if (r < 0)
                return r;
        for (;; rows->n++) {
                if (rows->n == allocated) {
                        void *items;

                        allocated = MAX(2 * allocated, 64U);
                        items = reallocarray(rows->items, allocated, kind->size);
                        if (!items)
                                return -ENOMEM;
                        rows->items = items;
                }
                r = kind->read(rows->reply, (char *) rows->items + rows->n * kind->size);
                if (r <= 0)
                        return r;
        }
}

/* rows->reply is there, where the status is 0. */
static int finish(struct client *client, struct rows *rows, const struct kind *kind, int status,
                  struct rows *ret)
{
        if (status == STATUS_DONE && read_rows(rows, kind) < 0)
                status = client_odd_reply(client, kind->method);
        if (status != STATUS_DONE) {
                rows_done(rows);
                return status;
        }
        *ret = *rows;
        return STATUS_DONE;
}

static int subject_compare(const void *a, const void *b)
{
        const struct subject_row *x = a, *y = b;
        int r = strverscmp(x->tarpit, y->tarpit);

        return r != 0 ? r : strverscmp(x->subject, y->subject);
}

static int tarpit_compare(const void *a, const void *b)
{
        const struct tarpit_row *x = a, *y = b;

        return strverscmp(x->name, y->name);
}

int rows_tarpits(struct client *client, struct rows *ret)
{
        struct rows rows = { 0 };
        int status;

        status = client_call(client, NULL, NULL, tarpits.method, &rows.reply, tarpits.wanted, "");
        status = finish(client, &rows, &tarpits, status, ret);
        if (status == STATUS_DONE)
                qsort(ret->tarpits, ret->n, sizeof(*ret->tarpits), tarpit_compare);
        return status;
}

int rows_requests(struct client *client, struct rows *ret)
{
        struct rows rows = { 0 };
        int status;

        status = client_call(client, NULL, NULL, requests.method, &rows.reply, requests.wanted, "");
        return finish(client, &rows, &requests, status, ret);
}

int rows_subjects(struct client *client, const char *tarpit, struct rows *ret)
{
        struct rows rows = { 0 };
        int status;

        status = client_call(client, NULL, NULL, subjects.method, &rows.reply, subjects.wanted, "s", tarpit);
        status = finish(client, &rows, &subjects, status, ret);
        if (status == STATUS_DONE)
                qsort(ret->subjects, ret->n, sizeof(*ret->subjects), subject_compare);
        return status;
}

int rows_preview(struct client *client, const char *what, const char *tarpit, uint64_t flags,
                 struct rows *ret)
{
        struct rows rows = { 0 };
        int status;

        status = client_call(client, NULL, NULL, previews.method, &rows.reply, previews.wanted, "sst", what,
                             tarpit, flags);
        return finish(client, &rows, &previews, status, ret);
}
