/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Subjects and processes as people and the kernel write them. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SUBJECT_NAME_MAX 32U
#define SUBJECT_LABEL_MAX 320U
#define SUBJECT_UNIT_MAX 257U /* of systemd's, and the NUL */

/* "process 4711 (stress)", or "process 4711" where it has ended. label has room for SUBJECT_LABEL_MAX bytes.
 */
void subject_label_process(pid_t pid, char *label);

/* The subject of a process tree that the process is in, where it is one of this instance's and tarpit's.
 * Returns the root of the tree, and writes the subject's name to name, which has room for SUBJECT_NAME_MAX
 * bytes; 0: in none, or a negative errno. */
pid_t subject_of_process(pid_t pid, const char *instance, const char *tarpit, char *name);

/* The same, of what /proc/PID/cgroup says. */
pid_t subject_of_cgroups(const char *text, const char *instance, const char *tarpit, char *name);

/* The systemd unit that a cgroup, given by its path in the hierarchy, is part of: the first service or scope
 * on the way, of the system's manager, else the innermost slice. Returns whether there is one. */
bool subject_unit(const char *cgroup, char *unit, size_t size);
