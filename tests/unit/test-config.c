/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* src/config: the syntax of a file, the values of keys, and what is said about what is wrong. */

#include "config-room.h"
#include "keys.h"
#include "macro.h"

#include <stdio.h>
#include <string.h>

#define SOURCE "[Source]\nPIDFile=/run/x\n"

/* A tarpit's file, and what is found in it. */
static void expect(struct room *room, const char *text, const char *findings)
{
        room_put(room, "x.tarpit", text);
        room_load_file(room, "x.tarpit");
        room_expect(room, findings);
}

/* -- Syntax ------------------------------------------------------------------------------------ */

static void lines(void **state)
{
        struct room *room = *state;

        expect(room,
               "\xef\xbb\xbf# comment\r\n; comment\r\n\r\n  [Tarpit]  \r\n \tDescription =  a ; b # c = d "
               "\t\r\n"
               "\tFrozenSec=1s\r\n   ThawedSec=2ms\n[Source]\n[X-Mine]\nany=1\n[Source]\nX-Key=1\nUser=last",
               "");
        room_expect_value(room, "x", "Tarpit", "Description", "a ; b # c = d@x.tarpit:5");
        room_expect_value(room, "x", "Tarpit", "FrozenSec", "1s@x.tarpit:6");
        room_expect_value(room, "x", "Tarpit", "ThawedSec", "2ms@x.tarpit:7");
        room_expect_value(room, "x", "Source", "User", "last@x.tarpit:13");
}

static void continued_lines(void **state)
{
        struct room *room = *state;

        expect(room,
               "[Source]\nExec=/bin/a ; one \\\n# between\n   two\\\n\tthree\nUser=u\n"
               "Unit=a\\x2db.service\nCommand=/bin/b\\\\\nPIDFile=/run/x\\\n",
               "x.tarpit:2: warning: Exec=\"/bin/a ; one two three\" is not run by a shell: *\n");
        room_expect_value(room, "x", "Source", "Exec", "/bin/a ; one two three@x.tarpit:2");
        room_expect_value(room, "x", "Source", "User", "u@x.tarpit:6");
        room_expect_value(room, "x", "Source", "Unit", "a\\x2db.service@x.tarpit:7");
        room_expect_value(room, "x", "Source", "Command", "/bin/b\\\\@x.tarpit:8");
        room_expect_value(room, "x", "Source", "PIDFile", "/run/x@x.tarpit:9");
}

static void lines_that_are_none(void **state)
{
        struct room *room = *state;

        expect(room,
               "FrozenSec=1s\nThawedSec=1s\n" SOURCE "nonsense\nFrozenSec: 1s\n=x\na b=c\n\xc3\xa4=1\n"
               "[Sour",
               "x.tarpit:1: warning: what comes before the first [Section] belongs to none; ignored\n"
               "x.tarpit:5: error: \"nonsense\" is neither [Section] nor Key=value; ignored\n"
               "x.tarpit:6: error: \"FrozenSec: 1s\" is neither [Section] nor Key=value; ignored\n"
               "x.tarpit:7: error: \"=x\" has no key before the \"=\"; ignored\n"
               "x.tarpit:8: error: \"a b=c\" does not begin with the name of a key; ignored\n"
               "x.tarpit:9: error: \"\xc3\xa4=1\" does not begin with the name of a key; ignored\n"
               "x.tarpit:10: error: \"[Sour\" is no section header such as [Tarpit]; *\n");
}

/* Whatever is below a header that is no use belongs to nobody, least of all to the section before. */
static void keys_of_a_lost_header(void **state)
{
        struct room *room = *state;
        static const char *const headers[] = {
                "[Exempt", "[]", "[Exempt] x", "[Ex empt]", "[Exempt\xff]", "[\xff", "[[Exempt]]",
        };

        for (size_t i = 0; i < ELEMENTSOF(headers); i++) {
                char text[256];

                snprintf(text, sizeof(text), SOURCE "User=a\n%s\nUser=b\n[Exempt]\nUser=c\n", headers[i]);
                expect(room, text, "x.tarpit:4: error: *\n");
                room_expect_value(room, "x", "Source", "User", "a@x.tarpit:3");
                room_expect_value(room, "x", "Exempt", "User", "c@x.tarpit:7");
        }
}

