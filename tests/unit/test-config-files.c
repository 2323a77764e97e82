/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* src/config: which files are read, in which order, and which are refused. */

#include "config-room.h"
#include "macro.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SOURCE "[Source]\nPIDFile=/run/x\n"

static void nothing_at_all(void **state)
{
        struct room *room = *state;
        const struct config *c = room_load(room);

        room_expect(room, "");
        assert_false(c->broken);
        assert_int_equal(c->n_tarpits, 0);
        assert_int_equal(c->rt_priority, 90);
        assert_int_equal(c->log_level, 3);
        for (size_t i = 0; i < CONFIG_EXEMPT_MAX; i++)
                assert_int_equal(c->exempt.of[i].n, 0);
}

static void defaults_of_a_tarpit(void **state)
{
        struct room *room = *state;
        const struct hobble_limits none = HOBBLE_LIMITS_NONE;
        const struct hobble_duty usual = HOBBLE_DUTY_DEFAULT;
        const struct config_tarpit *t;
        char path[512];

        room_put(room, "etc/hobbled/a.tarpit", SOURCE);
        room_load(room);
        room_expect(room, "");
        t = room_tarpit(room, "a");
        assert_non_null(t);
        assert_string_equal(t->file, room_path(room, "etc/hobbled/a.tarpit", path));
        assert_false(t->broken);
        assert_string_equal(t->description, "");
        assert_int_equal(t->duty.frozen_usec, usual.frozen_usec);
        assert_int_equal(t->duty.thawed_usec, usual.thawed_usec);
        assert_false(t->duty.freeze_idle);
        assert_int_equal(t->duty_ppm, 0);
        assert_int_equal(t->placement, HOBBLE_PLACEMENT_AUTO);
        assert_int_equal(t->check_usec, 2000000);
        assert_memory_equal(&t->limits, &none, sizeof(none));
        assert_int_equal(t->sources[CONFIG_PIDFILE].n, 1);
        assert_string_equal(t->sources[CONFIG_PIDFILE].items[0].value, "/run/x");
        assert_int_equal(t->sources[CONFIG_PIDFILE].items[0].place.line, 2);
}

/* The same name in an earlier directory hides those further back, as a whole. */
static void directories_in_order(void **state)
{
        struct room *room = *state;

        room_put(room, "usr/lib/hobbled/a.tarpit", "[Tarpit]\nDescription=lib\nFrozenSec=1s\n" SOURCE);
        room_put(room, "usr/lib/hobbled/b.tarpit", "[Tarpit]\nDescription=lib\n" SOURCE);
        room_put(room, "usr/lib/hobbled/c.tarpit", "[Tarpit]\nDescription=lib\n" SOURCE);
        room_put(room, "run/hobbled/a.tarpit", "[Tarpit]\nDescription=run\n" SOURCE);
        room_put(room, "run/hobbled/b.tarpit", "[Tarpit]\nDescription=run\n" SOURCE);
        room_put(room, "etc/hobbled/a.tarpit", "[Tarpit]\nDescription=etc\n" SOURCE);
        room_put(room, "usr/lib/hobbled/hobbled.conf", "[Hobbled]\nRealTimePriority=10\nLogLevel=debug\n");
        room_put(room, "run/hobbled/hobbled.conf", "[Hobbled]\nRealTimePriority=20\n");
        room_load(room);

        room_expect(room, "");
        assert_int_equal(room->config->n_tarpits, 3);
        assert_string_equal(room->config->tarpits[0].name, "a");
        assert_string_equal(room->config->tarpits[2].name, "c");
        room_expect_value(room, "a", "Tarpit", "Description", "etc@etc/hobbled/a.tarpit:2");
        room_expect_value(room, "a", "Tarpit", "FrozenSec", "250ms");
        room_expect_value(room, "b", "Tarpit", "Description", "run@run/hobbled/b.tarpit:2");
        room_expect_value(room, "c", "Tarpit", "Description", "lib@usr/lib/hobbled/c.tarpit:2");
        room_expect_value(room, NULL, "Hobbled", "RealTimePriority", "20@run/hobbled/hobbled.conf:2");
        room_expect_value(room, NULL, "Hobbled", "LogLevel", "info");
}

