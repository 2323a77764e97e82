/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The connection to the system bus: made, and made again, without ever waiting for it. */

#include "bus-internal.h"
#include "bus-sender.h"
#include "clock.h"
#include "message.h"
#include "units.h"

#include <string.h>

#define BACKOFF_MIN_USEC (USEC_PER_SEC / 2)
#define BACKOFF_MAX_USEC (10 * USEC_PER_SEC)

static void try_again(struct bus *b)
{
        if (b->freeing)
                return;
        (void) sd_event_source_set_time_relative(b->reconnect, b->backoff_usec);
        (void) sd_event_source_set_enabled(b->reconnect, SD_EVENT_ONESHOT);
        b->backoff_usec = MIN(2 * b->backoff_usec, BACKOFF_MAX_USEC);
}

static int on_name(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error)
{
        struct bus_peer *p = userdata;
        struct bus *b = p->bus;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        uint32_t answer = 0;

        if (p->gone || (e && sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY)))
                return 1;
        b->backoff_usec = BACKOFF_MIN_USEC;
        if (!e && sd_bus_message_read(m, "u", &answer) >= 0 && (answer == 1 || answer == 4)) {
                b->said_no_name = false;
                return 1;
        }
        if (!b->said_no_name)
                message(MESSAGE_WARNING, "the name " BUS_NAME " on the system bus cannot be had: %s",
                        e ? "the bus does not allow it; is its policy (" BUS_NAME ".conf) installed?"
                          : "another hobbled has it");
        b->said_no_name = true;
        return 1;
}

/* Where the name is another's, it is queued for. */
static int ask_for_name(struct bus_peer *p)
{
        if (!p->bus->begun || p->bus->options.nameless)
                return 0;
        return sd_bus_request_name_async(p->handle, NULL, BUS_NAME, SD_BUS_NAME_QUEUE, on_name, p);
}

static int connect_now(struct bus *b)
{
        struct bus_peer *p;
        sd_bus *handle;
        int r;

        r = sd_bus_open_system_with_description(&handle, "hobbled");
        if (r < 0)
                return r;
        (void) sd_bus_set_exit_on_disconnect(handle, false);
        r = bus_peer_new(&p, b, handle, false);
        if (r < 0)
                return r;
        p->uid = BUS_UID_UNKNOWN;
        r = sd_bus_attach_event(handle, b->event, (int) BUS_PRIORITY);
        if (r >= 0)
                r = ask_for_name(p);
        if (r < 0) {
                bus_peer_drop(p);
                return r;
        }
        b->system = p;
        if (b->options.units)
                (void) units_set_bus(b->options.units, handle);
        return 0;
}

static int on_reconnect(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata)
{
        struct bus *b = userdata;
        int r;

        bus_peers_sweep(b, false);
        r = connect_now(b);
        if (r < 0) {
                if (!b->said_no_bus)
                        message(MESSAGE_DEBUG, "no system bus: %s; trying again", strerror(-r));
                b->said_no_bus = true;
                try_again(b);
        } else {
                b->said_no_bus = false;
        }
        return 0;
}

void bus_begin(struct bus *b)
{
        if (!b || b->begun)
                return;
        b->begun = true;
        if (b->system && ask_for_name(b->system) < 0)
                bus_peer_drop(b->system);
}

void bus_system_lost(struct bus *b)
{
        b->system = NULL;
        if (b->options.units)
                (void) units_set_bus(b->options.units, NULL);
        bus_senders_forget(b->senders);
        try_again(b);
}

int bus_system_init(struct bus *b)
{
        int r;

        b->backoff_usec = BACKOFF_MIN_USEC;
        r = sd_event_add_time(b->event, &b->reconnect, CLOCK_MONOTONIC, 0, 10 * USEC_PER_MSEC, on_reconnect,
                              b);
        if (r >= 0)
                r = sd_event_source_set_priority(b->reconnect, BUS_PRIORITY);
        if (r >= 0)
                r = sd_event_source_set_enabled(b->reconnect, SD_EVENT_OFF);
        if (r >= 0 && b->options.system)
                r = on_reconnect(b->reconnect, 0, b);
        return r;
}

void bus_system_done(struct bus *b)
{
        b->reconnect = sd_event_source_disable_unref(b->reconnect);
        if (b->options.units)
                (void) units_set_bus(b->options.units, NULL);
        b->system = NULL;
}

sd_bus *bus_system(const struct bus *b)
{
        return b && b->system ? b->system->handle : NULL;
}
