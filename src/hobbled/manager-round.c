/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "clock.h"
#include "macro.h"
#include "manager-internal.h"
#include "subject-text.h"

#include <string.h>

/* Lookups between two looks at the clock. */
#define LOOKUPS 16U

/* What a service manager has forked takes less, on a very busy host as well, to run what it is to run. */
#define STARTING_USEC (500 * USEC_PER_MSEC)
#define STARTING_CHECK_USEC (100 * USEC_PER_MSEC)

/* More parts are not followed: a tree that makes scopes without end. */
#define PARTS_MAX 1024U

static void manager_wake(struct manager *m)
{
        (void) sd_event_source_set_enabled(m->work, SD_EVENT_ON);
}

void manager_changed(void *userdata)
{
        struct manager *m = userdata;

        m->changed = true;
        manager_wake(m);
}

/* -- Facts ------------------------------------------------------------------------------------- */

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
        struct roster_entry *entry;
        uint64_t start_time;
        pid_t root;

        if (hobble_engine_root_of(m->engine, pid, &root, &start_time) < 0)
                return NULL;
        entry = roster_find(m->roster, root, start_time);
        return entry && entry->subject ? entry : NULL;
}

static const struct roster_handler roster_handler = { .look = roster_look, .member = roster_member };

/* -- Rounds ------------------------------------------------------------------------------------ */

struct put {
        struct manager *m;
        struct roster_claim claim;
};

static int put(pid_t pid, uint64_t start_time, void *userdata)
{
        const struct put *p = userdata;

        return roster_put(p->m->roster, pid, start_time, &p->claim);
}

static int put_source(struct manager *m, struct tarpit *t, const struct source *s)
{
        struct put p = { m, { .rank = t->rank, .tarpit = t, .source = manager_source_text(m, t, s) } };

        p.claim.found = source_is_census(s);
        p.claim.placement = t->placement;
        if (t->placement == HOBBLE_PLACEMENT_AUTO)
                p.claim.placement = source_placement(s);
        return source_for_each(s, put, &p);
}

static int put_tarpit(struct manager *m, struct tarpit *t)
{
        int r = 0;

        for (size_t i = 0; i < t->n_sources && r >= 0; i++)
                r = put_source(m, t, t->sources[i]);
        for (size_t i = 0; i < t->n_asked && r >= 0; i++)
                r = put_source(m, t, t->asked[i].source);
        return r < 0 ? r : manager_put_requests(m, t);
}

/* Parts of those trees that are there, in the same tarpit as the tree. */
static int put_parts(struct manager *m)
{
        size_t n = 0;
        int r = 0;

        for (size_t i = 0; i < m->n_parts; i++) {
                const struct part *part = m->parts + i;
                struct roster_entry *parent = roster_find(m->roster, part->parent_pid, part->parent_start);
                struct roster_claim claim;

                if (!parent || parent->state != ROSTER_ADDED)
                        continue;
                m->parts[n++] = *part;
                claim = parent->claim;
                claim.apart = true;
                if (r >= 0)
                        r = roster_put(m->roster, part->pid, part->start_time, &claim);
        }
        m->n_parts = n;
        return r;
}

/* Begin a round. Returns 0 or -ENOMEM. */
static int begin_round(struct manager *m)
{
        int r = 0;

        m->changed = false;
        m->resolving = true;
        manager_sweep_requests(m);
        roster_begin(m->roster);
        for (size_t i = 0; i < m->n_tarpits && r >= 0; i++)
                r = put_tarpit(m, m->tarpits[i]);
        return r < 0 ? r : put_parts(m);
}

uint64_t manager_check_usec(const struct manager *m)
{
        uint64_t usec = USEC_INFINITY;

        for (size_t i = 0; i < m->n_tarpits; i++)
                usec = MIN(usec, m->tarpits[i]->host.check_usec);
        return usec;
}

void manager_retry_later(struct manager *m)
{
        int enabled;

        if (sd_event_source_get_enabled(m->retry, &enabled) >= 0 && enabled != SD_EVENT_OFF)
                return;
        (void) sd_event_source_set_time_relative(m->retry, manager_check_usec(m));
        (void) sd_event_source_set_enabled(m->retry, SD_EVENT_ONESHOT);
}

/* A named process has ended, or never was. */
static void forget(struct manager *m, struct roster_entry *entry)
{
        roster_ended(m->roster, entry);
        if (entry->members > 0)
                manager_changed(m);
        for (size_t i = 0; i < m->n_tarpits; i++)
                tarpit_process_ended(m->tarpits[i], entry->pid, entry->start_time);
        manager_request_process_ended(m, entry->pid, entry->start_time);
}

