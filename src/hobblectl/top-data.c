/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "top-data.h"
#include "macro.h"
#include "text.h"

#include <math.h>
#include <string.h>
#include <strings.h>

/* In less thawed time than this nothing can be told from what somebody used. */
#define THAWED_MIN_USEC 1000.0

struct top_row *top_rows_add(struct top_rows *rows)
{
        struct top_row *row;

        if (rows->n == rows->allocated) {
                size_t allocated = MAX(rows->allocated * 2, 64U);
                struct top_row *items = reallocarray(rows->items, allocated, sizeof(*items));

                if (!items)
                        return NULL;
                rows->items = items;
                rows->allocated = allocated;
        }
        row = &rows->items[rows->n++];
        *row = (struct top_row){ 0 };
        return row;
}

char *top_escape(const char *text)
{
        size_t n = strlen(text), size = 4 * n + 4;
        char *buf = malloc(size);

        return buf ? escape_text(text, n, buf, size) : NULL;
}

void top_rows_done(struct top_rows *rows)
{
        for (size_t i = 0; i < rows->n; i++) {
                struct top_row *row = &rows->items[i];

                free(row->subject);
                free(row->tarpit);
                free(row->command);
                free(row->user);
                free(row->instance);
                free(row->raw_tarpit);
                free(row->path);
        }
        free(rows->items);
        *rows = (struct top_rows){ 0 };
}

static int identity_compare(const void *a, const void *b)
{
        const struct top_row *x = a, *y = b;
        int r = strcmp(x->instance, y->instance);

        if (r == 0)
                r = strcmp(x->tarpit, y->tarpit);
        return r != 0 ? r : strcmp(x->subject, y->subject);
}

bool top_row_is(const struct top_row *a, const struct top_row *b)
{
        return identity_compare(a, b) == 0;
}

static void sort_by_identity(struct top_rows *rows)
{
        if (rows->n > 0)
                qsort(rows->items, rows->n, sizeof(*rows->items), identity_compare);
}

/* The same admission of the same subject; NULL: there is none. */
static const struct top_row *find_before(const struct top_rows *before, const struct top_row *row)
{
        const struct top_row *old = before->n > 0 ? bsearch(row, before->items, before->n,
                                                            sizeof(*before->items), identity_compare)
                                                  : NULL;

        return old && old->since_usec == row->since_usec && old->cpu_usec <= row->cpu_usec &&
                               old->timed == row->timed && old->frozen_usec <= row->frozen_usec
                       ? old
                       : NULL;
}

/* Who runs whenever it is thawed would have run all the time: what it used while it was thawed, stretched
 * over all of the time. */
static double wanted(double cpu, double frozen, double elapsed, double cpus)
{
        return fmin(cpu / (elapsed - frozen), cpus);
}

static void measure(struct top_row *row, const struct top_row *old, double elapsed, double cpus)
{
        double cpu = (double) (row->cpu_usec - (old ? old->cpu_usec : 0));
        double frozen = (double) (row->frozen_usec - (old ? old->frozen_usec : 0));

        row->got = row->wants = old ? old->got : NAN;
        if (elapsed <= 0)
                return;

        row->got = cpu / elapsed;
        if (!row->timed)
                row->wants = NAN;
        else if (elapsed - frozen >= THAWED_MIN_USEC)
                row->wants = fmax(wanted(cpu, frozen, elapsed, cpus), row->got);
        else if (old && isfinite(old->wants))
                row->wants = fmax(old->wants, row->got); /* it had no chance to show */
        else
                row->wants = row->got;
}

void top_rows_measure(struct top_rows *rows, struct top_rows *before, double cpus)
{
        sort_by_identity(rows);
        sort_by_identity(before);
        for (size_t i = 0; i < rows->n; i++) {
                struct top_row *row = &rows->items[i];
                const struct top_row *old = find_before(before, row);
                double elapsed = 0;

                if (old)
                        elapsed = (double) rows->monotonic_usec - (double) before->monotonic_usec;
                else if (row->since_usec > 0)
                        elapsed = (double) rows->realtime_usec - (double) row->since_usec;
                measure(row, old, elapsed, cpus);
        }
}

