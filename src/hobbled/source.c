/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "source.h"
#include "clock.h"
#include "pathwatch.h"
#include "probe.h"
#include "source-cgroup.h"
#include "source-pidfile.h"
#include "text.h"
#include "timespan.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* A change is looked at after a moment, in which what belongs to it is done as well (a file is made empty
 * before it is written), and changes without end are looked at once in a while. */
#define LOOK_DELAY_USEC (5 * USEC_PER_MSEC)
#define LOOK_INTERVAL_USEC (25 * USEC_PER_MSEC)

#define TIMER_ACCURACY_USEC (1 * USEC_PER_MSEC)

struct source {
        const struct source_host *host;
        char *path;
        struct topic topic;
        struct pathwatch *watch; /* NULL: cannot be watched */
        sd_event_source *timer, *work;
        struct source_pidfile *pidfile;
        struct source_cgroup cgroup;
        uint64_t look_at, check_at, gone_at; /* USEC_INFINITY: never */
        uint64_t looked_usec;
        bool force; /* look at all of it, changed or not */
        bool blind_said;
        bool member_file_said;
};

static void source_rearm(struct source *s)
{
        uint64_t at = source_pidfile_deadline(s->pidfile);

        /* A reading comes to its end before the next one begins. */
        if (!source_pidfile_is_reading(s->pidfile))
                at = MIN(at, s->look_at);
        at = MIN(at, s->check_at);
        at = MIN(at, s->gone_at);

        if (at == 0) {
                (void) sd_event_source_set_enabled(s->work, SD_EVENT_ON);
                (void) sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
                return;
        }
        (void) sd_event_source_set_enabled(s->work, SD_EVENT_OFF);
        if (at == USEC_INFINITY) {
                (void) sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
                return;
        }
        (void) sd_event_source_set_time(s->timer, at);
        (void) sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
}

/* Something may have changed. */
static void source_touch(struct source *s)
{
        if (s->look_at == USEC_INFINITY)
                s->look_at = MAX(clock_now() + LOOK_DELAY_USEC, s->looked_usec + LOOK_INTERVAL_USEC);
        source_rearm(s);
}

static void source_on_watch(void *userdata)
{
        source_touch(userdata);
}

static bool source_holds_any(const struct source *s)
{
        return s->cgroup.subject || source_pidfile_count(s->pidfile) > 0;
}

/* Watch the path as it is. Returns whether changes will be told. */
static bool source_watch(struct source *s)
{
        int r = -EMFILE;

        if (s->watch)
                r = pathwatch_aim(s->watch, s->path, probe_inside);
        if (r < 0 && !s->blind_said) {
                char span[64];

                s->blind_said = true;
                topic_say(&s->topic, MESSAGE_NOTICE, "changes cannot be watched: %s; looking every %s",
                          strerror(-r), timespan_format(s->host->check_usec, span, sizeof(span)));
        }
        return r == 0;
}

static void source_take_missing(struct source *s, const struct probe *probe, uint64_t now)
{
        if (!source_holds_any(s))
                topic_problem(&s->topic, MESSAGE_NOTICE, "%s; waiting for it", probe->text);
        else if (s->gone_at == USEC_INFINITY)
                s->gone_at = now + s->host->check_usec;
}

static void source_take_cgroup(struct source *s, const struct probe *probe)
{
        (void) source_pidfile_clear(s->pidfile);
        if (probe->member_file && !s->member_file_said) {
                s->member_file_said = true;
                topic_say(&s->topic, MESSAGE_NOTICE,
                          "is the list of a cgroup's members: the cgroup itself is hobbled in place");
        }
        if (!source_cgroup_offer(&s->cgroup, probe))
                s->check_at = clock_now() + s->host->check_usec;
}

/* Look at what is at the path now. */
static void source_look(struct source *s, uint64_t now)
{
        bool watched = source_watch(s);
        struct probe probe;

        s->look_at = USEC_INFINITY;
        s->looked_usec = now;
        probe_path(s->path, &probe);
        s->check_at = USEC_INFINITY;
        if ((!watched || probe.silent) && probe.kind != PROBE_CGROUP)
                s->check_at = now + s->host->check_usec;
        if (probe.kind != PROBE_MISSING)
                s->gone_at = USEC_INFINITY;

        switch (probe.kind) {
        case PROBE_MISSING:
                source_take_missing(s, &probe, now);
                break;
        case PROBE_UNFIT:
                topic_problem(&s->topic, MESSAGE_WARNING, "%s; %s", probe.text,
                              source_holds_any(s) ? "what it named before stays hobbled"
                                                  : "nothing is hobbled for it");
                break;
        case PROBE_PIDFILE:
                source_cgroup_leave(&s->cgroup);
                source_pidfile_read(s->pidfile, &probe, s->force);
                break;
        case PROBE_CGROUP:
                source_take_cgroup(s, &probe);
                break;
        }
        s->force = false;
        probe_done(&probe);
}

