/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What `why` says, word by word, and the facts about where a process is that go into it. */

#include "unit.h"

#include "explain-text.h"
#include "macro.h"
#include "text.h"
#include "whereabouts.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SINCE 1795549958000000ULL /* 2026-11-24 19:52:38 UTC */
#define TEN_MINUTES (600 * USEC_PER_SEC)

static struct explanation x;
static struct explain_facts f;

/* mallory's process 4711, in none of two tarpits. */
static void begin(enum explain_verdict verdict)
{
        setenv("TZ", "UTC", 1);
        x = (struct explanation){ .verdict = verdict, .process = { .pid = 4711, .comm = "stress" } };
        f = (struct explain_facts){ .user = "mallory", .n_tarpits = 2, .guarded = true };
}

static void begin_in_tarpit(enum explain_verdict verdict)
{
        begin(verdict);
        x.tarpit = "students";
        x.source = "PIDFile=/run/naughty.pids";
        x.status.since_usec = SINCE;
        f.duty = HOBBLE_DUTY_DEFAULT;
}

static void begin_by_hand(enum explain_verdict verdict)
{
        begin_in_tarpit(verdict);
        x.tarpit = "manual";
        x.source = "hobblectl hobble 4711";
        f.by_hand = true;
        f.asker = "root";
        f.asked_usec = SINCE;
}

static const char *text(void)
{
        return explain_write(&x, &f, x.text, sizeof(x.text));
}

#define PREFIX "process 4711 (stress) of mallory is "
#define STUDENTS "tarpit \"students\" (250ms frozen, 10ms thawed)"

static void a_root_is_told_where_since_when_and_by_what(void **state)
{
        begin_in_tarpit(EXPLAIN_HOBBLED);
        x.status.state = HOBBLE_FROZEN;
        x.status.cpu_usec = 2312345;
        x.status.frozen_usec = 63 * USEC_PER_SEC;
        x.status.balance_usec = -120000;
        assert_string_equal(
                text(), PREFIX
                "hobbled in " STUDENTS " since 2026-11-24 19:52:38, because "
                "PIDFile=/run/naughty.pids names it. It is frozen at this moment; it has used 2.31 s "
                "of CPU time since then, and was frozen for 1 min 3 s of the time. By its share of the "
                "duty cycle it owes 120 ms, so it stays frozen until it has earned that: about 2.99 s.");
}

static void who_owes_nothing_runs_again_when_it_is_its_turn(void **state)
{
        begin_in_tarpit(EXPLAIN_HOBBLED);
        x.status.state = HOBBLE_FROZEN;
        x.status.balance_usec = -5000;
        x.status.tarpit_balance_usec = -1500000;
        assert_non_null(strstr(text(),
                               " it owes next to nothing, so it runs again as soon as it is its turn. "
                               "All in the tarpit together owe 1.5 s."));
        assert_non_null(strstr(text(), "it has used no CPU time since then. By"));
}

static void who_runs_is_told_how_long(void **state)
{
        begin_in_tarpit(EXPLAIN_HOBBLED);
        x.status.balance_usec = 10000;
        assert_non_null(strstr(text(), "It runs at this moment;"));
        assert_non_null(strstr(text(), "it may use 10 ms more before it is frozen."));
        x.status.balance_usec = -10000;
        assert_non_null(strstr(text(), "it owes 10 ms, so it is frozen when the thawed phase ends."));
        f.duty.freeze_idle = true;
        assert_non_null(strstr(text(), "In this tarpit everybody is frozen and thawed in turn"));
        assert_null(strstr(text(), "owes"));
}

