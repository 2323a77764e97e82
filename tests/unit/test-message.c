/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* src/hobbled: a message's fields as a record, a snapshot as text, the unit that a cgroup is part of. */

#include "unit.h"

#include "message-record.h"
#include "snapshot.h"
#include "subject-text.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static bool has_field(const struct iovec *fields, size_t n, const char *wanted)
{
        for (size_t i = 0; i < n; i++) {
                if (fields[i].iov_len == strlen(wanted) &&
                    memcmp(fields[i].iov_base, wanted, fields[i].iov_len) == 0)
                        return true;
        }
        return false;
}

static void fields_come_back(void **state)
{
        static const char *const wanted[] = {
                "MESSAGE=two\nlines", "PRIORITY=4",    "MESSAGE_ID=0123", "TARPIT=t",
                "SUBJECT=4711",       "SOURCE=/run/x", "UNIT=u.service",  "OBJECT_SYSTEMD_UNIT=u.service",
                "OBJECT_PID=4711",    "OBJECT_UID=0",  "CONFIG_FILE=/f",  "CONFIG_LINE=7",
                "ERRNO=16",
        };
        const struct message_fields f = {
                .id = "0123",
                .tarpit = "t",
                .subject = "4711",
                .source = "/run/x",
                .unit = "u.service",
                .pid = 4711,
                .has_uid = true,
                .config_file = "/f",
                .config_line = 7,
                .error = -EBUSY,
        };
        _Alignas(8) char record[1024];
        struct iovec fields[MESSAGE_FIELDS_MAX];
        const struct snapshot *tree;
        size_t n;

        assert_in_range(message_record_encode(MESSAGE_WARNING, &f, "two\nlines", record, sizeof(record)), 1,
                        sizeof(record));
        n = message_record_decode(record, fields, &tree);
        assert_null(tree);
        assert_int_equal(n, ELEMENTSOF(wanted));
        for (size_t i = 0; i < n; i++) {
                if (!has_field(fields, n, wanted[i]))
                        fail_msg("no %s", wanted[i]);
        }
}

static void what_is_unknown_is_left_out(void **state)
{
        _Alignas(8) char record[1024];
        struct iovec fields[MESSAGE_FIELDS_MAX];
        const struct snapshot *tree;

        assert_true(message_record_encode(MESSAGE_DEBUG, &(struct message_fields){ .tarpit = "" }, "x",
                                          record, sizeof(record)) > 0);
        assert_int_equal(message_record_decode(record, fields, &tree), 2);
        assert_true(has_field(fields, 2, "MESSAGE=x"));
        assert_true(has_field(fields, 2, "PRIORITY=7"));
}

static void what_does_not_fit_is_left_out(void **state)
{
        const struct message_fields f = { .source = "0123456789012345678901234567890123456789",
                                          .tarpit = "t" };
        _Alignas(8) char record[64];
        struct iovec fields[MESSAGE_FIELDS_MAX];
        const struct snapshot *tree;
        size_t n;

        assert_int_equal(message_record_encode(MESSAGE_INFO, &f, "x", record, 12), 0);
        assert_in_range(message_record_encode(MESSAGE_INFO, &f, "x", record, sizeof(record)), 1,
                        sizeof(record));
        n = message_record_decode(record, fields, &tree);
        assert_int_equal(n, 3);
        assert_true(has_field(fields, n, "TARPIT=t"));
}

static struct snapshot *example(struct snapshot *s, unsigned n)
{
        uint64_t ticks = (uint64_t) sysconf(_SC_CLK_TCK);

        memset(s, 0, sizeof(*s));
        s->boot_usec = 100 * USEC_PER_SEC;
        s->n = n;
        for (unsigned i = 0; i < n; i++) {
                s->of[i] = (struct snapshot_process){
                        .pid = INT_MAX - (pid_t) i, /* nobody's */
                        .parent = 1,
                        .uid = 1000,
                        .start_time = 40 * ticks,
                        .cpu_usec = 12500000,
                };
                strcpy(s->of[i].comm, "a\x1b)");
        }
        return s;
}

static void a_snapshot_travels_with_the_record(void **state)
{
        _Alignas(8) char record[8192];
        struct iovec fields[MESSAGE_FIELDS_MAX];
        const struct snapshot *tree;
        struct snapshot s;

        example(&s, 3)->more = 7;
        assert_true(message_record_encode(MESSAGE_INFO, &(struct message_fields){ .tree = &s }, "x", record,
                                          sizeof(record)) > 0);
        assert_int_equal(message_record_decode(record, fields, &tree), 2);
        assert_non_null(tree);
        assert_int_equal(tree->n, 3);
        assert_int_equal(tree->more, 7);
        assert_memory_equal(tree->of, s.of, 3 * sizeof(*s.of));
}

