/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* src/libhobble/planner: whom it reads, and what it charges for what it reads. */

#include "bench.h"

#include "macro.h"

#include <string.h>

static void idle_is_left_alone(void **state)
{
        struct bench b;
        uint64_t t = 0;

        bench_open(&b, &usual);
        bench_add(&b, 0, 100, false, 0);
        while (t < 10 * USEC_PER_SEC) {
                bench_look(&b, t = planner_deadline(b.p) - BASE);
                assert_string_equal(b.said, "");
        }
        /* at rest, on multiples of the clock */
        for (int i = 0; i < 10; i++) {
                bench_look(&b, t = planner_deadline(b.p) - BASE);
                assert_string_equal(b.said, "");
                assert_int_equal((t + BASE) % 250000, 0);
                assert_int_equal(planner_deadline(b.p) - BASE - t, 250000);
                assert_false(planner_deadline_is_edge(b.p));
        }
        /* one of them runs: found at the next look, and charged for all of it */
        bench_use(&b, 57, 250000);
        bench_look(&b, t + 250000);
        assert_non_null(strstr(b.said, "read57"));
        assert_non_null(strstr(b.said, "freeze57"));
        assert_in_range(b.m[57].s.balance.usec + 1000000, 1000000 - 240001, 1000000 - 230000);
        bench_close(&b);
}

/* Those seen running are read first, and no others once they explain what the total grew. */
static void growth_is_explained(void **state)
{
        struct bench b;

        bench_open(&b, &usual);
        bench_add(&b, 0, 5, false, 0);
        LOOK(&b, 10000, "", 20000);
        bench_use(&b, 3, 2000);
        LOOK(&b, 20000, "read0 read1 read2 read3", 30000);
        bench_use(&b, 3, 2000);
        LOOK(&b, 30000, "read3", 40000);
        bench_use(&b, 3, 500); /* next to nothing */
        LOOK(&b, 40000, "", 50000);
        bench_use(&b, 4, 600);
        LOOK(&b, 50000, "read3 read4", 60000);
        bench_close(&b);
}

/* The kernel counts what a member used last before its freeze up to a tick late: that is no reason to look at
 * others, nor to look more often. */
static void late_counting(void **state)
{
        struct bench b;
        uint64_t t = 0, balance;

        bench_open(&b, &usual);
        bench_add(&b, 0, 50, false, 0);
        while (t < 11 * USEC_PER_SEC)
                bench_look(&b, t = planner_deadline(b.p) - BASE);
        bench_use(&b, 7, 30000);
        bench_look(&b, t += 250000);
        assert_non_null(strstr(b.said, "freeze7"));
        balance = (uint64_t) (b.m[7].s.balance.usec + 1000000);

        bench_use(&b, 7, 2000);
        bench_look(&b, t += 50000);
        assert_string_equal(b.said, "read7");
        /* charged, and earned meanwhile */
        assert_in_range(b.m[7].s.balance.usec + 1000000, balance - 2000 + 1922, balance - 2000 + 1924);
        /* at rest as before, but for the window in which it is thawed */
        assert_true(planner_deadline(b.p) - BASE - t >= 50000);
        bench_close(&b);
}

/* Who is not frozen at its window's end, because it came to run too little, is looked at again soon; once it
 * is frozen all is as calm as before. */
static void calm_again(void **state)
{
        struct bench b;
        uint64_t t = 0;

        bench_open(&b, &usual);
        bench_add(&b, 0, 50, false, 0);
        while (t < 11 * USEC_PER_SEC)
                bench_look(&b, t = planner_deadline(b.p) - BASE);
        bench_use(&b, 7, 30000);
        bench_look(&b, t += 250000);
        assert_non_null(strstr(b.said, "freeze7"));
        /* a late look: by then it owes nothing */
        bench_look(&b, t = (t / PERIOD + 3) * PERIOD);
        assert_string_equal(b.said, "thaw7");
        bench_look(&b, t = planner_deadline(b.p) - BASE);
        assert_null(strstr(b.said, "freeze7"));
        assert_int_equal(planner_deadline(b.p) - BASE, t + 10000);
        bench_use(&b, 7, 10000);
        bench_look(&b, t += 10000);
        assert_string_equal(b.said, "read7");
        assert_int_equal(planner_deadline(b.p) - BASE, t + 10000);
        bench_use(&b, 7, 10000);
        bench_look(&b, t += 10000);
        assert_string_equal(b.said, "read7 freeze7");
        assert_true(planner_deadline(b.p) - BASE - t >= 50000);
        bench_close(&b);
}

