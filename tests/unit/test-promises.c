/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the planner promises (P3, P5), on simulated hosts: random loads, numbers of subjects and CPUs, duty
 * cycles, and looks that come late. SIM_SEED in the environment sets another seed; a failure prints the one
 * it happened with. */

#include "unit.h"

#include "macro.h"
#include "sim.h"

#include <inttypes.h>

static const struct planner_config usual = { .frozen_usec = 250000, .thawed_usec = 10000, .cpus = 2 };
static const struct sim_load busy = { .kind = SIM_BUSY }, sleeper = { .kind = SIM_SLEEPER };

static double duty_of(const struct sim *s)
{
        return (double) s->config.thawed_usec / (double) (s->config.frozen_usec + s->config.thawed_usec);
}

/* What all may use in that time. */
static double limit(const struct sim *s, uint64_t usec)
{
        return duty_of(s) * s->config.cpus * (double) usec;
}

#define CHECK_BETWEEN(seed, what, low, value, high)                                                        \
        do {                                                                                               \
                double check_value = (double) (value);                                                     \
                                                                                                           \
                if (check_value < (low) || check_value > (high))                                           \
                        fail_msg("SIM_SEED=%" PRIu64 ": %s is %.1f, not within %.1f and %.1f", seed, what, \
                                 check_value, (double) (low), (double) (high));                            \
        } while (false)

static uint64_t between(struct sim *s, uint64_t from, uint64_t to)
{
        return from + sim_random(s, to - from + 1);
}

/* A host that has nothing to do with the one before. */
static void init_random(struct sim *s, uint64_t seed)
{
        struct sim dice = { .random = seed };
        struct planner_config c = {
                .thawed_usec = between(&dice, 5, 20) * USEC_PER_MSEC,
                .cpus = (unsigned) (1 << sim_random(&dice, 5)),
        };

        c.frozen_usec = c.thawed_usec * between(&dice, 5, 30);
        sim_init(s, &c, seed);
        s->delay_usec = sim_random(s, 2) * between(s, 0, 5000);
        s->act_usec = sim_random(s, 2) * between(s, 0, 4) * s->step_usec;
}

/* P3: duty x min(threads, CPUs), within 5 % over any 5 s, or by what a balance can hold where that is more.
 */
static void one_gets_its_duty(void **state)
{
        for (uint64_t seed = sim_seed(), end = seed + 12; seed < end; seed++) {
                struct sim_load load = busy;
                struct sim s;
                double fair;

                init_random(&s, seed);
                load.threads = (unsigned) between(&s, 1, 6);
                sim_add_many(&s, 1, &load);
                sim_add_many(&s, sim_random(&s, 30), &sleeper);
                sim_run(&s, 15 * USEC_PER_SEC);
                fair = duty_of(&s) * MIN(load.threads, s.config.cpus);
                for (int i = 0; i < 6; i++) {
                        double late = (double) (2 * (s.delay_usec + s.act_usec + s.config.thawed_usec));
                        double slack = MAX(0.05 * fair * 5e6, late * MIN(load.threads, s.config.cpus));

                        sim_mark(&s);
                        sim_run(&s, 5 * USEC_PER_SEC);
                        CHECK_BETWEEN(seed, "use of 5 s", fair * 5e6 - slack, sim_used(&s, 0, 1),
                                      fair * 5e6 + slack);
                }
                sim_done(&s);
        }
}

/* Issue: within 2 % where the host is punctual. */
static void one_is_exact(void **state)
{
        struct sim s;

        sim_init(&s, &usual, sim_seed());
        sim_add_many(&s, 1, &busy);
        sim_run(&s, 10 * USEC_PER_SEC);
        sim_mark(&s);
        sim_run(&s, 260 * USEC_PER_SEC);
        CHECK_BETWEEN(sim_seed(), "use of 1,000 periods", 9800e3, sim_used(&s, 0, 1), 10200e3);
        sim_done(&s);
}

static void add_random(struct sim *s, size_t n)
{
        while (n-- > 0) {
                struct sim_load l = {
                        .kind = (enum sim_kind) sim_random(s, SIM_WAITER + 1),
                        .threads = (unsigned) between(s, 1, 4),
                        .work_usec = between(s, 1, 30) * 500,
                };

                l.every_usec = l.work_usec * between(s, 2, 50);
                l.phase_usec = sim_random(s, l.every_usec);
                l.outside = sim_random(s, 8) == 0;
                sim_add(s, &l);
        }
}

static uint64_t cpu_of_all(const struct sim *s)
{
        uint64_t sum = 0;

        for (size_t i = 0; i < s->n; i++)
                sum += s->subjects[i]->cpu_usec;
        return sum;
}

