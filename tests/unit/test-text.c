/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* src/basic/text: numbers and names that come from outside, and text that is safe to show. */

#include "unit.h"

#include "macro.h"
#include "near.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void numbers(void **state)
{
        static const struct {
                const char *text;
                int r;
                uint64_t value;
        } rows[] = {
                { "0", 0, 0 },
                { "7", 0, 7 },
                { "007", 0, 7 },
                { "4194304", 0, 4194304 },
                { "18446744073709551615", 0, UINT64_MAX },
                { "0000000000000000000000000000001", 0, 1 },
                { "18446744073709551616", -ERANGE, 0 },
                { "18446744073709551620", -ERANGE, 0 },
                { "99999999999999999999999999999999", -ERANGE, 0 },
                { "", -EINVAL, 0 },
                { " 7", -EINVAL, 0 },
                { "7 ", -EINVAL, 0 },
                { "7\n", -EINVAL, 0 },
                { "+7", -EINVAL, 0 },
                { "-7", -EINVAL, 0 },
                { "0x7", -EINVAL, 0 },
                { "7.0", -EINVAL, 0 },
                { "1e3", -EINVAL, 0 },
                { "99999999999999999999x", -EINVAL, 0 },
                { "\xd9\xa7", -EINVAL, 0 }, /* a digit, but of another script */
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                uint64_t value = 42;

                if (parse_u64(rows[i].text, &value) != rows[i].r)
                        fail_msg("parse_u64(\"%s\") is not %d", rows[i].text, rows[i].r);
                assert_int_equal(value, rows[i].r < 0 ? 42 : rows[i].value);
        }
}

static void names(void **state)
{
        static const char *const good[] = {
                "a",       "7",
                "tarpit",  "Over_Allowance",
                "a.b-c_d", "_",
                "a-",      "a.",
                "4711",    "0123456789012345678901234567890123456789012345678901234567890123", /* 64 */
        };
        static const char *const bad[] = {
                "",         ".",
                "..",       ".hidden",
                "-option",  "a b",
                "a/b",      "a\n",
                "a\\b",     "a:b",
                "\xc3\xa4", "01234567890123456789012345678901234567890123456789012345678901234", /* 65 */
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                if (!name_is_valid(good[i]))
                        fail_msg("\"%s\" is refused", good[i]);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                if (name_is_valid(bad[i]))
                        fail_msg("\"%s\" is taken", bad[i]);
        }
}