/* What ran unseen is looked for, a bounded number a look, until it is found. */
static void hunt_is_bounded(void **state)
{
        struct bench b;
        uint64_t t = 0;
        unsigned looks = 0;

        bench_open(&b, &usual);
        bench_add(&b, 0, 200, false, 0);
        while (t < 11 * USEC_PER_SEC)
                bench_look(&b, t = planner_deadline(b.p) - BASE);
        b.total_reads = 0;
        do {
                t = planner_deadline(b.p) - BASE;
                bench_use(&b, 20, looks == 0 ? 1000 : 10000);
                bench_look(&b, t);
                assert_true(b.reads <= 16 + 64 * 10);
                looks++;
        } while (!strstr(b.said, "read20"));
        assert_in_range(looks, 2, 2);
        assert_int_equal(b.total_reads, 180);
        bench_close(&b);
}

static void outside_in_turns(void **state)
{
        struct bench b;
        bool seen[200] = { false };
        uint64_t t = 0;

        bench_open(&b, &usual);
        bench_add(&b, 0, 200, true, 0);
        for (int i = 0; i < 30; i++) {
                bench_look(&b, t = planner_deadline(b.p) - BASE);
                assert_in_range(b.reads, 1, 32);
                for (size_t k = 0; k < 200; k++)
                        seen[k] = seen[k] || b.m[k].s.balance.since_usec > BASE;
        }
        for (size_t k = 0; k < 200; k++)
                assert_true(seen[k]);
        /* the tarpit pays for them */
        bench_use(&b, 0, 40000);
        while (!b.m[0].s.frozen)
                bench_look(&b, t = planner_deadline(b.p) - BASE);
        bench_close(&b);
}

static void new_life(void **state)
{
        struct bench b;

        bench_open(&b, &usual);
        b.m[0].counters.cpu_usec = 7000000;
        bench_add(&b, 0, 1, false, 0);
        LOOK(&b, 10000, "", 20000);
        b.m[0].counters.cpu_usec = 5;
        b.total = 9000;
        LOOK(&b, 20000, "read0", 30000);
        assert_int_equal(b.m[0].s.balance.usec, 10000);
        b.m[0].counters.cpu_usec += 2000;
        b.total = 2000; /* the total's, too */
        LOOK(&b, 30000, "", 40000);
        bench_close(&b);
}

static void held(void **state)
{
        struct bench b;

        bench_open(&b, &usual);
        bench_freeze_first(&b);
        planner_hold(b.p, &b.m[0].s, true, BASE + 100000);
        planner_hold(b.p, &b.m[0].s, true, BASE + 100000);
        assert_false(b.m[0].s.frozen);
        assert_int_equal(planner_deadline(b.p), UINT64_MAX);
        bench_use(&b, 0, 5000);
        LOOK(&b, 300000, "", NEVER);
        planner_hold(b.p, &b.m[0].s, false, BASE + 400000);
        assert_int_equal(planner_deadline(b.p) - BASE, 410000);
        bench_use(&b, 0, 10000);
        LOOK(&b, 410000, "read0", 420000); /* anew: nothing to charge */
        assert_true(b.m[0].s.balance.usec > 0);
        bench_use(&b, 0, 10000);
        LOOK(&b, 420000, "read0 freeze0", 520000);
        bench_close(&b);
}

