/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "clock.h"
#include "pathwatch.h"
#include "probe.h"
#include "source-cgroup.h"
#include "source-kind.h"
#include "source-pidfile.h"
#include "timespan.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* A change is looked at after a moment, in which what belongs to it is done as well (a file is made empty
 * before it is written), and changes without end are looked at once in a while. */
#define LOOK_DELAY_USEC (5 * USEC_PER_MSEC)
#define LOOK_INTERVAL_USEC (25 * USEC_PER_MSEC)

#define TIMER_ACCURACY_USEC (1 * USEC_PER_MSEC)

struct source_path {
        struct source source;
        struct pathwatch *watch; /* NULL: cannot be watched */
        sd_event_source *timer, *work;
        struct source_pidfile *pidfile;
        struct source_cgroup cgroup;
        uint64_t look_at, check_at, gone_at; /* USEC_INFINITY: never */
        uint64_t looked_usec;
        bool force; /* look at all of it, changed or not */
        bool blind_said;
        bool member_file_said;
        bool names_cgroup; /* what is at the path is hobbled in place */
};

#define SELF(source) CONTAINER_OF(source, struct source_path, source)
#define CONST_SELF(ptr) ((const struct source_path *) SELF(ptr))

static void source_path_rearm(struct source_path *s)
{
        uint64_t at = source_pidfile_deadline(s->pidfile);

        if (s->source.ending) {
                (void) sd_event_source_set_enabled(s->work, SD_EVENT_OFF);
                (void) sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
                return;
        }

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
static void source_path_touch(struct source_path *s)
{
        if (s->look_at == USEC_INFINITY)
                s->look_at = MAX(clock_now() + LOOK_DELAY_USEC, s->looked_usec + LOOK_INTERVAL_USEC);
        source_path_rearm(s);
}

static void source_path_on_watch(void *userdata)
{
        source_path_touch(userdata);
}

static bool source_path_holds_any(const struct source_path *s)
{
        return s->cgroup.subject || source_pidfile_count(s->pidfile) > 0;
}

/* Watch the path as it is. Returns whether changes will be told. */
static bool source_path_watch(struct source_path *s)
{
        int r = -EMFILE;

        if (s->watch)
                r = pathwatch_aim(s->watch, s->source.value, probe_inside);
        if (r < 0 && !s->blind_said) {
                char span[64];

                s->blind_said = true;
                topic_say(&s->source.topic, MESSAGE_NOTICE, "changes cannot be watched: %s; looking every %s",
                          strerror(-r), timespan_format(s->source.host->check_usec, span, sizeof(span)));
        }
        return r == 0;
}

static void source_path_take_missing(struct source_path *s, const struct probe *probe, uint64_t now)
{
        if (!source_path_holds_any(s))
                topic_problem(&s->source.topic, MESSAGE_NOTICE, "%s; waiting for it", probe->text);
        else if (s->gone_at == USEC_INFINITY)
                s->gone_at = now + s->source.host->check_usec;
}

static void source_path_take_cgroup(struct source_path *s, const struct probe *probe)
{
        (void) source_pidfile_clear(s->pidfile);
        s->names_cgroup = true;
        if (probe->member_file && !s->member_file_said) {
                s->member_file_said = true;
                topic_say(&s->source.topic, MESSAGE_NOTICE,
                          "is the list of a cgroup's members: the cgroup itself is hobbled in place");
        }
        if (!source_cgroup_offer(&s->cgroup, probe))
                s->check_at = clock_now() + s->source.host->check_usec;
}

/* What PIDFile= names is a file of its own, and what Cgroup= names a cgroup. Returns whether it is not, after
 * a message. */
static bool source_path_refuses(struct source_path *s, const struct probe *probe)
{
        const struct source *parent = s->source.parent;

        if (s->source.kind == SOURCE_PIDFILE && (probe->kind == PROBE_CGROUP || probe->inside))
                topic_problem(&s->source.topic, MESSAGE_WARNING,
                              "is %s, not a file of pids: name it with Cgroup=; nothing is hobbled for it",
                              probe->member_file ? "the list of a cgroup's members" : "a directory");
        else if (parent && parent->kind == SOURCE_CGROUP && probe->kind == PROBE_PIDFILE && !probe->in_cgroup)
                topic_problem(&s->source.topic, MESSAGE_WARNING,
                              "is a %s, not a cgroup%s; nothing is hobbled for it",
                              probe->inside ? "directory" : "file",
                              probe->inside ? "" : ": name it with PIDFile=");
        else
                return false;
        (void) source_pidfile_clear(s->pidfile);
        source_cgroup_leave(&s->cgroup);
        return true;
}

/* Look at what is at the path now. */
static void source_path_look(struct source_path *s, uint64_t now)
{
        bool watched = source_path_watch(s);
        struct probe probe;

        s->look_at = USEC_INFINITY;
        s->looked_usec = now;
        s->names_cgroup = false;
        probe_path(s->source.value, &probe);
        s->check_at = USEC_INFINITY;
        if ((!watched || probe.silent) && probe.kind != PROBE_CGROUP)
                s->check_at = now + s->source.host->check_usec;
        if (probe.kind != PROBE_MISSING)
                s->gone_at = USEC_INFINITY;

        switch (source_path_refuses(s, &probe) ? PROBE_KIND_MAX : probe.kind) {
        case PROBE_MISSING:
                source_path_take_missing(s, &probe, now);
                break;
        case PROBE_UNFIT:
                topic_problem(&s->source.topic, MESSAGE_WARNING, "%s; %s", probe.text,
                              source_path_holds_any(s) ? "what it named before stays hobbled"
                                                       : "nothing is hobbled for it");
                break;
        case PROBE_PIDFILE:
                source_cgroup_leave(&s->cgroup);
                source_pidfile_read(s->pidfile, &probe, s->force);
                break;
        case PROBE_CGROUP:
                source_path_take_cgroup(s, &probe);
                break;
        case PROBE_KIND_MAX:
                break;
        }
        s->force = false;
        probe_done(&probe);
}

/* It did not come back in time: it names nobody. */
static void source_path_lose(struct source_path *s)
{
        char span[64];

        s->gone_at = USEC_INFINITY;
        (void) source_pidfile_clear(s->pidfile);
        source_cgroup_leave(&s->cgroup);
        topic_problem(&s->source.topic, MESSAGE_NOTICE,
                      "has been gone for %s; what it named is released; waiting for it",
                      timespan_format(s->source.host->check_usec, span, sizeof(span)));
}

static int source_path_dispatch(struct source_path *s)
{
        uint64_t now = clock_now();

        if (MIN(s->look_at, s->check_at) <= now && !source_pidfile_is_reading(s->pidfile))
                source_path_look(s, now);
        else if (s->gone_at <= now)
                source_path_lose(s);
        else if (source_pidfile_work(s->pidfile, now))
                s->look_at = MIN(s->look_at, now + LOOK_DELAY_USEC);
        source_path_rearm(s);
        return 0;
}

static int source_path_on_time(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata)
{
        return source_path_dispatch(userdata);
}

static int source_path_on_work(_unused_ sd_event_source *source, void *userdata)
{
        return source_path_dispatch(userdata);
}

static int source_path_init(struct source *source)
{
        struct source_path *s = SELF(source);
        sd_event *event = source->host->event;
        int r;

        s->cgroup = (struct source_cgroup){
                .host = source->host, .topic = &source->topic, .path = source->value, .userdata = s
        };
        s->look_at = s->check_at = s->gone_at = USEC_INFINITY;
        r = source_pidfile_new(&s->pidfile, source->host, &source->topic);
        if (r >= 0)
                r = sd_event_add_time(event, &s->timer, CLOCK_MONOTONIC, 0, TIMER_ACCURACY_USEC,
                                      source_path_on_time, s);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_defer(event, &s->work, source_path_on_work, s);
        if (r >= 0)
                r = sd_event_source_set_priority(s->work, SD_EVENT_PRIORITY_IDLE);
        if (r < 0)
                return r;

        (void) pathwatch_new(&s->watch, event, source_path_on_watch, s);
        s->look_at = 0;
        source_path_rearm(s);
        return 0;
}

static void source_path_done(struct source *source)
{
        struct source_path *s = SELF(source);

        s->watch = pathwatch_free(s->watch);
        s->timer = sd_event_source_disable_unref(s->timer);
        s->work = sd_event_source_disable_unref(s->work);
        s->pidfile = source_pidfile_free(s->pidfile);
}

static void source_path_reread(struct source *source)
{
        struct source_path *s = SELF(source);

        s->force = true;
        s->look_at = 0;
        source_path_rearm(s);
}

static int source_path_for_each(const struct source *source, source_process_fn fn, void *userdata)
{
        return source_pidfile_for_each(CONST_SELF(source)->pidfile, fn, userdata);
}

static int source_path_for_each_cgroup(const struct source *source, source_cgroup_fn fn, void *userdata)
{
        return CONST_SELF(source)->names_cgroup ? fn(source->value, userdata) : 0;
}

static void source_path_process_ended(struct source *source, pid_t pid, uint64_t start_time)
{
        struct source_path *s = SELF(source);

        source_pidfile_process_ended(s->pidfile, pid, start_time);
        source_path_rearm(s);
}

static void source_path_event(struct source *source, const struct hobble_event *event)
{
        struct source_path *s = SELF(source);

        if (source_cgroup_event(&s->cgroup, event)) {
                /* What failed is tried again in a while only. */
                if (event->kind == HOBBLE_EVENT_FAILED)
                        s->check_at = clock_now() + source->host->check_usec;
                else
                        s->look_at = 0;
        }
        source_path_rearm(s);
}

static void source_path_void(struct source *source)
{
        struct source_path *s = SELF(source);

        if (s->cgroup.subject) {
                s->cgroup.subject = NULL;
                s->look_at = 0;
        }
        source_path_rearm(s);
}

static void source_path_end(struct source *source)
{
        struct source_path *s = SELF(source);

        s->watch = pathwatch_free(s->watch);
        (void) source_pidfile_clear(s->pidfile);
        source_cgroup_leave(&s->cgroup);
        source_path_rearm(s);
}

static bool source_path_is_over(const struct source *source)
{
        return !CONST_SELF(source)->cgroup.subject;
}

const struct source_ops source_path_ops = {
        .size = sizeof(struct source_path),
        .init = source_path_init,
        .done = source_path_done,
        .reread = source_path_reread,
        .for_each = source_path_for_each,
        .for_each_cgroup = source_path_for_each_cgroup,
        .process_ended = source_path_process_ended,
        .event = source_path_event,
        .void_all = source_path_void,
        .end = source_path_end,
        .is_over = source_path_is_over,
};
