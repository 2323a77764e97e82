/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The instances that the cgroup tree shows, dead and alive. */

#include <stdbool.h>

struct instance {
        const char *name;
        const char *path; /* of its home in the hierarchy */
        int home_fd;      /* borrowed */
        bool alive;       /* someone holds its lock; else the lock is ours until home_fd is closed */
};

/* Call fn for each instance of this user. take: take the lock of a dead one, and hold it meanwhile. fn
 * returns 0 to go on, else the walk ends with that value. Returns 0 or a negative errno. */
int instances_for_each(int root_fd, bool take, int (*fn)(const struct instance *i, void *userdata),
                       void *userdata);

/* Rescue whatever dead instances left behind. */
int instances_rescue_dead(int root_fd);
