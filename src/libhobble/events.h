/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the caller is told, one event a loop iteration, never from within a call of theirs. */

#include <stdbool.h>

#include "hobble.h"
#include "ilist.h"

struct event_node {
        struct ilist_link link;
        struct hobble_event event; /* owns what it points to, but where it is a subject's own: see below */
};

struct events {
        hobble_engine *engine;
        hobble_event_handler handler;
        void *userdata;
        struct ilist queue;
        sd_event_source *dispatch;
        bool *gone; /* while the handler runs: set where it frees the engine */
};

int events_init(struct events *e, hobble_engine *engine, sd_event *event);

/* Queue a copy of the event with all that it points to. Where memory is short it is lost: those that end a
 * handle are not sent this way. */
void events_tell(struct events *e, const struct hobble_event *event);

/* Queue the event that ends a subject's handle, in the node that the subject has for it. What it points to
 * has to last as long as the subject. */
void events_tell_end(struct events *e, const struct hobble_event *event);

/* Drop what is queued about the tarpit, or (NULL) everything. Ended subjects are freed. */
void events_drop(struct events *e, const hobble_tarpit *tarpit);

void events_done(struct events *e);
