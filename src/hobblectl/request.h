/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the verbs that change something share: their options, and how arguments are named. */

#include "client.h"

#include <stdbool.h>
#include <stdint.h>

enum {
        OPTION_FOR = OPTION_LONG,
        OPTION_FORCE,
        OPTION_PERSISTENT,
        OPTION_DRY_RUN,
};

/* The flags of the daemon's methods. */
enum {
        REQUEST_FORCE = 1 << 0,
        REQUEST_PERSISTENT = 1 << 1,
};

/* clang-format off */
#define REQUEST_OPTIONS \
        { OPTION_PERSISTENT, "persistent", NULL, "Keep it over a restart of hobbled", OPTION_WORDS_NONE }, \
        { 'q', "quiet", NULL, "Do not say what was done", OPTION_WORDS_NONE }, \
        CLIENT_OPTIONS
/* clang-format on */

struct request_options {
        const char *socket, *tarpit; /* tarpit: "" where none is given */
        uint64_t for_usec, flags;
        bool quiet, dry_run, all;
};

/* Take in one of these. Returns 0 or, after a complaint, -EINVAL. */
int request_option(struct request_options *options, int code, const char *value);

/* What is meant, as the daemon wants it: a relative path of a directory becomes absolute. Returns a copy, to
 * be freed; NULL after a complaint. */
char *request_what(const char *argument);
