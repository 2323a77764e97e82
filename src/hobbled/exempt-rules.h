/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The built-in list of exemptions, and how [Exempt] is matched. Pure: facts in, a verdict out. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What counts of a process. Users choose the names of their own processes, and the names of cgroups beneath
 * their own service manager; so neither makes a process of theirs exempt. */
struct exempt_facts {
        pid_t pid, parent;
        uid_t uid; /* effective */
        const char *comm;
        const char *exe;  /* "": not known */
        const char *home; /* the path of its cgroup */
        bool groupless; /* has no supplementary groups, and never made a user namespace to get rid of them */
};

/* The unit, of the system's service manager, that a cgroup path belongs to: its first component that is
 * called like a unit and not like a slice; NULL: none. *ret_rest is what follows. */
const char *exempt_unit_of(const char *home, size_t *ret_size, const char **ret_rest);

/* Whether it runs systemd's own executable; `called` where the path is not known. */
bool exempt_is_systemd(const struct exempt_facts *f, bool called);

/* Why the host needs the process, as a clause, or NULL. What it returns is static, or in buf. */
const char *exempt_builtin(const struct exempt_facts *f, char *buf, size_t size);

/* The same of a cgroup that is to be frozen itself: neither what the host needs, nor what systemd starts
 * processes in, a unit's or a slice's own cgroup. */
const char *exempt_builtin_cgroup(const char *path, char *buf, size_t size);

/* Whether Unit=PATTERN means the process: the unit that it belongs to, or a slice above. */
bool exempt_unit_matches(const char *pattern, const char *home);
