/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What top asks of the daemon and tells it, without ever waiting for an answer: who hangs, or is slow, holds
 * nothing up. */

#include "top-view.h"

#include <systemd/sd-event.h>

struct top_link;

/* Called from the loop. rows: an answer to top_link_ask(), to be taken over, or NULL: ->header has changed,
 * as the daemon is not there or is not understood. */
typedef void (*top_link_answered)(struct top_rows *rows, void *userdata);

/* Called from the loop: what became of top_link_change(), in words that may be shown. */
typedef void (*top_link_changed)(const char *text, void *userdata);

struct top_link_options {
        const char *socket; /* NULL: wherever the daemon is */
        top_link_answered answered;
        top_link_changed changed;
        void *userdata;
};

/* options is copied; the strings stay the caller's. Returns 0 or -ENOMEM. */
int top_link_new(struct top_link **ret, sd_event *event, const struct top_link_options *options);

struct top_link *top_link_free(struct top_link *link);

static inline void top_link_freep(struct top_link **link)
{
        (void) top_link_free(*link);
}

/* Ask for everything, unless an answer is being waited for. Afterwards ->header tells whether one may come:
 * not where the daemon is absent. */
void top_link_ask(struct top_link *link);

/* What is known of the daemon, at this moment. */
void top_link_header(struct top_link *link, struct top_header *ret);

/* Carry out what a key wanted: TOP_RELEASE of the object at path, or TOP_PAUSE or TOP_RESUME of the tarpit.
 * name: how what becomes of it is told. */
void top_link_change(struct top_link *link, enum top_action action, const char *path, const char *tarpit,
                     const char *name);