/* P3: never more than duty x CPUs, whoever is in it, comes and goes, and whatever else the host does. */
static void never_more_than_its_total(void **state)
{
        for (uint64_t seed = sim_seed(), end = seed + 16; seed < end; seed++) {
                uint64_t before;
                struct sim s;

                init_random(&s, seed);
                s.others_percent = (unsigned) (sim_random(&s, 2) * between(&s, 0, 95));
                add_random(&s, between(&s, 1, 80));
                sim_run(&s, 10 * USEC_PER_SEC);
                before = cpu_of_all(&s);
                for (int i = 0; i < 20; i++) {
                        sim_run(&s, USEC_PER_SEC);
                        sim_remove(&s, sim_random(&s, s.n));
                        add_random(&s, sim_random(&s, 2));
                }
                CHECK_BETWEEN(seed, "use of 20 s", 0, cpu_of_all(&s) - before,
                              1.1 * limit(&s, 20 * USEC_PER_SEC));
                sim_done(&s);
        }
}

/* P3: a crowd gets the total and shares it evenly, from 10 s after it came. */
static void crowd_shares_evenly(void **state)
{
        static const struct {
                size_t n;
                unsigned cpus, others, wakeups;
                uint64_t delay;
                double even;
        } rows[] = {
                { 20, 2, 0, 8, 0, 0.8 },    { 200, 2, 0, 8, 0, 0.6 },   { 200, 2, 0, 8, 100, 0.6 },
                { 200, 64, 0, 10, 0, 0.8 }, { 20, 2, 80, 110, 0, 0.8 }, { 100, 8, 0, 10, 2000, 0.6 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct planner_config c = usual;
                uint64_t seed = sim_seed() + i;
                struct sim s;

                c.cpus = rows[i].cpus;
                sim_init(&s, &c, seed);
                s.others_percent = rows[i].others;
                s.delay_usec = rows[i].delay;
                sim_add_many(&s, rows[i].n, &busy);
                sim_run(&s, 10 * USEC_PER_SEC);
                sim_mark(&s);
                sim_run(&s, 30 * USEC_PER_SEC);
                CHECK_BETWEEN(seed, "sum of 30 s", 0.92 * limit(&s, 30 * USEC_PER_SEC), sim_used(&s, 0, s.n),
                              1.05 * limit(&s, 30 * USEC_PER_SEC));
                CHECK_BETWEEN(seed, "least", rows[i].even * (double) sim_used(&s, 0, s.n) / (double) s.n,
                              sim_least(&s, 0, s.n), 30e6);
                CHECK_BETWEEN(seed, "wake-ups", 1, sim_looks(&s), 30 * rows[i].wakeups);
                sim_done(&s);
        }
}

/* Threads, and what else makes the scheduler prefer one, win nothing in a crowd. */
static void threads_win_nothing(void **state)
{
        struct planner_config c = usual;
        struct sim_load many = { .kind = SIM_BUSY, .threads = 16 };
        struct sim s;
        double mean;

        c.cpus = 8;
        sim_init(&s, &c, sim_seed());
        sim_add_many(&s, 40, &busy);
        sim_add_many(&s, 4, &many);
        sim_run(&s, 10 * USEC_PER_SEC);
        sim_mark(&s);
        sim_run(&s, 60 * USEC_PER_SEC);
        mean = (double) sim_used(&s, 0, 44) / 44;
        CHECK_BETWEEN(sim_seed(), "the most that one with many threads gets", 0, sim_most(&s, 40, 44),
                      1.3 * mean);
        CHECK_BETWEEN(sim_seed(), "the least that one without gets", 0.7 * mean, sim_least(&s, 0, 40), 60e6);
        sim_done(&s);
}

/* P5: who uses less than its duty is never frozen, if all use less than the tarpit's total, and beside a
 * crowd if it uses less than the fair share. Sleepers neither. */
static void modest_are_left_alone(void **state)
{
        for (uint64_t seed = sim_seed(), end = seed + 10; seed < end; seed++) {
                size_t n_busy, n_light, n_sleepers;
                struct sim_load light = { .kind = SIM_LIGHT };
                struct sim s;
                double may;

                init_random(&s, seed);
                n_busy = sim_random(&s, 2) * between(&s, 1, 40);
                n_light = between(&s, 1, 10);
                n_sleepers = sim_random(&s, 50);
                /* what comes may come together: half the rate, and little
                 * at a time against what counts as lately */
                may = 0.5 * MIN(duty_of(&s), limit(&s, 1) / (double) (n_busy + n_light));
                light.work_usec = 3 * s.config.thawed_usec * s.config.cpus / (n_busy + n_light);
                light.work_usec = MIN(light.work_usec, s.config.thawed_usec / 5) / s.step_usec * s.step_usec;
                light.work_usec = MAX(light.work_usec, s.step_usec);
                light.every_usec = (uint64_t) ((double) light.work_usec / may);
                sim_add_many(&s, n_busy, &busy);
                sim_add_many(&s, n_sleepers, &sleeper);
                sim_run(&s, 10 * USEC_PER_SEC);
                sim_add_many(&s, n_light, &light);
                sim_run(&s, 30 * USEC_PER_SEC);
                sim_mark(&s);
                sim_run(&s, 20 * USEC_PER_SEC);
                CHECK_BETWEEN(seed, "freezes of sleepers", 0, sim_freezes(&s, n_busy, n_busy + n_sleepers),
                              0);
                CHECK_BETWEEN(seed, "freezes of modest ones", 0, sim_freezes(&s, n_busy + n_sleepers, s.n),
                              0);
                sim_done(&s);
        }
}

/* Who times its work around the ticks gets no more than 1.1 x its duty in the long run. */
static void games_win_nothing(void **state)
{
        static const uint64_t games[][2] = {
                { 9, 250 },    { 10, 130 },  { 8, 20 },     { 9, 10 },       { 11, 260 },
                { 100, 5000 }, { 45, 100 },  { 250, 1100 }, { 240, 10240 },  { 500, 11000 },
                { 3, 26 },     { 260, 520 }, { 49, 600 },   { 1000, 10500 }, { 10, 260 },
        };
        const uint64_t secs = 200;

        for (size_t i = 0; i < ELEMENTSOF(games) + 3; i++) {
                uint64_t seed = sim_seed() + i, work, every;
                struct sim_load l = { .kind = SIM_ADAPTIVE, .threads = i % 2 ? 1 : 2 };
                struct sim s;

                sim_init(&s, &usual, seed);
                s.step_usec = 1000;
                work = i < ELEMENTSOF(games) ? games[i][0] : 5;
                every = i < ELEMENTSOF(games) ? games[i][1] : 60ULL << (2 * (i - ELEMENTSOF(games)));
                l.kind = i < ELEMENTSOF(games) ? SIM_GAME : SIM_ADAPTIVE;
                l.work_usec = work * USEC_PER_MSEC;
                l.every_usec = every * USEC_PER_MSEC;
                l.phase_usec = sim_random(&s, l.every_usec);
                sim_add_many(&s, 1, &l);
                sim_add_many(&s, 20, &sleeper);
                sim_run(&s, 20 * USEC_PER_SEC);
                sim_mark(&s);
                sim_run(&s, secs * USEC_PER_SEC);
                CHECK_BETWEEN(seed, "what a game gets", 0, sim_used(&s, 0, 1),
                              1.1 * duty_of(&s) * (double) (secs * USEC_PER_SEC * l.threads));
                sim_done(&s);
        }
}

/* A look that is 200 ms late now and then, and freezing that takes its time, change nobody's share. */
static void lateness_is_paid_back(void **state)
{
        static const size_t sizes[] = { 1, 2, 20 };

        for (size_t i = 0; i < ELEMENTSOF(sizes) * 2; i++) {
                size_t n = sizes[i / 2];
                uint64_t seed = sim_seed() + i, secs = 400;
                struct sim s;
                double fair;

                sim_init(&s, &usual, seed);
                s.step_usec = 1000;
                s.late_usec = i % 2 ? 0 : 200 * USEC_PER_MSEC;
                s.late_one_in = i % 2 ? 0 : 60;
                s.act_usec = i % 2 ? 4000 : 0;
                sim_add_many(&s, n, &busy);
                sim_run(&s, 20 * USEC_PER_SEC);
                sim_mark(&s);
                sim_run(&s, secs * USEC_PER_SEC);
                fair = limit(&s, secs * USEC_PER_SEC) * (double) MIN(n, (size_t) 2) / 2;
                CHECK_BETWEEN(seed, "use", 0.96 * fair, sim_used(&s, 0, n), 1.03 * fair);
                CHECK_BETWEEN(seed, "least", 0.8 * fair / (double) n, sim_least(&s, 0, n), 1.03 * fair);
                sim_done(&s);
        }
}

/* Everyone who wants to run gets something, also beside those who only wait, and where looks are later than
 * windows are long. */
static void nobody_starves(void **state)
{
        for (uint64_t seed = sim_seed(), end = seed + 8; seed < end; seed++) {
                static const struct sim_load waiter = { .kind = SIM_WAITER };
                struct planner_config c = { .frozen_usec = 50000, .thawed_usec = 2000, .cpus = 2 };
                struct sim s;
                size_t n;

                c.cpus = (unsigned) (1 << (seed % 4));
                sim_init(&s, &c, seed);
                s.delay_usec = seed % 2 ? 5000 : 0;
                n = between(&s, 1, 30);
                sim_add_many(&s, n, &busy);
                sim_add_many(&s, sim_random(&s, 30), &waiter);
                sim_run(&s, 10 * USEC_PER_SEC);
                sim_mark(&s);
                sim_run(&s, 20 * USEC_PER_SEC);
                CHECK_BETWEEN(seed, "least",
                              0.2 * limit(&s, 20 * USEC_PER_SEC) / (double) MAX(s.n, 2 * c.cpus),
                              sim_least(&s, 0, s.n), 20e6);
                sim_done(&s);
        }
}

/* Who waits for a disk is frozen by its own balance, as who runs. */
static void waiting_counts(void **state)
{
        static const struct sim_load waiter = { .kind = SIM_WAITER };
        struct sim s;

        sim_init(&s, &usual, sim_seed());
        sim_add_many(&s, 100, &sleeper);
        sim_run(&s, 12 * USEC_PER_SEC);
        sim_add_many(&s, 2, &waiter);
        sim_run(&s, 10 * USEC_PER_SEC);
        sim_mark(&s);
        sim_run(&s, 52 * USEC_PER_SEC);
        /* with its own CPU time, a hundredth */
        CHECK_BETWEEN(sim_seed(), "waiting", 0.95 * 4040e3, sim_used(&s, 100, 102), 1.05 * 4040e3);
        sim_done(&s);
}

/* P3: after ten idle seconds a burst of at most 250 ms, among thousands too, and it is paid back. */
static void bursts_are_found(void **state)
{
        static const size_t sizes[] = { 0, 100, 400 };

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                struct sim_load burst = { .kind = SIM_GAME, .work_usec = 3 * USEC_PER_SEC };
                uint64_t seed = sim_seed() + i;
                struct sim s;

                burst.every_usec = 1000 * USEC_PER_SEC;
                sim_init(&s, &usual, seed);
                burst.phase_usec =
                        (s.now_usec + 12 * USEC_PER_SEC + sim_random(&s, 250000)) % burst.every_usec;
                sim_add_many(&s, sizes[i], &sleeper);
                sim_add(&s, &burst);
                sim_run(&s, 12 * USEC_PER_SEC);
                sim_mark(&s);
                sim_run(&s, 3 * USEC_PER_SEC);
                CHECK_BETWEEN(seed, "the first burst", 1, sim_used(&s, sizes[i], s.n), 262e3);
                CHECK_BETWEEN(seed, "freezes", 1, sim_freezes(&s, sizes[i], s.n), 12);
                sim_done(&s);
        }
}