static void removed_in_a_look(void **state)
{
        struct planner_subject *s;
        struct planner_action a;
        struct bench b;

        bench_open(&b, &usual);
        bench_add(&b, 0, 4, false, 0);
        bench_look(&b, 10000);
        for (size_t i = 0; i < 4; i++)
                bench_use(&b, i, 20000);
        planner_begin(b.p, BASE + 30000, b.total);
        s = planner_next_sample(b.p);
        planner_remove(b.p, s, BASE + 30000); /* could not be read: it is gone */
        planner_put_sample(b.p, s, &b.m[0].counters);
        while ((s = planner_next_sample(b.p)))
                planner_put_sample(b.p, s, &b.m[bench_number(&b, s)].counters);
        planner_decide(b.p);
        assert_true(planner_next_action(b.p, &a));
        assert_int_equal(bench_number(&b, a.subject), 1);
        planner_remove(b.p, &b.m[2].s, BASE + 30000); /* before its action */
        planner_remove(b.p, &b.m[1].s, BASE + 30000); /* after it */
        assert_true(planner_next_action(b.p, &a));
        assert_int_equal(bench_number(&b, a.subject), 3);
        assert_false(planner_next_action(b.p, &a));
        planner_remove(b.p, &b.m[3].s, BASE + 30000);
        assert_int_equal(planner_deadline(b.p), UINT64_MAX);
        bench_close(&b);
}

/* Who cannot be read is passed over, and asked again. */
static void unread(void **state)
{
        struct bench b;

        bench_open(&b, &usual);
        bench_add(&b, 0, 1, false, 0);
        bench_look(&b, 10000);
        bench_use(&b, 0, 20000);
        planner_begin(b.p, BASE + 30000, b.total);
        assert_ptr_equal(planner_next_sample(b.p), &b.m[0].s);
        assert_null(planner_next_sample(b.p));
        planner_decide(b.p);
        bench_act(&b);
        bench_use(&b, 0, 10000);
        LOOK(&b, 40000, "read0 freeze0", 520000);
        bench_close(&b);
}

/* What ran on while it was read shows in the next total: that is no reason to look for others, and hides
 * nobody. */
static void reads_ahead_of_the_total(void **state)
{
        struct bench b;

        bench_open(&b, &usual);
        bench_add(&b, 0, 2, false, 0);
        bench_look(&b, 10000);
        bench_look(&b, 20000);
        bench_use(&b, 0, 1000);
        b.m[0].counters.cpu_usec += 5000;
        LOOK(&b, 30000, "read0", 40000);
        b.total += 5000;
        LOOK(&b, 40000, "", 50000);
        bench_use(&b, 0, 1000);
        b.m[0].counters.cpu_usec += 1000;
        LOOK(&b, 50000, "read0", 60000);
        b.total += 1000;
        bench_use(&b, 1, 2000);
        LOOK(&b, 60000, "read0 read1", 70000);
        bench_close(&b);
}

/* More are running than can be read in a look: the others have their share of the reads. */
static void idle_outside_are_read_too(void **state)
{
        struct bench b;
        uint64_t t = 0;

        bench_open(&b, &usual);
        bench_add(&b, 0, 150, true, 0);
        for (int i = 0; i < 200; i++) {
                for (size_t k = 0; k < 40; k++)
                        bench_use(&b, k, 10);
                bench_look(&b, t = planner_deadline(b.p) - BASE);
        }
        bench_use(&b, 149, 200000);
        for (int i = 0; i < 20 && !b.m[149].s.frozen; i++) {
                for (size_t k = 0; k < 40; k++)
                        bench_use(&b, k, 10);
                bench_look(&b, t = planner_deadline(b.p) - BASE);
                assert_in_range(b.reads, 1, 32);
        }
        assert_true(b.m[149].s.frozen);
        bench_close(&b);
}

