/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where a process is at this moment, and whose it is: facts for people, each a few small reads. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The cgroup that the process is in, as a path in the v2 hierarchy: unlike hobble_process_home(), a hobbled
 * one's is that of its subject. Returns 0, -ESRCH, or another negative errno. */
int whereabouts_cgroup(pid_t pid, char *buf, size_t size);

/* The parser behind it, of /proc/PID/cgroup. Returns 0, -EBADMSG or -ENAMETOOLONG. */
int whereabouts_parse_cgroup(const char *text, char *buf, size_t size);

/* Whether path is `above` or beneath it; nothing is beneath the root. */
bool whereabouts_is_beneath(const char *path, const char *above);

/* The effective user; (uid_t) -1 where there is no such process. */
uid_t whereabouts_uid(pid_t pid);

/* The user's name as /etc/passwd has it, else "uid 1000". Nobody else is asked: a directory server may take
 * any time. Returns buf. */
char *whereabouts_user(uid_t uid, char *buf, size_t size);

/* The same of another file. */
char *whereabouts_user_in(const char *file, uid_t uid, char *buf, size_t size);

/* The instance that the path of a cgroup shows by its name, as the home of its pit or as a cgroup that it
 * nested; *ret_size is how much of the path is that of the directory which says so. Names can be had by
 * anybody: look at whose the directory is. Returns whether there is one. */
bool whereabouts_instance_of(const char *path, char *buf, size_t size, size_t *ret_size);

/* The instance that has hobbled whoever is in the cgroup: by its own subject, or in place. Only directories
 * of root's, or of the user that this process acts as, are believed. Returns whether there is one. */
bool whereabouts_instance(const char *path, char *buf, size_t size);

/* How much of the path is that of the innermost unit that has processes of its own, a slice being none. 0: it
 * is of none. */
size_t whereabouts_unit(const char *path);

/* Whether path is of the unit that `of` is of or, where that is of none, at or beneath it and of none either.
 */
bool whereabouts_same_unit(const char *path, const char *of);

/* Whether it has to stay beneath its cgroup: it is a systemd scope's, or a container's. */
bool whereabouts_is_bound(pid_t pid, const char *path);
