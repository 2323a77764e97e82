/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Letting a subject go: thaw, back to the origins, remove its directory. */

#include <stdint.h>

#include "hobble.h"

struct release;

/* Begin: thaw it. -ENOMEM. */
int release_new(struct release **ret, hobble_subject *s);
struct release *release_free(struct release *r);

/* Go on until deadline_usec; the subject then has ended, or is in the worker's queue again. */
void release_step(hobble_subject *s, uint64_t deadline_usec);

/* All of it, now. */
void release_now(hobble_subject *s);
