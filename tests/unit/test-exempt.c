/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who is never hobbled, and what the patterns of units, commands and users mean. */

#include "unit.h"

#include "command-pattern.h"
#include "exempt-rules.h"
#include "macro.h"
#include "units.h"
#include "userset.h"

#include <stdbool.h>
#include <string.h>

#define USER_MANAGER "/user.slice/user-1000.slice/user@1000.service"

static bool is_exempt(struct exempt_facts facts)
{
        char buf[256];

        facts.pid = facts.pid ? facts.pid : 4711;
        facts.exe = facts.exe ? facts.exe : "";
        return exempt_builtin(&facts, buf, sizeof(buf)) != NULL;
}

static bool service(const char *home)
{
        return is_exempt((struct exempt_facts){ .parent = 1, .uid = 33, .comm = "x", .home = home });
}

static void the_host_needs_its_own_services(void **state)
{
        assert_true(is_exempt((struct exempt_facts){ .pid = 1, .comm = "systemd", .home = "/init.scope" }));
        assert_true(is_exempt((struct exempt_facts){ .pid = 1, .comm = "sh", .home = "/" }));
        assert_true(service("/init.scope"));
        assert_true(service("/system.slice/systemd-journald.service"));
        assert_true(service("/system.slice/systemd-logind.service"));
        assert_true(service("/system.slice/system-systemd\\x2dcoredump.slice/systemd-coredump@1.service"));
        assert_true(service("/system.slice/dbus.service"));
        assert_true(service("/system.slice/dbus-broker.service"));
        assert_true(service("/system.slice/polkit.service"));
        assert_true(service("/system.slice/hobbled.service"));
        assert_true(service("/hobble.slice/hobble-pit.service/guard"));
}

static void other_services_may_be_hobbled(void **state)
{
        assert_false(service("/system.slice/apache2.service"));
        assert_false(service("/system.slice/my-systemd-x.service"));
        /* Of guests. */
        assert_false(service("/machine.slice/systemd-nspawn@web.service/payload/init.scope"));
        assert_false(service("/machine.slice/systemd-vmspawn@web.service"));
        assert_true(service("/system.slice/systemd-nspawnish.service"));
        assert_false(service("/"));
        assert_false(service(""));
        assert_false(service("/docker/0123/system.slice/dbus.service"));
}

static void a_cgroup_that_a_service_or_user_made_exempts_nobody(void **state)
{
        assert_false(service("/system.slice/apache2.service/systemd-fake.service"));
        assert_false(service("/system.slice/apache2.service/init.scope"));
        assert_false(service(USER_MANAGER "/app.slice/systemd-fake.service"));
        assert_false(service(USER_MANAGER "/app.slice/dbus.service"));
        assert_false(service(USER_MANAGER "/init.scope"));
}

static bool of_user(const char *comm, const char *exe, const char *rest)
{
        char home[256] = USER_MANAGER;

        return is_exempt((struct exempt_facts){
                .parent = 1,
                .uid = 1000,
                .comm = comm,
                .exe = exe,
                .home = strcat(home, rest),
                .groupless = true,
        });
}

/* The same of one that the user has started. */
static bool of_users_own(const char *comm, const char *exe, const char *rest)
{
        char home[256] = USER_MANAGER;

        return is_exempt((struct exempt_facts){
                .parent = 300, .uid = 1000, .comm = comm, .exe = exe, .home = strcat(home, rest) });
}

static void a_users_service_manager_is_needed(void **state)
{
        assert_true(of_user("systemd", "/usr/lib/systemd/systemd", "/init.scope"));
        assert_true(of_user("systemd", "", "/init.scope"));
        assert_true(of_user("(sd-pam)", "/usr/lib/systemd/systemd", "/init.scope"));
        assert_true(of_user("(sd-pam)", "/usr/lib/systemd/systemd-executor", "/app.slice/x.service"));
        assert_true(of_user("dbus-daemon", "/usr/bin/dbus-daemon", "/app.slice/dbus.service"));
        assert_true(of_user("dbus-broker", "/usr/bin/dbus-broker", "/session.slice/dbus-broker.service"));
}