/* A tree could not be hobbled. Another try makes no sense where it is not permitted. */
static void fail(struct manager *m, struct tarpit *t, struct roster_entry *entry, int error, const char *text)
{
        bool for_good = error == -EPERM || error == -EACCES || error == -EINVAL;
        const char *name = entry->subject ? hobble_subject_name(entry->subject) : NULL;

        if (error == -ESRCH) {
                forget(m, entry);
                return;
        }
        if (roster_failed(m->roster, entry, error, for_good))
                announce_refused(&(struct announcement){ .topic = &t->topic, .source = entry->claim.source },
                                 &(struct refusal){
                                         .tarpit = t->name,
                                         .subject = name,
                                         .pid = entry->pid,
                                         .error = error,
                                         .text = text,
                                         .found = error == -EPERM && entry->claim.found,
                                         .retry_usec = for_good ? USEC_INFINITY : manager_check_usec(m),
                                 });
        if (!for_good)
                manager_retry_later(m);
        else if (entry->members > 0)
                manager_changed(m);
}

/* Where it was rescued just now it is released already. */
static void release(const struct roster_entry *entry)
{
        if (entry->subject)
                hobble_subject_release(entry->subject);
}

/* [Exempt] may be another than when it was admitted. */
static void review(struct manager *m, struct roster_entry *entry)
{
        struct hobble_process process;
        char home[4096];

        if (hobble_process_read(entry->pid, &process) < 0 || process.start_time != entry->start_time ||
            hobble_engine_home_of(m->engine, entry->pid, home, sizeof(home)) < 0 ||
            !manager_exempt_reason(m, entry->tarpit, &process, home))
                return;
        roster_expelled(m->roster, entry);
        release(entry);
}

/* Whether a service manager has just forked it. Moved elsewhere at that moment, it could not move itself to
 * the cgroup of its unit, as it is about to, and the unit's start would fail. Anybody can look like that, so
 * it is for a moment only. */
static bool is_starting(const struct manager *m, const struct roster_entry *entry)
{
        const uint64_t hz = (uint64_t) sysconf(_SC_CLK_TCK);
        struct hobble_process process;

        return clock_usec(CLOCK_BOOTTIME) < entry->start_time * USEC_PER_SEC / hz + STARTING_USEC &&
               hobble_process_read(entry->pid, &process) >= 0 && exempt_is_forked(m->exempt, &process);
}

/* It will look different in a moment. */
static void postpone(struct manager *m, struct roster_entry *entry)
{
        (void) roster_failed(m->roster, entry, -EAGAIN, false);
        (void) sd_event_source_set_time_relative(m->retry, STARTING_CHECK_USEC);
        (void) sd_event_source_set_enabled(m->retry, SD_EVENT_ONESHOT);
}

static void act(struct manager *m, const struct roster_action *action)
{
        struct roster_entry *entry = action->entry;
        struct tarpit *t = entry->claim.tarpit;
        hobble_subject *subject = NULL;
        int r;

        if (action->verb == ROSTER_REVIEW) {
                review(m, entry);
                return;
        }
        if (action->verb == ROSTER_RELEASE) {
                release(entry);
                return;
        }

        /* Taken in now, it would be taken out again. on_strays() follows. */
        if (scope_again_has(m->scope_again, entry->pid)) {
                (void) roster_failed(m->roster, entry, -EAGAIN, false);
                manager_retry_later(m);
                return;
        }

        if (is_starting(m, entry)) {
                postpone(m, entry);
                return;
        }
        r = hobble_tarpit_add_tree(t->host.tarpit, entry->pid, entry->start_time,
                                   (enum hobble_placement) entry->claim.placement, NULL, &subject);
        if (r >= 0)
                roster_added(m->roster, entry, subject);
        else
                fail(m, t, entry, r, NULL);
}

/* Work for one slice: a round, then what follows from it. */
static int on_work(_unused_ sd_event_source *source, void *userdata)
{
        struct manager *m = userdata;
        uint64_t begin = clock_now();
        struct roster_action action;
        int r = 0;

        if (!m->resolving && m->changed)
                r = begin_round(m);
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
                act(m, &action);
                if (clock_now() - begin >= CLOCK_SLICE_USEC)
                        return 0;
        }
        status_touch(m->status);
        return m->changed ? 0 : sd_event_source_set_enabled(m->work, SD_EVENT_OFF);
}

static int on_retry(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata)
{
        struct manager *m = userdata;

        /* In the middle of a round nothing can be tried again. */
        if (m->resolving) {
                manager_retry_later(m);
                return 0;
        }
        if (TAKE(m->in_doubt, false)) {
                roster_reconsider(m->roster);
                manager_changed(m);
        }
        if (roster_retry(m->roster) || m->changed)
                manager_wake(m);
        return 0;
}

/* -- Events ------------------------------------------------------------------------------------ */

/* A part of a tree belongs to another unit, and was left there. */
static void take_part(struct manager *m, const struct roster_entry *parent, pid_t pid)
{
        struct hobble_process process;
        struct part *grown;

        if (m->n_parts >= PARTS_MAX || hobble_process_read(pid, &process) < 0)
                return;
        for (size_t i = 0; i < m->n_parts; i++) {
                if (m->parts[i].pid == process.pid && m->parts[i].start_time == process.start_time)
                        return;
        }
        grown = reallocarray(m->parts, m->n_parts + 1, sizeof(*grown));
        if (!grown)
                return;
        m->parts = grown;
        grown[m->n_parts++] = (struct part){
                .pid = process.pid,
                .start_time = process.start_time,
                .parent_pid = parent->pid,
                .parent_start = parent->start_time,
        };
        manager_changed(m);
}

