/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Exec=: how a command line is split, and what its output says. */

#include "unit.h"

#include "exec-text.h"
#include "macro.h"

#include <stdio.h>
#include <string.h>

/* The line splits to these words, joined by "|"; NULL: it is refused. */
static void assert_split(const char *line, const char *expected)
{
        char joined[512] = "", **words = NULL;
        int n;

        n = exec_words_split(line, &words);
        if (!expected) {
                assert_true(n < 0);
                return;
        }
        assert_true(n > 0);
        for (int i = 0; i < n; i++)
                snprintf(joined + strlen(joined), sizeof(joined) - strlen(joined), "%s%s", i > 0 ? "|" : "",
                         words[i]);
        assert_null(words[n]);
        assert_string_equal(joined, expected);
        exec_words_free(words);
}

static void words_are_split_at_blanks(void **state)
{
        assert_split("/bin/x", "/bin/x");
        assert_split("  /bin/x  a\tb ", "/bin/x|a|b");
}

static void quotes_keep_blanks(void **state)
{
        assert_split("/bin/x \"a b\" 'c d'", "/bin/x|a b|c d");
        assert_split("/bin/x a\"b c\"d", "/bin/x|ab cd");
        assert_split("/bin/x \"\" ''", "/bin/x||");
        assert_split("/bin/x \"it's\" 'say \"a\"'", "/bin/x|it's|say \"a\"");
}

static void a_backslash_takes_the_next_byte_as_it_is(void **state)
{
        assert_split("/bin/x a\\ b", "/bin/x|a b");
        assert_split("/bin/x \"a\\\"b\"", "/bin/x|a\"b");
        assert_split("/bin/x 'a\\b'", "/bin/x|a\\b");
}

static void nothing_is_expanded(void **state)
{
        assert_split("/bin/x $HOME * ; rm", "/bin/x|$HOME|*|;|rm");
}

static void bad_command_lines_are_refused(void **state)
{
        assert_split("", NULL);
        assert_split("   ", NULL);
        assert_split("x", NULL);
        assert_split("bin/x", NULL);
        assert_split("/bin/x \"a", NULL);
        assert_split("/bin/x 'a", NULL);
        assert_split("/bin/x a\\", NULL);
}

static void too_many_words_are_refused(void **state)
{
        char line[4096] = "/bin/x", **words;

        for (unsigned i = 1; i < EXEC_WORDS_MAX; i++)
                strcat(line, " a");
        assert_int_equal(exec_words_split(line, &words), EXEC_WORDS_MAX);
        exec_words_free(words);
        strcat(line, " a");
        assert_int_equal(exec_words_split(line, &words), -E2BIG);
}

static void assert_item(const char *text, enum exec_item_kind kind, const char *value)
{
        char line[256];
        const char *got;
        pid_t pid = 0;

        snprintf(line, sizeof(line), "%s", text);
        assert_int_equal(exec_item_parse(line, &got, &pid), kind);
        if (kind != EXEC_BAD && kind != EXEC_NONE)
                assert_string_equal(got, value);
        if (kind == EXEC_PID)
                assert_int_equal(pid, atoi(value));
}

static void a_line_is_a_pid_a_unit_a_cgroup_or_a_user(void **state)
{
        assert_item("4711", EXEC_PID, "4711");
        assert_item("  4711 \r", EXEC_PID, "4711");
        assert_item("report-1.service", EXEC_UNIT, "report-1.service");
        assert_item("session-3.scope", EXEC_UNIT, "session-3.scope");
        assert_item("user-1000.slice", EXEC_UNIT, "user-1000.slice");
        assert_item("a\\x2db.service", EXEC_UNIT, "a\\x2db.service");
        assert_item("/system.slice/a.service", EXEC_CGROUP, "/system.slice/a.service");
        assert_item("@mallory", EXEC_USER, "mallory");
        assert_item("@%students", EXEC_USER, "%students");
        assert_item("@1000", EXEC_USER, "1000");
}

