/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "top.h"
#include "clock.h"
#include "macro.h"
#include "top-list.h"

#include <langinfo.h>
#include <stdio.h>
#include <string.h>

#define ACCURACY_USEC (10 * USEC_PER_MSEC)

static int take_rows(struct top *top, struct top_rows *rows)
{
        rows->monotonic_usec = clock_now();
        rows->realtime_usec = clock_usec(CLOCK_REALTIME);
        return top_view_update(&top->view, rows, top->cpus);
}

/* What the cgroup tree alone shows. */
static void look_alone(struct top *top)
{
        _cleanup_(top_rows_done) struct top_rows rows = { 0 };
        int r = top_list_add(&rows, NULL);

        if (r >= 0)
                r = take_rows(top, &rows);
        if (r < 0)
                (void) snprintf(top->view.message, sizeof(top->view.message),
                                "the cgroup tree cannot be read: %s", strerror(-r));
        top->show(top, true, r, top->userdata);
}

/* Whether the daemon says nothing that could be shown. */
static bool is_alone(const struct top_header *h)
{
        return h->daemon == TOP_DAEMON_ABSENT || h->daemon == TOP_DAEMON_SILENT ||
               h->daemon == TOP_DAEMON_ODD;
}

/* Other instances are not the daemon's business, and yet they are hobbling. */
static void on_answered(struct top_rows *rows, void *userdata)
{
        struct top *top = userdata;
        int r;

        top_link_header(top->link, &top->view.header);
        if (!rows) {
                look_alone(top);
                return;
        }
        r = top_list_add(rows, top->view.header.instance);
        if (r != -ENOMEM) /* where there is nothing to be read, the daemon's are all */
                r = take_rows(top, rows);
        top->show(top, true, r, top->userdata);
}

static void on_changed(const char *text, void *userdata)
{
        struct top *top = userdata;

        (void) snprintf(top->view.message, sizeof(top->view.message), "%s", text);
        top_look(top);
        top->show(top, false, 0, top->userdata);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        (void) source;
        (void) usec;
        top_look(userdata);
        return 0;
}

void top_look(struct top *top)
{
        (void) sd_event_source_set_time_relative(top->timer, top->view.delay_usec);
        (void) sd_event_source_set_enabled(top->timer, SD_EVENT_ONESHOT);

        top_link_ask(top->link);
        top_link_header(top->link, &top->view.header);
        if (is_alone(&top->view.header))
                look_alone(top);
        else
                top->show(top, false, 0, top->userdata);
}

int top_init(struct top *top, const struct top_options *options)
{
        struct top_link_options link = {
                .socket = options->socket, .answered = on_answered, .changed = on_changed, .userdata = top
        };
        long cpus = sysconf(_SC_NPROCESSORS_ONLN);
        int r;

        top->cpus = cpus > 0 ? (double) cpus : 1;
        top->view = (struct top_view){
                .delay_usec = options->delay_usec,
                .sort = options->sort,
                .reverse = options->reverse,
                .batch = options->batch,
                .unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
        };
        (void) snprintf(top->view.filter, sizeof(top->view.filter), "%s", options->filter);
        r = sd_event_add_time_relative(top->event, &top->timer, CLOCK_MONOTONIC, 0, ACCURACY_USEC, on_timer,
                                       top);
        return r < 0 ? r : top_link_new(&top->link, top->event, &link);
}

void top_done(struct top *top)
{
        top->link = top_link_free(top->link);
        top->timer = sd_event_source_disable_unref(top->timer);
        top_view_done(&top->view);
}
