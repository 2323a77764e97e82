/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Subjects and processes as people and the kernel write them. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SUBJECT_LABEL_MAX 320U
#define SUBJECT_UNIT_MAX 257U /* of systemd's, and the NUL */

/* "process 4711 (stress)", or "process 4711" where it has ended. label has room for SUBJECT_LABEL_MAX bytes.
 */
void subject_label_process(pid_t pid, char *label);

/* The systemd unit that a cgroup, given by its path in the hierarchy, is part of: the first service or scope
 * on the way, of the system's manager, else the innermost slice. Returns whether there is one. */
bool subject_unit(const char *cgroup, char *unit, size_t size);
