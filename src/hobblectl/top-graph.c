/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "top-graph.h"
#include "macro.h"

#include <math.h>
#include <string.h>

void graph_add(struct graph *g, struct graph_point point)
{
        g->points[g->next] = point;
        g->next = (g->next + 1) % GRAPH_POINTS;
        g->n = MIN(g->n + 1, (size_t) GRAPH_POINTS);
}

const struct graph_point *graph_point(const struct graph *g, size_t i)
{
        return &g->points[(g->next + GRAPH_POINTS - 1 - i) % GRAPH_POINTS];
}

double graph_scale(const struct graph *g, size_t n)
{
        static const double steps[] = { 2, 2.5, 2 };
        double most = 0, scale = 0.1;

        for (size_t i = 0; i < MIN(n, g->n); i++) {
                most = fmax(most, graph_point(g, i)->wants);
                most = fmax(most, graph_point(g, i)->got);
        }
        /* 0.1 as a double is not a tenth: ten of them make what is not quite 1. */
        for (size_t i = 0; scale * (1 + 1e-9) < most && scale < 1e6; i++)
                scale *= steps[i % ELEMENTSOF(steps)];
        return scale;
}

/* How many eighths of a line the bar of a value is high. */
static size_t eighths(double value, double scale, size_t height)
{
        double all = (double) height * 8;

        if (!(value > 0) || !(scale > 0))
                return 0;
        return (size_t) fmax(1, fmin(all, round(value / scale * all)));
}

static const char *block(size_t n, bool unicode)
{
        static const char *const blocks[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };

        if (unicode)
                return blocks[n];
        return n == 0 ? " " : n < 5 ? ":" : "#";
}

char *graph_line(const struct graph *g, enum graph_row row, double scale, size_t height, size_t line,
                 size_t columns, bool unicode, char *buf, size_t size)
{
        size_t below = (height - 1 - line) * 8, used = 0;

        buf[0] = '\0';
        for (size_t i = columns; i-- > 0;) {
                const struct graph_point *p = i < g->n ? graph_point(g, i) : NULL;
                size_t n = p ? eighths(row == GRAPH_WANTS ? p->wants : p->got, scale, height) : 0;
                const char *s = block(n <= below ? 0 : MIN(n - below, (size_t) 8), unicode);

                if (used + strlen(s) + 1 > size)
                        break;
                strcpy(buf + used, s);
                used += strlen(s);
        }
        return buf;
}
