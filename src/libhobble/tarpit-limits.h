/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a tarpit's subjects in the subtree may have together, written to the controllers of its directory. */

#include "hobble.h"

/* Write the tarpit's limits, where its directory and the controllers are there. Returns 0 or the first error;
 * *ret_missing as hobble_tarpit_set_limits() has it. */
int limits_apply(hobble_tarpit *t, const char **ret_missing);