static void a_user_cannot_pass_as_it(void **state)
{
        assert_false(of_user("systemd", "/home/mallory/systemd", "/init.scope"));
        assert_false(of_user("systemd", "/home/mallory/usr/lib/systemd/systemd", "/init.scope"));
        assert_false(of_user("(sd-pam)", "/home/mallory/miner", "/init.scope"));
        assert_false(of_user("dbus-daemon", "/home/mallory/dbus-daemon", "/app.slice/dbus.service"));
        assert_false(of_user("systemd", "/usr/lib/systemd/systemd", "/app.slice/miner.service"));
        assert_false(of_user("bash", "/usr/bin/bash", "/app.slice/miner.service"));
        /* With a library of theirs, it runs what they want. */
        assert_false(of_users_own("systemd", "/usr/lib/systemd/systemd", "/init.scope"));
        assert_false(of_users_own("(sd-pam)", "/usr/lib/systemd/systemd", "/init.scope"));
}

static bool in_place(const char *path)
{
        char buf[256];

        return exempt_builtin_cgroup(path, buf, sizeof(buf)) == NULL;
}

static void a_cgroup_that_systemd_starts_processes_in_is_not_frozen(void **state)
{
        assert_false(in_place("/system.slice/dbus.service"));
        assert_false(in_place("/system.slice/dbus.service/sub"));
        assert_false(in_place("/system.slice/report.service"));
        assert_false(in_place("/user.slice/user-1000.slice/session-3.scope"));
        assert_false(in_place("/user.slice/user-1000.slice"));
        assert_false(in_place("/init.scope"));
        assert_true(in_place("/system.slice/report.service/batch"));
        assert_true(in_place("/batch"));
        assert_true(in_place("/batch/x.service"));
}

static bool session(const char *comm, uid_t uid)
{
        return is_exempt((struct exempt_facts){ .parent = 1,
                                                .uid = uid,
                                                .comm = comm,
                                                .home = "/user.slice/user-1000.slice/session-3.scope" });
}

static void roots_part_of_a_session_is_needed_and_the_rest_is_not(void **state)
{
        assert_true(session("sshd", 0));
        assert_true(session("sshd-session", 0));
        assert_true(session("login", 0));
        assert_false(session("sshd", 1000));
        assert_false(session("login", 1000));
        assert_false(session("bash", 1000));
        assert_false(session("bash", 0));
}

static bool daemon_of(const char *unit_home, const char *comm, pid_t parent, uid_t uid)
{
        return is_exempt(
                (struct exempt_facts){ .parent = parent, .uid = uid, .comm = comm, .home = unit_home });
}

static void a_listener_is_needed_and_what_it_starts_is_not(void **state)
{
        assert_true(daemon_of("/system.slice/cron.service", "cron", 1, 0));
        assert_false(daemon_of("/system.slice/cron.service", "cron", 400, 0));
        assert_false(daemon_of("/system.slice/cron.service", "sh", 401, 1000));
        assert_false(daemon_of("/system.slice/cron.service", "miner", 1, 1000));
        assert_true(daemon_of("/system.slice/atd.service", "atd", 1, 0));
        assert_true(daemon_of("/system.slice/ssh.service", "sshd", 1, 0));
        assert_false(daemon_of("/system.slice/other.service", "cron", 1, 0));
}

static void exempt_units_are_the_unit_and_the_slices_above(void **state)
{
        assert_true(exempt_unit_matches("sshd.service", "/system.slice/sshd.service"));
        assert_true(exempt_unit_matches("sshd.service", "/system.slice/sshd.service/payload"));
        assert_true(exempt_unit_matches("back*.slice", "/system.slice/backup.slice/x.service"));
        assert_true(exempt_unit_matches("user-0.slice", "/user.slice/user-0.slice/session-1.scope"));
        assert_true(exempt_unit_matches("session-1.scope", "/user.slice/user-0.slice/session-1.scope"));
        assert_false(exempt_unit_matches("sshd.service", "/system.slice/ssh.service"));
        assert_false(exempt_unit_matches("sshd.service", USER_MANAGER "/app.slice/sshd.service"));
        assert_false(exempt_unit_matches("back*.slice", USER_MANAGER "/backup.slice/x.service"));
        assert_false(exempt_unit_matches("sshd.service", "/"));
}

