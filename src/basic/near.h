/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What was probably meant by a word that is unknown. */

#include <stddef.h>

/* How many letters have to be added, left out, replaced or swapped with their neighbour to turn a into b,
 * upper and lower case being the same; SIZE_MAX where one of them is too long to be a name. */
size_t near_distance(const char *a, const char *b);

/* From this distance on it is another word. */
#define NEAR_LIMIT 3U
