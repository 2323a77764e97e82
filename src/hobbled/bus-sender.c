/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus-internal.h"
#include "bus-sender-internal.h"
#include "clock.h"

#include <string.h>

#define DRIVER "org.freedesktop.DBus"

struct bus_senders *bus_senders_new(void)
{
        return calloc(1, sizeof(struct bus_senders));
}

void bus_senders_forget(struct bus_senders *s)
{
        while (s->checks)
                bus_check_free(s, s->checks);
        for (unsigned i = 0; i < s->n; i++)
                sd_bus_slot_unref(s->of[i].lookup);
        s->n = 0;
}

struct bus_senders *bus_senders_free(struct bus_senders *s)
{
        if (!s)
                return NULL;
        bus_senders_forget(s);
        free(s);
        return NULL;
}

struct bus_sender *bus_sender_find(struct bus_senders *s, const char *name)
{
        for (unsigned i = 0; i < s->n; i++) {
                if (strcmp(s->of[i].name, name) == 0)
                        return s->of + i;
        }
        return NULL;
}

/* Calls that wait go on, or fail. */
static int on_credentials(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error)
{
        struct bus_peer *p = userdata;
        struct bus_senders *s = p->bus->senders;
        sd_bus_slot *slot = sd_bus_get_current_slot(p->handle);
        struct bus_sender *sender = NULL;
        const char *key;

        for (unsigned i = 0; i < s->n && !sender; i++)
                sender = s->of[i].lookup == slot ? s->of + i : NULL;
        if (!sender)
                return 1;
        if (sd_bus_message_get_error(m) || sd_bus_message_enter_container(m, 'a', "{sv}") < 0)
                sender->failed = true;
        while (!sender->failed && sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                uint32_t value;
                int r = sd_bus_message_read(m, "s", &key);

                if (r >= 0 && strcmp(key, "UnixUserID") == 0)
                        r = sd_bus_message_read(m, "v", "u", &sender->uid);
                else if (r >= 0 && strcmp(key, "ProcessID") == 0) {
                        r = sd_bus_message_read(m, "v", "u", &value);
                        sender->pid = r >= 0 ? (pid_t) value : 0;
                } else if (r >= 0)
                        r = sd_bus_message_skip(m, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        break;
        }
        sender->failed = sender->uid == BUS_UID_UNKNOWN;
        sender->lookup = sd_bus_slot_unref(sender->lookup);
        bus_checks_go_on(p, sender->name);
        return 1;
}

/* A row for another name: a free one, or that of whoever was silent for longest and is not being asked about.
 * NULL: there is none. */
static struct bus_sender *row_get(struct bus_senders *s)
{
        struct bus_sender *row = NULL;

        if (s->n < BUS_SENDERS_MAX)
                return s->of + s->n++;
        for (unsigned i = 0; i < s->n; i++) {
                if (!s->of[i].lookup && (!row || s->of[i].used_usec < row->used_usec))
                        row = s->of + i;
        }
        return row;
}

static struct bus_sender *sender_get(struct bus_peer *p, const char *name)
{
        struct bus_senders *s = p->bus->senders;
        struct bus_sender *sender = bus_sender_find(s, name);

        if (!sender) {
                sender = strlen(name) < sizeof(sender->name) ? row_get(s) : NULL;
                if (!sender)
                        return NULL;
                *sender = (struct bus_sender){ .uid = BUS_UID_UNKNOWN };
                strcpy(sender->name, name);
        }
        sender->used_usec = clock_now();
        if (sender->uid != BUS_UID_UNKNOWN || sender->failed || sender->lookup)
                return sender;
        if (sd_bus_call_method_async(p->handle, &sender->lookup, DRIVER, "/org/freedesktop/DBus", DRIVER,
                                     "GetConnectionCredentials", on_credentials, p, "s", name) < 0)
                sender->failed = true;
        return sender;
}

struct bus_sender *bus_sender_of(struct bus_peer *p, sd_bus_message *m)
{
        const char *name = sd_bus_message_get_sender(m);

        return !p->private && name ? sender_get(p, name) : NULL;
}

uid_t bus_sender_uid(struct bus_peer *p, sd_bus_message *m)
{
        const struct bus_sender *sender;

        if (p->private)
                return p->uid;
        sender = bus_sender_of(p, m);
        return sender ? sender->uid : BUS_UID_UNKNOWN;
}