static void a_snapshot_as_text(void **state)
{
        char text[SNAPSHOT_TEXT_MAX];
        struct snapshot s;

        example(&s, 1);
        assert_string_equal(snapshot_format(&s, true, text, sizeof(text)),
                            "     PID     PPID      UID          CPU          AGE COMMAND\n"
                            "2147483647        1     1000       12.50s       60.00s [a\\x1b)]");
        s.more = 12;
        assert_non_null(strstr(snapshot_format(&s, false, text, sizeof(text)), "[a\\x1b)]\nand 12 more"));
}

static void a_long_snapshot_is_cut_at_a_line(void **state)
{
        char text[512];
        unsigned more, lines = 0;
        struct snapshot s;
        const char *last;

        example(&s, SNAPSHOT_PROCESSES_MAX)->more = 5;
        snapshot_format(&s, true, text, sizeof(text));
        for (const char *p = text; (p = strchr(p, '\n')); p++)
                lines++;
        last = strrchr(text, '\n');
        assert_int_equal(sscanf(last, "\nand %u more", &more), 1);
        /* The heading has no newline before it, the last line is no process. */
        assert_int_equal(lines - 1 + more, SNAPSHOT_PROCESSES_MAX + 5);
        assert_true(lines > 2);
}

static void the_command_line_of_a_process(void **state)
{
        char text[SNAPSHOT_TEXT_MAX];
        struct snapshot s;

        /* Under valgrind it has another name. */
        assert_int_equal(prctl(PR_SET_NAME, "test-message"), 0);
        snapshot_take_tree(&s, getpid(), 1);
        assert_true(s.n >= 1);
        assert_int_equal(s.of[0].pid, getpid());
        assert_int_equal(s.of[0].parent, getppid());
        assert_int_equal(s.of[0].uid, getuid());
        assert_non_null(strstr(snapshot_format(&s, true, text, sizeof(text)), "test-message"));
        assert_null(strstr(text, "[test-message]"));
        assert_non_null(strstr(snapshot_format(&s, false, text, sizeof(text)), "[test-message]"));

        /* Another process has the number now. */
        s.of[0].start_time++;
        assert_non_null(strstr(snapshot_format(&s, true, text, sizeof(text)), "[test-message]"));
}

static void processes_are_parsed(void **state)
{
        static const char stat[] =
                "42 (a) b (c) R 7 1 1 0 -1 4194304 1 2 3 4 150 50 9 9 20 0 1 0 12345 1 2\n";
        struct snapshot_process p;
        uid_t uid = 5;

        assert_int_equal(snapshot_parse_stat(stat, 100, &p), 0);
        assert_int_equal(p.pid, 42);
        assert_int_equal(p.parent, 7);
        assert_int_equal(p.cpu_usec, 2 * USEC_PER_SEC);
        assert_int_equal(p.start_time, 12345);
        assert_string_equal(p.comm, "a) b (c");
        assert_int_equal(snapshot_parse_stat("42 (a", 100, &p), -EBADMSG);
        assert_int_equal(snapshot_parse_stat("42 (a) R 7", 100, &p), -EBADMSG);

        assert_int_equal(snapshot_parse_uid("Name:\tx\nUid:\t1000\t0\t0\t0\n", &uid), 0);
        assert_int_equal(uid, 1000);
        assert_int_equal(snapshot_parse_uid("Name:\tUid: 3\n", &uid), -EBADMSG);
}

static void units_of_cgroups(void **state)
{
        static const struct {
                const char *cgroup, *unit;
        } rows[] = {
                { "/system.slice/report.service", "report.service" },
                { "/system.slice/system-a.slice/a@1.service/sub/x.service", "a@1.service" },
                { "/user.slice/user-1000.slice/session-3.scope", "session-3.scope" },
                { "/user.slice/user-1000.slice/user@1000.service/app.slice/b.service", "user@1000.service" },
                { "/user.slice/user-1000.slice", "user-1000.slice" },
                { "/system.slice/other/x.service", "system.slice" },
                { "/init.scope", "init.scope" },
                { "/system.slice/_cpu.service", "cpu.service" },
                { "/hobbled-1/pit", NULL },
                { "/.service", NULL },
                { "/", NULL },
                { "", NULL },
        };
        char unit[SUBJECT_UNIT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                bool found = subject_unit(rows[i].cgroup, unit, sizeof(unit));

                if (found != !!rows[i].unit || (found && strcmp(unit, rows[i].unit) != 0))
                        fail_msg("%s: %s", rows[i].cgroup, found ? unit : "none");
        }
        assert_false(subject_unit("/system.slice/report.service", unit, 14));
}

UNIT_MAIN(cmocka_unit_test(fields_come_back), cmocka_unit_test(what_is_unknown_is_left_out),
          cmocka_unit_test(what_does_not_fit_is_left_out),
          cmocka_unit_test(a_snapshot_travels_with_the_record), cmocka_unit_test(a_snapshot_as_text),
          cmocka_unit_test(a_long_snapshot_is_cut_at_a_line), cmocka_unit_test(the_command_line_of_a_process),
          cmocka_unit_test(processes_are_parsed), cmocka_unit_test(units_of_cgroups))
