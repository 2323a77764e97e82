/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus-feed.h"
#include "bus-internal.h"
#include "bus-job.h"
#include "bus-sender.h"
#include "clock.h"

#include <string.h>

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct bus_peer *p = userdata;
        uint8_t type;
        int r;

        if (sd_bus_message_is_signal(m, "org.freedesktop.DBus.Local", "Disconnected")) {
                bus_peer_drop(p);
                return 1;
        }
        if (p->gone)
                return 1;
        p->heard = true;
        if (sd_bus_message_get_type(m, &type) < 0 || type != SD_BUS_MESSAGE_METHOD_CALL)
                return 0;
        if (p->private) {
                r = bus_private_driver(p, m, error);
                if (r != 0)
                        return r;
        }
        if (!bus_limits_call(&p->bus->limits, bus_sender_uid(p, m)))
                return sd_bus_error_set(error, BUS_ERROR_RATE_LIMITED, "Too many calls: wait a second");
        return 0;
}

int bus_peer_new(struct bus_peer **ret, struct bus *b, sd_bus *handle, bool private)
{
        struct bus_peer *p = calloc(1, sizeof(*p));
        int r;

        if (!p) {
                sd_bus_unref(handle);
                return -ENOMEM;
        }
        *p = (struct bus_peer){ .bus = b, .next = b->peers, .handle = handle, .private = private };
        b->peers = p;
        r = sd_bus_add_filter(handle, NULL, on_message, p);
        if (r >= 0)
                r = bus_manager_register(p);
        if (r >= 0)
                r = bus_tarpit_register(p);
        if (r >= 0)
                r = bus_subject_register(p);
        if (r < 0) {
                bus_peer_drop(p);
                return r;
        }
        if (private)
                bus_watch_unread(b);
        *ret = p;
        return 0;
}

struct bus_peer *bus_peer_current(sd_bus *handle)
{
        return sd_bus_slot_get_userdata(sd_bus_get_current_slot(handle));
}

void bus_peer_drop(struct bus_peer *p)
{
        if (p->gone)
                return;
        p->gone = true;
        if (p->bus->system == p)
                bus_system_lost(p->bus);
        if (p->bus->sweep)
                (void) sd_event_source_set_enabled(p->bus->sweep, SD_EVENT_ONESHOT);
}

static void peer_free(struct bus_peer *p)
{
        bus_jobs_forget(p->bus->jobs, p);
        bus_feed_free(p->feed);
        sd_bus_close_unref(p->handle);
        free(p);
}

void bus_peers_sweep(struct bus *b, bool all)
{
        for (struct bus_peer **at = &b->peers, *p; (p = *at);) {
                if (!p->gone && !all) {
                        at = &p->next;
                        continue;
                }
                *at = p->next;
                peer_free(p);
        }
}

bool bus_peer_has_room(struct bus_peer *p)
{
        uint64_t n;

        if (p->gone || (p->private && !p->heard) || sd_bus_get_n_queued_write(p->handle, &n) < 0)
                return false;
        if (n >= BUS_UNREAD_MAX) {
                bus_peer_drop(p);
                return false;
        }
        return true;
}