static void another_directory(void **state)
{
        struct room *room = *state;
        char path[512];

        room_put(room, "etc/hobbled/a.tarpit", SOURCE);
        room_put(room, "mine/b.tarpit", SOURCE);
        assert_int_equal(config_load(&room->config, room_path(room, "mine", path)), 0);
        room_expect(room, "");
        assert_int_equal(room->config->n_tarpits, 1);
        assert_string_equal(room->config->tarpits[0].name, "b");

        room->config = config_free(room->config);
        assert_int_equal(config_load(&room->config, room_path(room, "none", path)), 0);
        room_expect(room, "none:0: error: cannot be read: No such file or directory\n");
        assert_true(room->config->broken);
}

/* An empty file and a link to /dev/null hide what is further back, and do no more. */
static void masks(void **state)
{
        struct room *room = *state;
        char path[512];

        for (size_t i = 0; i < 3; i++) {
                static const char *const names[] = { "a", "b", "c" };
                char name[64];

                snprintf(name, sizeof(name), "usr/lib/hobbled/%s.tarpit", names[i]);
                room_put(room, name, SOURCE);
                snprintf(name, sizeof(name), "usr/lib/hobbled/c.tarpit.d/%s.conf", names[i]);
                room_put(room, name, "[Exempt]\nUser=lib\n");
        }
        room_put(room, "etc/hobbled/a.tarpit", "");
        room_put(room, "etc/hobbled/a.tarpit.d/x.conf", "nonsense\n");
        assert_int_equal(symlink("/dev/null", room_path(room, "etc/hobbled/b.tarpit", path)), 0);
        room_put(room, "etc/hobbled/c.tarpit.d/a.conf", "");
        assert_int_equal(symlink("/dev/null", room_path(room, "etc/hobbled/c.tarpit.d/b.conf", path)), 0);
        room_put(room, "usr/lib/hobbled/hobbled.conf", "[Hobbled]\nRealTimePriority=7\n");
        room_put(room, "etc/hobbled/hobbled.conf", "");
        room_load(room);

        room_expect(room, "");
        assert_int_equal(room->config->n_tarpits, 1);
        assert_int_equal(room->config->rt_priority, 90);
        room_expect_value(room, "c", "Exempt", "User", "lib@usr/lib/hobbled/c.tarpit.d/c.conf:2");
}

static void dropins(void **state)
{
        struct room *room = *state;

        room_put(room, "usr/lib/hobbled/a.tarpit", "[Tarpit]\nFrozenSec=1s\nThawedSec=20ms\n" SOURCE);
        room_put(room, "usr/lib/hobbled/a.tarpit.d/10.conf", "[Tarpit]\nFrozenSec=2s\nFreezeIdle=yes\n");
        room_put(room, "etc/hobbled/a.tarpit.d/10.conf", "[Tarpit]\nFrozenSec=3s\n");
        room_put(room, "run/hobbled/a.tarpit.d/20.conf", "[Tarpit]\nThawedSec=30ms\n" SOURCE);
        room_put(room, "etc/hobbled/a.tarpit.d/05.conf", "[Source]\nUser=one\n[Tarpit]\nThawedSec=40ms\n");
        room_put(room, "etc/hobbled/a.tarpit.d/30.conf", "[Source]\nUser=\nUser=two\n");
        room_put(room, "etc/hobbled/a.tarpit.d/.40.conf", "nonsense\n");
        room_put(room, "etc/hobbled/a.tarpit.d/40.conf~", "nonsense\n");
        room_put(room, "etc/hobbled/.b.tarpit", "nonsense\n");
        room_put(room, "run/hobbled/hobbled.conf.d/a.conf", "[Hobbled]\nLogLevel=warning\n");
        room_load(room);

        /* The main file's line is said again. */
        room_expect(room, "run/hobbled/a.tarpit.d/20.conf:4: warning: PIDFile= says again what *\n");
        room_expect_value(room, "a", "Tarpit", "FrozenSec", "3s@etc/hobbled/a.tarpit.d/10.conf:2");
        room_expect_value(room, "a", "Tarpit", "FreezeIdle", "no");
        room_expect_value(room, "a", "Tarpit", "ThawedSec", "30ms@run/hobbled/a.tarpit.d/20.conf:2");
        room_expect_value(room, "a", "Source", "User", "two@etc/hobbled/a.tarpit.d/30.conf:3");
        room_expect_value(room, NULL, "Hobbled", "LogLevel", "warning@run/hobbled/hobbled.conf.d/a.conf:2");
}