static void a_member_is_told_of_its_tree(void **state)
{
        begin_in_tarpit(EXPLAIN_MEMBER);
        f.over_pid = 4000;
        f.over_comm = "make";
        x.status.balance_usec = 10000;
        assert_string_equal(
                text(),
                PREFIX "hobbled in " STUDENTS " with the tree of process 4000 (make) since 2026-11-24 "
                       "19:52:38, because PIDFile=/run/naughty.pids names process 4000. The tree runs at "
                       "this moment; it has used no CPU time since then. By its share of the duty "
                       "cycle it may use 10 ms more before it is frozen.");

        f.over_comm = NULL;
        assert_non_null(strstr(text(), " with the tree of process 4000 since 2026-11-24 19:52:38, because "
                                       "PIDFile=/run/naughty.pids names process 4000, which has ended. "));
}

static void a_cgroup_in_place_is_told_by_its_path(void **state)
{
        begin_in_tarpit(EXPLAIN_IN_PLACE);
        x.source = "Cgroup=/sys/fs/cgroup/batch";
        f.place = "/batch";
        x.status.state = HOBBLE_HELD;
        assert_string_equal(text(),
                            PREFIX "hobbled in " STUDENTS " with all of the cgroup /batch since 2026-11-24 "
                                   "19:52:38, because Cgroup=/sys/fs/cgroup/batch names that. Somebody else "
                                   "has frozen it; hobbled leaves it alone until they thaw it.");
}

static void without_a_time_none_is_told(void **state)
{
        begin_in_tarpit(EXPLAIN_HOBBLED);
        x.status.since_usec = 0;
        x.status.admitting = true;
        assert_string_equal(text(), PREFIX "hobbled in " STUDENTS ", because PIDFile=/run/naughty.pids names "
                                           "it. It is just being taken in.");
        x.source = NULL;
        assert_non_null(strstr(text(), "because a source that is gone now named it."));
        x.status.admitting = false;
        assert_null(strstr(text(), "since then"));
}

static void who_asked_for_it_by_hand_is_told(void **state)
{
        begin_by_hand(EXPLAIN_HOBBLED);
        x.until_usec = SINCE + TEN_MINUTES;
        f.paused = true;
        assert_string_equal(text(),
                            PREFIX "hobbled in tarpit \"manual\" (250ms frozen, 10ms thawed) since "
                                   "2026-11-24 19:52:38, because root asked for it at 2026-11-24 19:52:38 "
                                   "(hobblectl hobble 4711). It ends by itself at 2026-11-24 20:02:38. The "
                                   "tarpit is paused, so nobody in it is frozen until \"hobblectl resume "
                                   "manual\".");
        f.asker = NULL;
        f.paused = f.guarded = false;
        x.until_usec = 0;
        assert_non_null(strstr(text(), "because somebody asked for it"));
        assert_null(strstr(text(), "ends by itself"));
        assert_non_null(strstr(text(), "Nobody is frozen at this moment, because there is no guard"));
}

static void an_exempt_one_is_told_the_rule(void **state)
{
        begin(EXPLAIN_EXEMPT);
        strcpy(x.reason, "is exempt: User=mallory in /etc/hobbled/hobbled.conf:7");
        assert_string_equal(text(),
                            PREFIX "not hobbled: it is exempt: User=mallory in /etc/hobbled/hobbled.conf:7.");

        begin_in_tarpit(EXPLAIN_EXEMPT);
        strcpy(x.reason, "is the ssh server");
        assert_string_equal(text(), PREFIX "not hobbled: it is the ssh server. Otherwise " STUDENTS
                                           " would have it, because PIDFile=/run/naughty.pids names it.");
        f.over_pid = 4000;
        f.over_comm = "make";
        assert_non_null(strstr(text(), "would have it, with the tree of process 4000 (make), because "
                                       "PIDFile=/run/naughty.pids names that one."));
}

static void a_released_one_is_told_by_whom_and_for_how_long(void **state)
{
        begin_in_tarpit(EXPLAIN_RELEASED);
        f.by_hand = true;
        f.asker = "root";
        f.asked_usec = SINCE;
        assert_string_equal(text(), PREFIX "not hobbled: root let it go by hand at 2026-11-24 19:52:38, and "
                                           "it stays free until it is asked for again. Otherwise tarpit "
                                           "\"students\" would have it, because PIDFile=/run/naughty.pids "
                                           "names it.");
        x.tarpit = NULL;
        x.until_usec = SINCE + TEN_MINUTES;
        assert_string_equal(text(), PREFIX "not hobbled: root let it go by hand at 2026-11-24 19:52:38, "
                                           "until 2026-11-24 20:02:38.");
}

