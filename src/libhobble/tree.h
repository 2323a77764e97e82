/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Moving a process tree that lives and forks meanwhile: gather it, attach it parents before children, then
 * sweep until a sweep finds nothing new.
 *
 * What a member forks is born where the member is, so only what was forked before its parent was attached has
 * to be looked for. When the third sweep still finds something, the members are frozen while the rest is
 * swept: a frozen one forks no more, so that a fork bomb ends too, and a tree that holds still is never
 * frozen for its admission.
 *
 * The host is reached through a table of functions, so that the order can be tested without a process. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tree_host {
        /* Call fn for each child of the process (process_for_each_child), and of a member, which is a thread
         * id. */
        int (*children)(pid_t pid, int (*fn)(pid_t pid, void *userdata), void *fn_userdata, void *userdata);
        int (*member_children)(pid_t tid, int (*fn)(pid_t pid, void *userdata), void *fn_userdata,
                               void *userdata);
        /* Call fn for each thread that is in. */
        int (*members)(int (*fn)(pid_t tid, void *userdata), void *fn_userdata, void *userdata);
        /* Put the process in. gathered: it was seen some time ago, so that its pid may have been reused.
         * Returns 1: now in; 0: was in, has ended, or is left out; a negative errno: failed. */
        int (*attach)(pid_t pid, bool gathered, void *userdata);
        /* Freeze or thaw the members. */
        int (*freeze)(bool freeze, void *userdata);
        /* Microseconds of CLOCK_MONOTONIC. */
        uint64_t (*now)(void *userdata);
};

struct pids {
        pid_t *pid;
        size_t n, allocated;
};

struct tree {
        const struct tree_host *host;
        void *userdata;
        pid_t root;
        enum { TREE_GATHER, TREE_ATTACH, TREE_SWEEP, TREE_DONE } phase;
        struct pids queue;  /* in the order in which they were found, parents first */
        size_t at;          /* the next one in the queue */
        struct pids inside; /* sorted: who was in when the sweep began */
        unsigned sweeps;
        unsigned found; /* by this sweep */
        unsigned quiet; /* sweeps in a row that found nothing */
        unsigned attached;
        bool frozen;
        int error; /* of a callback within a walk */
};

void tree_init(struct tree *t, const struct tree_host *host, void *userdata, pid_t root);

/* Go on until the tree is in, or deadline_usec (CLOCK_MONOTONIC) has passed; at least one process is dealt
 * with. Returns 1: more to do; 0: the tree is in, and thawed; -ESRCH: the root has ended before it was
 * attached; another negative errno: the root, or memory, failed. Single descendants that fail are left out.
 */
int tree_step(struct tree *t, uint64_t deadline_usec);

/* Thaw what an unfinished move froze, and free. */
void tree_done(struct tree *t);