static void bytes_that_are_no_text(void **state)
{
        static const char text[] =
                SOURCE "User=\xff\xfe\nUser=a\0b\nUser=\x1b[31m\nUser=\xed\xa0\x80\nUser=e\r\r\n"
                       "User=\xc3\xa4\nDesc\0\n";
        struct room *room = *state;

        room_put_bytes(room, "x.tarpit", text, sizeof(text) - 1);
        room_load_file(room, "x.tarpit");
        room_expect(room, "x.tarpit:3: error: \"User=\\xff\\xfe\" is not UTF-8 text, or has *\n"
                          "x.tarpit:4: error: \"User=a\\x00b\" has a NUL byte; ignored\n"
                          "x.tarpit:5: error: \"User=\\x1b[31m\" is not UTF-8 text, or has *\n"
                          "x.tarpit:6: error: \"User=\\xed\\xa0\\x80\" is not UTF-8 text, or has *\n"
                          "x.tarpit:7: error: \"User=e\\x0d\" is not UTF-8 text, or has *\n"
                          "x.tarpit:9: error: \"Desc\\x00\" has a NUL byte; ignored\n");
        room_expect_value(room, "x", "Source", "User", "\xc3\xa4@x.tarpit:8");
}

/* Up to 4096 bytes count, also where libinih would end a line. */
static void long_lines(void **state)
{
        struct room *room = *state;
        char text[8192], path[4097], wanted[4200], value[4200];

        memset(path, 'a', sizeof(path));
        path[0] = '/';
        for (size_t n = 150; n <= 4000; n += 50) {
                snprintf(text, sizeof(text), "[Source]\nUser=u\nPIDFile=%.*s\nUser=v\n", (int) n, path);
                expect(room, text, "");
                snprintf(wanted, sizeof(wanted), "%.*s@x.tarpit:3", (int) n, path);
                assert_string_equal(room_value(room, "x", "Source", "PIDFile", value), wanted);
                room_expect_value(room, "x", "Source", "User", "u@x.tarpit:2|v@x.tarpit:4");
        }
        snprintf(text, sizeof(text), SOURCE "Exec=%.*s\n", 4096 - 5, path);
        expect(room, text, "");
        snprintf(text, sizeof(text), SOURCE "Exec=%.*s\n", 4097 - 5, path);
        expect(room, text, "x.tarpit:3: error: \"Exec=/aaaa*\n");
        assert_non_null(strstr(room->config->findings[0].text, "is longer than 4096 bytes; ignored"));
        snprintf(text, sizeof(text), SOURCE "%.*s=1\n[%.*s]\n", 200, path + 1, 200, path + 1);
        expect(room, text, "x.tarpit:3: error: \"aaa*\nx.tarpit:4: error: \"[aaa*\n");

        /* Continued for ever. */
        for (size_t i = 0; i < sizeof(text) - 1; i += 2)
                memcpy(text + i, "\\\n", 2);
        memcpy(text, "[Source]\nPIDFile=/x\n", 20);
        text[sizeof(text) - 1] = '\0';
        expect(room, text, "");
}

static void many_findings(void **state)
{
        struct room *room = *state;
        char text[1024 * 8];
        const struct config *c;

        for (size_t i = 0; i < sizeof(text) - 1; i += 2)
                memcpy(text + i, "x\n", 2);
        text[sizeof(text) - 1] = '\0';
        room_put(room, "x.tarpit", text);
        room_put(room, "etc/hobbled/a.tarpit", text);
        room_put(room, "etc/hobbled/b.tarpit", "x\n" SOURCE);
        c = room_load_file(room, "x.tarpit");
        assert_int_equal(c->n_findings, 101);
        assert_string_equal(c->findings[100].text, "has more than can be told here: mend those first");
        c = room_load(room);
        assert_int_equal(c->findings[c->n_findings - 1].place.line, 1); /* the next file has its own */
}

/* -- Keys -------------------------------------------------------------------------------------- */

