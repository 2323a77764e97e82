/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "worker.h"
#include "admission.h"
#include "engine.h"
#include "macro.h"
#include "release.h"
#include "subject.h"
#include "tarpit.h"

#define SLICE_USEC (2 * USEC_PER_MSEC)
#define PAUSE_USEC (10 * USEC_PER_MSEC)
#define SLACK_USEC 300 /* what is left to an edge when a slice ends */

/* An attach waits for whoever forks at that moment, and for a grace period of the kernel's: some 20 ms now
 * and then, which nothing announces. A few subjects are worth the risk that an edge comes late; a crowd, of
 * which one meets it each second, keeps away from edges that far, or an eighth of what lies between them. */
#define CROWD 64
#define APART_USEC (20 * USEC_PER_MSEC)
#define APART_PART 8

struct edge {
        uint64_t usec;        /* USEC_INFINITY: no clock runs */
        uint64_t window_end;  /* of the window that is open then or that begins with it */
        uint64_t frozen_usec; /* for how long its tarpit's subjects are frozen */
};

/* The next edge of any clock. */
static struct edge next_edge(const hobble_engine *e, uint64_t now)
{
        struct edge edge = { USEC_INFINITY, USEC_INFINITY, 0 };

        for (const struct ilist_link *k = e->tarpits.first; k; k = k->next) {
                const hobble_tarpit *t = CONTAINER_OF(k, const hobble_tarpit, in_engine);
                uint64_t next = planner_next_edge(t->planner, now), end = next;

                if (next == USEC_INFINITY || planner_deadline(t->planner) == USEC_INFINITY)
                        continue;
                if (!planner_in_window(t->planner, now))
                        end = planner_next_edge(t->planner, next);
                if (next < edge.usec)
                        edge = (struct edge){ next, end, t->duty.frozen_usec };
        }
        return edge;
}

/* How long before an edge the last attach may begin. */
static uint64_t reserve(const struct worker *w, const struct edge *edge)
{
        uint64_t apart = MIN(APART_USEC, edge->frozen_usec / APART_PART);

        return SLACK_USEC + MAX(w->attach_usec, w->queue.count >= CROWD ? apart : 0);
}

static void step(hobble_subject *s, uint64_t deadline_usec)
{
        hobble_engine *e = s->tarpit->engine;

        if (s->state == SUBJECT_RELEASING)
                release_step(s, deadline_usec);
        else if (engine_may_freeze(e))
                admission_step(s, deadline_usec);
        else
                /* Nobody is taken away from where they are while no guard would bring them back. */
                worker_enqueue_later(&e->worker, s);
}

/* One slice. forced: a window is just over, so whatever it takes, there is no better moment. */
static void work(struct worker *w, bool forced)
{
        uint64_t now = clock_now(), end, last;
        struct edge edge = next_edge(w->engine, now);

        last = edge.usec - reserve(w, &edge);
        if (!forced && now >= last) {
                (void) sd_event_source_set_enabled(w->now, SD_EVENT_OFF);
                (void) sd_event_source_set_time(w->later, edge.window_end + 1);
                (void) sd_event_source_set_enabled(w->later, SD_EVENT_ONESHOT);
                return;
        }

        (void) engine_beat(w->engine);
        w->attach_usec -= w->attach_usec / 64;
        end = MIN(now + SLICE_USEC, last);
        do {
                struct ilist_link *k = ilist_take_first(&w->queue);

                if (!k)
                        break;
                step(CONTAINER_OF(k, hobble_subject, work), end);
        } while (clock_now() < end);
        (void) sd_event_source_set_enabled(w->now, w->queue.count > 0 ? SD_EVENT_ON : SD_EVENT_OFF);
}

static int on_now(_unused_ sd_event_source *s, void *userdata)
{
        work(userdata, false);
        return 0;
}

static int on_later(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata)
{
        work(userdata, true);
        return 0;
}

static int on_pause(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata)
{
        struct worker *w = userdata;

        ilist_append_all(&w->queue, &w->waiting);
        (void) sd_event_source_set_enabled(w->now, SD_EVENT_ON);
        return 0;
}

static int add_timer(sd_event *event, sd_event_source **ret, sd_event_time_handler_t handler,
                     struct worker *w)
{
        int r = sd_event_add_time(event, ret, CLOCK_MONOTONIC, 0, 1, handler, w);

        if (r < 0)
                return r;
        (void) sd_event_source_set_priority(*ret, PRIORITY_WORK);
        return sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

int worker_init(struct worker *w, hobble_engine *engine, sd_event *event)
{
        int r;

        w->engine = engine;
        r = sd_event_add_defer(event, &w->now, on_now, w);
        if (r < 0)
                return r;
        (void) sd_event_source_set_priority(w->now, PRIORITY_WORK);
        (void) sd_event_source_set_enabled(w->now, SD_EVENT_OFF);
        r = add_timer(event, &w->later, on_later, w);
        return r < 0 ? r : add_timer(event, &w->pause, on_pause, w);
}

void worker_done(struct worker *w)
{
        w->now = sd_event_source_disable_unref(w->now);
        w->later = sd_event_source_disable_unref(w->later);
        w->pause = sd_event_source_disable_unref(w->pause);
}

void worker_enqueue(struct worker *w, hobble_subject *s)
{
        if (!s->work.list)
                ilist_append(&w->queue, &s->work);
        (void) sd_event_source_set_enabled(w->now, SD_EVENT_ON);
}

void worker_enqueue_later(struct worker *w, hobble_subject *s)
{
        if (!s->work.list)
                ilist_append(&w->waiting, &s->work);
        (void) sd_event_source_set_time(w->pause, clock_now() + PAUSE_USEC);
        (void) sd_event_source_set_enabled(w->pause, SD_EVENT_ONESHOT);
}

void worker_remove(_unused_ struct worker *w, hobble_subject *s)
{
        ilist_remove(&s->work);
}

void worker_learn(struct worker *w, uint64_t usec)
{
        w->attach_usec = MAX(w->attach_usec, usec);
}
