/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The processes of the host, as /proc shows them to us. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct process {
        pid_t pid, parent;
        uint64_t start_time; /* clock ticks since boot */
        uint64_t cpu_usec;   /* of its threads so far */
        uid_t uid;
        char state;   /* one letter, proc(5) */
        char *comm;   /* not escaped */
        char *cgroup; /* path in the hierarchy */
};

struct processes {
        struct process *items;
        size_t n, allocated;
};

/* Read all, sorted by pid. Those that end meanwhile are left out. Returns 0 or a negative errno. */
int processes_read(struct processes *ret);

void processes_done(struct processes *processes);

/* NULL: there was none. */
struct process *processes_find(const struct processes *processes, pid_t pid);

/* What its state is called. */
const char *process_state(const struct process *process);

/* Its command line, arguments separated by blanks, not escaped, or its name in brackets; cut where it is very
 * long. NULL: out of memory. */
char *process_command_line(const struct process *process);

/* Take the fields out of the text of a /proc/PID/stat, and the path out of that of a /proc/PID/cgroup.
 * Returns 0; -EINVAL: it is none; -ENOMEM. */
int process_parse_stat(struct process *process, const char *text, uint64_t ticks_per_sec);
int process_parse_cgroup(struct process *process, const char *text);
