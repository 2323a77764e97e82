/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A running top, whatever it shows itself on: it looks at intervals and keeps what it saw. */

#include "top-link.h"
#include "top-view.h"

#include <systemd/sd-event.h>

struct top_options {
        const char *socket; /* NULL: wherever the daemon is */
        uint64_t delay_usec;
        uint64_t iterations; /* of a batch, 0: no end */
        enum top_column sort;
        bool reverse, batch;
        const char *filter;
};

struct top {
        sd_event *event;
        sd_event_source *timer;
        struct top_link *link;
        struct top_view view;
        double cpus;
        /* Show it. complete: there are new rows, or the cgroup tree could not be read (`error`, else 0). */
        void (*show)(struct top *top, bool complete, int error, void *userdata);
        void *userdata;
};

/* event, show and userdata have to be set before. Returns 0 or a negative errno. */
int top_init(struct top *top, const struct top_options *options);
void top_done(struct top *top);

/* Look now, and from then on at each interval. */
void top_look(struct top *top);

/* Each shows top to its end and returns the exit status. */
int top_screen(const struct top_options *options);
int top_batch(const struct top_options *options);
