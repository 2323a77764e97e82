/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* src/libhobble/process and cgroup: what the kernel says in text, odd names and odd lines among it. */

#include "unit.h"

#include "cgroup.h"
#include "macro.h"
#include "process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The fields after the name, as the kernel writes them: parent 42, start time 9876543210. */
#define REST(flags) \
        " S 42 7 7 34816 7 " flags " 1 2 3 4 5 6 -7 -8 20 0 3 0 9876543210 1 2 18446744073709551615 1 2 3\n"
#define USER "4194560"
#define KTHREAD "2129984"

static void odd_names(void **state)
{
        static const char *const names[] = {
                "sh",
                "",
                " ",
                "a b",
                "(sd-pam)",
                ")",
                "))) 1 2 3 (((",
                ") R 1 1 1 0 0 0 0",
                ") S 1 (x",
                "\n",
                "a\n4711 (b) Z 1",
                "\xff\xfe\x01",
                "kworker/u4:0-events",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                struct hobble_process p = { 0 };
                char text[512];

                snprintf(text, sizeof(text), "4711 (%s)" REST(USER), names[i]);
                assert_int_equal(process_parse_stat(text, &p), 0);
                assert_int_equal(p.pid, 4711);
                assert_int_equal(p.parent, 42);
                assert_int_equal(p.state, 'S');
                assert_false(p.kernel);
                assert_true(p.start_time == 9876543210ULL);
                assert_string_equal(p.comm, names[i]);
        }
}

static void kernel_threads(void **state)
{
        struct hobble_process p;

        (void) state;
        assert_int_equal(process_parse_stat("2 (kthreadd)" REST(KTHREAD), &p), 0);
        assert_true(p.kernel);
}