static void waiting_is_charged(void **state)
{
        struct bench b;

        bench_open(&b, &usual);
        bench_add(&b, 0, 1, false, 0);
        LOOK(&b, 10000, "", 20000);
        bench_use(&b, 0, 600);
        b.m[0].counters.wait_usec += 20000;
        LOOK(&b, 20000, "read0 freeze0", 260000); /* not more than elapsed */
        assert_int_equal(b.m[0].s.balance.usec, 769 + 10000 - 20000);
        assert_true(b.m[0].s.rate < 0.01);
        bench_close(&b);
}

/* Who lately waited is read in each look, though it uses next to no CPU, as long as it is suspect. */
static void suspects_are_read(void **state)
{
        struct bench b;

        bench_open(&b, &usual);
        bench_add(&b, 0, 1, false, 0);
        LOOK(&b, 10000, "", 20000);
        bench_use(&b, 0, 600);
        b.m[0].counters.wait_usec += 5000;
        b.m[0].counters.suspect = true;
        LOOK(&b, 20000, "read0", 30000);
        bench_use(&b, 0, 10);
        LOOK(&b, 30000, "read0", 40000);
        b.m[0].counters.wait_usec += 9000;
        LOOK(&b, 40000, "read0 freeze0", 260000);
        LOOK(&b, 260000, "thaw0", 270000);
        b.m[0].counters.suspect = false;
        LOOK(&b, 270000, "read0", 280000);
        LOOK(&b, 280000, "", 290000);
        bench_close(&b);
}

/* A freeze that had to wait for a call is paid for as long as that lasted: the subject is thawed so much
 * later. */
static void ran_on(void **state)
{
        struct bench b;

        bench_open(&b, &usual);
        bench_freeze_first(&b);
        planner_ran_on(b.p, &b.m[0].s, 30000, BASE + 50000);
        assert_int_equal(b.m[0].s.balance.since_usec, BASE + 50000);
        /* three windows later */
        assert_int_equal(planner_deadline(b.p) - BASE, 260000 + 3 * PERIOD);
        bench_look(&b, 260000 + 3 * PERIOD);
        assert_string_equal(b.said, "thaw0");
        /* while it is thawed: it was never frozen */
        planner_ran_on(b.p, &b.m[0].s, 300000, BASE + 260000 + 3 * PERIOD);
        assert_in_range(b.m[0].s.balance.usec + 1000000, 1000000 - 310000, 1000000 - 295000);
        bench_look(&b, 270000 + 3 * PERIOD);
        assert_non_null(strstr(b.said, "freeze0"));
        planner_hold(b.p, &b.m[0].s, true, BASE + 280000 + 3 * PERIOD);
        planner_ran_on(b.p, &b.m[0].s, 10000, BASE + 280000 + 3 * PERIOD);
        assert_int_equal(planner_deadline(b.p), UINT64_MAX);
        bench_close(&b);
}

/* What ran on until the freeze took effect is paid for. */
static void slow_freeze(void **state)
{
        struct bench b;

        bench_open(&b, &usual);
        bench_freeze_first(&b);
        planner_acted(b.p, BASE + 32000);
        bench_use(&b, 0, 12000);
        LOOK(&b, 260000, "thaw0", 270000);
        bench_use(&b, 0, 10000);
        bench_look(&b, 270000);
        assert_int_equal(b.m[0].s.balance.usec, 384 - 22000);
        bench_close(&b);
}

UNIT_MAIN(cmocka_unit_test(idle_is_left_alone), cmocka_unit_test(growth_is_explained),
          cmocka_unit_test(late_counting), cmocka_unit_test(calm_again), cmocka_unit_test(hunt_is_bounded),
          cmocka_unit_test(outside_in_turns), cmocka_unit_test(new_life), cmocka_unit_test(held),
          cmocka_unit_test(removed_in_a_look), cmocka_unit_test(unread),
          cmocka_unit_test(reads_ahead_of_the_total), cmocka_unit_test(idle_outside_are_read_too),
          cmocka_unit_test(waiting_is_charged), cmocka_unit_test(slow_freeze),
          cmocka_unit_test(suspects_are_read), cmocka_unit_test(ran_on))
