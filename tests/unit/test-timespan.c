/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* src/basic/timespan: spans and percentages as people write them. */

#include "unit.h"

#include "macro.h"
#include "timespan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct span_row {
        const char *text;
        int r;
        uint64_t usec;
};

static void check_spans(const struct span_row *rows, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                uint64_t usec = 42;
                int r = timespan_parse(rows[i].text, &usec);

                if (r != rows[i].r || usec != (r < 0 ? 42 : rows[i].usec))
                        fail_msg("timespan_parse(\"%s\") is %d, %llu", rows[i].text, r,
                                 (unsigned long long) usec);
        }
}

static void spans(void **state)
{
        static const struct span_row rows[] = {
                { "0", 0, 0 },
                { "250ms", 0, 250000 },
                { "250 ms", 0, 250000 },
                { "  250ms\t", 0, 250000 },
                { "2", 0, 2000000 },
                { "2s", 0, 2000000 },
                { "2sec", 0, 2000000 },
                { "2 seconds", 0, 2000000 },
                { "1 second", 0, 1000000 },
                { "1min 30s", 0, 90000000 },
                { "1min30s", 0, 90000000 },
                { "1m", 0, 60000000 },
                { "2 minutes", 0, 120000000 },
                { "1h", 0, 3600000000 },
                { "1hr", 0, 3600000000 },
                { "2hours", 0, 7200000000 },
                { "1d", 0, 86400000000 },
                { "2days", 0, 172800000000 },
                { "10us", 0, 10 },
                { "10usec", 0, 10 },
                { "10\xc2\xb5s", 0, 10 },
                { "7msec", 0, 7000 },
                { "0.5s", 0, 500000 },
                { "0.5", 0, 500000 },
                { "1.5ms", 0, 1500 },
                { "2.25min", 0, 135000000 },
                { "0.0000009s", 0, 0 }, /* less than a microsecond */
                { "1.23456789s", 0, 1234567 },
                { "30s 1min", 0, 90000000 },
                { "1s 1s", 0, 2000000 },
                { "18446744073709551615us", 0, UINT64_MAX },
        };

        (void) state;
        check_spans(rows, ELEMENTSOF(rows));
}

static void bad_spans(void **state)
{
        static const struct span_row rows[] = {
                { "18446744073709551616us", -ERANGE, 0 },
                { "18446744073709551615us 1us", -ERANGE, 0 },
                { "18446744073709551615s", -ERANGE, 0 },
                { "213503983d", -ERANGE, 0 },
                { "99999999999999999999", -ERANGE, 0 },
                { "", -EINVAL, 0 },
                { "  ", -EINVAL, 0 },
                { "ms", -EINVAL, 0 },
                { "-1s", -EINVAL, 0 },
                { "+1s", -EINVAL, 0 },
                { "1x", -EINVAL, 0 },
                { "1S", -EINVAL, 0 },
                { "1s,", -EINVAL, 0 },
                { "1,5s", -EINVAL, 0 },
                { "1.s", -EINVAL, 0 },
                { ".5s", -EINVAL, 0 },
                { "1.5.5s", -EINVAL, 0 },
                { "1e3", -EINVAL, 0 },
                { "0x10", -EINVAL, 0 },
                { "infinity", -EINVAL, 0 },
                { "250ms\n", -EINVAL, 0 },
        };

        (void) state;
        check_spans(rows, ELEMENTSOF(rows));
}

