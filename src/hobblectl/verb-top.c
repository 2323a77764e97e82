/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* hobblectl top: its options, and its screens one after the other as plain text. */

#include "client.h"
#include "entries.h"
#include "macro.h"
#include "message.h"
#include "options.h"
#include "text.h"
#include "timespan.h"
#include "top.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

/* -- Batch ------------------------------------------------------------------------------------- */

struct batch {
        struct top top;
        uint64_t left; /* screens, 0: no end */
        bool any;
        int status;
};

/* Of a terminal its width, of a file what a line may need. */
static size_t batch_width(void)
{
        struct winsize size;

        return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col
                                                                               : (size_t) GRAPH_POINTS;
}

static void put(void *userdata, size_t y, enum top_style style, const char *text)
{
        size_t n = strlen(text);

        (void) userdata;
        (void) y;
        (void) style;
        while (n > 0 && text[n - 1] == ' ')
                n--;
        (void) printf("%.*s\n", (int) n, text);
}

static void show(struct top *top, bool complete, int error, void *userdata)
{
        struct batch *b = userdata;

        if (!complete)
                return;
        if (error < 0) {
                b->status = entries_failed(error);
                (void) sd_event_exit(top->event, 0);
                return;
        }
        if (b->any)
                (void) putchar('\n');
        b->any = true;
        top_view_draw(&top->view, batch_width(), 0, put, b);
        if (finish_output() < 0) {
                b->status = STATUS_FAILED;
                (void) sd_event_exit(top->event, 0);
        } else if (b->left > 0 && --b->left == 0)
                (void) sd_event_exit(top->event, 0);
}

int top_batch(const struct top_options *options)
{
        struct batch b = { .top = { .show = show }, .left = options->iterations, .status = STATUS_DONE };
        int r = sd_event_new(&b.top.event);

        b.top.userdata = &b;
        if (r >= 0)
                r = top_init(&b.top, options);
        if (r >= 0) {
                top_look(&b.top);
                r = sd_event_loop(b.top.event);
        }
        top_done(&b.top);
        sd_event_unref(b.top.event);
        if (r < 0) {
                complain("top cannot go on: %s", strerror(-r));
                return STATUS_FAILED;
        }
        return b.status;
}

/* -- Options ----------------------------------------------------------------------------------- */

#define OPTION_REVERSE (OPTION_LONG + 1)

static const struct option_row options[] = {
        { 'b', "batch", NULL, "Print plain text, screen after screen", OPTION_WORDS_NONE },
        { 'd', "delay", "TIME", "Between two screens, 100ms to 1h; default 1s", OPTION_WORDS_TIMES },
        { 'f', "filter", "TEXT", "Show only what contains this", OPTION_WORDS_NONE },
        { 'n', "iterations", "NUMBER", "End after so many screens; with --batch", OPTION_WORDS_NONE },
        { OPTION_REVERSE, "reverse", NULL, "The other way round", OPTION_WORDS_NONE },
        { 's', "sort", "COLUMN", "Sort by this column; default CPU%", OPTION_WORDS_COLUMNS },
        CLIENT_OPTIONS,
        { 0 },
};

static int parse_delay(struct top_options *o, const char *value)
{
        char text[SHOWN_MAX];
        uint64_t usec;

        if (timespan_parse(value, &usec) < 0) {
                complain("--delay: '%s' is no time span such as 500ms", shown(value, text));
                return -EINVAL;
        }
        if (top_delay_check(usec) < 0) {
                complain("--delay: '%s' is out of range: 100ms to 1h", shown(value, text));
                return -ERANGE;
        }
        o->delay_usec = usec;
        return 0;
}

static int parse_iterations(struct top_options *o, const char *value)
{
        char text[SHOWN_MAX];

        if (parse_u64(value, &o->iterations) < 0 || o->iterations == 0) {
                complain("--iterations: '%s' is no number above 0", shown(value, text));
                return -EINVAL;
        }
        return 0;
}

static int parse_sort(struct top_options *o, const char *value)
{
        int column = top_column_find(value);
        char names[256] = "", text[SHOWN_MAX];

        if (column >= 0) {
                o->sort = (enum top_column) column;
                return 0;
        }
        for (int i = 0; i < TOP_COLUMN_MAX; i++) {
                (void) strcat(names, " ");
                (void) strcat(names, top_column_name((enum top_column) i));
        }
        complain("--sort: unknown column '%s': there are%s", shown(value, text), names);
        return -EINVAL;
}

static int parse(struct top_options *o, int code, const char *value)
{
        switch (code) {
        case 'b':
                o->batch = true;
                return 0;
        case 'd':
                return parse_delay(o, value);
        case 'f':
                o->filter = value;
                return 0;
        case 'n':
                return parse_iterations(o, value);
        case 's':
                return parse_sort(o, value);
        case OPTION_REVERSE:
                o->reverse = true;
                return 0;
        default:
                o->socket = value;
                return 0;
        }
}

static int top_main(const struct verb *verb, int argc, char *argv[])
{
        struct top_options o = { .delay_usec = USEC_PER_SEC, .sort = TOP_CPU, .filter = "" };
        struct option_reader reader;
        int r;

        options_begin(&reader, verb, argc, argv);
        while ((r = options_next(&reader)) > 0) {
                if (parse(&o, r, reader.value) < 0)
                        return usage_error(verb);
        }
        if (r < 0)
                return reader.status;
        if (o.iterations > 0 && !o.batch) {
                complain("--iterations goes with --batch");
                return usage_error(verb);
        }
        return o.batch ? top_batch(&o) : top_screen(&o);
}

const struct verb verb_top = {
        .name = "top",
        .arguments = "",
        .summary = "Show what is hobbled, live",
        .options = options,
        .words = WORDS_NONE,
        .arguments_max = 0,
        .usage_status = STATUS_USAGE,
        .main = top_main,
};
