/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Rows for top from what the cgroup tree shows. */

#include "top-data.h"

/* Add a row for each subject, but for those of one instance (NULL: of all). Returns 0 or a negative errno,
 * see hobble_list(). */
int top_list_add(struct top_rows *rows, const char *but_instance);

/* The name of a user, escaped, or the number: to be freed. NULL: out of memory. */
char *top_user(uid_t uid);
