/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "top-view.h"
#include "macro.h"
#include "timespan.h"
#include "top-text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* For the widest of lines, each character taking four bytes. */
#define LINE_MAX_BYTES (4 * GRAPH_POINTS + 4)

void top_view_done(struct top_view *v)
{
        top_rows_done(&v->rows);
        free(v->shown);
        free(v->target.path);
        free(v->target.raw_tarpit);
        free(v->target.name);
        free(v->target.tarpit);
        *v = (struct top_view){ 0 };
}

int top_view_arrange(struct top_view *v)
{
        size_t n;
        const struct top_row **shown = top_rows_view(&v->rows, v->sort, v->reverse, v->filter, &n);

        if (!shown)
                return -ENOMEM;
        for (size_t i = 0; v->shown && v->selected < v->n_shown && i < n; i++) {
                if (top_row_is(shown[i], v->shown[v->selected])) {
                        v->selected = i;
                        break;
                }
        }
        free(v->shown);
        v->shown = shown;
        v->n_shown = n;
        v->selected = MIN(v->selected, n > 0 ? n - 1 : 0);
        return 0;
}

int top_view_update(struct top_view *v, struct top_rows *rows, double cpus)
{
        struct top_rows before = v->rows;
        bool first = before.monotonic_usec == 0;
        struct top_totals totals;
        const struct top_row *selected = NULL;
        struct top_row kept = { 0 };
        int r;

        if (v->shown && v->selected < v->n_shown)
                selected = v->shown[v->selected];
        if (selected)
                kept = *selected; /* measuring sorts the rows before */
        top_rows_measure(rows, &before, cpus);
        v->rows = TAKE(*rows, (struct top_rows){ 0 });
        free(v->shown);
        v->shown = NULL;
        r = top_view_arrange(v);
        for (size_t i = 0; r >= 0 && selected && i < v->n_shown; i++) {
                if (top_row_is(v->shown[i], &kept)) {
                        v->selected = i;
                        break;
                }
        }
        top_rows_done(&before);

        if (!first) {
                top_rows_sum(&v->rows, &totals);
                graph_add(&v->graph, (struct graph_point){ totals.wants, totals.got });
        }
        return r;
}

/* -- Columns ----------------------------------------------------------------------------------- */

static const struct {
        size_t width; /* at least: the heading and the mark of what is sorted by */
        enum text_side side;
} forms[TOP_COLUMN_MAX] = {
        [TOP_SUBJECT] = { 8, TEXT_TAIL },  [TOP_USER] = { 8, TEXT_LEFT },  [TOP_TARPIT] = { 8, TEXT_LEFT },
        [TOP_STATE] = { 9, TEXT_LEFT },    [TOP_CPU] = { 6, TEXT_RIGHT },  [TOP_WANTS] = { 7, TEXT_RIGHT },
        [TOP_BALANCE] = { 8, TEXT_RIGHT }, [TOP_TIME] = { 7, TEXT_RIGHT }, [TOP_COMMAND] = { 5, TEXT_LEFT },
};

/* The columns that there is room for: their widths, 0 for none. */
struct layout {
        size_t widths[TOP_COLUMN_MAX];
};

static size_t layout_width(const struct layout *l)
{
        size_t sum = 0;

        for (size_t i = 0; i < TOP_COLUMN_MAX; i++)
                sum += l->widths[i] > 0 ? l->widths[i] + (sum > 0) : 0;
        return sum;
}

/* Give a column as much as its longest text takes, as far as there is room, and at most so much. */
static void widen(struct layout *l, const struct top_view *v, enum top_column column, size_t width,
                  size_t most)
{
        size_t longest = 0, room = width - MIN(width, layout_width(l));

        for (size_t i = 0; i < v->n_shown; i++) {
                const struct top_row *row = v->shown[i];

                longest = MAX(longest, text_columns(column == TOP_SUBJECT  ? row->subject
                                                    : column == TOP_TARPIT ? row->tarpit
                                                                           : row->user));
        }
        longest = MIN(longest, most);
        if (l->widths[column] > 0 && longest > l->widths[column])
                l->widths[column] += MIN(longest - l->widths[column], room);
}