static void other_lines_are_bad_or_nothing(void **state)
{
        assert_item("", EXEC_NONE, NULL);
        assert_item("  \t", EXEC_NONE, NULL);
        assert_item("# 4711", EXEC_NONE, NULL);
        assert_item("0", EXEC_BAD, NULL);
        assert_item("-1", EXEC_BAD, NULL);
        assert_item("99999999", EXEC_BAD, NULL);
        assert_item("99999999999999999999999", EXEC_BAD, NULL);
        assert_item("4711 4712", EXEC_BAD, NULL);
        assert_item("mallory", EXEC_BAD, NULL);
        assert_item("a b.service", EXEC_BAD, NULL);
        assert_item("a.timer", EXEC_BAD, NULL);
        assert_item(".service", EXEC_BAD, NULL);
        assert_item("/", EXEC_BAD, NULL);
        assert_item("/a/../b", EXEC_BAD, NULL);
        assert_item("@", EXEC_BAD, NULL);
        assert_item("@a b", EXEC_BAD, NULL);
}

static void an_output_is_taken_apart_with_its_bad_lines(void **state)
{
        char text[] = "1\n# x\n@u\nwhat?\n\n  2  \nand?\n/a";
        struct exec_output output;

        assert_int_equal(exec_output_parse(text, sizeof(text) - 1, &output), 0);
        assert_int_equal(output.n, 4);
        assert_int_equal(output.items[0].pid, 1);
        assert_string_equal(output.items[1].value, "u");
        assert_int_equal(output.items[2].pid, 2);
        assert_string_equal(output.items[3].value, "/a");
        assert_int_equal(output.n_bad, 2);
        assert_int_equal(output.bad_line, 4);
        assert_string_equal(output.bad, "what?");
        exec_output_done(&output);
}

static void an_empty_output_names_nobody(void **state)
{
        char text[] = "";
        struct exec_output output;

        assert_int_equal(exec_output_parse(text, 0, &output), 0);
        assert_int_equal(output.n + output.n_bad, 0);
        exec_output_done(&output);
}

static void zero_bytes_in_an_output_do_no_harm(void **state)
{
        char text[] = "12\0"
                      "34\n56";
        struct exec_output output;

        assert_int_equal(exec_output_parse(text, sizeof(text) - 1, &output), 0);
        assert_int_equal(output.n, 3);
        assert_int_equal(output.items[0].pid, 12);
        assert_int_equal(output.items[2].pid, 56);
        exec_output_done(&output);
}

static void too_many_entries_are_refused_as_a_whole(void **state)
{
        static char text[2 * (EXEC_ITEMS_MAX + 1) + 1];
        struct exec_output output;

        for (size_t i = 0; i <= EXEC_ITEMS_MAX; i++)
                memcpy(text + 2 * i, "1\n", 2);
        assert_int_equal(exec_output_parse(text, 2 * EXEC_ITEMS_MAX, &output), 0);
        assert_int_equal(output.n, EXEC_ITEMS_MAX);
        exec_output_done(&output);

        for (size_t i = 0; i <= EXEC_ITEMS_MAX; i++)
                memcpy(text + 2 * i, "1\n", 2);
        assert_int_equal(exec_output_parse(text, 2 * (EXEC_ITEMS_MAX + 1), &output), -E2BIG);
}

UNIT_MAIN(cmocka_unit_test(words_are_split_at_blanks), cmocka_unit_test(quotes_keep_blanks),
          cmocka_unit_test(a_backslash_takes_the_next_byte_as_it_is), cmocka_unit_test(nothing_is_expanded),
          cmocka_unit_test(bad_command_lines_are_refused), cmocka_unit_test(too_many_words_are_refused),
          cmocka_unit_test(a_line_is_a_pid_a_unit_a_cgroup_or_a_user),
          cmocka_unit_test(other_lines_are_bad_or_nothing),
          cmocka_unit_test(an_output_is_taken_apart_with_its_bad_lines),
          cmocka_unit_test(an_empty_output_names_nobody),
          cmocka_unit_test(zero_bytes_in_an_output_do_no_harm),
          cmocka_unit_test(too_many_entries_are_refused_as_a_whole))
