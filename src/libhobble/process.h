/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One process, as /proc shows it: who it is, whose child, which children. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "hobble.h"

/* Parse the text of /proc/PID/stat. The name may contain spaces, brackets and newlines. Returns 0 or
 * -EBADMSG. */
int process_parse_stat(const char *text, struct hobble_process *ret);

/* Real-time priority and policy of the main thread: > 0 for SCHED_FIFO and SCHED_RR, INT_MAX for
 * SCHED_DEADLINE, 0 for others, or a negative errno. */
int process_rt_priority(pid_t pid);

/* Open a pidfd of the process that a process or thread id belongs to and that has this start time (0: any),
 * and tell about it. -ESRCH. */
int process_open(pid_t pid, uint64_t start_time, struct hobble_process *ret);

/* Call fn for each child of each thread of the process. fn returns 0 to go on, else the walk ends with that
 * value. The kernel may leave out a child while others are being reaped: whoever needs all asks until nothing
 * new comes. -ESRCH: no such process. */
int process_for_each_child(pid_t pid, int (*fn)(pid_t child, void *userdata), void *userdata);

/* The same for the children that one thread forked. */
int process_for_each_child_of_thread(pid_t tid, int (*fn)(pid_t child, void *userdata), void *userdata);

/* A thread of the process that has not exited: the leader may have, while others go on. -ESRCH: none, a
 * zombie. */
int process_live_thread(pid_t pid, pid_t *ret);

/* Whether `ancestor` is in the line of parents of pid (or pid itself). */
bool process_descends_from(pid_t pid, pid_t ancestor);

/* Whether the process lives in the namespace of this one. kind: a name in /proc/PID/ns ("pid", "cgroup").
 * Returns 0, 1, -ESRCH, or another negative errno. */
int process_shares_namespace(pid_t pid, const char *kind);

/* Whether /proc is there and is that of this process's pid namespace: else the numbers in it are others than
 * those that the kernel takes from us. */
bool process_sees_itself(void);

/* The path of the cgroup that the process is in, in the v2 hierarchy. One whose leader has exited is where
 * its other threads are. -ESRCH: it has ended, or is a zombie; else as cgroup_of_process(). */
int process_cgroup(const struct hobble_process *p, char *buf, size_t size);
