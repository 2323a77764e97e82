/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The graph of top: what all who are hobbled would have burnt, above what they got, over time. */

#include <stdbool.h>
#include <stddef.h>

#define GRAPH_POINTS 512 /* no terminal is wider */

struct graph_point {
        double wants, got; /* CPUs */
};

struct graph {
        struct graph_point points[GRAPH_POINTS]; /* a ring */
        size_t n, next;
};

void graph_add(struct graph *g, struct graph_point point);

/* The point of i intervals ago, 0: the newest; i is less than g->n. */
const struct graph_point *graph_point(const struct graph *g, size_t i);

/* The upper end of the scale for the newest n points, in CPUs: 0.1, 0.2, 0.5, 1, 2, 5 … */
double graph_scale(const struct graph *g, size_t n);

enum graph_row {
        GRAPH_WANTS,
        GRAPH_GOT,
};

/* One line of a row that is `height` lines high; line 0 is the topmost. The newest point is the rightmost of
 * `columns`. What is above 0 is never drawn as nothing. unicode: with block characters, eight steps a line;
 * else with # and : alone. Returns buf, which has room for at least size bytes. */
char *graph_line(const struct graph *g, enum graph_row row, double scale, size_t height, size_t line,
                 size_t columns, bool unicode, char *buf, size_t size);
