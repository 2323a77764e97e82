/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which files there are in the directories of the configuration. */

#include <stddef.h>

#include "loader.h"

#define SEARCH_DIRECTORIES_MAX 3U

struct directories {
        char *paths[SEARCH_DIRECTORIES_MAX]; /* the first comes first */
        size_t n;
};

struct search_hit {
        char *name; /* without the suffix */
        char *path;
        size_t rank; /* which of the directories */
};

struct search {
        struct search_hit *hits; /* by name, each name once */
        size_t n;
};

/* The names that end in suffix in the directories, or in a subdirectory of that name of each; the first
 * directory that has a name has it for all. Directories that are not there are passed over; what else goes
 * wrong is said, and makes the tarpit or what is global broken. */
void search_run(struct search *ret, struct loader *l, const struct directories *directories,
                const char *subdirectory, const char *suffix);

void search_done(struct search *search);
