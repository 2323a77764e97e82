/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus.h"
#include "bus-internal.h"
#include "bus-job.h"
#include "bus-sender.h"
#include "bus-signal.h"
#include "clock.h"

/* One that has not read all that was sent to it for that long is left behind. */
#define UNREAD_USEC (30 * USEC_PER_SEC)
#define LOOK_USEC (5 * USEC_PER_SEC)

/* The bus daemon itself reads, and what waits for it is bounded. */
static bool may_be_unread(const struct bus_peer *p)
{
        return p->private || p->unread_usec > 0;
}

static int on_sweep(_unused_ sd_event_source *source, void *userdata)
{
        struct bus *b = userdata;

        bus_peers_sweep(b, false);
        for (const struct bus_peer *p = b->peers; p; p = p->next) {
                if (may_be_unread(p))
                        return 0;
        }
        return sd_event_source_set_enabled(b->timer, SD_EVENT_OFF);
}

static void look_at_unread(struct bus_peer *p, uint64_t now)
{
        uint64_t n;

        if (sd_bus_get_n_queued_write(p->handle, &n) >= 0 && n == 0)
                p->unread_usec = 0;
        else if (p->unread_usec == 0)
                p->unread_usec = now;
        else if (now - p->unread_usec > UNREAD_USEC)
                bus_peer_drop(p);
}

void bus_watch_unread(struct bus *b)
{
        int enabled;

        if (sd_event_source_get_enabled(b->timer, &enabled) >= 0 && enabled != SD_EVENT_OFF)
                return;
        (void) sd_event_source_set_time(b->timer, clock_now() + LOOK_USEC);
        (void) sd_event_source_set_enabled(b->timer, SD_EVENT_ONESHOT);
}

static int on_time(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata)
{
        struct bus *b = userdata;
        uint64_t now = clock_now();
        bool again = false;

        for (struct bus_peer *p = b->peers; p; p = p->next) {
                look_at_unread(p, now);
                again = again || may_be_unread(p);
        }
        if (again)
                bus_watch_unread(b);
        return 0;
}

static int init(struct bus *b)
{
        int r;

        b->senders = bus_senders_new();
        b->jobs = bus_jobs_new(b);
        b->signals = bus_signals_new(b);
        if (!b->senders || !b->jobs || !b->signals)
                return -ENOMEM;
        r = sd_event_add_defer(b->event, &b->sweep, on_sweep, b);
        if (r >= 0)
                r = sd_event_source_set_enabled(b->sweep, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(b->sweep, BUS_PRIORITY);
        if (r >= 0)
                r = sd_event_add_time(b->event, &b->timer, CLOCK_MONOTONIC, 0, USEC_PER_SEC, on_time, b);
        if (r >= 0)
                r = sd_event_source_set_priority(b->timer, BUS_PRIORITY_SLICES);
        if (r >= 0)
                r = bus_private_init(b);
        return r < 0 ? r : bus_system_init(b);
}

int bus_new(struct bus **ret, sd_event *event, struct manager *m, const struct bus_options *options)
{
        struct bus *b = calloc(1, sizeof(*b));
        int r;

        if (!b)
                return -ENOMEM;
        *b = (struct bus){
                .event = sd_event_ref(event), .manager = m, .options = *options, .socket_fd = -EBADF
        };
        r = init(b);
        if (r < 0) {
                bus_free(b);
                return r;
        }
        *ret = b;
        return 0;
}

struct bus *bus_free(struct bus *b)
{
        if (!b)
                return NULL;
        b->freeing = true;
        bus_private_done(b);
        bus_system_done(b);
        if (b->senders)
                b->senders = bus_senders_free(b->senders);
        bus_peers_sweep(b, true);
        b->jobs = bus_jobs_free(b->jobs);
        b->signals = bus_signals_free(b->signals);
        sd_event_source_disable_unref(b->sweep);
        sd_event_source_disable_unref(b->timer);
        sd_event_unref(b->event);
        free(b);
        return NULL;
}
