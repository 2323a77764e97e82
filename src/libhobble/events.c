/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "events.h"
#include "engine.h"
#include "macro.h"
#include "subject.h"

#include <string.h>

/* Free the node or, where it is that of a subject's end, the subject. */
static void node_free(struct event_node *n)
{
        hobble_subject *s = n->event.subject;

        if (s && n == &s->end) {
                subject_free(s);
                return;
        }
        free((void *) n->event.text);
        free((void *) n->event.origin);
        free((void *) n->event.strays);
        free(n);
}

static void node_freep(struct event_node **n)
{
        if (*n)
                node_free(*n);
}

static int on_dispatch(sd_event_source *s, void *userdata)
{
        struct events *e = userdata;
        struct ilist_link *link = ilist_take_first(&e->queue);
        struct event_node *n;
        bool gone = false;

        if (!link) {
                (void) sd_event_source_set_enabled(s, SD_EVENT_OFF);
                return 0;
        }

        n = CONTAINER_OF(link, struct event_node, link);
        e->gone = &gone;
        if (e->handler)
                e->handler(e->engine, &n->event, e->userdata);
        /* The handler may free the tarpit or the engine, but not this node: it is in no queue any more. */
        node_free(n);
        if (!gone)
                e->gone = NULL;
        return 0;
}

int events_init(struct events *e, hobble_engine *engine, sd_event *event)
{
        int r;

        e->engine = engine;
        r = sd_event_add_defer(event, &e->dispatch, on_dispatch, e);
        if (r < 0)
                return r;
        (void) sd_event_source_set_priority(e->dispatch, PRIORITY_WORK);
        return sd_event_source_set_enabled(e->dispatch, SD_EVENT_OFF);
}

static void enqueue(struct events *e, struct event_node *n)
{
        ilist_append(&e->queue, &n->link);
        (void) sd_event_source_set_enabled(e->dispatch, SD_EVENT_ON);
}

static int copy(const char **ret, const char *text)
{
        *ret = text ? strdup(text) : NULL;
        return text && !*ret ? -ENOMEM : 0;
}

void events_tell(struct events *e, const struct hobble_event *event)
{
        _cleanup_(node_freep) struct event_node *n = calloc(1, sizeof(*n));

        if (!n)
                return;
        n->event = *event;
        n->event.text = n->event.origin = NULL;
        n->event.strays = NULL;
        if (copy(&n->event.text, event->text) < 0 || copy(&n->event.origin, event->origin) < 0)
                return;
        if (event->n_strays > 0) {
                pid_t *strays = calloc(event->n_strays, sizeof(*strays));

                if (!strays)
                        return;
                n->event.strays = memcpy(strays, event->strays, event->n_strays * sizeof(*strays));
        }
        enqueue(e, TAKE_PTR(n));
}

void events_tell_end(struct events *e, const struct hobble_event *event)
{
        event->subject->end.event = *event;
        enqueue(e, &event->subject->end);
}

void events_drop(struct events *e, const hobble_tarpit *tarpit)
{
        for (struct ilist_link *k = e->queue.first, *next; k; k = next) {
                struct event_node *n = CONTAINER_OF(k, struct event_node, link);

                next = k->next;
                if (tarpit && n->event.tarpit != tarpit)
                        continue;
                ilist_remove(k);
                node_free(n);
        }
}

void events_done(struct events *e)
{
        events_drop(e, NULL);
        e->dispatch = sd_event_source_disable_unref(e->dispatch);
        if (e->gone)
                *e->gone = true;
}
