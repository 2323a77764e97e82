/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where processes came from, and putting them back. No allocation; the guard uses it.
 *
 * A directory that holds hobbled processes bears their origin as a mark, written before the first attach, so
 * that whoever finds the directory can bring its members home. */

#include <stdbool.h>
#include <stdint.h>

#include "cgroup.h"

/* Whether path has a name in it as homes and nested directories have: for nearly all that is the answer. */
bool subject_is_likely(const char *path);

/* A mark of the subject that has the cgroup at path: of the nearest directory at or above it that bears it
 * and is ours. Returns how much of path names that directory, 0: nobody hobbled it. */
int subject_mark_find(int root_fd, const char *path, const char *mark, char *buf, size_t size);

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
        unsigned strays;         /* of them, to a path that was not the origin */
        bool strayed;            /* path is not the origin */
        bool frozen;             /* by the last passes of a fork storm */
        int error;

        /* Told of each process, or a thread of it, that was moved to a path which is not the origin. NULL:
         * nobody is. */
        void (*on_stray)(struct restore *r, pid_t id, void *userdata);
        void *userdata;
};

/* Prepare, with nobody told of strays. root_fd: the hierarchy's root. Returns 0 or a negative errno;
 * restore_done() is due in either case. */
int restore_init(struct restore *r, int root_fd, int dir_fd);

/* Move members until the directory is empty or deadline_usec (CLOCK_MONOTONIC, 0: none) has passed. Parents
 * go before what they fork later; a directory that does not empty is frozen for the last passes, so that a
 * fork storm ends. Returns 1: more to do; 0: empty; a negative errno: some cannot be moved, and stay, thawed.
 */
int restore_step(struct restore *r, uint64_t deadline_usec);

void restore_done(struct restore *r);