/* A name that is longer than any the kernel has is cut, not copied beyond its place. */
static void long_name(void **state)
{
        struct hobble_process p;
        char name[300], text[800];

        (void) state;
        memset(name, 'x', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        snprintf(text, sizeof(text), "1 (%s)" REST(USER), name);
        assert_int_equal(process_parse_stat(text, &p), 0);
        assert_int_equal(strlen(p.comm), sizeof(p.comm) - 1);
        assert_int_equal(p.parent, 42);
}

static void bad_stat(void **state)
{
        static const char *const texts[] = {
                "",
                "\n",
                "4711",
                "4711 (sh",
                "4711 sh)" REST(USER),
                ")4711(" REST(USER),
                "(sh)" REST(USER),
                "x (sh)" REST(USER),
                "4711 (sh)",
                "4711 (sh) S",
                "4711 (sh) S x",
                "4711 (sh) S 42 7 7 34816 7 4194560 1 2 3 4 5 6 -7 -8 20 0 3 0",
                "4711 (sh) S 42 7 7 34816 7 4194560 1 2 3 4 5 6 -7 -8 20 0 3 0 x",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                struct hobble_process p = { .pid = 1 };

                if (process_parse_stat(texts[i], &p) != -EBADMSG || p.pid != 1)
                        fail_msg("\"%s\" is taken", texts[i]);
        }
}

/* This very process, as a check of the fields' places: what the kernel really writes. */
static void own_stat(void **state)
{
        struct hobble_process p, again;

        (void) state;
        assert_int_equal(hobble_process_read(getpid(), &p), 0);
        assert_int_equal(p.pid, getpid());
        assert_int_equal(p.parent, getppid());
        assert_int_equal(p.state, 'R');
        assert_true(p.start_time > 0);
        assert_int_equal(hobble_process_read(gettid(), &again), 0);
        assert_true(again.pid == p.pid && again.start_time == p.start_time);
        assert_true(process_descends_from(getpid(), getppid()));
        assert_false(process_descends_from(getppid(), getpid()));
        assert_int_equal(process_shares_namespace(getpid(), "pid"), 1);
        assert_int_equal(hobble_process_read(0, &p), -ESRCH);
        assert_int_equal(hobble_process_read(-1, &p), -ESRCH);
        assert_int_equal(process_open(getpid(), p.start_time + 1, &p), -ESRCH);
}

struct membership_row {
        const char *text;
        int r;
        const char *path;
};

static void membership(void **state)
{
        static const struct membership_row rows[] = {
                { "0::/\n", 0, "/" },
                { "0::/a/b\n", 0, "/a/b" },
                { "0::/a", 0, "/a" },
                { "0::/a b/c:d\n", 0, "/a b/c:d" },
                { "0::/..a\n", 0, "/..a" },
                { "0::/a/..\n", 0, "/a/.." },
                { "0::/gone (deleted)\n", 0, "/gone (deleted)" },
                { "9:name=systemd:/x\n8:pids:/y\n1:cpu,cpuacct:/\n0::/unified\n", 0, "/unified" },
                { "0::/unified\n9:name=systemd:/x\n", 0, "/unified" },
                { "10:cpu:/0::/x\n0::/y\n", 0, "/y" },
                /* Outside of this process's cgroup namespace. */
                { "0::/..\n", -EXDEV, NULL },
                { "0::/../a\n", -EXDEV, NULL },
                { "0::/../../a\n", -EXDEV, NULL },
                /* v1 only, or nothing of use. */
                { "9:name=systemd:/x\n8:pids:/y\n", -EBADMSG, NULL },
                { "0::", -EBADMSG, NULL },
                { "0::a\n", -EBADMSG, NULL },
                { "10::/a\n", -EBADMSG, NULL },
                { "", -EBADMSG, NULL },
                { "\n\n", -EBADMSG, NULL },
                /* 15 characters and the end fit. */
                { "0::/34567890abcde\n", 0, "/34567890abcde" },
                { "0::/34567890abcdef\n", 0, "/34567890abcdef" },
                { "0::/34567890abcdefg\n", -ENAMETOOLONG, NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char path[16 + 1] = "unchanged";
                size_t size = strncmp(rows[i].text, "0::/345", 7) == 0 ? 16 : sizeof(path);
                int r = cgroup_parse_membership(rows[i].text, path, size);

                if (r != rows[i].r || strcmp(path, rows[i].path ?: "unchanged") != 0)
                        fail_msg("\"%s\": %d, \"%s\"", rows[i].text, r, path);
        }
}

struct key_row {
        const char *text, *key;
        int r;
        uint64_t value;
};

static void keys(void **state)
{
        static const struct key_row rows[] = {
                { "populated 1\nfrozen 0\n", "frozen", 0, 0 },
                { "populated 1\nfrozen 1\n", "frozen", 0, 1 },
                { "frozen 1", "frozen", 0, 1 },
                { "usage_usec 18446744073709551615\nuser_usec 5\n", "usage_usec", 0, UINT64_MAX },
                { "usage_usec 5\nuser_usec 7\n", "user_usec", 0, 7 },
                { "not_frozen 1\nfrozen_not 1\n", "frozen", -EBADMSG, 0 },
                { "frozen\n1\n", "frozen", -EBADMSG, 0 },
                { "frozen \n", "frozen", -EBADMSG, 0 },
                { "frozen -1\n", "frozen", -EBADMSG, 0 },
                { "frozen x\n", "frozen", -EBADMSG, 0 },
                { " frozen 1\n", "frozen", -EBADMSG, 0 },
                { "", "frozen", -EBADMSG, 0 },
                { "\n\n", "frozen", -EBADMSG, 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                uint64_t value = 0;
                int r = cgroup_parse_key(rows[i].text, rows[i].key, &value);

                if (r != rows[i].r || value != rows[i].value)
                        fail_msg("\"%s\": %d, %llu", rows[i].text, r, (unsigned long long) value);
        }
}

static void pressure(void **state)
{
        static const struct key_row rows[] = {
                { "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 total=9\n", NULL, 0, 0 },
                { "some avg10=1.23 avg60=0.00 avg300=0.00 total=4711\nfull avg10=0.00 total=9\n", NULL, 0,
                  4711 },
                { "some avg10=0.00 total=12", NULL, 0, 12 },
                { "full avg10=0.00 total=9\n", NULL, -EBADMSG, 0 },
                { "some avg10=0.00\nfull avg10=0.00 total=9\n", NULL, -EBADMSG, 0 },
                { "some", NULL, -EBADMSG, 0 },
                { "", NULL, -EBADMSG, 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                uint64_t value = 0;
                int r = cgroup_parse_pressure(rows[i].text, &value);

                if (r != rows[i].r || value != rows[i].value)
                        fail_msg("\"%s\": %d, %llu", rows[i].text, r, (unsigned long long) value);
        }
}

UNIT_MAIN(cmocka_unit_test(odd_names), cmocka_unit_test(kernel_threads), cmocka_unit_test(long_name),
          cmocka_unit_test(bad_stat), cmocka_unit_test(own_stat), cmocka_unit_test(membership),
          cmocka_unit_test(keys), cmocka_unit_test(pressure))