static void a_failure_is_told_with_the_next_try(void **state)
{
        begin_in_tarpit(EXPLAIN_FAILED);
        x.error = -EAGAIN;
        strcpy(x.reason, "is in a cgroup that somebody else has frozen");
        f.retry_usec = 5 * USEC_PER_SEC;
        assert_string_equal(text(), PREFIX "not hobbled, although " STUDENTS " should have it, because "
                                           "PIDFile=/run/naughty.pids names it: it is in a cgroup that "
                                           "somebody else has frozen. It is tried again every 5s.");
        f.retry_usec = USEC_INFINITY;
        assert_non_null(strstr(text(), "not tried again before the configuration is read again"));
}

static void a_waiting_one_is_told_what_for(void **state)
{
        begin_in_tarpit(EXPLAIN_WAITING);
        assert_string_equal(text(), PREFIX "not hobbled yet: " STUDENTS " is about to take it in, because "
                                           "PIDFile=/run/naughty.pids names it.");
        f.guarded = false;
        assert_non_null(strstr(text(), "That has to wait for a guard."));
}

static void another_instance_is_named(void **state)
{
        begin(EXPLAIN_FOREIGN);
        strcpy(x.reason, "4000");
        assert_string_equal(text(), PREFIX "hobbled by another instance of hobbled, \"4000\": \"hobblectl "
                                           "list\" shows it.");
}

static void who_is_not_named_is_told_what_would(void **state)
{
        begin(EXPLAIN_NOT_NAMED);
        f.unit = "session-3.scope";
        assert_string_equal(text(), PREFIX "not hobbled: no source of the 2 tarpits names it or a process "
                                           "above it. \"hobblectl hobble 4711\" would hobble it, or in a "
                                           "tarpit's file a line such as User=mallory or Command=stress or "
                                           "Unit=session-3.scope.");
        f.n_tarpits = 1;
        assert_non_null(strstr(text(), "no source of the one tarpit names it"));
        f.n_tarpits = 0;
        assert_non_null(strstr(text(), "is not hobbled: there is no tarpit. \"hobblectl"));
        f.guarded = false;
        assert_non_null(strstr(text(), "there is no guard yet"));
        f.ended = true;
        assert_string_equal(text(), PREFIX "not hobbled: it has ended, and is only waiting for its parent to "
                                           "notice.");
}

static void a_part_that_was_left_out_is_told_of_the_rest(void **state)
{
        begin_in_tarpit(EXPLAIN_NOT_NAMED);
        f.over_pid = 4000;
        f.over_comm = "sshd";
        f.over_hobbled = true;
        strcpy(x.reason, "was left out");
        assert_string_equal(text(), PREFIX "not hobbled, although process 4000 (sshd) above it is, in tarpit "
                                           "\"students\": it was left out.");
}

/* Whatever a process calls itself, a terminal and a bus can take the text. */
static void names_of_others_are_escaped(void **state)
{
        begin_in_tarpit(EXPLAIN_MEMBER);
        strcpy(x.process.comm, "\033[31mx\n\xff");
        f.user = "evil\001";
        f.over_pid = 1;
        f.over_comm = "a\tb\r";
        assert_non_null(strstr(text(), "process 4711 (\\x1b[31mx\\x0a\\xff) of evil\\x01 is hobbled"));
        assert_true(line_is_text(x.text, strlen(x.text)));

        begin(EXPLAIN_NOT_NAMED);
        strcpy(x.process.comm, "a b*");
        f.user = "uid 1000";
        assert_string_equal(text(), "process 4711 (a b*) of uid 1000 is not hobbled: no source of the 2 "
                                    "tarpits names it or a process above it. \"hobblectl hobble 4711\" would "
                                    "hobble it.");
}

