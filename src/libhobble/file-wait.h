/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether the threads of a cgroup wait for a file system.
 *
 * A walk through a network file system (find, stat, du) keeps a file server busy at 1 % of a CPU, and
 * io.pressure shows nothing of it. So those who are awake but use little CPU are probed: which of their
 * threads are blocked in a call that a file system has to answer, as /proc/TID/syscall tells it. The time
 * since the last probe is charged then. That is a sample: on average it is the time that was spent in such
 * calls.
 *
 * Where that file may not be read (no CAP_SYS_PTRACE) or tells nothing, of a 32-bit process on a 64-bit
 * kernel, uninterruptible sleep counts: it shows calls to NFS, not those to FUSE.
 *
 * Nothing here ever asks the file system itself, which would block this process as well.
 *
 * A probe of one thread takes 15 us, of three 26 us, of a hundred, of which it looks at sixteen, 115 us. Who
 * is awake all the time but never found in a call is probed three times a second. */

#include <stdbool.h>
#include <stdint.h>

/* Threads that are in a call at the same time and are told apart. */
#define FILE_WAIT_KNOWN 8

/* After so many probes in vain somebody is not suspect any more. */
#define FILE_WAIT_MISSES 8

struct file_wait {
        uint64_t since_usec;                     /* not accounted for since then; CLOCK_MONOTONIC */
        uint64_t pressure_usec;                  /* of that stretch, what is charged already */
        struct file_wait_known *known;           /* threads in a call at the last probe; NULL: never any */
        uint16_t skip_threads, skip_directories; /* where the next search begins */
        uint8_t misses;                          /* probes since the last one that found somebody in a call */
};

/* Whether somebody was in a call at the last probe. */
static inline bool file_wait_hit(const struct file_wait *w)
{
        return w->known && w->misses == 0;
}

/* Whether somebody was in a call lately: who mostly is should not get away with being missed once. */
static inline bool file_wait_is_suspect(const struct file_wait *w)
{
        return w->known && w->misses < FILE_WAIT_MISSES;
}

/* A stretch begins in which it can run: it was admitted, or thawed. */
void file_wait_begin(struct file_wait *w, uint64_t now_usec);

/* Another look at its counters: since the last one it used cpu_usec, and io.pressure grew by pressure_usec,
 * which is charged in any case. Returns whether a probe is due; soon: however short the stretch is. */
bool file_wait_is_due(struct file_wait *w, uint64_t cpu_usec, uint64_t pressure_usec, bool soon,
                      uint64_t now_usec);

/* Probe the cgroup, which is thawed, and what is beneath. Returns the time to charge, in microseconds: 0, or
 * that of the stretch as far as it is not charged yet. most_usec: the longest stretch that a probe is to
 * stand for. */
uint64_t file_wait_probe(struct file_wait *w, int dir_fd, uint64_t most_usec, uint64_t now_usec);

/* A freeze of the cgroup took so long to take effect. */
void file_wait_froze(struct file_wait *w, uint64_t late_usec, uint64_t now_usec);

void file_wait_done(struct file_wait *w);