static void dropins_of_nothing(void **state)
{
        struct room *room = *state;

        room_put(room, "etc/hobbled/webb.tarpit.d/10.conf", SOURCE);
        room_load(room);
        room_expect(room,
                    "etc/hobbled/webb.tarpit.d:0: warning: there is no tarpit file of this name; ignored\n");
        assert_int_equal(room->config->n_tarpits, 0);
}

static void expect_broken(struct room *room, const char *name, const char *why)
{
        const struct config_tarpit *t;
        char wanted[512];

        room_put(room, "etc/hobbled/good.tarpit", SOURCE);
        room_put(room, "usr/lib/hobbled/bad.tarpit", SOURCE);
        room_load(room);
        snprintf(wanted, sizeof(wanted), "%s:0: error: %s\n", name, why);
        room_expect(room, wanted);
        t = room_tarpit(room, "bad");
        assert_non_null(t);
        assert_true(t->broken);
        t = room_tarpit(room, "good");
        assert_non_null(t);
        assert_false(t->broken);
        assert_false(room->config->broken);
}

/* None of these makes anybody wait, and the one further back does not step in. */
static void files_that_are_none(void **state)
{
        static const char name[] = "etc/hobbled/bad.tarpit";
        struct room *room = *state;
        char path[512];

        room_path(room, name, path);
        room_put(room, "etc/hobbled/bad.tarpit/file", "");
        expect_broken(room, name, "is a directory, not a file");
        assert_int_equal(remove(room_path(room, "etc/hobbled/bad.tarpit/file", path)), 0);
        assert_int_equal(rmdir(room_path(room, name, path)), 0);

        assert_int_equal(symlink("nowhere", path), 0);
        expect_broken(room, name, "is a link to nothing");
        assert_int_equal(unlink(path), 0);
        assert_int_equal(symlink("bad.tarpit", path), 0);
        expect_broken(room, name, "cannot be read: Too many levels of symbolic links");
        assert_int_equal(unlink(path), 0);
        assert_int_equal(symlink("/dev/zero", path), 0);
        expect_broken(room, name, "is not a regular file");
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkfifo(path, 0644), 0);
        expect_broken(room, name, "is not a regular file");
        assert_int_equal(unlink(path), 0);
}

static void files_of_others(void **state)
{
        static const char name[] = "etc/hobbled/bad.tarpit";
        struct room *room = *state;
        char path[512];

        room_put(room, name, SOURCE);
        room_path(room, name, path);
        assert_int_equal(chmod(path, 0646), 0);
        expect_broken(room, name, "can be written by everybody, so it is not trusted: chmod o-w mends that");
        assert_int_equal(chmod(path, 0644), 0);
        if (geteuid() != 0)
                return; /* nobody else can give a file away */
        assert_int_equal(chown(path, 12345, 0), 0);
        expect_broken(room, name, "belongs to user 12345, so it is not trusted: give it to root");
}