/* It did not come back in time: it names nobody. */
static void source_lose(struct source *s)
{
        char span[64];

        s->gone_at = USEC_INFINITY;
        (void) source_pidfile_clear(s->pidfile);
        source_cgroup_leave(&s->cgroup);
        topic_problem(&s->topic, MESSAGE_NOTICE,
                      "has been gone for %s; what it named is released; waiting for it",
                      timespan_format(s->host->check_usec, span, sizeof(span)));
}

static int source_dispatch(struct source *s)
{
        uint64_t now = clock_now();

        if (MIN(s->look_at, s->check_at) <= now && !source_pidfile_is_reading(s->pidfile))
                source_look(s, now);
        else if (s->gone_at <= now)
                source_lose(s);
        else if (source_pidfile_work(s->pidfile, now))
                s->look_at = MIN(s->look_at, now + LOOK_DELAY_USEC);
        source_rearm(s);
        return 0;
}

static int source_on_time(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata)
{
        return source_dispatch(userdata);
}

static int source_on_work(_unused_ sd_event_source *source, void *userdata)
{
        return source_dispatch(userdata);
}

static int source_init_topic(struct source *s)
{
        char shown[512], name[600];
        int r;

        snprintf(name, sizeof(name), "source \"%s\"",
                 escape_text(s->path, strlen(s->path), shown, sizeof(shown)));
        r = topic_init(&s->topic, name);
        return r < 0 ? r : topic_set_fields(&s->topic, hobble_tarpit_name(s->host->tarpit), s->path);
}

int source_new(struct source **ret, const struct source_host *host, const char *path)
{
        struct source *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->host = host;
        s->path = strdup(path);
        s->cgroup =
                (struct source_cgroup){ .host = host, .topic = &s->topic, .path = s->path, .userdata = s };
        s->look_at = s->check_at = s->gone_at = USEC_INFINITY;
        r = s->path ? source_init_topic(s) : -ENOMEM;
        if (r >= 0)
                r = source_pidfile_new(&s->pidfile, host, &s->topic);
        if (r >= 0)
                r = sd_event_add_time(host->event, &s->timer, CLOCK_MONOTONIC, 0, TIMER_ACCURACY_USEC,
                                      source_on_time, s);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_defer(host->event, &s->work, source_on_work, s);
        if (r >= 0)
                r = sd_event_source_set_priority(s->work, SD_EVENT_PRIORITY_IDLE);
        if (r < 0) {
                source_free(s);
                return r;
        }

        (void) pathwatch_new(&s->watch, host->event, source_on_watch, s);
        s->look_at = 0;
        source_rearm(s);
        *ret = s;
        return 0;
}

struct source *source_free(struct source *s)
{
        if (!s)
                return NULL;
        s->watch = pathwatch_free(s->watch);
        sd_event_source_disable_unref(s->timer);
        sd_event_source_disable_unref(s->work);
        s->pidfile = source_pidfile_free(s->pidfile);
        topic_done(&s->topic);
        free(s->path);
        free(s);
        return NULL;
}

void source_reread(struct source *s)
{
        s->force = true;
        s->look_at = 0;
        source_rearm(s);
}

int source_for_each(const struct source *s, int (*fn)(pid_t pid, uint64_t start_time, void *userdata),
                    void *userdata)
{
        return source_pidfile_for_each(s->pidfile, fn, userdata);
}

void source_process_ended(struct source *s, pid_t pid, uint64_t start_time)
{
        source_pidfile_process_ended(s->pidfile, pid, start_time);
        source_rearm(s);
}

void source_event(struct source *s, const struct hobble_event *event)
{
        if (source_cgroup_event(&s->cgroup, event)) {
                /* What failed is tried again in a while only. */
                if (event->kind == HOBBLE_EVENT_FAILED)
                        s->check_at = clock_now() + s->host->check_usec;
                else
                        s->look_at = 0;
        }
        source_rearm(s);
}

void source_void(struct source *s)
{
        if (s->cgroup.subject) {
                s->cgroup.subject = NULL;
                s->look_at = 0;
        }
        source_rearm(s);
}