static void lay_out(struct layout *l, const struct top_view *v, size_t width)
{
        static const enum top_column dispensable[] = { TOP_BALANCE, TOP_TIME,  TOP_USER,    TOP_WANTS,
                                                       TOP_TARPIT,  TOP_STATE, TOP_COMMAND, TOP_CPU };

        for (size_t i = 0; i < TOP_COLUMN_MAX; i++)
                l->widths[i] = forms[i].width;
        for (size_t i = 0; i < ELEMENTSOF(dispensable) && layout_width(l) > width; i++)
                l->widths[dispensable[i]] = 0;
        widen(l, v, TOP_TARPIT, width, MAX(width / 6, (size_t) 8));
        widen(l, v, TOP_USER, width, MAX(width / 6, (size_t) 8));
        widen(l, v, TOP_SUBJECT, width, MAX(width / 3, (size_t) 8));
        if (l->widths[TOP_COMMAND] > 0)
                l->widths[TOP_COMMAND] += width - MIN(width, layout_width(l));
        else
                l->widths[TOP_SUBJECT] += width - MIN(width, layout_width(l));
}

static const char *cell(const struct top_row *row, enum top_column column, char *buf, size_t size)
{
        switch (column) {
        case TOP_SUBJECT:
                return row->subject;
        case TOP_USER:
                return row->user;
        case TOP_TARPIT:
                return row->tarpit;
        case TOP_STATE:
                return row->state;
        case TOP_CPU:
                return text_percent(row->got, buf, size);
        case TOP_WANTS:
                return text_percent(row->wants, buf, size);
        case TOP_BALANCE:
                return row->timed ? text_balance(row->balance_usec, buf, size) : "-";
        case TOP_TIME:
                return text_clock(row->cpu_usec, buf, size);
        default:
                return row->command;
        }
}

/* A line of the table; row NULL: the headings. */
static void compose(const struct layout *l, const struct top_view *v, const struct top_row *row, char *line,
                    size_t size)
{
        size_t used = 0;

        line[0] = '\0';
        for (enum top_column c = 0; c < TOP_COLUMN_MAX; c++) {
                char text[64], heading[16], fitted[LINE_MAX_BYTES];
                const char *what = row ? cell(row, c, text, sizeof(text)) : heading;

                if (l->widths[c] == 0)
                        continue;
                (void) snprintf(heading, sizeof(heading), "%s", top_column_name(c));
                if (c == v->sort && strlen(heading) < l->widths[c])
                        (void) strcat(heading, v->reverse ? "<" : ">");
                /* The beginning of a heading says more than its end. */
                (void) text_fit(what, l->widths[c],
                                !row && forms[c].side == TEXT_TAIL ? TEXT_LEFT : forms[c].side, fitted,
                                sizeof(fitted));
                used += (size_t) snprintf(line + used, size - used, "%s%s", used > 0 ? " " : "", fitted);
                if (used >= size)
                        return;
        }
}

/* -- Lines above and below the table ----------------------------------------------------------- */

struct page {
        size_t width, height, y;
        top_put put;
        void *userdata;
};

static void put_line(struct page *p, enum top_style style, const char *text)
{
        char line[LINE_MAX_BYTES];

        if (p->y >= p->height)
                return;
        p->put(p->userdata, p->y++, style, text_fit(text, p->width, TEXT_LEFT, line, sizeof(line)));
}

static void put_title(struct page *p, const struct top_view *v)
{
        const struct top_header *h = &v->header;
        char text[512];

        switch (h->daemon) {
        case TOP_DAEMON_ANSWERS:
                (void) snprintf(text, sizeof(text), "hobbled %s, instance %s: %s", h->version, h->instance,
                                h->guarded ? "guarded" : "not guarded, so nothing is frozen");
                if (h->config_errors > 0)
                        (void) snprintf(text + strlen(text), sizeof(text) - strlen(text),
                                        "; its configuration has %u error%s", h->config_errors,
                                        h->config_errors == 1 ? "" : "s");
                put_line(p, h->guarded && h->config_errors == 0 ? TOP_TITLE : TOP_ALERT, text);
                return;
        case TOP_DAEMON_ABSENT:
                put_line(p, TOP_TITLE, "hobbled is not running; this is the cgroup tree, to look at only");
                return;
        case TOP_DAEMON_SILENT:
                (void) snprintf(text, sizeof(text),
                                "hobbled does not answer (waited %" PRIu64 "s); this is the cgroup tree",
                                (uint64_t) (h->waited_usec / USEC_PER_SEC));
                put_line(p, TOP_ALERT, text);
                return;
        case TOP_DAEMON_ODD:
                put_line(p, TOP_ALERT, h->problem);
                return;
        default:
                put_line(p, TOP_TITLE, "hobbled is being asked");
                return;
        }
}