static void a_text_that_is_too_long_is_cut_between_characters(void **state)
{
        static char place[4096];
        size_t whole;

        begin_in_tarpit(EXPLAIN_IN_PLACE);
        for (size_t i = 0; i + 2 < sizeof(place); i += 2)
                memcpy(place + i, "\xc3\xa4", 2);
        f.place = place;
        assert_true(strlen(text()) < sizeof(x.text));
        assert_true(line_is_text(x.text, strlen(x.text)));
        assert_non_null(strstr(x.text, "... since 2026-11-24"));

        whole = strlen(x.text);
        for (size_t size = 4; size <= whole + 1; size++) {
                char *buf = malloc(size);

                assert_non_null(buf);
                (void) explain_write(&x, &f, buf, size);
                assert_true(strlen(buf) < size);
                assert_true(line_is_text(buf, strlen(buf)));
                if (size <= whole)
                        assert_string_equal(buf + strlen(buf) - 3, "...");
                else
                        assert_string_equal(buf, x.text);
                free(buf);
        }
}

static void spans_have_three_digits(void **state)
{
        static const struct {
                uint64_t usec;
                const char *text;
        } rows[] = {
                { 0, "nothing" },
                { 1, "less than 1 ms" },
                { 120999, "120 ms" },
                { 999999, "999 ms" },
                { 2312345, "2.31 s" },
                { 3 * USEC_PER_SEC, "3 s" },
                { 59400000, "59.4 s" },
                { 59600000, "1 min 0 s" },
                { 63 * USEC_PER_SEC, "1 min 3 s" },
                { 3725 * USEC_PER_SEC, "1 h 2 min" },
                { UINT64_MAX, "5124095576 h 1 min" },
        };
        char buf[64];

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                assert_string_equal(explain_span(rows[i].usec, buf, sizeof(buf)), rows[i].text);
}

/* -- Where a process is ------------------------------------------------------------------------ */

static bool instance(const char *path, const char *name, size_t size)
{
        char buf[80] = "";
        size_t n = 0;

        return whereabouts_instance_of(path, buf, sizeof(buf), &n) && strcmp(buf, name) == 0 && n == size;
}

static bool no_instance(const char *path)
{
        char buf[80];
        size_t n;

        return !whereabouts_instance_of(path, buf, sizeof(buf), &n);
}

static void an_instance_is_known_by_its_directories(void **state)
{
        assert_true(instance("/hobbled-4000/pit/students/4711", "4000", 13));
        assert_true(instance("/a.slice/hobbled-x-1/pit/t/1", "x-1", 20));
        assert_true(instance("/hobble.slice/hobble-pit.service/pit/t/1/o2", "pit", 32));
        assert_true(instance("/user.slice/session-1.scope/hobbled-my-x-12/o1", "my-x", 43));
        assert_true(no_instance("/"));
        assert_true(no_instance(""));
        assert_true(no_instance("/hobbled-4000"));
        assert_true(no_instance("/hobbled-x-2/guard"));
        assert_true(no_instance("/hobbled-/pit/x"));
        assert_true(no_instance("/hobbled--1"));
        assert_true(no_instance("/hobble-test-12/x"));
        assert_true(no_instance("/hobbled-\033[1m/pit/t/1"));
        assert_true(no_instance("/hobble.slice/hobble-pit.service/guard"));
}