static void formats(void **state)
{
        static const struct {
                uint64_t usec;
                const char *text;
        } rows[] = {
                { 0, "0" },
                { 1, "1us" },
                { 999, "999us" },
                { 1000, "1ms" },
                { 1500, "1ms 500us" },
                { 250000, "250ms" },
                { 1000000, "1s" },
                { 2500000, "2s 500ms" },
                { 90000000, "1min 30s" },
                { 3600000000, "1h" },
                { 86400000001, "1d 1us" },
                { UINT64_MAX, "213503982d 8h 1min 49s 551ms 615us" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char buf[64];

                assert_ptr_equal(timespan_format(rows[i].usec, buf, sizeof buf), buf);
                assert_string_equal(buf, rows[i].text);
        }
}

/* What does not fit is cut, nothing is written behind the room. */
static void a_small_room(void **state)
{
        (void) state;
        for (size_t room = 1; room < 40; room++) {
                char buf[48], full[48];

                memset(buf, '#', sizeof buf);
                timespan_format(UINT64_MAX, buf, room);
                timespan_format(UINT64_MAX, full, sizeof full);
                assert_true(strnlen(buf, room) < room);
                assert_memory_equal(buf, full, strlen(buf));
                for (size_t k = room; k < sizeof buf; k++)
                        assert_int_equal(buf[k], '#');
        }
}

/* What is written reads back the same, over all magnitudes. */
static void round_trips(void **state)
{
        unsigned seed = 1;

        (void) state;
        for (int round = 0; round < 20000; round++) {
                uint64_t random = (uint64_t) rand_r(&seed) << 62 ^ (uint64_t) rand_r(&seed) << 31 ^
                                  (uint64_t) rand_r(&seed);
                uint64_t usec = random >> rand_r(&seed) % 64, back;
                char buf[64];

                assert_int_equal(timespan_parse(timespan_format(usec, buf, sizeof buf), &back), 0);
                assert_int_equal(back, usec);
        }
}

static void percentages(void **state)
{
        static const struct {
                const char *text;
                int r;
                uint64_t ppm;
        } rows[] = {
                { "5%", 0, 50000 },
                { "3.85%", 0, 38500 },
                { "0.5 %", 0, 5000 },
                { "100%", 0, 1000000 },
                { "100.0%", 0, 1000000 },
                { "0.0001%", 0, 1 },
                { "0.00019%", 0, 1 },
                { "99.9999%", 0, 999999 },
                { "0%", -ERANGE, 0 },
                { "0.00009%", -ERANGE, 0 }, /* less than a part in a million */
                { "100.1%", -ERANGE, 0 },
                { "101%", -ERANGE, 0 },
                { "18446744073709551616%", -ERANGE, 0 },
                { "", -EINVAL, 0 },
                { "%", -EINVAL, 0 },
                { "5", -EINVAL, 0 },
                { "5%%", -EINVAL, 0 },
                { "5% ", -EINVAL, 0 },
                { "5 percent", -EINVAL, 0 },
                { "-5%", -EINVAL, 0 },
                { "5.%", -EINVAL, 0 },
                { "5,5%", -EINVAL, 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                uint64_t ppm = 42;
                int r = percent_parse(rows[i].text, &ppm);

                if (r != rows[i].r || ppm != (r < 0 ? 42 : rows[i].ppm))
                        fail_msg("percent_parse(\"%s\") is %d, %llu", rows[i].text, r,
                                 (unsigned long long) ppm);
        }
}

static void shares(void **state)
{
        static const struct {
                const char *text;
                int r;
                uint64_t ppm;
                const char *back;
        } rows[] = {
                { "50%", 0, 500000, "50%" },
                { "250 %", 0, 2500000, "250%" },
                { "3.85%", 0, 38500, "3.85%" },
                { "0.0001%", 0, 1, "0.0001%" },
                { "0.00001%", -ERANGE, 0, NULL },
                { "1000000%", 0, 10000000000, "1000000%" },
                { "1844674407370955%", 0, 18446744073709550000U, "1844674407370955%" },
                { "18446744073709551%", -ERANGE, 0, NULL },
                { "250", -EINVAL, 0, NULL },
                { "-1%", -EINVAL, 0, NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                uint64_t ppm = 42;
                char buf[64], small[4];
                int r = share_parse(rows[i].text, &ppm);

                if (r != rows[i].r || ppm != (r < 0 ? 42 : rows[i].ppm))
                        fail_msg("share_parse(\"%s\") is %d, %llu", rows[i].text, r,
                                 (unsigned long long) ppm);
                if (r < 0)
                        continue;
                assert_string_equal(share_format(ppm, buf, sizeof(buf)), rows[i].back);
                assert_true(strlen(share_format(ppm, small, sizeof(small))) < sizeof(small));
        }
}

UNIT_MAIN(cmocka_unit_test(spans), cmocka_unit_test(bad_spans), cmocka_unit_test(formats),
          cmocka_unit_test(a_small_room), cmocka_unit_test(round_trips), cmocka_unit_test(percentages),
          cmocka_unit_test(shares))
