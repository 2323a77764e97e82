/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where the cgroup of a process tree is made: which unit a cgroup is of, and where one of ours may be nested.
 * Paths are those of cgroups in the hierarchy. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "hobble.h"

/* How much of path names the innermost unit that has processes of its own ("/system.slice/a.service" of
 * "/system.slice/a.service/b"). 0: it is of none. */
size_t placement_unit(const char *path);

/* Whether `path` is of the unit that `of` is of, or, where that is of none, is it or beneath it and of none
 * either. */
bool placement_same_unit(const char *path, const char *of);

/* Whether a process that is in this cgroup has to stay beneath it, or beneath what is above it: it is a
 * systemd scope's, which ends when its last process is moved out; a container's; or in a subtree that was
 * delegated to a user, whose limits are those of what is above the subtree. */
bool placement_is_bound(int root_fd, pid_t pid, const char *path);

/* The nearest cgroup at or above path that, with everything above it, belongs to root or to the user that
 * this process acts as: whoever owns another may move processes out of what is beneath, and forbid it. Never
 * the hierarchy's root: -EOPNOTSUPP. -ENOENT: there is no such path. */
int placement_host(int root_fd, const char *path, char *buf, size_t size);
