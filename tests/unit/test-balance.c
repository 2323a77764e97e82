/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* src/libhobble/balance: what is earned, charged, and when a level is reached. */

#include "unit.h"

#include "balance.h"
#include "macro.h"

static const uint64_t epoch = 26 * USEC_PER_SEC;

static struct allowance allow(uint64_t frozen_msec, uint64_t thawed_msec, unsigned scale)
{
        struct allowance a;

        allowance_init(&a, frozen_msec * USEC_PER_MSEC, thawed_msec * USEC_PER_MSEC, scale);
        return a;
}

static void bounds(void **state)
{
        static const struct {
                uint64_t frozen, thawed;
                unsigned scale;
                int64_t floor, ceiling;
        } rows[] = {
                { 250, 10, 1, -500000, 10000 },
                { 250, 10, 2, -1000000, 20000 },
                { 250, 40, 1, -800000, 40000 },
                { 60000, 1, 1, -500000, 1000 },
                { 60000, 10000, 1024, -204800000000, 10240000000 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct allowance a = allow(rows[i].frozen, rows[i].thawed, rows[i].scale);
                struct balance b;

                balance_init(&b, &a, epoch);
                assert_int_equal(a.floor_usec, rows[i].floor);
                assert_int_equal(b.usec, rows[i].ceiling);
                balance_charge(&b, &a, epoch, UINT64_MAX);
                assert_int_equal(b.usec, rows[i].floor);
                assert_int_equal(balance_at(&b, &a, UINT64_MAX), rows[i].ceiling);
                balance_earn(&b, &a, UINT64_MAX);
                assert_int_equal(b.usec, rows[i].ceiling);
        }
}

static void charges(void **state)
{
        static const struct {
                int64_t before;
                uint64_t elapsed, used;
                int64_t after;
        } rows[] = {
                { 10000, 0, 0, 10000 },
                { 10000, 10000, 10000, 384 },
                { 0, 260000, 0, 10000 },
                { 0, 260000, 10000, 0 },
                { 10000, 260000, 10000, 10000 }, /* earnings pay before they are cut */
                { -100, 0, 1, -101 },
                { 10000, 250000, 250000, -230385 },
                { -499999, 0, 5, -500000 },
                { -500000, 26000000, 0, 10000 },
                { -500000, 2600000, 0, -400000 },
        };
        struct allowance a = allow(250, 10, 1);

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct balance b = { .usec = rows[i].before, .since_usec = epoch };

                balance_charge(&b, &a, epoch + rows[i].elapsed, rows[i].used);
                assert_int_equal(b.usec, rows[i].after);
                assert_int_equal(b.since_usec, epoch + rows[i].elapsed);
        }
}

/* However often it is brought up to date. */
static void rounding(void **state)
{
        struct allowance a = allow(250, 10, 3);
        struct balance often = { .usec = -1000000, .since_usec = epoch }, once = often;

        for (uint64_t t = epoch; t < epoch + 7 * USEC_PER_SEC; t += 7)
                balance_earn(&often, &a, t);
        balance_earn(&often, &a, epoch + 7 * USEC_PER_SEC);
        balance_earn(&once, &a, epoch + 7 * USEC_PER_SEC);
        assert_int_equal(often.usec, once.usec);
        assert_int_equal(once.usec, -1000000 + 3 * 269230);
}

static void backwards(void **state)
{
        struct allowance a = allow(250, 10, 1);
        struct balance b = { .usec = -7, .since_usec = epoch };

        balance_charge(&b, &a, epoch - 1000000, 0);
        assert_int_equal(b.usec, -7);
        assert_int_equal(b.since_usec, epoch);
}

static void reaching(void **state)
{
        static const struct {
                uint64_t frozen, thawed;
                unsigned scale;
                uint64_t since;
                int64_t from, to;
        } rows[] = {
                { 250, 10, 1, epoch, -10000, 0 },
                { 250, 10, 1, epoch + 12345, -10000, -4999 },
                { 250, 10, 2, epoch + 1, -400000, -20000 },
                { 60000, 1, 1, epoch + 77, -500000, -499 },
                { 1, 10000, 1, epoch + 77, -500000, -499 },
                { 0, 10, 1, epoch + 3, -20, 10 },
                { 7, 3, 5, 1, -1, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct allowance a = allow(rows[i].frozen, rows[i].thawed, rows[i].scale);
                struct balance b = { .usec = rows[i].from, .since_usec = rows[i].since };
                uint64_t t = balance_reaches(&b, &a, rows[i].to);

                assert_true(t > rows[i].since);
                assert_true(balance_at(&b, &a, t) >= rows[i].to);
                assert_true(balance_at(&b, &a, t - 1) < rows[i].to);
                assert_int_equal(balance_reaches(&b, &a, rows[i].from), rows[i].since);
        }
}

UNIT_MAIN(cmocka_unit_test(bounds), cmocka_unit_test(charges), cmocka_unit_test(rounding),
          cmocka_unit_test(backwards), cmocka_unit_test(reaching))