static void unknown_words(void **state)
{
        struct room *room = *state;

        expect(room,
               "[Tarpit]\nFrozenSecs=1\nfrozensec=1\nFrozneSec=1\nPIDFile=/x\nUser=a\nLogLevel=info\nQuux=1\n"
               "CPUQouta=1\nDuti=1%\nX=1\n" SOURCE
               "PidFile=/x\nUsers=a\n[Sources]\nUser=a\n[Hobbled]\n[Hobbled]\n"
               "LogLevel=info\n[Quux]\nx=1\ny=1\n[exempt]\nUser=x\n",
               "x.tarpit:2: warning: unknown key \"FrozenSecs\" in [Tarpit]; ignored; did you mean "
               "FrozenSec=?\n"
               "x.tarpit:3: warning: unknown key \"frozensec\" in [Tarpit]; ignored; did you mean "
               "FrozenSec=?\n"
               "x.tarpit:4: warning: unknown key \"FrozneSec\" in [Tarpit]; ignored; did you mean "
               "FrozenSec=?\n"
               "x.tarpit:5: warning: unknown key \"PIDFile\" in [Tarpit]; ignored; it belongs in [Source]\n"
               "x.tarpit:6: warning: unknown key \"User\" in [Tarpit]; ignored; it belongs in [Source] or "
               "[Exempt]\n"
               "x.tarpit:7: warning: unknown key \"LogLevel\" in [Tarpit]; ignored; it belongs in [Hobbled] "
               "of "
               "hobbled.conf\n"
               "x.tarpit:8: warning: unknown key \"Quux\" in [Tarpit]; ignored\n"
               "x.tarpit:9: warning: unknown key \"CPUQouta\" in [Tarpit]; ignored; did you mean CPUQuota= "
               "in "
               "[Limits]?\n"
               "x.tarpit:10: warning: unknown key \"Duti\" in [Tarpit]; ignored; did you mean Duty=?\n"
               "x.tarpit:11: warning: unknown key \"X\" in [Tarpit]; ignored\n"
               "x.tarpit:14: warning: unknown key \"PidFile\" in [Source]; ignored; did you mean PIDFile=?\n"
               "x.tarpit:15: warning: unknown key \"Users\" in [Source]; ignored; did you mean User=?\n"
               "x.tarpit:16: warning: unknown section [Sources]; ignored; did you mean [Source]?\n"
               "x.tarpit:19: warning: unknown section [Hobbled]; ignored; it belongs in hobbled.conf\n"
               "x.tarpit:21: warning: unknown section [Quux]; ignored\n"
               "x.tarpit:24: warning: unknown section [exempt]; ignored; did you mean [Exempt]?\n");
}

static void duplicate_sections_and_resets(void **state)
{
        struct room *room = *state;

        expect(room,
               "[Source]\nUser=a\n[Tarpit]\nFrozenSec=1s\n[Source]\nUser=b\n[Tarpit]\nFrozenSec=\n"
               "ThawedSec=5ms\nThawedSec=6ms\nDescription=x\nDescription=\n"
               "[Exempt]\nUser=c\nUser=\n[Limits]\nTasksMax=5\nTasksMax=\nCPUWeight=5\nCPUWeight=\n",
               "");
        room_expect_value(room, "x", "Source", "User", "a@x.tarpit:2|b@x.tarpit:6");
        room_expect_value(room, "x", "Tarpit", "FrozenSec", "250ms");
        room_expect_value(room, "x", "Tarpit", "ThawedSec", "6ms@x.tarpit:10");
        room_expect_value(room, "x", "Tarpit", "Description", "");
        room_expect_value(room, "x", "Exempt", "User", "");
        assert_int_equal(room->config->tarpits[0].limits.tasks_max, UINT64_MAX);
        assert_int_equal(room->config->tarpits[0].limits.cpu_weight, UINT64_MAX);
}

static void no_source(void **state)
{
        struct room *room = *state;

        expect(room, "[Tarpit]\nFrozenSec=1s\n",
               "x.tarpit:0: warning: no source in [Source], such as PIDFile= or User=: nothing gets into "
               "this "
               "tarpit by itself\n");
        expect(room, "[Source]\nUser=x\nUser=\n", "x.tarpit:0: warning: no source *\n");
}