static void large_files(void **state)
{
        static const char name[] = "etc/hobbled/bad.tarpit";
        struct room *room = *state;
        char path[512];

        room_put(room, name, "#");
        room_path(room, name, path);
        assert_int_equal(truncate(path, 1024 * 1024 + 1), 0);
        expect_broken(room, name, "is larger than 1 MiB");

        /* As large as it may be. */
        _cleanup_free_ char *text = malloc(1024 * 1024);
        assert_non_null(text);
        memset(text, '\n', 1024 * 1024);
        memcpy(text + 1024 * 1024 - sizeof(SOURCE), SOURCE, sizeof(SOURCE) - 1);
        room_put_bytes(room, name, text, 1024 * 1024);
        room_load(room);
        room_expect(room, "");
}

/* What a drop-in would have said is not known, so the tarpit is not used. */
static void a_broken_dropin(void **state)
{
        struct room *room = *state;

        room_put(room, "etc/hobbled/bad.tarpit", SOURCE);
        room_put(room, "etc/hobbled/bad.tarpit.d/x.conf/file", "");
        expect_broken(room, "etc/hobbled/bad.tarpit.d/x.conf", "is a directory, not a file");
        room_put(room, "etc/hobbled/hobbled.conf/file", "");
        room_load(room);
        assert_true(room->config->broken);
}

static void a_directory_that_is_none(void **state)
{
        struct room *room = *state;

        room_put(room, "etc/hobbled", "");
        room_put(room, "run/hobbled/a.tarpit", SOURCE);
        room_load(room);
        room_expect(room, "etc/hobbled:0: error: cannot be read: Not a directory\n");
        assert_true(room->config->broken);
        assert_non_null(room_tarpit(room, "a"));
}

static void bad_names(void **state)
{
        static const char *const names[] = { "a b", "-a", "ä", "\033[31m", "a/../b" };
        struct room *room = *state;

        for (size_t i = 0; i < 4; i++) {
                char name[128], wanted[256];

                snprintf(name, sizeof(name), "%s.tarpit", names[i]);
                room_put(room, name, SOURCE);
                room_load_file(room, name);
                snprintf(wanted, sizeof(wanted), "%s:0: error: a tarpit cannot have this name: *\n", name);
                room_expect(room, wanted);
                assert_true(room->config->tarpits[0].broken);
        }
}

static void single_files(void **state)
{
        struct room *room = *state;

        room_put(room, "etc/hobbled/a.tarpit", "[Tarpit]\nFrozenSec=1\n");
        room_put(room, "etc/hobbled/a.tarpit.d/1.conf", "[Tarpit]\nFrozenSec=x\n");
        room_put(room, "etc/hobbled/hobbled.conf", "[Tarpit]\nFrozenSec=1\n");
        room_put(room, "empty.tarpit", "");
        room_load_file(room, "etc/hobbled/a.tarpit");
        room_expect(room, "etc/hobbled/a.tarpit:0: warning: no source in [Source]*\n");
        room_load_file(room, "etc/hobbled/a.tarpit.d/1.conf");
        room_expect(room, "etc/hobbled/a.tarpit.d/1.conf:2: error: FrozenSec=\"x\": *\n");
        assert_string_equal(room->config->tarpits[0].name, "a");
        room_load_file(room, "etc/hobbled/hobbled.conf");
        room_expect(room,
                    "etc/hobbled/hobbled.conf:1: warning: unknown section [Tarpit]; ignored; it belongs "
                    "in a NAME.tarpit\n");
        room_load_file(room, "empty.tarpit");
        room_expect(room, "empty.tarpit:0: warning: is empty: *\n");
        room_load_file(room, "none.tarpit");
        room_expect(room, "none.tarpit:0: error: cannot be read: No such file or directory\n");
        assert_true(room->config->tarpits[0].broken);
}

#define ROOM(f) cmocka_unit_test_setup_teardown(f, room_setup, room_teardown)

UNIT_MAIN(ROOM(nothing_at_all), ROOM(defaults_of_a_tarpit), ROOM(directories_in_order),
          ROOM(another_directory), ROOM(masks), ROOM(dropins), ROOM(dropins_of_nothing),
          ROOM(files_that_are_none), ROOM(files_of_others), ROOM(large_files), ROOM(a_broken_dropin),
          ROOM(a_directory_that_is_none), ROOM(bad_names), ROOM(single_files))