/* A subject has ended: so do its parts, and so may its tarpit. */
static void on_end(struct manager *m)
{
        if (m->n_parts > 0)
                manager_changed(m);
        manager_wake(m);
}

/* What became of processes whose origin is gone, or takes none any more. */
static void on_strays(const struct scope_again_result *result, void *userdata)
{
        struct manager *m = userdata;
        struct tarpit *t = manager_find_by_name(m, result->tarpit);

        announce_strayed(
                &(struct announcement){ .topic = t ? &t->topic : &m->topic, .source = result->source },
                result->tarpit, result->subject, result->pid, result->text);
        /* One that waited to be hobbled again. */
        if (!m->resolving && roster_retry(m->roster))
                manager_wake(m);
}

static void on_watchdog(const char *tarpit, const char *unit, const char *text, void *userdata)
{
        struct tarpit *t = manager_find_by_name(userdata, tarpit);

        if (t)
                announce_watchdog(&(struct announcement){ .topic = &t->topic }, unit, text);
}

/* Whether systemd may kill what the tree came from. */
static void look_at_watchdog(struct manager *m, const struct tarpit *t, pid_t pid)
{
        char home[4096], unit[SUBJECT_UNIT_MAX];

        if (units_bus(m->units) && hobble_engine_home_of(m->engine, pid, home, sizeof(home)) >= 0 &&
            subject_unit(home, unit, sizeof(unit)))
                watchdogs_look(m->watchdogs, unit, t->name, &t->duty);
}

const char *manager_tree_source(const struct manager *m, const hobble_subject *subject)
{
        const struct roster_entry *entry;

        entry = roster_find(m->roster, hobble_subject_pid(subject), hobble_subject_start_time(subject));
        return entry ? entry->claim.source : NULL;
}

void manager_on_tree_event(struct manager *m, struct tarpit *t, const struct hobble_event *event)
{
        struct roster_entry *entry;

        entry = roster_find(m->roster, hobble_subject_pid(event->subject),
                            hobble_subject_start_time(event->subject));
        if (!entry || entry->subject != event->subject)
                return;

        if (event->kind != HOBBLE_EVENT_PART && event->kind != HOBBLE_EVENT_STRAYED)
                announce_event(&(struct announcement){ .topic = &t->topic, .source = entry->claim.source },
                               event);
        switch (event->kind) {
        case HOBBLE_EVENT_ADMITTED:
                look_at_watchdog(m, t, entry->pid);
                roster_admitted(m->roster, entry);
                manager_patrol(m);
                if (entry->members > 0)
                        manager_changed(m);
                manager_wake(m);
                break;
        case HOBBLE_EVENT_RELEASED:
                roster_released(m->roster, entry);
                on_end(m);
                break;
        case HOBBLE_EVENT_GONE:
                forget(m, entry);
                on_end(m);
                break;
        case HOBBLE_EVENT_RESCUED:
                roster_rescued(m->roster, entry);
                break;
        case HOBBLE_EVENT_FAILED:
                fail(m, t, entry, event->error, event->text);
                on_end(m);
                break;
        case HOBBLE_EVENT_STRAYED:
                scope_again_take(m->scope_again, event, entry->claim.source);
                break;
        case HOBBLE_EVENT_PART:
                take_part(m, entry, event->pid);
                break;
        default:
                break;
        }
}

void manager_void(struct manager *m)
{
        roster_void(m->roster);
        m->n_parts = 0;
        for (size_t i = 0; i < m->n_tarpits; i++)
                tarpit_void(m->tarpits[i]);
        manager_changed(m);
}

/* -- Life -------------------------------------------------------------------------------------- */

int manager_init_rounds(struct manager *m)
{
        int r;

        r = sd_event_add_defer(m->event, &m->work, on_work, m);
        if (r >= 0)
                r = sd_event_source_set_enabled(m->work, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(m->work, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_event_add_time(m->event, &m->retry, CLOCK_MONOTONIC, 0, 10 * USEC_PER_MSEC, on_retry,
                                      m);
        if (r >= 0)
                r = sd_event_source_set_enabled(m->retry, SD_EVENT_OFF);
        if (r >= 0)
                r = scope_again_new(&m->scope_again, m->event, m->units, on_strays, m);
        if (r >= 0)
                r = watchdogs_new(&m->watchdogs, m->units, on_watchdog, m);
        return r < 0 ? r : roster_new(&m->roster, &roster_handler, m);
}

void manager_done_rounds(struct manager *m)
{
        m->watchdogs = watchdogs_free(m->watchdogs);
        m->scope_again = scope_again_free(m->scope_again);
        m->roster = roster_free(m->roster);
        m->work = sd_event_source_disable_unref(m->work);
        m->retry = sd_event_source_disable_unref(m->retry);
        free(m->parts);
}