static void put_totals(struct page *p, const struct top_view *v)
{
        struct top_totals t;
        char text[256], percent[16];
        unsigned tarpits;

        top_rows_sum(&v->rows, &t);
        tarpits = v->header.daemon == TOP_DAEMON_ANSWERS ? MAX(v->header.tarpits, t.tarpits) : t.tarpits;
        if (t.subjects == 0 && v->header.daemon != TOP_DAEMON_ASKED) {
                (void) snprintf(text, sizeof(text), "%u tarpit%s, nothing is hobbled", tarpits,
                                tarpits == 1 ? "" : "s");
                put_line(p, TOP_PLAIN, text);
                return;
        }
        (void) snprintf(text, sizeof(text), "%u tarpit%s%s, %u subject%s, %u frozen; they got %s%%", tarpits,
                        tarpits == 1 ? "" : "s", v->header.paused > 0 ? " (some paused)" : "", t.subjects,
                        t.subjects == 1 ? "" : "s", t.frozen, text_percent(t.got, percent, sizeof(percent)));
        if (t.timed)
                (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), ", would have burnt %s%%",
                                text_percent(t.wants, percent, sizeof(percent)));
        put_line(p, TOP_PLAIN, text);
}

static size_t graph_height(const struct top_view *v, size_t height)
{
        return v->batch || height < 12 ? 0 : height < 20 ? 1 : height < 40 ? 2 : 3;
}

static void put_graph(struct page *p, const struct top_view *v)
{
        static const char *const names[] = { [GRAPH_WANTS] = "would", [GRAPH_GOT] = "got" };
        size_t height = graph_height(v, p->height), margin = 12;
        size_t columns =
                p->width > margin ? p->width - margin : 0; /* a page is no wider than the graph is long */
        double scale = graph_scale(&v->graph, columns);

        for (enum graph_row row = GRAPH_WANTS; row <= GRAPH_GOT; row++) {
                for (size_t line = 0; line < height; line++) {
                        char text[LINE_MAX_BYTES], bars[LINE_MAX_BYTES - 64], end[16];

                        /* The scale stands where it ends, the name where the bars stand. */
                        (void) snprintf(end, sizeof(end), "%.0f%%", scale * 100);
                        (void) snprintf(text, sizeof(text), "%-5s%5s |%s",
                                        line == height - 1 ? names[row] : "", line == 0 ? end : "",
                                        graph_line(&v->graph, row, scale, height, line, columns, v->unicode,
                                                   bars, sizeof(bars)));
                        put_line(p, row == GRAPH_WANTS ? TOP_GRAPH_WANTS : TOP_GRAPH_GOT, text);
                }
        }
}

static void put_prompt(struct page *p, const struct top_view *v)
{
        char text[1024];

        switch (v->prompt) {
        case TOP_PROMPT_FILTER:
                (void) snprintf(text, sizeof(text), "Show only what contains: %s_", v->input);
                break;
        case TOP_PROMPT_DELAY:
                (void) snprintf(text, sizeof(text), "Refresh each (such as 500ms or 2s): %s_", v->input);
                break;
        case TOP_PROMPT_RELEASE:
                (void) snprintf(text, sizeof(text), "Release %s of tarpit %s? [y/N]", v->target.name,
                                v->target.tarpit);
                break;
        case TOP_PROMPT_PAUSE:
                (void) snprintf(text, sizeof(text), "Pause tarpit %s with all its subjects? [y/N]",
                                v->target.tarpit);
                break;
        case TOP_PROMPT_RESUME:
                (void) snprintf(text, sizeof(text), "Resume tarpit %s with all its subjects? [y/N]",
                                v->target.tarpit);
                break;
        default:
                return;
        }
        put_line(p, TOP_PROMPT, text);
}

static void put_footer(struct page *p, const struct top_view *v)
{
        char text[512], span[48];

        if (p->height < 2 && v->prompt == TOP_PROMPT_NONE)
                return;
        p->y = p->height - 1;
        if (v->prompt != TOP_PROMPT_NONE) {
                put_prompt(p, v);
                return;
        }
        if (*v->message) {
                put_line(p, TOP_PROMPT, v->message);
                return;
        }
        if (*v->filter)
                (void) snprintf(text, sizeof(text), "h help  q quit  / filter: %s (%zu of %zu)", v->filter,
                                v->n_shown, v->rows.n);
        else
                (void) snprintf(text, sizeof(text),
                                "h help  q quit  / filter  < > sort  r release  p pause  d each %s",
                                timespan_format(v->delay_usec, span, sizeof(span)));
        put_line(p, TOP_KEYS, text);
}