static void the_hierarchy_of_version_2_counts(void **state)
{
        char buf[32];

        assert_int_equal(whereabouts_parse_cgroup("0::/a/b\n", buf, sizeof(buf)), 0);
        assert_string_equal(buf, "/a/b");
        assert_int_equal(whereabouts_parse_cgroup("3:cpu:/x\n0::/c:0::d\n", buf, sizeof(buf)), 0);
        assert_string_equal(buf, "/c:0::d");
        assert_int_equal(whereabouts_parse_cgroup("3:cpu:/0::x\n", buf, sizeof(buf)), -EBADMSG);
        assert_int_equal(whereabouts_parse_cgroup("", buf, sizeof(buf)), -EBADMSG);
        assert_int_equal(whereabouts_parse_cgroup("0::/0123456789/0123456789/0123456789\n", buf, sizeof(buf)),
                         -ENAMETOOLONG);
}

static void units_are_the_innermost(void **state)
{
        assert_int_equal(whereabouts_unit("/system.slice/a.service/b"), strlen("/system.slice/a.service"));
        assert_int_equal(whereabouts_unit("/user.slice"), 0);
        assert_true(whereabouts_same_unit("/system.slice/a.service/b", "/system.slice/a.service/c"));
        assert_false(whereabouts_same_unit("/system.slice/a.service", "/system.slice/b.service"));
        assert_true(whereabouts_same_unit("/x/y", "/x"));
        assert_false(whereabouts_same_unit("/x/y.scope", "/x"));
        assert_false(whereabouts_same_unit("/xy", "/x"));
}

static void users_are_looked_up_in_the_file_alone(void **state)
{
        char file[] = "/tmp/hobble-test-XXXXXX", buf[16];
        static const char passwd[] =
                "root:x:0:0::/root:/bin/sh\n:x:5:5::/:\nbroken\nx:y\nmallory:x:1000:1000:M:/:\n"
                "averyveryverylongname:x:7:7::/:\n";
        int fd = mkstemp(file);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, passwd, sizeof(passwd) - 1), sizeof(passwd) - 1);
        close(fd);
        assert_string_equal(whereabouts_user_in(file, 1000, buf, sizeof(buf)), "mallory");
        assert_string_equal(whereabouts_user_in(file, 0, buf, sizeof(buf)), "root");
        assert_string_equal(whereabouts_user_in(file, 5, buf, sizeof(buf)), "uid 5");
        assert_string_equal(whereabouts_user_in(file, 6, buf, sizeof(buf)), "uid 6");
        assert_string_equal(whereabouts_user_in(file, 7, buf, sizeof(buf)), "averyveryverylo");
        unlink(file);
        assert_string_equal(whereabouts_user_in(file, 1000, buf, sizeof(buf)), "uid 1000");
        assert_string_equal(whereabouts_user(0, buf, sizeof(buf)), "root");
}

UNIT_MAIN(cmocka_unit_test(a_root_is_told_where_since_when_and_by_what),
          cmocka_unit_test(who_owes_nothing_runs_again_when_it_is_its_turn),
          cmocka_unit_test(who_runs_is_told_how_long), cmocka_unit_test(a_member_is_told_of_its_tree),
          cmocka_unit_test(a_cgroup_in_place_is_told_by_its_path),
          cmocka_unit_test(without_a_time_none_is_told), cmocka_unit_test(who_asked_for_it_by_hand_is_told),
          cmocka_unit_test(an_exempt_one_is_told_the_rule),
          cmocka_unit_test(a_released_one_is_told_by_whom_and_for_how_long),
          cmocka_unit_test(a_failure_is_told_with_the_next_try),
          cmocka_unit_test(a_waiting_one_is_told_what_for), cmocka_unit_test(another_instance_is_named),
          cmocka_unit_test(who_is_not_named_is_told_what_would),
          cmocka_unit_test(a_part_that_was_left_out_is_told_of_the_rest),
          cmocka_unit_test(names_of_others_are_escaped),
          cmocka_unit_test(a_text_that_is_too_long_is_cut_between_characters),
          cmocka_unit_test(spans_have_three_digits),
          cmocka_unit_test(an_instance_is_known_by_its_directories),
          cmocka_unit_test(the_hierarchy_of_version_2_counts), cmocka_unit_test(units_are_the_innermost),
          cmocka_unit_test(users_are_looked_up_in_the_file_alone))