static void escapes(void **state)
{
        static const struct {
                const char *raw, *shown;
        } rows[] = {
                { "", "" },
                { "bash", "bash" },
                { "two words (x)", "two words (x)" },
                { "a\nb\tc", "a\\x0ab\\x09c" },
                { "\x1b[31mred", "\\x1b[31mred" },
                { "back\\slash", "back\\x5cslash" },
                { "\x7f", "\\x7f" },
                { "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x8c", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x8c" },
                { "\xff\xfe", "\\xff\\xfe" },                   /* never in UTF-8 */
                { "\xc3", "\\xc3" },                            /* cut off */
                { "\xe2\x82", "\\xe2\\x82" },                   /* cut off */
                { "\xf0\x9f\x90", "\\xf0\\x9f\\x90" },          /* cut off */
                { "\xc3(", "\\xc3(" },                          /* no continuation */
                { "\x80", "\\x80" },                            /* a continuation alone */
                { "\xc0\xaf", "\\xc0\\xaf" },                   /* overlong */
                { "\xe0\x80\xaf", "\\xe0\\x80\\xaf" },          /* overlong */
                { "\xf0\x80\x80\xaf", "\\xf0\\x80\\x80\\xaf" }, /* overlong */
                { "\xed\xa0\x80", "\\xed\\xa0\\x80" },          /* a surrogate */
                { "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" }, /* above U+10FFFF */
                { "\xc2\x9b", "\\xc2\\x9b" },                   /* U+009B, a control sequence introducer */
                { "\xd8\x9c", "\\xd8\\x9c" },                   /* U+061C, reorders */
                { "\xe2\x80\xae", "\\xe2\\x80\\xae" },          /* U+202E, reorders */
                { "\xe2\x81\xa6", "\\xe2\\x81\\xa6" },          /* U+2066, reorders */
                { "\xe2\x80\xa8", "\\xe2\\x80\\xa8" },          /* U+2028, ends a line */
                { "\xe2\x80\x94", "\xe2\x80\x94" },             /* U+2014, a dash among these */
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char buf[64];

                assert_ptr_equal(escape_text(rows[i].raw, strlen(rows[i].raw), buf, sizeof buf), buf);
                assert_string_equal(buf, rows[i].shown);
        }
}

static void an_escaped_nul(void **state)
{
        char buf[16];

        (void) state;
        assert_string_equal(escape_text("a\0b", 3, buf, sizeof buf), "a\\x00b");
}

static void cuts(void **state)
{
        static const struct {
                size_t room;
                const char *raw, *shown;
        } rows[] = {
                { 4, "", "" },
                { 4, "abc", "abc" },
                { 4, "abcd", "..." },
                { 4, "\n", "..." },
                { 5, "\n", "\\x0a" },
                { 8, "abcdefg", "abcdefg" },
                { 8, "abcdefgh", "abcd..." },
                { 8, "abcdef\n", "abcd..." },
                { 8, "\n\n", "\\x0a..." },
                { 8, "abc\xe2\x82\xac!!", "abc..." }, /* no half a character */
                { 8, "abc\xe2\x82\xac!", "abc\xe2\x82\xac!" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char buf[16];

                memset(buf, '#', sizeof buf);
                escape_text(rows[i].raw, strlen(rows[i].raw), buf, rows[i].room);
                assert_string_equal(buf, rows[i].shown);
                for (size_t k = rows[i].room; k < sizeof buf; k++)
                        assert_int_equal(buf[k], '#');
        }
}

/* Whatever bytes come: the outcome fits, is printable and, where nothing was cut, the same again when each
 * \xNN is read back. */
static void any_bytes(void **state)
{
        unsigned seed = 1;

        (void) state;
        for (int round = 0; round < 20000; round++) {
                char raw[12], buf[4 * sizeof raw + 1], back[sizeof raw];
                size_t size = (size_t) rand_r(&seed) % (sizeof raw + 1), n = 0;
                size_t room = 4 + (size_t) rand_r(&seed) % (sizeof buf - 3);

                for (size_t i = 0; i < size; i++)
                        raw[i] = (char) (rand_r(&seed) >> 8);
                memset(buf, '#', sizeof buf);
                escape_text(raw, size, buf, room);
                assert_true(strnlen(buf, room) < room);
                for (const char *p = buf; *p; p++)
                        assert_true((unsigned char) *p >= 0x20 && *p != 0x7f);

                escape_text(raw, size, buf, sizeof buf);
                for (const char *p = buf; *p; n++) {
                        bool escaped = p[0] == '\\';

                        assert_true(n < sizeof back);
                        back[n] = escaped ? (char) strtoul((char[]){ p[2], p[3], '\0' }, NULL, 16) : *p;
                        p += escaped ? 4 : 1;
                }
                assert_int_equal(n, size);
                assert_memory_equal(back, raw, size);
        }
}

static void lines_of_text(void **state)
{
        static const struct {
                const char *text;
                size_t size; /* 0: all of it */
                bool good;
        } rows[] = {
                { "", 0, true },
                { "plain \\ text\twith a tab", 0, true },
                { "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\x8c", 0, true },
                { "a\nb", 0, false },
                { "a\0b", 3, false },
                { "\x1b[0m", 0, false },
                { "\x7f", 0, false },
                { "\xc2\x85", 0, false },     /* a control character of two bytes */
                { "\xc3", 0, false },         /* cut */
                { "\xc3\xa4", 1, false },     /* likewise, though the rest is there */
                { "\xc0\xaf", 0, false },     /* overlong */
                { "\xed\xa0\x80", 0, false }, /* half of a pair */
                { "\xf4\x90\x80\x80", 0, false },
                { "\xff", 0, false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                size_t size = rows[i].size ? rows[i].size : strlen(rows[i].text);

                if (line_is_text(rows[i].text, size) != rows[i].good)
                        fail_msg("row %zu: \"%s\"", i, rows[i].text);
        }
}

static void near_words(void **state)
{
        static const struct {
                const char *a, *b;
                size_t distance;
        } rows[] = {
                { "", "", 0 },
                { "abc", "abc", 0 },
                { "abc", "ABC", 0 },
                { "", "abc", 3 },
                { "abc", "", 3 },
                { "abc", "abd", 1 },
                { "abc", "ab", 1 },
                { "abc", "xabc", 1 },
                { "lsit", "list", 1 },
                { "abcd", "badc", 2 },
                { "kitten", "sitting", 3 },
                { "abcdefghijklmnopqrstuvwxyzabcde", "abcdefghijklmnopqrstuvwxyzabcdf", 1 },
                { "abcdefghijklmnopqrstuvwxyzabcdef", "x", SIZE_MAX },
                { "x", "abcdefghijklmnopqrstuvwxyzabcdef", SIZE_MAX },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                assert_int_equal(near_distance(rows[i].a, rows[i].b), rows[i].distance);
}

UNIT_MAIN(cmocka_unit_test(numbers), cmocka_unit_test(names), cmocka_unit_test(escapes),
          cmocka_unit_test(an_escaped_nul), cmocka_unit_test(cuts), cmocka_unit_test(any_bytes),
          cmocka_unit_test(lines_of_text), cmocka_unit_test(near_words))
