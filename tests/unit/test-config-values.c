/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* src/config: what each key takes and refuses, and what becomes of any bytes whatever. */

#include "config-room.h"
#include "keys.h"
#include "macro.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define SOURCE "[Source]\nPIDFile=/run/x\n"

struct row {
        const char *section, *key, *value;
        const char *shown; /* as config_for_each() has it; NULL: refused */
        const char *said;  /* part of what is said, NULL: nothing */
};

static void check_row(struct room *room, const char *file, const struct row *row)
{
        bool tarpit = strstr(file, ".tarpit");
        const struct config *c;
        char text[2048], value[4096], wanted[4096];

        snprintf(text, sizeof(text), "[%s]\n%s=%s\n%s", row->section, row->key, row->value,
                 tarpit ? SOURCE : "");
        room_put(room, file, text);
        c = room_load_file(room, file);
        room_value(room, tarpit ? "x" : NULL, row->section, row->key, value);

        if (row->shown)
                snprintf(wanted, sizeof(wanted), "%s@%s:2", row->shown, file);
        if (c->n_errors != !row->shown || (c->n_findings > 0) != (row->said || !row->shown))
                fail_msg("%s=%s: %zu findings, %zu errors: %s", row->key, row->value, c->n_findings,
                         c->n_errors, c->n_findings > 0 ? c->findings[0].text : "");
        if (row->said && !strstr(c->findings[0].text, row->said))
                fail_msg("%s=%s: \"%s\"", row->key, row->value, c->findings[0].text);
        if (row->shown && !strstr(value, wanted)) /* a list may have another item */
                fail_msg("%s=%s is \"%s\", not \"%s\"", row->key, row->value, value, wanted);
        if (!row->shown && strstr(value, "@x.tarpit:2"))
                fail_msg("%s=%s was not refused", row->key, row->value);
}

