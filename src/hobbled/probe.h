/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is at a path that was given as SOURCE. Nothing is opened for reading or writing by a probe: to open a
 * FIFO, a terminal or a tape would do something to it. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

enum probe_kind {
        PROBE_MISSING, /* nothing, or a directory without a file of pids; `text` says which */
        PROBE_UNFIT,   /* something that cannot be a source; `text` says why */
        PROBE_PIDFILE,
        PROBE_CGROUP, /* a cgroup v2 directory */
        PROBE_KIND_MAX,
};

struct probe {
        enum probe_kind kind;
        int fd;           /* O_PATH: the file of pids, or the directory; -EBADF: none */
        struct stat st;   /* of fd */
        bool live;        /* the kernel makes the text up when it is read */
        bool silent;      /* the file system may tell nobody of changes */
        bool in_cgroup;   /* the path is in a cgroup file system, v1 or v2 */
        bool member_file; /* the path was a cgroup's list of members, and fd is its directory */
        bool inside;      /* the path was a directory, and fd is a list of members in it */
        int group_fd;     /* O_PATH: that directory, where it is of cgroup v1; -EBADF: none */
        const char *list; /* the name of the list in there (static) */
        char text[160];   /* a clause: "is a directory without ...", "is a FIFO" */
};

/* The names that are looked for in a directory, in this order; ends with a NULL. */
extern const char *const probe_inside[];

/* Always gives an answer; the caller closes what is open by probe_done(). */
void probe_path(const char *path, struct probe *ret);
void probe_done(struct probe *p);

/* Open the file of pids for reading. Returns the descriptor or a negative errno. */
int probe_open(const struct probe *p);