void top_rows_sum(const struct top_rows *rows, struct top_totals *ret)
{
        struct top_totals totals = { 0 };
        const char *last_tarpit = "", *last_instance = "";

        for (size_t i = 0; i < rows->n; i++) {
                const struct top_row *row = &rows->items[i];
                double got = isfinite(row->got) ? row->got : 0;

                totals.subjects++;
                totals.frozen += strcmp(row->state, "frozen") == 0;
                totals.paused += strcmp(row->state, "paused") == 0;
                totals.cpu_usec += row->cpu_usec;
                totals.got += got;
                totals.wants += isfinite(row->wants) ? row->wants : got;
                totals.timed = totals.timed || row->timed;
                if (strcmp(row->tarpit, last_tarpit) != 0 || strcmp(row->instance, last_instance) != 0)
                        totals.tarpits++;
                last_tarpit = row->tarpit;
                last_instance = row->instance;
        }
        *ret = totals;
}

/* -- Columns ----------------------------------------------------------------------------------- */

static const char *const column_names[] = {
        [TOP_SUBJECT] = "SUBJECT", [TOP_USER] = "USER", [TOP_TARPIT] = "TARPIT",
        [TOP_STATE] = "STATE",     [TOP_CPU] = "CPU%",  [TOP_WANTS] = "WANTS%",
        [TOP_BALANCE] = "BALANCE", [TOP_TIME] = "TIME", [TOP_COMMAND] = "COMMAND",
};
_Static_assert(ELEMENTSOF(column_names) == TOP_COLUMN_MAX, "a name for each column");

const char *top_column_name(enum top_column column)
{
        return column_names[column];
}

int top_column_find(const char *name)
{
        for (int i = 0; i < TOP_COLUMN_MAX; i++) {
                size_t n = strcspn(column_names[i], "%");

                if (strcasecmp(name, column_names[i]) == 0 ||
                    (strlen(name) == n && strncasecmp(name, column_names[i], n) == 0))
                        return i;
        }
        return -EINVAL;
}

/* -- Sorting and filtering --------------------------------------------------------------------- */

struct order {
        enum top_column column;
        bool reverse;
};

/* The greatest first. */
static int number_compare(double a, double b)
{
        return (a < b) - (a > b);
}

static bool is_known(const struct top_row *row, enum top_column column)
{
        return column == TOP_CPU       ? !isnan(row->got)
               : column == TOP_WANTS   ? !isnan(row->wants)
               : column == TOP_BALANCE ? row->timed
                                       : true;
}

static int column_compare(const struct top_row *x, const struct top_row *y, enum top_column column)
{
        switch (column) {
        case TOP_USER:
                return strverscmp(x->user, y->user);
        case TOP_TARPIT:
                return strverscmp(x->tarpit, y->tarpit);
        case TOP_STATE:
                return strcmp(x->state, y->state);
        case TOP_CPU:
                return number_compare(x->got, y->got);
        case TOP_WANTS:
                return number_compare(x->wants, y->wants);
        case TOP_BALANCE:
                /* Who owes most comes first. */
                return (x->balance_usec > y->balance_usec) - (x->balance_usec < y->balance_usec);
        case TOP_TIME:
                return (x->cpu_usec < y->cpu_usec) - (x->cpu_usec > y->cpu_usec);
        case TOP_COMMAND:
                return strverscmp(x->command, y->command);
        default:
                return strverscmp(x->subject, y->subject);
        }
}

static int view_compare(const void *a, const void *b, void *userdata)
{
        const struct top_row *x = *(const struct top_row *const *) a, *y = *(const struct top_row *const *) b;
        const struct order *order = userdata;
        bool known = is_known(x, order->column);
        int r = 0;

        /* What is not known comes last either way. */
        if (known != is_known(y, order->column))
                return known ? -1 : 1;
        if (known)
                r = column_compare(x, y, order->column);
        if (r != 0)
                return order->reverse ? -r : r;
        r = strverscmp(x->subject, y->subject);
        return r != 0 ? r : identity_compare(x, y);
}

static bool passes(const struct top_row *row, const char *filter)
{
        return strcasestr(row->subject, filter) || strcasestr(row->tarpit, filter) ||
               strcasestr(row->command, filter) || strcasestr(row->user, filter);
}

const struct top_row **top_rows_view(const struct top_rows *rows, enum top_column sort, bool reverse,
                                     const char *filter, size_t *ret_n)
{
        const struct top_row **view = calloc(rows->n + 1, sizeof(*view));
        struct order order = { sort, reverse };
        size_t n = 0;

        if (!view)
                return NULL;
        for (size_t i = 0; i < rows->n; i++) {
                if (passes(&rows->items[i], filter))
                        view[n++] = &rows->items[i];
        }
        qsort_r(view, n, sizeof(*view), view_compare, &order);
        *ret_n = n;
        return view;
}