static void times_and_shares(void **state)
{
        static const struct row rows[] = {
                { "Tarpit", "FrozenSec", "0", "0", NULL },
                { "Tarpit", "FrozenSec", "250", NULL, "a number alone is seconds: did you mean 250ms?" },
                { "Tarpit", "FrozenSec", "1min", "1min", "more than 5s" },
                { "Tarpit", "FrozenSec", "5s", "5s", NULL },
                { "Tarpit", "FrozenSec", "5s 1us", "5s 1us", "more than 5s" },
                { "Tarpit", "FrozenSec", "61s", NULL, "this takes a time span from 0 to 60s" },
                { "Tarpit", "FrozenSec", "60s 1us", NULL, "ignored" },
                { "Tarpit", "FrozenSec", "99999999999999999999s", NULL, "ignored" },
                { "Tarpit", "FrozenSec", "18446744073709551615", NULL, "ignored" },
                { "Tarpit", "FrozenSec", "-1s", NULL, "ignored" },
                { "Tarpit", "FrozenSec", "soon", NULL, "FrozenSec=\"soon\": this takes" },
                { "Tarpit", "FrozenSec", "infinity", NULL, "ignored" },
                { "Tarpit", "FrozenSec", "250ms # as usual", NULL, "ignored" },
                { "Tarpit", "FrozenSec", "250ms ; as usual", NULL, "ignored" },
                { "Tarpit", "ThawedSec", "1ms", "1ms", NULL },
                { "Tarpit", "ThawedSec", "999us", NULL, "a time span from 1ms to 10s" },
                { "Tarpit", "ThawedSec", "10s", "10s", NULL },
                { "Tarpit", "ThawedSec", "10", "10s", NULL },
                { "Tarpit", "ThawedSec", "11s", NULL, "ignored" },
                { "Tarpit", "Duty", "5", NULL, "did you mean 5%?" },
                { "Tarpit", "Duty", "0%", NULL, "a percentage above 0% up to 100%" },
                { "Tarpit", "Duty", "101%", NULL, "ignored" },
                { "Tarpit", "Duty", "3.85%", "3.85%", NULL },
                { "Source", "CheckSec", "99ms", NULL, "from 100ms to 1d" },
                { "Source", "CheckSec", "100ms", "100ms", NULL },
                { "Source", "CheckSec", "1d", "1d", NULL },
                { "Source", "CheckSec", "25h", NULL, "ignored" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                check_row(*state, "x.tarpit", rows + i);
}

static void words(void **state)
{
        static const struct row rows[] = {
                { "Tarpit", "FreezeIdle", "yes", "yes", NULL },
                { "Tarpit", "FreezeIdle", "On", "yes", NULL },
                { "Tarpit", "FreezeIdle", "1", "yes", NULL },
                { "Tarpit", "FreezeIdle", "t", "yes", NULL },
                { "Tarpit", "FreezeIdle", "FALSE", "no", NULL },
                { "Tarpit", "FreezeIdle", "off", "no", NULL },
                { "Tarpit", "FreezeIdle", "maybe", NULL, "this takes yes or no" },
                { "Tarpit", "Placement", "auto", "auto", NULL },
                { "Tarpit", "Placement", "nested", "nested", NULL },
                { "Tarpit", "Placement", "subtree", "subtree", NULL },
                { "Tarpit", "Placement", "in-place", NULL, "this takes auto, subtree or nested" },
                { "Tarpit", "Description", "\"quoted\" \\x41", "\"quoted\" \\x41", NULL },
        };
        static const struct row global[] = {
                { "Hobbled", "LogLevel", "debug", "debug", NULL },
                { "Hobbled", "LogLevel", "error", "error", NULL },
                { "Hobbled", "LogLevel", "loud", NULL, "this takes error, warning, notice" },
                { "Hobbled", "RealTimePriority", "0", "0", NULL },
                { "Hobbled", "RealTimePriority", "98", "98", NULL },
                { "Hobbled", "RealTimePriority", "99", NULL, "from 1 to 98, or 0" },
                { "Hobbled", "RealTimePriority", "-1", NULL, "ignored" },
                { "Exempt", "User", "root", "root", NULL },
                { "Exempt", "Unit", "sshd.service", "sshd.service", NULL },
                { "Exempt", "Command", "rsync", "rsync", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                check_row(*state, "x.tarpit", rows + i);
        for (size_t i = 0; i < ELEMENTSOF(global); i++)
                check_row(*state, "hobbled.conf", global + i);
}

static void limits(void **state)
{
        static const struct row rows[] = {
                { "Limits", "CPUQuota", "50%", "50%", NULL },
                { "Limits", "CPUQuota", "250.5%", "250.5%", NULL },
                { "Limits", "CPUQuota", "0.1%", "0.1%", NULL },
                { "Limits", "CPUQuota", "0.05%", NULL, "from 0.1%" },
                { "Limits", "CPUQuota", "1000001%", NULL, "ignored" },
                { "Limits", "CPUQuota", "50", NULL, "did you mean 50%?" },
                { "Limits", "CPUQuota", "infinity", "infinity", NULL },
                { "Limits", "CPUWeight", "1", "1", NULL },
                { "Limits", "CPUWeight", "10000", "10000", NULL },
                { "Limits", "CPUWeight", "10001", NULL, "a weight from 1 to 10000" },
                { "Limits", "CPUWeight", "0", NULL, "ignored" },
                { "Limits", "IOWeight", "100", "100", NULL },
                { "Limits", "IOWeight", "50%", NULL, "a number, not a percentage" },
                { "Limits", "MemoryHigh", "512M", "512M", NULL },
                { "Limits", "MemoryHigh", "1536M", "1536M", NULL },
                { "Limits", "MemoryHigh", "2048M", "2G", NULL },
                { "Limits", "MemoryHigh", "1048577", "1048577", NULL },
                { "Limits", "MemoryHigh", "512K", NULL, "a size of 1M or more" },
                { "Limits", "MemoryMax", "512m", NULL, "did you mean 512M?" },
                { "Limits", "MemoryMax", "512MB", NULL, "did you mean 512M?" },
                { "Limits", "MemoryMax", "1T", "1T", NULL },
                { "Limits", "MemoryMax", "infinity", "infinity", NULL },
                { "Limits", "MemoryMax", "16E", NULL, "ignored" },
                { "Limits", "MemoryMax", "18446744073709551616", NULL, "ignored" },
                { "Limits", "MemoryMax", "0000000000000000000000001M", NULL, "ignored" },
                { "Limits", "MemoryMax", "50%", NULL, "ignored" },
                { "Limits", "TasksMax", "500", "500", NULL },
                { "Limits", "TasksMax", "0", NULL, "a number of tasks from 1" },
                { "Limits", "TasksMax", "18446744073709551615", NULL, "ignored" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                check_row(*state, "x.tarpit", rows + i);
}

static void sources(void **state)
{
        static const struct row rows[] = {
                { "Source", "PIDFile", "/run/naughty.pids", "/run/naughty.pids", NULL },
                { "Source", "PIDFile", "/run/a b.pids", "/run/a b.pids", NULL },
                { "Source", "PIDFile", "run/naughty.pids", NULL, "the absolute path of a file" },
                { "Source", "PIDFile", "\"/run/naughty.pids\"", NULL, "without quotes" },
                { "Source", "PIDFile", "/run/", NULL, "a file, not a directory" },
                { "Source", "PIDFile", "/run/*.pids", "/run/*.pids", "PIDFile= knows no globs" },
                { "Source", "Cgroup", "/sys/fs/cgroup/tarpit-*", "/sys/fs/cgroup/tarpit-*", NULL },
                { "Source", "Cgroup", "/sys/fs/cgroup/system.slice/a.service",
                  "/sys/fs/cgroup/system.slice/a.service", "did you mean Unit=a.service?" },
                { "Source", "Cgroup", "tarpit", NULL, "the absolute path of a cgroup's directory" },
                { "Source", "Unit", "report.service", "report.service", NULL },
                { "Source", "Unit", "report-*.service", "report-*.service", NULL },
                { "Source", "Unit", "report@[ab]?.scope", "report@[ab]?.scope", NULL },
                { "Source", "Unit", "user-1000.slice", "user-1000.slice", NULL },
                { "Source", "Unit", "report-*", "report-*", NULL },
                { "Source", "Unit", "report", NULL, "did you mean report.service?" },
                { "Source", "Unit", "report.timer", NULL, "did you mean report.service?" },
                { "Source", "Unit", ".service", NULL, "ignored" },
                { "Source", "Unit", "/sys/fs/cgroup/a.slice", NULL, "see Cgroup= for those" },
                { "Source", "Unit", "a.service b.service", NULL, "one a line: say Unit= again" },
                { "Source", "Unit", "\xc3\xa4.service", NULL, "ignored" },
                { "Source", "User", "mallory", "mallory", NULL },
                { "Source", "User", "1000", "1000", NULL },
                { "Source", "User", "%students", "%students", NULL },
                { "Source", "User", "%100", "%100", NULL },
                { "Source", "User", "%", NULL, "the name of a user" },
                { "Source", "User", "@mallory", NULL, "did you mean mallory?" },
                { "Source", "User", "mallory, trent", NULL, "one a line" },
                { "Source", "User", "4294967294", "4294967294", NULL },
                { "Source", "User", "4294967295", NULL, "ignored" },
                { "Source", "User", "99999999999999999999", NULL, "ignored" },
                { "Source", "User", "mal*", NULL, "a user is no glob" },
                { "Source", "User", "-mallory", NULL, "ignored" },
                { "Source", "User", "a:b", NULL, "ignored" },
                { "Source", "User", "J\xc3\xbcrgen.M", "J\xc3\xbcrgen.M", NULL },
                { "Source", "Command", "xmrig*", "xmrig*", NULL },
                { "Source", "Command", "tmux: server", "tmux: server", NULL },
                { "Source", "Command", "/opt/*/miner", "/opt/*/miner", NULL },
                { "Source", "Command", "opt/miner", NULL, "a name alone, or a whole path" },
                { "Source", "Command", "fifteen-bytes-x", "fifteen-bytes-x", NULL },
                { "Source", "Command", "sixteen-bytes-xy", "sixteen-bytes-xy", NULL },
                { "Source", "Exec", "/usr/libexec/over --limit 5", "/usr/libexec/over --limit 5", NULL },
                { "Source", "Exec", "/bin/a ;b", "/bin/a ;b", "is not run by a shell" },
                { "Source", "Exec", "/bin/a | sort", "/bin/a | sort", "is not run by a shell" },
                { "Source", "Exec", "\"/opt/a b/c\" 'd|e' f\\\\ \"g\\\"h\"",
                  "\"/opt/a b/c\" 'd|e' f\\\\ \"g\\\"h\"", NULL },
                { "Source", "Exec", "/bin/a 'b", NULL, "a quote or a backslash in it has no end" },
                { "Source", "Exec", "/bin/a \"b\\\"", NULL, "has no end" },
                { "Source", "Exec", "'a' /bin/b", NULL, "the absolute path of the executable" },
                { "Source", "Exec", "over-allowance", NULL, "the absolute path of the executable" },
                { "Exempt", "User", "root", "root", NULL },
                { "Exempt", "Unit", "sshd", NULL, "did you mean sshd.service?" },
                { "Exempt", "Command", "rsync", "rsync", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                check_row(*state, "x.tarpit", rows + i);
}

/* What is shown means the same when it is read. */
static void what_is_shown_can_be_read(void **state)
{
        struct room *room = *state;
        char shown[2][65536];

        room_put(room, "x.tarpit",
                 "[Tarpit]\nDescription=a ; b # c\nDuty=3.33%\nThawedSec=100ms "
                 "7us\nFreezeIdle=1\nPlacement=nested\n" SOURCE
                 "User=a\nUser=%b\nUnit=a*\nCommand=/x y\nExec=/a b\nCheckSec=90s\n[Exempt]\nUser=c\n"
                 "[Limits]\nCPUQuota=12.5%\nCPUWeight=3\nMemoryMax=5000000\nMemoryHigh=3072M\nTasksMax=9\n");
        for (size_t i = 0; i < 2; i++) {
                const char *section = "";
                size_t used = 0;

                room_load_file(room, "x.tarpit");
                room_expect(room, "");
                for (size_t k = 0; k < keys_n; k++) {
                        char value[4096], *item = value;

                        if (keys[k].scope != KEY_TARPIT)
                                continue;
                        if (strcmp(section, keys[k].section) != 0)
                                used += (size_t) sprintf(shown[i] + used, "[%s]\n", keys[k].section);
                        section = keys[k].section;
                        for (char *next = room_value(room, "x", section, keys[k].name, value); next;) {
                                item = strsep(&next, "|");
                                item[strcspn(item, "@")] = '\0';
                                used += (size_t) sprintf(shown[i] + used, "%s=%s\n", keys[k].name, item);
                        }
                }
                room_put(room, "x.tarpit", shown[i]);
        }
        assert_string_equal(shown[0], shown[1]);
}

/* -- Any bytes --------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *seed)
{
        *seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
        return *seed >> 33;
}

/* A file of pieces that mean something, in any order, with some bytes turned over. */
static size_t random_file(uint64_t *seed, char *buf, size_t size)
{
        static const char *const pieces[] = {
                "\n",          "\r\n",
                "\\\n",        "=",
                " ",           "\t",
                ";",           "#",
                "[",           "]",
                "[Tarpit]\n",  "[Source]\n",
                "[Exempt]\n",  "[Limits]\n",
                "[Hobbled]\n", "%",
                "/",           "*",
                "1",           "99999999999",
                "ms",          "\xef\xbb\xbf",
                "\xc3",        "\xff",
                "infinity",    "yes",
                ":",           "\"",
                "did",
        };
        size_t used = 0, n = next_random(seed) % 60;
        static char letters[2000];

        memset(letters, 'a', sizeof(letters) - 1);

        for (size_t i = 0; i < n; i++) {
                size_t k = next_random(seed) % (ELEMENTSOF(pieces) + keys_n + 1);
                const char *piece = k < keys_n                        ? keys[k].name
                                    : k < keys_n + ELEMENTSOF(pieces) ? pieces[k - keys_n]
                                                                      : letters;

                used += (size_t) snprintf(buf + used, size - used, "%s%s", piece, k < keys_n ? "=" : "");
                assert_true(used < size);
        }
        for (size_t i = next_random(seed) % 3; i > 0 && used > 0; i--)
                buf[next_random(seed) % used] = (char) next_random(seed);
        return used;
}

static size_t count_lines(const char *text, size_t size)
{
        size_t n = 1;

        for (size_t i = 0; i < size; i++)
                n += text[i] == '\n';
        return n;
}

static void any_bytes(void **state)
{
        struct room *room = *state;
        uint64_t seed = 10;
        static char text[128 * 1024];

        for (size_t round = 0; round < 3000; round++) {
                size_t size = random_file(&seed, text, sizeof(text)), n = count_lines(text, size);
                const char *name = round % 2 ? "x.tarpit" : "hobbled.conf";
                const struct config *c;

                room_put_bytes(room, name, text, size);
                c = room_load_file(room, name);
                for (size_t i = 0; i < c->n_findings; i++) {
                        const struct config_finding *f = &c->findings[i];

                        assert_ptr_equal(f->place.file, c->files[0]);
                        assert_true(f->place.line <= n);
                        assert_true(strlen(f->text) > 0 && !strpbrk(f->text, "\n\r\x1b"));
                }
                assert_true(c->rt_priority >= 0 && c->rt_priority <= 98);
                if (c->n_tarpits > 0 && !c->tarpits[0].broken) {
                        assert_true(c->tarpits[0].duty.frozen_usec <= 60 * USEC_PER_SEC);
                        assert_in_range(c->tarpits[0].duty.thawed_usec, USEC_PER_MSEC, 10 * USEC_PER_SEC);
                }
        }
}

#define ROOM(f) cmocka_unit_test_setup_teardown(f, room_setup, room_teardown)

UNIT_MAIN(ROOM(times_and_shares), ROOM(words), ROOM(limits), ROOM(sources), ROOM(what_is_shown_can_be_read),
          ROOM(any_bytes))