static void unit_globs_mean_any_part_of_a_path(void **state)
{
        assert_true(unit_pattern_matches_path("report-*.service", "/system.slice/report-1.service"));
        assert_true(unit_pattern_matches_path("report-*.service", "/a.slice/report-1.service/child"));
        assert_true(unit_pattern_matches_path("a.slice", "/a.slice/report-1.service"));
        assert_true(unit_pattern_matches_path("a\\x2db.service", "/a\\x2db.service"));
        assert_true(unit_pattern_matches_path("memory.service", "/system.slice/_memory.service"));
        assert_false(unit_pattern_matches_path("report-*.service", "/system.slice/report.service"));
        assert_false(unit_pattern_matches_path("*", "/tarpit/plain"));
        assert_false(unit_pattern_matches_path("report", "/system.slice/report.service"));
        assert_false(unit_pattern_matches_path("*", "/"));
        assert_false(unit_pattern_matches_path("*", ""));
}

static void commands_match_by_name_as_the_kernel_keeps_it(void **state)
{
        assert_true(command_pattern_matches("xmrig*", "xmrig-6"));
        assert_true(command_pattern_matches("rsync", "rsync"));
        assert_true(command_pattern_matches("a-very-long-command-name", "a-very-long-com"));
        assert_false(command_pattern_matches("a-very-long-command-name", "a-very-long-co"));
        assert_false(command_pattern_matches("rsync", "rsyncd"));
        assert_false(command_pattern_matches("*", ""));
}

static void commands_match_by_path(void **state)
{
        assert_true(command_pattern_is_path("/usr/bin/x"));
        assert_false(command_pattern_is_path("usr/bin/x"));
        assert_true(command_pattern_matches_path("/opt/*/miner", "/opt/a/miner"));
        assert_true(command_pattern_matches_path("/bin/sleep", "/usr/bin/sleep"));
        assert_false(command_pattern_matches_path("/opt/*", "/opt/a/miner"));
        assert_false(command_pattern_matches_path("/usr/bin/x", "/usr/bin/y"));
        assert_false(command_pattern_matches_path("/*", ""));
}

static void users_are_names_ids_and_groups(void **state)
{
        assert_true(userset_is_valid("mallory"));
        assert_true(userset_is_valid("0"));
        assert_true(userset_is_valid("%students"));
        assert_true(userset_is_valid("DOMAIN\\mallory"));
        assert_false(userset_is_valid(""));
        assert_false(userset_is_valid("%"));
        assert_false(userset_is_valid("%%a"));
        assert_false(userset_is_valid("%100"));
        assert_false(userset_is_valid("4294967295"));
        assert_false(userset_is_valid("a b"));
        assert_false(userset_is_valid("a:b"));
}

static enum userset_state look_up(const char *value, uid_t uid, bool *ret_has)
{
        enum userset_state state;
        struct userset *users;

        assert_int_equal(userset_new(&users, value), 0);
        state = userset_refresh(users, 30 * USEC_PER_SEC, NULL);
        *ret_has = userset_has(users, uid);
        userset_free(users);
        return state;
}

static void users_are_looked_up(void **state)
{
        bool has;

        assert_int_equal(look_up("root", 0, &has), USERSET_KNOWN);
        assert_true(has);
        assert_int_equal(look_up("root", 1, &has), USERSET_KNOWN);
        assert_false(has);
        assert_int_equal(look_up("12345", 12345, &has), USERSET_KNOWN);
        assert_true(has);
        assert_int_equal(look_up("%root", 0, &has), USERSET_KNOWN);
        assert_true(has);
        assert_int_equal(look_up("no-such-user-here", 0, &has), USERSET_UNKNOWN);
        assert_false(has);
        assert_int_equal(look_up("root", (uid_t) -1, &has), USERSET_KNOWN);
        assert_false(has);
}

UNIT_MAIN(cmocka_unit_test(the_host_needs_its_own_services), cmocka_unit_test(other_services_may_be_hobbled),
          cmocka_unit_test(a_cgroup_that_a_service_or_user_made_exempts_nobody),
          cmocka_unit_test(a_users_service_manager_is_needed), cmocka_unit_test(a_user_cannot_pass_as_it),
          cmocka_unit_test(a_cgroup_that_systemd_starts_processes_in_is_not_frozen),
          cmocka_unit_test(roots_part_of_a_session_is_needed_and_the_rest_is_not),
          cmocka_unit_test(a_listener_is_needed_and_what_it_starts_is_not),
          cmocka_unit_test(exempt_units_are_the_unit_and_the_slices_above),
          cmocka_unit_test(unit_globs_mean_any_part_of_a_path),
          cmocka_unit_test(commands_match_by_name_as_the_kernel_keeps_it),
          cmocka_unit_test(commands_match_by_path), cmocka_unit_test(users_are_names_ids_and_groups),
          cmocka_unit_test(users_are_looked_up))