/* -- The screen -------------------------------------------------------------------------------- */

static void put_help(struct page *p)
{
        static const char *const lines[] = {
                "Keys",
                "  Up Down PgUp PgDn Home End   select a subject",
                "  < >      sort by the column to the left, to the right",
                "  1 ... 9  sort by this column",
                "  R        reverse the order",
                "  /        show only what contains a text; an empty text: all",
                "  r        release the subject, after a question",
                "  p        pause its tarpit, or resume it, after a question",
                "  d        change the time between two screens",
                "  Space    look now",
                "  h ?      this help",
                "  q        quit",
                "Columns",
                "  CPU%     what it got, in percent of one CPU",
                "  WANTS%   what it would have burnt, had it not been frozen",
                "  BALANCE  CPU time it may use before it is frozen; below 0: owed",
                "  TIME     CPU time since it was admitted",
                "Any key goes back.",
        };

        for (size_t i = 0; i < ELEMENTSOF(lines); i++)
                put_line(p, i == 0 ? TOP_TITLE : TOP_PLAIN, lines[i]);
        while (p->y < p->height)
                put_line(p, TOP_PLAIN, "");
}

/* How many lines are not rows: title, totals, graph, headings, keys. */
static size_t other_lines(const struct top_view *v, size_t height)
{
        return 1 + 2 * graph_height(v, height) + (height >= 4U) + (height >= 3U) + (height >= 2U);
}

size_t top_view_page(const struct top_view *v, size_t height)
{
        size_t others = other_lines(v, height);

        return height > others ? height - others : 0;
}

static enum top_style row_style(const struct top_view *v, size_t i)
{
        const char *state = v->shown[i]->state;

        if (i == v->selected && !v->batch)
                return TOP_SELECTED;
        if (strcmp(state, "frozen") == 0)
                return TOP_FROZEN;
        return strcmp(state, "held") == 0 || strcmp(state, "orphaned") == 0 ? TOP_HELD : TOP_PLAIN;
}

static void put_rows(struct page *p, const struct top_view *v, const struct layout *l, size_t n)
{
        char line[LINE_MAX_BYTES];

        for (size_t i = v->first; i < v->n_shown && i < v->first + n; i++) {
                compose(l, v, v->shown[i], line, sizeof(line));
                put_line(p, row_style(v, i), line);
        }
}

static void draw_batch(struct page *p, const struct top_view *v, const struct layout *l)
{
        char line[LINE_MAX_BYTES];

        p->height = SIZE_MAX;
        put_title(p, v);
        put_totals(p, v);
        if (v->n_shown == 0)
                return;
        put_line(p, TOP_PLAIN, "");
        compose(l, v, NULL, line, sizeof(line));
        put_line(p, TOP_HEADINGS, line);
        put_rows(p, v, l, v->n_shown);
}

void top_view_draw(struct top_view *v, size_t width, size_t height, top_put put, void *userdata)
{
        struct page p = { MIN(width, (size_t) GRAPH_POINTS), height, 0, put, userdata };
        size_t n = top_view_page(v, height);
        char line[LINE_MAX_BYTES];
        struct layout l;

        lay_out(&l, v, p.width);
        if (v->batch) {
                draw_batch(&p, v, &l);
                return;
        }
        if (v->help) {
                put_help(&p);
                return;
        }

        if (v->selected < v->first)
                v->first = v->selected;
        if (n > 0 && v->selected >= v->first + n)
                v->first = v->selected - n + 1;
        v->first = MIN(v->first, v->n_shown > n ? v->n_shown - n : 0U);

        put_title(&p, v);
        if (height >= 4)
                put_totals(&p, v);
        put_graph(&p, v);
        if (height >= 3) {
                compose(&l, v, NULL, line, sizeof(line));
                put_line(&p, TOP_HEADINGS, line);
        }
        put_rows(&p, v, &l, n);
        while (p.y + 1 < height)
                put_line(&p, TOP_PLAIN, "");
        put_footer(&p, v);
}
