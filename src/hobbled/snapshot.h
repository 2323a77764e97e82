/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a subject's processes were at one moment, so that "what was it doing?" can be answered afterwards.
 *
 * Taking it reads nothing from the memory of a process: a command line can only be had while nobody in the
 * process changes its address space, for which a hostile one may make the reader wait without end. That is
 * left to whoever writes the snapshot down and may wait. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SNAPSHOT_PROCESSES_MAX 64U
#define SNAPSHOT_TEXT_MAX 4096U

/* A snapshot takes no longer than that, and then as long as it takes to look at one more process. */
#define SNAPSHOT_SLICE_USEC 2000ULL

struct snapshot_process {
        pid_t pid, parent;
        uid_t uid;           /* real */
        uint64_t start_time; /* clock ticks since boot, field 22 of /proc/PID/stat */
        uint64_t cpu_usec;   /* of all its threads, those that have ended too */
        char comm[16];       /* as the kernel has it */
};

struct snapshot {
        uint64_t boot_usec; /* CLOCK_BOOTTIME at which it was taken */
        unsigned n;
        unsigned more; /* that were not looked at */
        struct snapshot_process of[SNAPSHOT_PROCESSES_MAX];
};

/* Look at one process. Returns 0, -ESRCH or another negative errno. */
int snapshot_read(pid_t pid, struct snapshot_process *ret);

/* The parsers behind it: of /proc/PID/stat, and the real user in /proc/PID/status. Return 0 or -EBADMSG. */
int snapshot_parse_stat(const char *text, long ticks_per_sec, struct snapshot_process *ret);
int snapshot_parse_uid(const char *text, uid_t *ret);

/* The processes of a tree, its root and the descendants, parents first. total: how many there should be. */
void snapshot_take_tree(struct snapshot *s, pid_t root, unsigned total);

/* The members of a cgroup directory, without those of directories beneath it; total as above. */
void snapshot_take_cgroup(struct snapshot *s, const char *directory, unsigned total);

/* Write it to buf, of at least 256 bytes, better SNAPSHOT_TEXT_MAX: a heading, a line for each process and,
 * where some are missing, "and N more". command_lines: read them now, from those that are still there; else,
 * and where there is none, the command's name in brackets. What is shown is escaped. Lines are separated by
 * newlines; there is none at the end. Returns buf. */
char *snapshot_format(const struct snapshot *s, bool command_lines, char *buf, size_t size);
