/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "exempt-rules.h"
#include "macro.h"
#include "units.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

static bool is_called(const char *component, size_t size, const char *pattern)
{
        char name[256];

        if (size >= sizeof(name))
                return false;
        snprintf(name, sizeof(name), "%.*s", (int) size, component);
        return fnmatch(pattern, name, FNM_NOESCAPE) == 0;
}

const char *exempt_unit_of(const char *home, size_t *ret_size, const char **ret_rest)
{
        size_t size;

        for (home += strspn(home, "/"); *home; home += size, home += strspn(home, "/")) {
                size = strcspn(home, "/");
                if (is_called(home, size, "*.slice"))
                        continue;
                /* Whatever lies beneath is not systemd's to name. */
                if (!unit_name_has_cgroup(home, size))
                        return NULL;
                *ret_size = size;
                *ret_rest = home + size + strspn(home + size, "/");
                return home;
        }
        return NULL;
}

/* Units of which every process is needed. */
static const char *const needed_units[] = {
        "init.scope",     "systemd-*.service", "dbus.service",    "dbus.socket",        "dbus-broker.service",
        "polkit.service", "elogind.service",   "hobbled.service", "hobble-pit.service",
};

/* The units of guests, whose names look like those of systemd's own. */
static const char *const guest_units[] = { "systemd-nspawn@*.service", "systemd-vmspawn@*.service" };

/* Daemons that start others' processes in their own cgroup: only the daemon itself is needed, which the
 * service manager has started. */
static const struct {
        const char *unit, *comm, *text;
        const char *exe; /* of one that gives root up: then it must be this, not only be called so */
} listeners[] = {
        { "ssh.service", "sshd*", "is the ssh server", NULL },
        { "sshd.service", "sshd*", "is the ssh server", NULL },
        { "cron.service", "cron", "is the cron daemon", NULL },
        { "crond.service", "crond", "is the cron daemon", NULL },
        { "cronie.service", "crond", "is the cron daemon", NULL },
        { "atd.service", "atd", "is the at daemon", "/usr/sbin/atd" },
};

/* The parts of a session that belong to root and have let somebody in. */
static const struct {
        const char *comm, *text;
} session_leaders[] = {
        { "sshd*", "is the privileged part of an ssh session" },
        { "login", "is the privileged part of a login session" },
        { "*getty", "waits for a login" },
        { "systemd-logind", "keeps the sessions" },
};

bool exempt_is_systemd(const struct exempt_facts *f, bool called)
{
        if (!*f->exe)
                return called;
        return fnmatch("/usr/lib/systemd/systemd*", f->exe, FNM_PATHNAME) == 0 ||
               fnmatch("/lib/systemd/systemd*", f->exe, FNM_PATHNAME) == 0;
}

/* Beneath a `systemd --user` the user can put any process into any cgroup. */
static const char *exempt_user_manager(const struct exempt_facts *f, const char *rest)
{
        const char *name;

        /* PID 1 has started it: what the user starts in there, with the same executable even and a library of
         * their own, is a child of it. */
        if (f->parent == 1 && (strcmp(rest, "init.scope") == 0 || !*rest) &&
            exempt_is_systemd(f, strcmp(f->comm, "systemd") == 0))
                return "is a user's service manager (systemd --user)";

        name = strrchr(rest, '/');
        name = name ? name + 1 : rest;
        if (strcmp(name, "dbus.service") != 0 && strcmp(name, "dbus.socket") != 0 &&
            strcmp(name, "dbus-broker.service") != 0)
                return NULL;
        if (*f->exe ? fnmatch("/usr/*bin/dbus-*", f->exe, 0) == 0 || fnmatch("/bin/dbus-*", f->exe, 0) == 0
                    : strncmp(f->comm, "dbus-", 5) == 0)
                return "is a user's message bus";
        return NULL;
}

static const char *exempt_needed_unit(const char *unit, size_t unit_size, char *buf, size_t size)
{
        for (size_t i = 0; i < ELEMENTSOF(guest_units); i++) {
                if (is_called(unit, unit_size, guest_units[i]))
                        return NULL;
        }
        for (size_t i = 0; i < ELEMENTSOF(needed_units); i++) {
                if (is_called(unit, unit_size, needed_units[i])) {
                        snprintf(buf, size, "belongs to %.*s, which the host needs", (int) unit_size, unit);
                        return buf;
                }
        }
        return NULL;
}

const char *exempt_builtin_cgroup(const char *path, char *buf, size_t size)
{
        static const char own[] =
                "is a systemd unit's own cgroup, in which systemd starts processes: name it by "
                "Unit=";
        const char *unit, *rest, *name = strrchr(path, '/'), *reason;
        size_t unit_size;

        name = name ? name + 1 : path;
        unit = exempt_unit_of(path, &unit_size, &rest);
        if (!unit)
                return is_called(name, strlen(name), "*.slice") ? own : NULL;
        reason = exempt_needed_unit(unit, unit_size, buf, size);
        return reason || *rest ? reason : own;
}

const char *exempt_builtin(const struct exempt_facts *f, char *buf, size_t size)
{
        const char *unit, *rest;
        size_t unit_size;

        if (f->pid == 1)
                return "is PID 1";
        if (f->uid == 0) {
                for (size_t i = 0; i < ELEMENTSOF(session_leaders); i++) {
                        if (fnmatch(session_leaders[i].comm, f->comm, 0) == 0)
                                return session_leaders[i].text;
                }
        }

        /* The name, and to be in systemd's executable, can be had by anybody (LD_PRELOAD=); to be without
         * groups cannot. */
        if (strcmp(f->comm, "(sd-pam)") == 0 && f->groupless && exempt_is_systemd(f, f->uid == 0))
                return "keeps a session open for systemd";

        unit = exempt_unit_of(f->home, &unit_size, &rest);
        if (!unit)
                return NULL;
        if (exempt_needed_unit(unit, unit_size, buf, size))
                return buf;
        for (size_t i = 0; i < ELEMENTSOF(listeners); i++) {
                bool trusted = f->uid == 0 || (listeners[i].exe && strcmp(f->exe, listeners[i].exe) == 0);

                if (f->parent == 1 && trusted && is_called(unit, unit_size, listeners[i].unit) &&
                    fnmatch(listeners[i].comm, f->comm, 0) == 0)
                        return listeners[i].text;
        }
        return is_called(unit, unit_size, "user@*.service") ? exempt_user_manager(f, rest) : NULL;
}

bool exempt_unit_matches(const char *pattern, const char *home)
{
        const char *unit, *rest;
        size_t size;

        for (const char *p = home + strspn(home, "/"); *p; p += size, p += strspn(p, "/")) {
                size = strcspn(p, "/");
                if (!is_called(p, size, "*.slice"))
                        break;
                if (unit_pattern_matches(pattern, p, size))
                        return true;
        }
        unit = exempt_unit_of(home, &size, &rest);
        return unit && unit_pattern_matches(pattern, unit, size);
}
