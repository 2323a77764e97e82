/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "manager.h"
#include "announce.h"
#include "clock.h"
#include "message.h"
#include "roster.h"
#include "source.h"
#include "subject-text.h"
#include "timespan.h"

#include <stdio.h>
#include <string.h>

#define RT_PRIORITY 90

/* Lookups between two looks at the clock. */
#define LOOKUPS 16U

struct manager {
        sd_event *event;
        hobble_engine *engine;
        struct source_host host; /* has the tarpit */
        struct hobble_duty duty;
        struct source **sources;
        size_t n_sources;
        struct roster *roster;
        struct topic topic; /* what is said about subjects */
        sd_event_source *work, *retry, *summary;
        bool changed; /* a round is due */
        bool resolving;
        bool announced;
        bool guard_is_service;
 /* the service; everything was released upon it */
        bool guarded;        /* something can be hobbled */
};

/* -- The roster -------------------------------------------------------------------------------- */

static void manager_wake(struct manager *m)
{
        (void) sd_event_source_set_enabled(m->work, SD_EVENT_ON);
}

static void manager_changed(void *userdata)
{
        struct manager *m = userdata;

        m->changed = true;
        manager_wake(m);
}

static int roster_look(pid_t pid, struct lineage_fact *ret, _unused_ void *userdata)
{
        struct hobble_process process;
        int r;

        r = hobble_process_read(pid, &process);
        if (r < 0)
                return r;
        if (process.pid != pid)
                return -ESRCH; /* a thread has the number now */
        *ret = (struct lineage_fact){ .parent = process.parent, .start_time = process.start_time };
        return 0;
}

static struct roster_entry *roster_member(pid_t pid, void *userdata)
{
        struct manager *m = userdata;
        char name[SUBJECT_NAME_MAX];
        struct roster_entry *entry;
        pid_t root;

        root = subject_of_process(pid, hobble_engine_instance(m->engine), MANAGER_TARPIT, name);
        if (root <= 0)
                return NULL;
        for (entry = roster_first(m->roster, root); entry; entry = entry->same) {
                if (entry->subject && strcmp(hobble_subject_name(entry->subject), name) == 0)
                        return entry;
        }
        return NULL;
}

static const struct roster_handler roster_handler = { .look = roster_look, .member = roster_member };

static int manager_put(pid_t pid, uint64_t start_time, void *userdata)
{
        struct manager *m = userdata;

        return roster_put(m->roster, pid, start_time, &(struct roster_claim){ .tarpit = m->host.tarpit });
}

