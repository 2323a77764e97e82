/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who is never hobbled. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "hobble.h"

struct protection {
        pid_t self;
        struct ancestor {
                pid_t pid;
                uint64_t start_time; /* so that a reused pid is not taken for it */
        } * ancestors;               /* of this process, when the engine began */
        size_t n_ancestors;
};

int protection_init(struct protection *p);
void protection_done(struct protection *p);

/* Returns 0, or -EPERM with a clause that says why (static; ret_reason may be NULL). */
int protection_of_process(const hobble_engine *e, const struct hobble_process *p, const char **ret_reason);

/* Whether the cgroup may be frozen in place. Returns 0 and its path in the hierarchy, or an error as
 * hobble_tarpit_add_cgroup() has it, and a clause that says why (static), or NULL where only errno tells. */
int protection_of_cgroup(const hobble_engine *e, int dir_fd, char *ret_path, size_t size,
                         const char **ret_reason);

/* Whether path is dir or beneath it; whether it is in some instance's home. Both begin with a slash. */
bool path_is_beneath(const char *path, const char *dir);
bool path_is_in_home(const char *path);
