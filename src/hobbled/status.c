/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "status.h"
#include "clock.h"
#include "macro.h"

#include <stdio.h>
#include <string.h>

#include <systemd/sd-daemon.h>

#define INTERVAL_USEC USEC_PER_SEC

struct status {
        sd_event_source *timer;
        void (*text)(char *buf, size_t size, void *userdata);
        void *userdata;
        char said[256];
        uint64_t said_usec;
};

static int on_time(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata)
{
        struct status *s = userdata;
        char text[sizeof(s->said)];

        s->text(text, sizeof(text), s->userdata);
        s->said_usec = clock_now();
        if (strcmp(text, s->said) != 0) {
                strcpy(s->said, text);
                (void) sd_notifyf(0, "STATUS=%s", text);
        }
        return 0;
}

int status_new(struct status **ret, sd_event *event, void (*text)(char *buf, size_t size, void *userdata),
               void *userdata)
{
        struct status *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->text = text;
        s->userdata = userdata;
        r = sd_event_add_time(event, &s->timer, CLOCK_MONOTONIC, 0, 10 * USEC_PER_MSEC, on_time, s);
        if (r >= 0)
                r = sd_event_source_set_priority(s->timer, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
        if (r < 0) {
                status_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

struct status *status_free(struct status *s)
{
        if (!s)
                return NULL;
        sd_event_source_disable_unref(s->timer);
        free(s);
        return NULL;
}

void status_touch(struct status *s)
{
        int enabled;

        if (!s || (sd_event_source_get_enabled(s->timer, &enabled) >= 0 && enabled != SD_EVENT_OFF))
                return;
        (void) sd_event_source_set_time(s->timer, s->said_usec ? s->said_usec + INTERVAL_USEC : 0);
        (void) sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
}

void status_reloading(void)
{
        (void) sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long) clock_now());
}

void status_ready(struct status *s)
{
        (void) sd_notify(0, "READY=1");
        status_touch(s);
}

void status_stopping(void)
{
        (void) sd_notify(0, "STOPPING=1\nSTATUS=Releasing everything");
}
