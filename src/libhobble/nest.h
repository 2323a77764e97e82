/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Nested directories: a subject's cgroup that is a child of the cgroup which its tree is in. No allocation;
 * the guard uses it.
 *
 * The name, hobbled-INSTANCE-N, is the mark. Anybody may make a directory of such a name in a subtree of
 * their own, so it is believed only where it belongs to the user that this process acts as: nobody else can
 * make such a one, and no cgroup can be renamed. */

#include <stdbool.h>

/* Whether the last component of path is the name of a nested directory of the instance's. */
bool nest_is_named(const char *path, const char *instance);

/* Open the nested directory at path in the hierarchy. Returns a descriptor; -EPERM: it belongs to somebody
 * else; -ENOENT: gone. */
int nest_open(int root_fd, const char *path);

/* Remove the nested directory at path with what is beneath, empty of processes. Gone, or somebody else's, is
 * fine. -EBUSY: it has members. */
int nest_remove(int root_fd, const char *path);
