/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* src/libhobble/planner: windows, turns and configurations, to the microsecond. */

#include "bench.h"

#include "macro.h"

#include <errno.h>
#include <math.h>
#include <string.h>

_Static_assert(sizeof(struct planner_subject) <= 160, "a subject costs little");

static void bad_configurations(void **state)
{
        static const struct planner_config rows[] = {
                { .frozen_usec = 250000, .thawed_usec = 999, .cpus = 1 },
                { .frozen_usec = 250000, .thawed_usec = 10000001, .cpus = 1 },
                { .frozen_usec = 60000001, .thawed_usec = 10000, .cpus = 1 },
                { .frozen_usec = 250000, .thawed_usec = 10000, .cpus = 0 },
        };
        struct planner *p = NULL;
        struct bench b;

        bench_open(&b, &usual);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                assert_int_equal(planner_new(&p, &rows[i], 0), -EINVAL);
                assert_null(p);
                assert_int_equal(planner_configure(b.p, &rows[i], BASE), -EINVAL);
        }
        bench_freeze_first(&b); /* as if nothing had happened */
        bench_close(&b);
}

static void nobody(void **state)
{
        struct bench b;

        bench_open(&b, &usual);
        assert_int_equal(planner_deadline(b.p), UINT64_MAX);
        bench_freeze_first(&b);
        planner_remove(b.p, &b.m[0].s, BASE + 30000);
        assert_int_equal(planner_deadline(b.p), UINT64_MAX);
        LOOK(&b, 260000, "", NEVER);
        bench_close(&b);
}

/* The plain cycle: nothing is read at a start, nobody is looked at between. */
static void busy_cycle(void **state)
{
        struct bench b;

        bench_open(&b, &usual);
        bench_freeze_first(&b);
        assert_int_equal(b.m[0].s.balance.usec, -9231);
        for (uint64_t start = PERIOD; start < 40 * PERIOD; start += PERIOD) {
                LOOK(&b, start, "thaw0", start + 10000);
                bench_use(&b, 0, 10000);
                LOOK(&b, start + 10000, "read0 freeze0", start + PERIOD);
        }
        assert_int_equal(planner_stats(b.p)->windows, 39);
        assert_int_equal(planner_stats(b.p)->thaws, 39);
        assert_int_equal(planner_stats(b.p)->freezes, 40);
        assert_int_equal(planner_stats(b.p)->looks, 80);
        bench_close(&b);
}

/* A window's end that is 200 ms late: as many windows as it took are skipped, without a wake-up. */
static void late_end(void **state)
{
        struct bench b;

        bench_open(&b, &usual);
        bench_freeze_first(&b);
        LOOK(&b, 260000, "thaw0", 270000);
        bench_use(&b, 0, 210000);
        LOOK(&b, 470000, "read0 freeze0", 260000 * 22);
        assert_int_equal(b.m[0].s.balance.usec, 8076 - 210000);
        LOOK(&b, 260000 * 22, "thaw0", 260000 * 22 + 10000);
        bench_close(&b);
}