/* The wake-ups are what hobbling costs. */
static void wakeups(void **state)
{
        static const struct {
                size_t n_busy, n_sleepers;
                struct sim_load load;
                unsigned most;
        } rows[] = {
                { 0, 1, { .kind = SIM_BUSY }, 5 },
                { 0, 200, { .kind = SIM_BUSY }, 5 },
                { 1, 0, { .kind = SIM_BUSY }, 8 },
                { 1, 5000, { .kind = SIM_BUSY }, 8 },
                { 1, 200, { .kind = SIM_BUSY, .outside = true }, 8 },
                { 3, 200, { .kind = SIM_LIGHT, .work_usec = 1000, .every_usec = 100000 }, 110 },
                { 1, 200, { .kind = SIM_LIGHT, .work_usec = 1000, .every_usec = 5000000 }, 40 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct sim s;

                sim_init(&s, &usual, sim_seed() + i);
                sim_add_many(&s, rows[i].n_busy, &rows[i].load);
                sim_add_many(&s, rows[i].n_sleepers, &sleeper);
                sim_run(&s, 11 * USEC_PER_SEC);
                sim_mark(&s);
                sim_run(&s, 10 * USEC_PER_SEC);
                CHECK_BETWEEN(sim_seed() + i, "wake-ups of 10 s", 10, sim_looks(&s), 10 * rows[i].most);
                sim_done(&s);
        }
}

UNIT_MAIN(cmocka_unit_test(one_gets_its_duty), cmocka_unit_test(one_is_exact),
          cmocka_unit_test(never_more_than_its_total), cmocka_unit_test(crowd_shares_evenly),
          cmocka_unit_test(threads_win_nothing), cmocka_unit_test(modest_are_left_alone),
          cmocka_unit_test(games_win_nothing), cmocka_unit_test(lateness_is_paid_back),
          cmocka_unit_test(nobody_starves), cmocka_unit_test(waiting_counts),
          cmocka_unit_test(bursts_are_found), cmocka_unit_test(wakeups))
