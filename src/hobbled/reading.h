/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One pass through a file of pids, a piece at a time, and where it is the list of members of a cgroup v1
 * directory, through those of the groups beneath. Kept after its end until it is known whether a last line
 * without an end counts. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "groups.h"
#include "pidfile.h"
#include "probe.h"

/* A file that is larger is refused. */
#define READING_SIZE_MAX (4U * 1024U * 1024U)

/* So many bad lines are told of each reading. */
#define READING_FAULTS 3U

/* Which contents were read. */
struct edition {
        dev_t dev;
        ino_t ino;
        off_t size;
        struct timespec written, changed;
};

struct edition edition_of(const struct stat *st);

/* Whether the contents are the same, as far as can be told from outside; or everything is. */
bool edition_has_same_contents(const struct edition *a, const struct edition *b);
bool edition_equals(const struct edition *a, const struct edition *b);

struct fault {
        unsigned long line;
        char value[PIDFILE_VALUE_MAX * 4 + 4]; /* escaped; "": too many numbers */
};

struct reading {
        int fd;
        int group_fd;           /* as in struct probe */
        const char *list;       /* as in struct probe */
        struct groups groups;   /* those beneath */
        bool nested;            /* there are some */
        bool again;             /* they are read for the second time */
        bool live, silent;      /* as in struct probe */
        bool complete;          /* for the caller's use */
        struct edition edition; /* at its beginning */
        struct pidfile_parser parser;
        size_t size;
        unsigned long *bits;         /* the numbers, a bit each */
        size_t first_word, end_word; /* those outside are 0 */
        struct fault faults[READING_FAULTS];
        unsigned long n_faults; /* may be more than are kept */
};

/* Returns 0 or a negative errno; -EFBIG: larger than READING_SIZE_MAX. */
int reading_new(struct reading **ret, const struct probe *probe);

/* NULL is fine. Returns NULL. */
struct reading *reading_free(struct reading *reading);

/* Read on. Returns 1, 0 at the end of the file, or a negative errno. */
int reading_step(struct reading *reading);

/* Whether the file is still as it was at the beginning: 1, 0 or a negative errno. */
int reading_is_current(const struct reading *reading);

/* The numbers in ascending order, each once, allocated. Returns how many, or -ENOMEM. */
ssize_t reading_numbers(const struct reading *reading, pid_t **ret);

/* Two readings with the same bad lines have the same digest; 0: there are none. */
uint64_t reading_digest(const struct reading *reading);