/* Begin a round. Returns 0 or -ENOMEM. */
static int manager_begin_round(struct manager *m)
{
        int r;

        m->changed = false;
        m->resolving = true;
        roster_begin(m->roster);
        for (size_t i = 0; i < m->n_sources; i++) {
                r = source_for_each(m->sources[i], manager_put, m);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void manager_retry_later(struct manager *m)
{
        int enabled;

        if (sd_event_source_get_enabled(m->retry, &enabled) >= 0 && enabled != SD_EVENT_OFF)
                return;
        (void) sd_event_source_set_time(m->retry, clock_now() + m->host.check_usec);
        (void) sd_event_source_set_enabled(m->retry, SD_EVENT_ONESHOT);
}

/* A named process has ended, or never was. */
static void manager_forget(struct manager *m, struct roster_entry *entry)
{
        roster_ended(m->roster, entry);
        if (entry->members > 0)
                manager_changed(m);
        for (size_t i = 0; i < m->n_sources; i++)
                source_process_ended(m->sources[i], entry->pid, entry->start_time);
}

/* A tree could not be hobbled. Another try makes no sense where it is not permitted. */
static void manager_fail(struct manager *m, struct roster_entry *entry, int error, const char *text)
{
        bool for_good = error == -EPERM || error == -EACCES || error == -EINVAL;
        const char *name = entry->subject ? hobble_subject_name(entry->subject) : NULL;

        if (error == -ESRCH) {
                manager_forget(m, entry);
                return;
        }
        if (roster_failed(m->roster, entry, error, for_good))
                announce_refused(&(struct announcement){ .topic = &m->topic },
                                 &(struct refusal){
                                         .subject = name,
                                         .pid = entry->pid,
                                         .error = error,
                                         .text = text,
                                         .retry_usec = for_good ? USEC_INFINITY : m->host.check_usec,
                                 });
        if (!for_good)
                manager_retry_later(m);
        else if (entry->members > 0)
                manager_changed(m);
}

static void manager_act(struct manager *m, const struct roster_action *action)
{
        struct roster_entry *entry = action->entry;
        hobble_subject *subject = NULL;
        int r;

        if (action->verb == ROSTER_RELEASE) {
                hobble_subject_release(entry->subject);
                return;
        }

        r = hobble_tarpit_add_tree(m->host.tarpit, entry->pid, entry->start_time, HOBBLE_PLACEMENT_AUTO, NULL,
                                   &subject);
        if (r >= 0)
                roster_added(m->roster, entry, subject);
        else
                manager_fail(m, entry, r, NULL);
}

/* Work for one slice: a round, then what follows from it. */
static int manager_on_work(_unused_ sd_event_source *source, void *userdata)
{
        struct manager *m = userdata;
        uint64_t begin = clock_now();
        struct roster_action action;
        int r = 0;

        if (!m->guarded)
                return sd_event_source_set_enabled(m->work, SD_EVENT_OFF);
        if (!m->resolving && m->changed)
                r = manager_begin_round(m);
        while (m->resolving && r >= 0) {
                r = roster_resolve(m->roster, LOOKUPS);
                if (r == 0)
                        m->resolving = false;
                if (r > 0 && clock_now() - begin >= CLOCK_SLICE_USEC)
                        return 0;
        }
        if (r < 0) {
                topic_problem(&m->topic, MESSAGE_ERROR, "the sources could not be followed: %s",
                              strerror(-r));
                m->resolving = false;
                m->changed = true;
                manager_retry_later(m);
                return sd_event_source_set_enabled(m->work, SD_EVENT_OFF);
        }

        while (roster_next(m->roster, &action)) {
                manager_act(m, &action);
                if (clock_now() - begin >= CLOCK_SLICE_USEC)
                        return 0;
        }
        return m->changed ? 0 : sd_event_source_set_enabled(m->work, SD_EVENT_OFF);
}

static int manager_on_retry(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata)
{
        struct manager *m = userdata;

        /* In the middle of a round nothing can be tried again. */
        if (m->resolving)
                manager_retry_later(m);
        else if (roster_retry(m->roster) || m->changed)
                manager_wake(m);
        return 0;
}

/* -- What the engine tells --------------------------------------------------------------------- */

/* The ready line. */
static void manager_announce(struct manager *m)
{
        char frozen[64], thawed[64];
        double duty = (double) m->duty.thawed_usec / (double) (m->duty.frozen_usec + m->duty.thawed_usec);

        m->announced = true;
        message(MESSAGE_NOTICE, "instance %s: hobbling %zu source%s at %s/%s (%.3g %%)",
                hobble_engine_instance(m->engine), m->n_sources, m->n_sources == 1 ? "" : "s",
                timespan_format(m->duty.frozen_usec, frozen, sizeof(frozen)),
                timespan_format(m->duty.thawed_usec, thawed, sizeof(thawed)), duty * 100);
}

static void manager_void(struct manager *m)
{
        roster_void(m->roster);
        for (size_t i = 0; i < m->n_sources; i++)
                source_void(m->sources[i]);
        manager_changed(m);
}

static void manager_on_engine_event(struct manager *m, const struct hobble_event *event)
{
        if (event->kind == HOBBLE_EVENT_GUARD_READY && !m->announced)
                manager_announce(m);
        else
                announce_event(&(struct announcement){ .topic = &m->topic }, event);
        switch (event->kind) {
        case HOBBLE_EVENT_GUARD_READY:
                /* Where there was none, sources were refused. */
                if (!m->guarded)
                        manager_reread(m);
                m->guarded = true;
                manager_wake(m);
                break;
        case HOBBLE_EVENT_GUARD_LOST:
                m->guarded = !m->guard_is_service;
                break;
        case HOBBLE_EVENT_FENCED:
                manager_void(m);
                break;
        case HOBBLE_EVENT_RETIRED:
                (void) sd_event_exit(m->event, 0);
                break;
        default:
                break;
        }
}

static void manager_on_tree_event(struct manager *m, const struct hobble_event *event)
{
        struct roster_entry *entry;

        entry = roster_find(m->roster, hobble_subject_pid(event->subject),
                            hobble_subject_start_time(event->subject));
        if (!entry || entry->subject != event->subject)
                return;

        announce_event(&(struct announcement){ .topic = &m->topic }, event);
        switch (event->kind) {
        case HOBBLE_EVENT_ADMITTED:
                roster_admitted(m->roster, entry);
                if (entry->members > 0)
                        manager_changed(m);
                break;
        case HOBBLE_EVENT_RELEASED:
                roster_released(m->roster, entry);
                manager_wake(m);
                break;
        case HOBBLE_EVENT_GONE:
                manager_forget(m, entry);
                manager_wake(m);
                break;
        case HOBBLE_EVENT_FAILED:
                manager_fail(m, entry, event->error, event->text);
                manager_wake(m);
                break;
        default:
                break;
        }
}

static void manager_on_event(_unused_ hobble_engine *engine, const struct hobble_event *event, void *userdata)
{
        struct manager *m = userdata;

        if (!event->subject)
                manager_on_engine_event(m, event);
        else if (hobble_subject_userdata(event->subject))
                source_event(hobble_subject_userdata(event->subject), event);
        else
                manager_on_tree_event(m, event);
}

/* -- Life -------------------------------------------------------------------------------------- */

static int manager_on_summary(_unused_ sd_event_source *source, _unused_ uint64_t usec,
                              _unused_ void *userdata)
{
        topics_flush();
        return 0;
}

/* Some topic has left lines out: tell how many in a while. */
static void manager_on_dropped(void *userdata)
{
        struct manager *m = userdata;
        int enabled;

        if (sd_event_source_get_enabled(m->summary, &enabled) >= 0 && enabled != SD_EVENT_OFF)
                return;
        (void) sd_event_source_set_time(m->summary, clock_now() + USEC_PER_SEC);
        (void) sd_event_source_set_enabled(m->summary, SD_EVENT_ONESHOT);
}

static int manager_add_timer(struct manager *m, sd_event_source **ret, sd_event_time_handler_t handler)
{
        int r;

        r = sd_event_add_time(m->event, ret, CLOCK_MONOTONIC, 0, 10 * USEC_PER_MSEC, handler, m);
        return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

static int manager_add_event_sources(struct manager *m)
{
        int r;

        r = sd_event_add_defer(m->event, &m->work, manager_on_work, m);
        if (r >= 0)
                r = sd_event_source_set_enabled(m->work, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(m->work, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = manager_add_timer(m, &m->retry, manager_on_retry);
        if (r >= 0)
                r = manager_add_timer(m, &m->summary, manager_on_summary);
        if (r >= 0)
                topics_set_handler(manager_on_dropped, m);
        return r;
}

/* Why an engine could not be started, for people. */
static const char *engine_failure(int error)
{
        switch (error) {
        case -EBUSY:
                return "another hobbled has this instance name: choose one with --instance=, or see "
                       "hobblectl list "
                       "--output=+INSTANCE";
        case -ENOENT:
                return "hobble-guard is neither beside hobbled nor installed";
        case -EPERM:
        case -EACCES:
                return "not permitted to change the cgroup hierarchy: run it as root";
        case -EOPNOTSUPP:
                return "there is no cgroup v2 hierarchy with a freezer here";
        default:
                return strerror(-error);
        }
}

static int manager_start_engine(struct manager *m, const struct manager_options *o)
{
        const struct hobble_options options = {
                .size = sizeof(options),
                .instance = o->instance,
                .guard_socket = o->guard_socket,
                .rt_priority = RT_PRIORITY,
                .handler = manager_on_event,
                .userdata = m,
        };
        int r;

        r = hobble_engine_new(&m->engine, m->event, &options);
        if (r < 0) {
                message(MESSAGE_ERROR, "cannot start: %s", engine_failure(r));
                return r;
        }
        r = hobble_tarpit_new(&m->host.tarpit, m->engine, MANAGER_TARPIT, &m->duty);
        if (r < 0)
                message(MESSAGE_ERROR, "cannot make a tarpit: %s", strerror(-r));
        m->host.engine = m->engine;
        return r;
}

static int manager_add_sources(struct manager *m, char *const *paths, size_t n)
{
        int r;

        m->sources = calloc(n, sizeof(*m->sources));
        if (!m->sources)
                return -ENOMEM;
        for (; m->n_sources < n; m->n_sources++) {
                r = source_new(m->sources + m->n_sources, &m->host, paths[m->n_sources]);
                if (r < 0)
                        return r;
        }
        return 0;
}

int manager_new(struct manager **ret, sd_event *event, const struct manager_options *options)
{
        struct manager *m = calloc(1, sizeof(*m));
        int r;

        if (!m)
                return -ENOMEM;
        m->event = sd_event_ref(event);
        m->duty = options->duty;
        m->guard_is_service = options->guard_socket;
        m->guarded = !options->guard_socket;
        m->host = (struct source_host){
                .event = event,
                .check_usec = options->check_usec,
                .changed = manager_changed,
                .userdata = m,
        };

        r = topic_init(&m->topic, NULL);
        if (r >= 0)
                r = topic_set_fields(&m->topic, MANAGER_TARPIT, NULL);
        if (r >= 0)
                r = manager_add_event_sources(m);
        if (r >= 0)
                r = roster_new(&m->roster, &roster_handler, m);
        if (r < 0)
                message(MESSAGE_ERROR, "cannot start: %s", strerror(-r));
        if (r >= 0)
                r = manager_start_engine(m, options);
        if (r >= 0) {
                r = manager_add_sources(m, options->sources, options->n_sources);
                if (r < 0)
                        message(MESSAGE_ERROR, "cannot follow the sources: %s", strerror(-r));
        }
        if (r < 0) {
                manager_free(m);
                return r;
        }
        *ret = m;
        return 0;
}

struct manager *manager_free(struct manager *m)
{
        if (!m)
                return NULL;
        m->host.tarpit = hobble_tarpit_free(m->host.tarpit);
        m->engine = hobble_engine_free(m->engine);
        for (size_t i = 0; i < m->n_sources; i++)
                source_free(m->sources[i]);
        free(m->sources);
        m->roster = roster_free(m->roster);
        topics_set_handler(NULL, NULL);
        topic_done(&m->topic);
        sd_event_source_disable_unref(m->work);
        sd_event_source_disable_unref(m->retry);
        sd_event_source_disable_unref(m->summary);
        sd_event_unref(m->event);
        free(m);
        return NULL;
}

void manager_reread(struct manager *m)
{
        for (size_t i = 0; i < m->n_sources; i++)
                source_reread(m->sources[i]);
}