static void late_start(void **state)
{
        static const struct {
                uint64_t late;
                const char *said;
                uint64_t next;
        } rows[] = {
                { 1, "thaw0", 270000 },      { 5000, "thaw0", 270000 },   /* the grid's end */
                { 5001, "thaw0", 275001 },   { 200000, "thaw0", 470000 }, /* a window from now */
                { 250000, "thaw0", 520000 }, { 250001, "read0", 520000 }, /* the next one will do */
                { 260000, "thaw0", 530000 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct bench b;

                bench_open(&b, &usual);
                bench_freeze_first(&b);
                bench_look(&b, 260000 + rows[i].late);
                assert_string_equal(b.said, strcmp(rows[i].said, "read0") == 0 ? "" : rows[i].said);
                assert_int_equal(planner_deadline(b.p) - BASE, rows[i].next);
                bench_close(&b);
        }
}

/* A look that is later than the whole period: what ended is frozen, what begins waits. */
static void late_by_periods(void **state)
{
        struct bench b;

        bench_open(&b, &usual);
        bench_freeze_first(&b);
        LOOK(&b, 260000, "thaw0", 270000);
        bench_use(&b, 0, 300000);
        bench_look(&b, 560000);
        assert_string_equal(b.said, "read0 freeze0");
        assert_true(planner_deadline(b.p) - BASE > 26 * 280000);
        bench_close(&b);
}

/* An hour of suspend: nobody used anything. */
static void suspend(void **state)
{
        const uint64_t hour = 3600 * USEC_PER_SEC;
        struct bench b;

        bench_open(&b, &usual);
        bench_freeze_first(&b);
        LOOK(&b, 260000, "thaw0", 270000);
        bench_use(&b, 0, 10000);
        bench_look(&b, 270000 + hour);
        assert_string_equal(b.said, "read0");
        assert_int_equal(b.m[0].s.balance.usec, 10000);
        bench_close(&b);
}

/* Twice the CPUs in each window, one after the other. */
static void crowd_takes_turns(void **state)
{
        static const char *const thaws[] = { "thaw0 thaw1 thaw2 thaw3", "thaw4 thaw5 thaw0 thaw1",
                                             "thaw2 thaw3 thaw4 thaw5", "thaw0 thaw1 thaw2 thaw3" };
        struct bench b;
        uint64_t start;

        bench_open(&b, &usual);
        bench_add(&b, 0, 6, false, 0);
        bench_look(&b, 10000);
        for (size_t i = 0; i < 6; i++)
                bench_use(&b, i, 11000);
        bench_look(&b, 20000);
        assert_non_null(strstr(b.said, "freeze0 freeze1 freeze2 freeze3 freeze4 freeze5"));
        start = planner_deadline(b.p) - BASE;
        assert_int_equal(start % PERIOD, 0);
        for (size_t k = 0; k < ELEMENTSOF(thaws); k++) {
                LOOK(&b, start, thaws[k], start + 10000);
                for (size_t i = 0; i < 6; i++)
                        if (!b.m[i].s.frozen)
                                bench_use(&b, i, 5000);
                bench_look(&b, start + 10000);
                for (size_t i = 0; i < 6; i++)
                        assert_true(b.m[i].s.frozen);
                assert_int_equal(planner_deadline(b.p) - BASE, start + PERIOD);
                start += PERIOD;
        }
        bench_close(&b);
}

/* While the tarpit owes more than a window of all CPUs no window opens, and nobody is woken for it. */
static void windows_are_skipped(void **state)
{
        struct planner_standing st;
        struct bench b;

        bench_open(&b, &usual);
        bench_add(&b, 0, 8, false, 0);
        bench_look(&b, 10000);
        for (size_t i = 0; i < 8; i++)
                bench_use(&b, i, 12000);
        bench_look(&b, 20000);
        planner_standing(b.p, &b.m[0].s, BASE + 20000, &st);
        assert_int_equal(st.tarpit_balance_usec, 20000 + 2 * 385 - 96000);
        assert_true(isfinite(st.fair_share));
        /* 55,230 us at 20,000 us a period, from 20,000 on */
        assert_int_equal(planner_deadline(b.p) - BASE, 3 * PERIOD);
        assert_int_equal(planner_stats(b.p)->windows_skipped, 0);
        bench_close(&b);
}

/* What runs free may have used up the tarpit's total since the deadline was set. */
static void window_is_skipped_at_its_start(void **state)
{
        struct bench b;

        bench_open(&b, &usual);
        bench_freeze_first(&b);
        bench_add(&b, 1, 2, false, 20000);
        bench_use(&b, 1, 60000);
        bench_look(&b, 260000);
        assert_null(strstr(b.said, "thaw"));
        assert_int_equal(planner_stats(b.p)->windows_skipped, 1);
        assert_int_equal(planner_stats(b.p)->windows, 0);
        bench_close(&b);
}

/* Who becomes ripe in a window waits for the next. */
static void ripe_too_late(void **state)
{
        struct bench b;

        bench_open(&b, &usual);
        bench_add(&b, 0, 2, false, 0);
        bench_look(&b, 10000);
        bench_use(&b, 0, 20000);
        bench_use(&b, 1, 25191); /* ripe at 265000 */
        LOOK(&b, 30000, "read0 read1 freeze0 freeze1", 260000);
        LOOK(&b, 269000, "thaw0", 279000);
        bench_close(&b);
}

/* Who had a turn and did not come to run in it is looked at again soon, however quiet it was before. */
static void turn_without_running(void **state)
{
        struct bench b;
        uint64_t start;

        bench_open(&b, &usual);
        bench_freeze_first(&b);
        LOOK(&b, 260000, "thaw0", 270000);
        bench_use(&b, 0, 490000);
        bench_look(&b, 760000);
        start = planner_deadline(b.p) - BASE;
        assert_true(start > 12 * USEC_PER_SEC);
        LOOK(&b, start, "thaw0", start + 10000);
        LOOK(&b, start + 10000, "read0", start + 20000);
        bench_close(&b);
}

static void everyone_thawed(void **state)
{
        struct bench b;

        bench_open(&b, &usual);
        bench_freeze_first(&b);
        planner_thawed_all(b.p, BASE + 100000);
        assert_false(b.m[0].s.frozen);
        assert_int_equal(planner_deadline(b.p) - BASE, 110000);
        bench_use(&b, 0, 5000);
        LOOK(&b, 110000, "read0 freeze0", 520000);
        bench_close(&b);
}

/* What comes and goes between a window's start and the look that is due then takes the window from nobody. */
static void changes_at_an_edge(void **state)
{
        struct bench b;

        bench_open(&b, &usual);
        bench_freeze_first(&b);
        bench_add(&b, 1, 3, false, 259000);
        planner_remove(b.p, &b.m[1].s, BASE + 261000);
        assert_int_equal(planner_deadline(b.p) - BASE, 260000);
        assert_true(planner_deadline_is_edge(b.p));
        LOOK(&b, 261500, "thaw0", 270000);
        planner_remove(b.p, &b.m[2].s, BASE + 271000);
        assert_int_equal(planner_deadline(b.p) - BASE, 270000);
        bench_close(&b);
}

static void equal_times(void **state)
{
        struct bench b;

        bench_open(&b, &usual);
        bench_freeze_first(&b);
        LOOK(&b, 20000, "", 260000);
        LOOK(&b, 260000, "thaw0", 270000);
        bench_look(&b, 260000);
        assert_null(strstr(b.said, "freeze"));
        assert_int_equal(planner_deadline(b.p) - BASE, 270000);
        bench_use(&b, 0, 10000);
        LOOK(&b, 270000, "read0 freeze0", 520000);
        LOOK(&b, 100, "", 520000); /* backwards counts as no time */
        bench_close(&b);
}

static void freeze_idle(void **state)
{
        struct planner_config c = usual;
        struct bench b;

        c.freeze_idle = true;
        bench_open(&b, &c);
        assert_int_equal(planner_deadline(b.p), UINT64_MAX);
        bench_add(&b, 0, 3, false, 0);
        assert_int_equal(planner_deadline(b.p) - BASE, 0);
        LOOK(&b, 5000, "freeze-all", 260000);
        LOOK(&b, 100000, "", 260000);
        LOOK(&b, 260000, "thaw-all", 270000);
        LOOK(&b, 270000, "freeze-all", 520000);
        LOOK(&b, 520000, "thaw-all", 530000);
        /* 200 ms late are paid back, too */
        bench_look(&b, 730000);
        assert_string_equal(b.said, "freeze-all");
        assert_in_range(planner_deadline(b.p) - BASE, 20 * PERIOD, 23 * PERIOD);
        bench_close(&b);
}

/* While there is nobody, or the caller has thawed all because nobody watches, no debt grows: it would be one
 * freeze of many seconds. */
static void nobody_pays_for_time_at_large(void **state)
{
        const uint64_t start = 10000 * PERIOD;
        struct planner_config c = usual;
        struct bench b;

        c.freeze_idle = true;
        bench_open(&b, &c);
        bench_add(&b, 0, 1, false, start + 5000);
        LOOK(&b, start + 5000, "freeze-all", start + PERIOD);
        assert_true(planner_deadline_is_edge(b.p));
        LOOK(&b, start + PERIOD, "thaw-all", start + PERIOD + 10000);
        assert_true(planner_deadline_is_edge(b.p));
        planner_thawed_all(b.p, BASE + start + PERIOD + 10000);
        LOOK(&b, start + 40 * PERIOD + 15000, "freeze-all", start + 41 * PERIOD);
        LOOK(&b, start + 41 * PERIOD, "thaw-all", start + 41 * PERIOD + 10000);
        bench_close(&b);
}

static void never_freezes(void **state)
{
        struct planner_config c = usual;
        struct bench b;

        c.frozen_usec = 0;
        bench_open(&b, &c);
        bench_add(&b, 0, 2, false, 0);
        bench_use(&b, 0, 500000);
        LOOK(&b, 500000, "", NEVER);
        assert_int_equal(planner_next_edge(b.p, BASE), UINT64_MAX);
        assert_false(planner_deadline_is_edge(b.p));
        bench_close(&b);
}

static void other_configurations(void **state)
{
        struct planner_config none = usual, all = usual, slow = usual;
        struct bench b;

        none.frozen_usec = 0;
        all.freeze_idle = true;
        slow.frozen_usec = 990000;
        bench_open(&b, &usual);
        bench_freeze_first(&b);
        assert_int_equal(planner_configure(b.p, &none, BASE + 30000), 0);
        LOOK(&b, 30000, "thaw0", NEVER);
        bench_use(&b, 0, 70000);
        assert_int_equal(planner_configure(b.p, &usual, BASE + 100000), 0);
        LOOK(&b, 110000, "", 120000);
        bench_use(&b, 0, 30000);
        LOOK(&b, 120000, "read0", 130000); /* nobody read it meanwhile: anew */
        bench_use(&b, 0, 30000);
        bench_look(&b, 150000);
        assert_string_equal(b.said, "read0 freeze0");
        assert_int_equal(planner_configure(b.p, &all, BASE + 160000), 0);
        assert_int_equal(planner_deadline(b.p) - BASE, 160000);
        LOOK(&b, 160000, "freeze-all thaw0", 260000);
        assert_int_equal(planner_configure(b.p, &slow, BASE + 170000), 0);
        assert_int_equal(planner_deadline(b.p) - BASE, 170000);
        bench_look(&b, 170000);
        assert_string_equal(b.said, "thaw-all");
        bench_close(&b);
}

/* Another duty cycle keeps what is owed. */
static void duty_changes(void **state)
{
        struct planner_config slow = usual;
        struct bench b;

        slow.frozen_usec = 990000;
        bench_open(&b, &usual);
        bench_freeze_first(&b);
        assert_int_equal(planner_configure(b.p, &slow, BASE + 46000), 0);
        assert_int_equal(b.m[0].s.balance.usec, -8231);
        bench_look(&b, 46000);
        assert_string_equal(b.said, "");
        /* a hundredth of 3,232 us */
        assert_in_range(planner_deadline(b.p), BASE + 46000 + 323200, BASE + 46000 + 323200 + 1000000);
        assert_int_equal(planner_deadline(b.p) % 1000000, 0);
        bench_close(&b);
}

static void edges(void **state)
{
        static const struct {
                uint64_t at, next;
                bool in_window;
        } rows[] = {
                { 0, 10000, true },        { 9999, 10000, true },    { 10000, 260000, false },
                { 259999, 260000, false }, { 260000, 270000, true },
        };
        struct bench b;

        bench_open(&b, &usual);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                assert_int_equal(planner_next_edge(b.p, BASE + rows[i].at) - BASE, rows[i].next);
                assert_int_equal(planner_in_window(b.p, BASE + rows[i].at), rows[i].in_window);
        }
        bench_freeze_first(&b);
        assert_true(planner_deadline_is_edge(b.p));
        LOOK(&b, 280000, "thaw0", 290000);
        assert_true(planner_deadline_is_edge(b.p));
        assert_true(planner_in_window(b.p, BASE + 285000));
        assert_int_equal(planner_next_edge(b.p, BASE + 285000) - BASE, 290000);
        bench_close(&b);
}

UNIT_MAIN(cmocka_unit_test(bad_configurations), cmocka_unit_test(nobody), cmocka_unit_test(busy_cycle),
          cmocka_unit_test(late_end), cmocka_unit_test(late_start), cmocka_unit_test(late_by_periods),
          cmocka_unit_test(suspend), cmocka_unit_test(crowd_takes_turns),
          cmocka_unit_test(windows_are_skipped), cmocka_unit_test(window_is_skipped_at_its_start),
          cmocka_unit_test(ripe_too_late), cmocka_unit_test(turn_without_running),
          cmocka_unit_test(everyone_thawed), cmocka_unit_test(changes_at_an_edge),
          cmocka_unit_test(equal_times), cmocka_unit_test(freeze_idle),
          cmocka_unit_test(nobody_pays_for_time_at_large), cmocka_unit_test(never_freezes),
          cmocka_unit_test(other_configurations), cmocka_unit_test(duty_changes), cmocka_unit_test(edges))
