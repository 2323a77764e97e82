/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where processes came from, and putting them back. No allocation; the guard uses it.
 *
 * A directory that holds hobbled processes bears their origin as a mark, written before the first attach, so
 * that whoever finds the directory can bring its members home. */

#include <stdbool.h>
#include <stdint.h>

#include "cgroup.h"

/* The way home of the members of one directory (not of its children), done in steps. */
struct restore {
        int root_fd;                /* borrowed */
        int dir_fd;                 /* borrowed */
        int procs_fd;               /* cgroup.procs of where they go */
        char path[CGROUP_PATH_MAX]; /* where they go: the origin, or the nearest ancestor that takes processes
                                     */
        uint64_t deadline_usec;
        unsigned passes, slices; /* over all members, and cut off by the deadline */
        unsigned moved;          /* processes so far */
        bool strayed;            /* path is not the origin */
        bool frozen;             /* by the last passes of a fork storm */
        int error;
};

/* Prepare. root_fd: the hierarchy's root. Returns 0 or a negative errno; restore_done() is due in either
 * case. */
int restore_init(struct restore *r, int root_fd, int dir_fd);

/* Move members until the directory is empty or deadline_usec (CLOCK_MONOTONIC, 0: none) has passed. Parents
 * go before what they fork later; a directory that does not empty is frozen for the last passes, so that a
 * fork storm ends. Returns 1: more to do; 0: empty; a negative errno: some cannot be moved, and stay, thawed.
 */
int restore_step(struct restore *r, uint64_t deadline_usec);

void restore_done(struct restore *r);
