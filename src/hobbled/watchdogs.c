/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "watchdogs.h"
#include "clock.h"
#include "macro.h"
#include "text.h"
#include "timespan.h"

#include <stdio.h>
#include <string.h>

/* A service pings at half of its watchdog's time as a rule. For that it takes a few windows, of which a busy
 * tarpit gives it not every one. */
#define PERIODS_MIN 10U

/* More units are not remembered. */
#define UNITS_MAX 1024U

struct watchdog {
        struct watchdogs *owner;
        struct watchdog *next;
        char *unit, *tarpit; /* the one with the longest duty cycle that it was hobbled in */
        struct hobble_duty duty;
        bool told;
        sd_bus_slot *answer;
};

struct watchdogs {
        struct units *units;
        watchdogs_handler handler;
        void *userdata;
        struct watchdog *list;
        unsigned n;
};

static uint64_t period(const struct hobble_duty *duty)
{
        return duty->frozen_usec + duty->thawed_usec;
}

static struct watchdog *watchdog_free(struct watchdog *d)
{
        if (!d)
                return NULL;
        sd_bus_slot_unref(d->answer);
        free(d->unit);
        free(d->tarpit);
        free(d);
        return NULL;
}

void watchdogs_forget(struct watchdogs *w)
{
        struct watchdog *d;

        while ((d = w->list)) {
                w->list = d->next;
                watchdog_free(d);
        }
        w->n = 0;
}

/* -- The answer -------------------------------------------------------------------------------- */

static void tell(struct watchdog *d, uint64_t usec)
{
        char unit[512], watchdog[64], periods[64], frozen[64], text[1024], shorter[128] = "";

        if (usec / PERIODS_MIN > d->duty.thawed_usec)
                snprintf(shorter, sizeof(shorter), ", or set FrozenSec= to at most %s",
                         timespan_format(usec / PERIODS_MIN - d->duty.thawed_usec, frozen, sizeof(frozen)));
        snprintf(text, sizeof(text),
                 "%s has WatchdogSec=%s, which is less than %u rounds of this tarpit (%s): systemd may take "
                 "it for hung and kill it; exempt it%s",
                 escape_text(d->unit, strlen(d->unit), unit, sizeof(unit)),
                 timespan_format(usec, watchdog, sizeof(watchdog)), PERIODS_MIN,
                 timespan_format(PERIODS_MIN * period(&d->duty), periods, sizeof(periods)), shorter);
        d->owner->handler(d->tarpit, d->unit, text, d->owner->userdata);
}

static int on_answer(sd_bus_message *message, void *userdata, _unused_ sd_bus_error *error)
{
        struct watchdog *d = userdata;
        uint64_t usec;

        d->answer = sd_bus_slot_unref(d->answer);
        if (sd_bus_message_is_method_error(message, NULL) ||
            sd_bus_message_read(message, "v", "t", &usec) < 0 || usec == 0 || usec == UINT64_MAX ||
            usec / PERIODS_MIN >= period(&d->duty))
                return 0;
        d->told = true;
        tell(d, usec);
        return 0;
}

/* -- The question ------------------------------------------------------------------------------ */

static int ask(struct watchdog *d)
{
        sd_bus *bus = units_bus(d->owner->units);
        _cleanup_free_ char *path = NULL;
        int r;

        if (!bus)
                return -ENOTCONN;
        r = sd_bus_path_encode("/org/freedesktop/systemd1/unit", d->unit, &path);
        if (r < 0)
                return r;
        d->answer = sd_bus_slot_unref(d->answer);
        return sd_bus_call_method_async(bus, &d->answer, "org.freedesktop.systemd1", path,
                                        "org.freedesktop.DBus.Properties", "Get", on_answer, d, "ss",
                                        "org.freedesktop.systemd1.Service", "WatchdogUSec");
}

static struct watchdog *find(const struct watchdogs *w, const char *unit)
{
        struct watchdog *d = w->list;

        while (d && strcmp(d->unit, unit) != 0)
                d = d->next;
        return d;
}

static struct watchdog *watchdog_new(struct watchdogs *w, const char *unit)
{
        struct watchdog *d;

        if (w->n >= UNITS_MAX)
                watchdogs_forget(w);
        d = calloc(1, sizeof(*d));
        if (!d)
                return NULL;
        d->owner = w;
        d->unit = strdup(unit);
        if (!d->unit)
                return watchdog_free(d);
        d->next = w->list;
        w->list = d;
        w->n++;
        return d;
}

void watchdogs_look(struct watchdogs *w, const char *unit, const char *tarpit, const struct hobble_duty *duty)
{
        struct watchdog *d;
        char *copy;

        if (!text_ends_in(unit, strlen(unit), ".service"))
                return;
        d = find(w, unit);
        if (d && (d->told || period(&d->duty) >= period(duty)))
                return;
        copy = strdup(tarpit);
        if (!d)
                d = watchdog_new(w, unit);
        if (!d || !copy) {
                free(copy);
                return;
        }
        free(d->tarpit);
        d->tarpit = copy;
        d->duty = *duty;
        if (ask(d) < 0)
                d->duty = (struct hobble_duty){ 0 };
}

/* -- Life -------------------------------------------------------------------------------------- */

int watchdogs_new(struct watchdogs **ret, struct units *units, watchdogs_handler handler, void *userdata)
{
        struct watchdogs *w = calloc(1, sizeof(*w));

        if (!w)
                return -ENOMEM;
        *w = (struct watchdogs){ .units = units, .handler = handler, .userdata = userdata };
        *ret = w;
        return 0;
}

struct watchdogs *watchdogs_free(struct watchdogs *w)
{
        if (!w)
                return NULL;
        watchdogs_forget(w);
        free(w);
        return NULL;
}
