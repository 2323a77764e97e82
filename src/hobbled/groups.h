/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A walk through the groups beneath a directory of cgroup v1, which has its limits hold for them as well. */

#include <dirent.h>
#include <stddef.h>

/* What is nested deeper is left out: each level takes a descriptor. */
#define GROUPS_DEPTH_MAX 64U

struct groups {
        DIR *open[GROUPS_DEPTH_MAX]; /* the directories that the walk is in, the deepest last */
        size_t depth;
};

/* Begin with the groups in dir_fd, which may be O_PATH and stays the caller's. Returns 0 or a negative
 * errno. */
int groups_begin(struct groups *g, int dir_fd);
void groups_done(struct groups *g);

/* Open this file of the next group for reading. Groups that are removed meanwhile are passed over. Returns
 * the descriptor, or a negative errno; -ENOENT: there is no other group. */
int groups_next(struct groups *g, const char *file);
