/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The home of another user, who can make anything of it: no mark there is believed, no path in one followed,
 * nobody moved, and there is an end to what is looked at. */

#include "hobble.h"

/* Thaw all that is in the pit. Returns how many were frozen. */
unsigned foreign_thaw(int home_fd);

/* Whether a process is in the cgroup at path or beneath. */
bool foreign_has_member(const char *path, pid_t pid);
