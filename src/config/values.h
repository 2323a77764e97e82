/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The kinds of values that keys take. */

#include "keys.h"

extern const struct kind kind_text;      /* char *: anything, allocated */
extern const struct kind kind_boolean;   /* bool */
extern const struct kind kind_span;      /* uint64_t, microseconds */
extern const struct kind kind_duty;      /* uint64_t, millionths; "": 0 */
extern const struct kind kind_share;     /* uint64_t, millionths; "", "infinity": UINT64_MAX */
extern const struct kind kind_count;     /* uint64_t; "", "infinity": UINT64_MAX */
extern const struct kind kind_size;      /* uint64_t, bytes; "", "infinity": UINT64_MAX */
extern const struct kind kind_priority;  /* int */
extern const struct kind kind_level;     /* int: 0 error to 4 debug */
extern const struct kind kind_placement; /* enum hobble_placement */

/* Lists: what an item of struct config_list looks like. */
extern const struct kind kind_path;
extern const struct kind kind_cgroup;
extern const struct kind kind_unit;
extern const struct kind kind_user;
extern const struct kind kind_command;
extern const struct kind kind_exec;
