/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit.h"

#include "macro.h"
#include "top-data.h"
#include "top-graph.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- Graph ------------------------------------------------------------------------------------- */

static void the_scale_is_a_round_number_that_holds_all(void **state)
{
        static const struct {
                double wants, got, scale;
        } cases[] = {
                { 0, 0, 0.1 },   { 0.1, 0, 0.1 }, { 0.11, 0, 0.2 }, { 0.3, 0.1, 0.5 }, { 0.1, 0.9, 1 },
                { 1.0, 0.1, 1 }, { 1.01, 0, 2 },  { 4.9, 0, 5 },    { 6, 0, 10 },      { 64, 0, 100 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct graph g = { 0 };

                graph_add(&g, (struct graph_point){ cases[i].wants, cases[i].got });
                assert_true(fabs(graph_scale(&g, 1) - cases[i].scale) < 1e-6);
        }
}

static void the_scale_is_that_of_what_is_shown(void **state)
{
        struct graph g = { 0 };

        graph_add(&g, (struct graph_point){ 8, 0 });
        graph_add(&g, (struct graph_point){ 0.5, 0 });
        assert_true(fabs(graph_scale(&g, 1) - 0.5) < 1e-6);
        assert_true(fabs(graph_scale(&g, 100) - 10) < 1e-6);

        for (size_t i = 0; i < GRAPH_POINTS; i++)
                graph_add(&g, (struct graph_point){ (double) i, 0 });
        assert_int_equal(g.n, GRAPH_POINTS);
        assert_true(fabs(graph_point(&g, 0)->wants - (GRAPH_POINTS - 1)) < 1e-6);
        assert_true(fabs(graph_point(&g, GRAPH_POINTS - 1)->wants) < 1e-6);
}

static void check_line(const struct graph *g, enum graph_row row, size_t height, size_t line, bool unicode,
                       const char *wanted)
{
        char buf[256];

        assert_string_equal(graph_line(g, row, 1, height, line, 6, unicode, buf, sizeof(buf)), wanted);
}

static void bars_stand_on_the_right(void **state)
{
        static const double values[] = { 0, 0.001, 0.25, 0.5, 1 };
        struct graph g = { 0 };

        for (size_t i = 0; i < ELEMENTSOF(values); i++)
                graph_add(&g, (struct graph_point){ values[i], 1 - values[i] });
        check_line(&g, GRAPH_WANTS, 1, 0, true, "  ▁▂▄█");
        check_line(&g, GRAPH_GOT, 1, 0, true, " ██▆▄ ");
        check_line(&g, GRAPH_WANTS, 2, 0, true, "     █");
        check_line(&g, GRAPH_WANTS, 2, 1, true, "  ▁▄██");
        check_line(&g, GRAPH_WANTS, 1, 0, false, "  :::#");
}

static void a_line_does_not_overflow(void **state)
{
        struct graph g = { 0 };
        char buf[16] = "";

        for (size_t i = 0; i < 100; i++)
                graph_add(&g, (struct graph_point){ 1, NAN });
        (void) graph_line(&g, GRAPH_WANTS, 1, 1, 0, 100, true, buf, 8);
        assert_string_equal(buf, "██");
        (void) graph_line(&g, GRAPH_GOT, 1, 1, 0, 3, true, buf, sizeof(buf));
        assert_string_equal(buf, "   ");
}

/* -- Rows -------------------------------------------------------------------------------------- */

static struct top_row *put_row(struct top_rows *rows, const char *subject, const char *tarpit,
                               const char *command, double got)
{
        struct top_row *row = top_rows_add(rows);

        assert_non_null(row);
        row->subject = strdup(subject);
        row->tarpit = strdup(tarpit);
        row->command = strdup(command);
        row->user = strdup("Mallory");
        row->instance = strdup("system");
        row->got = row->wants = got;
        return row;
}

/* The subjects in the order that they are shown in, each followed by a blank. */
static void check_view(const struct top_rows *rows, enum top_column sort, bool reverse, const char *filter,
                       const char *wanted)
{
        char text[256] = "";
        size_t n;
        const struct top_row **view = top_rows_view(rows, sort, reverse, filter, &n);

        assert_non_null(view);
        for (size_t i = 0; i < n; i++) {
                strcat(text, view[i]->subject);
                strcat(text, " ");
        }
        free(view);
        assert_string_equal(text, wanted);
}

static void make_rows(struct top_rows *rows)
{
        struct top_row *row;

        row = put_row(rows, "1000", "web", "perl", 0.5);
        row->cpu_usec = 5;
        row = put_row(rows, "200", "Crawlers", "wget", NAN);
        row->timed = true;
        row->balance_usec = -7;
        row = put_row(rows, "30", "web", "PHP", 2);
        row->timed = true;
        row->balance_usec = 9;
        row->cpu_usec = 50;
}

static void numbers_have_the_greatest_first(void **state)
{
        struct top_rows rows = { 0 };

        make_rows(&rows);
        check_view(&rows, TOP_CPU, false, "", "30 1000 200 ");
        check_view(&rows, TOP_TIME, false, "", "30 1000 200 ");
        check_view(&rows, TOP_TIME, true, "", "200 1000 30 ");
        check_view(&rows, TOP_BALANCE, false, "", "200 30 1000 ");
        top_rows_done(&rows);
}

static void names_are_in_order(void **state)
{
        struct top_rows rows = { 0 };

        make_rows(&rows);
        check_view(&rows, TOP_SUBJECT, false, "", "30 200 1000 ");
        check_view(&rows, TOP_SUBJECT, true, "", "1000 200 30 ");
        check_view(&rows, TOP_TARPIT, false, "", "200 30 1000 ");
        check_view(&rows, TOP_TARPIT, true, "", "30 1000 200 ");
        top_rows_done(&rows);
}

static void what_is_not_known_comes_last(void **state)
{
        struct top_rows rows = { 0 };

        make_rows(&rows);
        check_view(&rows, TOP_CPU, true, "", "1000 30 200 ");
        check_view(&rows, TOP_BALANCE, true, "", "30 200 1000 ");
        top_rows_done(&rows);
}

static void the_filter_looks_at_four_columns(void **state)
{
        struct top_rows rows = { 0 };

        make_rows(&rows);
        check_view(&rows, TOP_SUBJECT, false, "CRAWL", "200 ");
        check_view(&rows, TOP_SUBJECT, false, "php", "30 ");
        check_view(&rows, TOP_SUBJECT, false, "00", "200 1000 ");
        check_view(&rows, TOP_SUBJECT, false, "mallory", "30 200 1000 ");
        check_view(&rows, TOP_SUBJECT, false, "system", "");
        top_rows_done(&rows);
        check_view(&rows, TOP_SUBJECT, false, "", "");
}

static void columns_have_names(void **state)
{
        for (int i = 0; i < TOP_COLUMN_MAX; i++)
                assert_int_equal(top_column_find(top_column_name((enum top_column) i)), i);
        assert_int_equal(top_column_find("wants"), TOP_WANTS);
        assert_int_equal(top_column_find("cpu%"), TOP_CPU);
        assert_int_equal(top_column_find("cp"), -EINVAL);
        assert_int_equal(top_column_find(""), -EINVAL);
}

/* -- Rates ------------------------------------------------------------------------------------- */

static const struct top_row *measured(struct top_rows *rows, struct top_rows *before, double cpus)
{
        before->monotonic_usec = 1000000;
        rows->monotonic_usec = 2000000;
        top_rows_measure(rows, before, cpus);
        return &rows->items[0];
}

static struct top_row *put_timed(struct top_rows *rows, uint64_t cpu_usec, uint64_t frozen_usec)
{
        struct top_row *row = put_row(rows, "1", "web", "perl", 0.25);

        row->timed = true;
        row->cpu_usec = cpu_usec;
        row->frozen_usec = frozen_usec;
        return row;
}

static void check_rates(uint64_t cpu_usec, uint64_t frozen_usec, double cpus, double got, double wants)
{
        struct top_rows before = { 0 }, rows = { 0 };
        const struct top_row *row;

        (void) put_timed(&before, 500, 700);
        (void) put_timed(&rows, 500 + cpu_usec, 700 + frozen_usec);
        row = measured(&rows, &before, cpus);
        assert_true(fabs(row->got - got) < 1e-6);
        assert_true(fabs(row->wants - wants) < 1e-6);
        top_rows_done(&before);
        top_rows_done(&rows);
}

static void what_it_would_have_burnt(void **state)
{
        check_rates(10000, 750000, 4, 0.01, 0.04);
        check_rates(500000, 0, 4, 0.5, 0.5);
        check_rates(0, 900000, 4, 0, 0);
        check_rates(800000, 800000, 2, 0.8, 2);    /* no more than the host can do */
        check_rates(10000, 999500, 4, 0.01, 0.25); /* nothing to tell it from: as before */
        check_rates(10000, 1200000, 4, 0.01, 0.25);
}

static void another_admission_has_no_rate_before(void **state)
{
        struct top_rows before = { 0 }, rows = { 0 };
        const struct top_row *row;

        put_timed(&before, 900000, 0)->since_usec = 1;
        put_timed(&rows, 500000, 0)->since_usec = 8000000;
        rows.realtime_usec = 10000000;
        row = measured(&rows, &before, 4);
        assert_true(fabs(row->got - 0.25) < 1e-6);
        top_rows_done(&before);
        top_rows_done(&rows);
}

UNIT_MAIN(cmocka_unit_test(the_scale_is_a_round_number_that_holds_all),
          cmocka_unit_test(the_scale_is_that_of_what_is_shown), cmocka_unit_test(bars_stand_on_the_right),
          cmocka_unit_test(a_line_does_not_overflow), cmocka_unit_test(numbers_have_the_greatest_first),
          cmocka_unit_test(names_are_in_order), cmocka_unit_test(what_is_not_known_comes_last),
          cmocka_unit_test(the_filter_looks_at_four_columns), cmocka_unit_test(columns_have_names),
          cmocka_unit_test(what_it_would_have_burnt), cmocka_unit_test(another_admission_has_no_rate_before))
