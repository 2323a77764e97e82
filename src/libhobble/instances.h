/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The instances that the cgroup tree shows, dead and alive. */

#include <stdbool.h>
#include <sys/types.h>

struct instance {
        const char *name;
        const char *path; /* of its home in the hierarchy */
        int home_fd;      /* borrowed */
        bool alive;       /* someone holds its lock; else the lock is ours until home_fd is closed */
        bool foreign;     /* another user's: no mark in it is to be believed, and nobody to be moved by one */
};

enum instances_flags {
        INSTANCES_TAKE = 1 << 0,   /* take the lock of a dead one, and hold it meanwhile */
        INSTANCES_OTHERS = 1 << 1, /* those of other users as well, where we may see them: as root */
};

/* Call fn for each instance of this user: those at the root of the hierarchy, and those of hobblectl run in
 * the user's scopes. fn returns 0 to go on, else the walk ends with that value. Returns 0 or a negative
 * errno.
 */
int instances_for_each(int root_fd, unsigned flags, int (*fn)(const struct instance *i, void *userdata),
                       void *userdata);

/* Rescue whatever dead instances of this user left behind. */
int instances_rescue_dead(int root_fd);

/* The same of those whose homes are in one other cgroup. */
int instances_rescue_dead_in(int root_fd, int parent_fd, const char *parent);