static void duty(void **state)
{
        struct room *room = *state;
        const struct config_tarpit *t;

        expect(room, SOURCE "[Tarpit]\nDuty=5%\n", "");
        t = room_tarpit(room, "x");
        assert_int_equal(t->duty.frozen_usec, 190000);
        assert_int_equal(t->duty_ppm, 50000);
        room_expect_value(room, "x", "Tarpit", "FrozenSec", "190ms@x.tarpit:4");

        /* ThawedSec= counts wherever it stands. */
        expect(room, SOURCE "[Tarpit]\nDuty=5%\nThawedSec=20ms\n", "");
        room_expect_value(room, "x", "Tarpit", "FrozenSec", "380ms@x.tarpit:4");
        expect(room, SOURCE "[Tarpit]\nDuty=100%\n", "");
        room_expect_value(room, "x", "Tarpit", "FrozenSec", "0@x.tarpit:4");

        expect(room, SOURCE "[Tarpit]\nFrozenSec=1s\nDuty=5%\n",
               "x.tarpit:5: warning: Duty= and FrozenSec= say the same thing in two ways: Duty= counts, *\n");
        room_expect_value(room, "x", "Tarpit", "FrozenSec", "190ms@x.tarpit:5");
        expect(room, SOURCE "[Tarpit]\nDuty=5%\nFrozenSec=1s\n",
               "x.tarpit:5: warning: Duty= and FrozenSec= say the same thing in two ways: FrozenSec= counts, "
               "*\n");
        room_expect_value(room, "x", "Tarpit", "FrozenSec", "1s@x.tarpit:5");
        room_expect_value(room, "x", "Tarpit", "Duty", "");
        expect(room, SOURCE "[Tarpit]\nFrozenSec=190ms\nDuty=5%\n", ""); /* they agree */
        expect(room, SOURCE "[Tarpit]\nDuty=5%\nFrozenSec=1s\nFrozenSec=\n", "");
        room_expect_value(room, "x", "Tarpit", "FrozenSec", "190ms@x.tarpit:4");
        expect(room, SOURCE "[Tarpit]\nFrozenSec=1s\nDuty=5%\nDuty=\n", "");
        room_expect_value(room, "x", "Tarpit", "FrozenSec", "1s@x.tarpit:4");

        expect(room, SOURCE "[Tarpit]\nDuty=0.01%\n",
               "x.tarpit:4: error: Duty= with this ThawedSec= means FrozenSec=1min 39s 990ms, and 60s is the "
               "most; the tarpit is not used\n");
        assert_true(room_tarpit(room, "x")->broken);
}

/* A drop-in that says it the other way round is no slip. */
static void duty_in_a_dropin(void **state)
{
        struct room *room = *state;

        room_put(room, "etc/hobbled/x.tarpit", SOURCE "[Tarpit]\nFrozenSec=1s\n");
        room_put(room, "etc/hobbled/x.tarpit.d/a.conf", "[Tarpit]\nDuty=5%\n");
        room_load(room);
        room_expect(room, "");
        room_expect_value(room, "x", "Tarpit", "FrozenSec", "190ms@etc/hobbled/x.tarpit.d/a.conf:2");
        room_put(room, "etc/hobbled/x.tarpit.d/b.conf", "[Tarpit]\nFrozenSec=6s\n");
        room_load(room);
        room_expect(room, "etc/hobbled/x.tarpit.d/b.conf:2: warning: frozen for 6s at a time, which is more "
                          "than 5s: *\n");
        room_expect_value(room, "x", "Tarpit", "FrozenSec", "6s@etc/hobbled/x.tarpit.d/b.conf:2");
}

/* -- The table --------------------------------------------------------------------------------- */

static void the_table_is_sound(void **state)
{
        struct room *room = *state;
        size_t sources = 0;

        room_put(room, "etc/hobbled/x.tarpit", SOURCE);
        room_load(room);
        for (size_t i = 0; i < keys_n; i++) {
                const struct key *key = keys + i;
                char value[4096];

                assert_ptr_equal(key_find(key->scope, key->section, key->name), key);
                assert_non_null(key->wants);
                assert_true(!key->preset == !key->kind->format);
                if (key->preset) /* as it is written, so it is shown */
                        assert_string_equal(room_value(room, key->scope == KEY_TARPIT ? "x" : NULL,
                                                       key->section, key->name, value),
                                            key->preset);
                if (strcmp(key->section, "Source") == 0 && !key->preset)
                        assert_string_equal(key->name, config_source_name((enum config_source) sources++));
        }
        assert_int_equal(sources, CONFIG_SOURCE_MAX);
}

static int stop(const struct config_tarpit *tarpit, const char *section, const char *key, const char *value,
                const struct config_place *place, void *userdata)
{
        return --*(int *) userdata == 0 ? 7 : 0;
}

static void a_walk_can_be_ended(void **state)
{
        struct room *room = *state;
        int left = 9;

        room_put(room, "etc/hobbled/x.tarpit", SOURCE);
        assert_int_equal(config_for_each(room_load(room), stop, &left), 7);
        assert_int_equal(left, 0);
        assert_null(config_free(NULL));
}

#define ROOM(f) cmocka_unit_test_setup_teardown(f, room_setup, room_teardown)

UNIT_MAIN(ROOM(lines), ROOM(continued_lines), ROOM(lines_that_are_none), ROOM(keys_of_a_lost_header),
          ROOM(bytes_that_are_no_text), ROOM(long_lines), ROOM(many_findings), ROOM(unknown_words),
          ROOM(duplicate_sections_and_resets), ROOM(no_source), ROOM(duty), ROOM(duty_in_a_dropin),
          ROOM(the_table_is_sound), ROOM(a_walk_can_be_ended))
