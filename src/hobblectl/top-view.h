/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The screen of top, as lines of text: what is on it, and what each key does to it. The terminal is
 * elsewhere.
 */

#include "top-data.h"
#include "top-graph.h"

#include <wchar.h>

/* Where the subjects are from. */
enum top_daemon {
        TOP_DAEMON_ASKED,   /* not known yet */
        TOP_DAEMON_ABSENT,  /* the cgroup tree alone: no daemon runs */
        TOP_DAEMON_ANSWERS, /* the daemon */
        TOP_DAEMON_SILENT,  /* the cgroup tree: the daemon does not answer */
        TOP_DAEMON_ODD,     /* the cgroup tree: what the daemon says is not understood, see ->problem */
};

/* What is known of the daemon itself. Its words are escaped. */
struct top_header {
        enum top_daemon daemon;
        char version[32], instance[72], problem[256];
        bool guarded;
        unsigned tarpits, paused, config_errors; /* ANSWERS only */
        uint64_t waited_usec;                    /* for an answer that has not come */
};

enum top_prompt {
        TOP_PROMPT_NONE,
        TOP_PROMPT_FILTER,
        TOP_PROMPT_DELAY,
        TOP_PROMPT_RELEASE,
        TOP_PROMPT_PAUSE,
        TOP_PROMPT_RESUME,
};

/* What a key wants from who has the terminal and the daemon. */
enum top_action {
        TOP_NOTHING,
        TOP_QUIT,
        TOP_REDRAW,
        TOP_REFRESH, /* the delay has changed, or data are wanted now */
        TOP_RELEASE, /* ->target; so do the others */
        TOP_PAUSE,
        TOP_RESUME,
};

struct top_view {
        struct top_header header;
        struct top_rows rows;
        struct graph graph;
        uint64_t delay_usec;

        enum top_column sort;
        bool reverse;
        char filter[128];
        const struct top_row **shown; /* of rows, what the filter lets through, sorted */
        size_t n_shown, selected, first;

        bool help, unicode, batch;
        enum top_prompt prompt;
        char input[128];   /* of the prompt */
        char message[320]; /* until the next key */
        /* What the prompt is about: its rows may have gone meanwhile. */
        struct {
                char *path, *raw_tarpit, *name, *tarpit;
        } target;
};

void top_view_done(struct top_view *v);

/* Take new rows over, which are measured against those before and added to the graph. The same subject stays
 * selected. Returns 0 or -ENOMEM. */
int top_view_update(struct top_view *v, struct top_rows *rows, double cpus);

/* Whether so long may pass between two screens: 100 ms to 1 h. Returns 0 or -ERANGE. */
int top_delay_check(uint64_t usec);

/* Sort and filter anew. Returns 0 or -ENOMEM. */
int top_view_arrange(struct top_view *v);

/* A key: a character or, special, one of KEY_* of curses. page: how many rows the screen shows. */
enum top_action top_view_key(struct top_view *v, wint_t key, bool special, size_t page);

enum top_style {
        TOP_PLAIN,
        TOP_TITLE,
        TOP_ALERT,
        TOP_GRAPH_WANTS,
        TOP_GRAPH_GOT,
        TOP_HEADINGS,
        TOP_SELECTED,
        TOP_FROZEN,
        TOP_HELD,
        TOP_KEYS,
        TOP_PROMPT,
        TOP_STYLE_MAX,
};

/* A line, which takes exactly the width. */
typedef void (*top_put)(void *userdata, size_t y, enum top_style style, const char *text);

/* Put all the lines of a screen of that size, at least 1 by 1. A batch has no graph and no keys, and as many
 * lines as there are subjects. */
void top_view_draw(struct top_view *v, size_t width, size_t height, top_put put, void *userdata);

/* How many rows a screen of that height shows. */
size_t top_view_page(const struct top_view *v, size_t height);
