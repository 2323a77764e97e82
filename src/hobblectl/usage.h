/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How much CPU time is used, and how much may be: in percent. */

#include "rows.h"

/* Which part of the time who is in the tarpit may run. */
double duty_percent(const struct tarpit_row *tarpit);
double duty_of(uint64_t frozen_usec, uint64_t thawed_usec);

/* Of one core, since its admission. */
double share_of_subject(const struct subject_row *subject);

/* The sum of the subjects in it. */
double share_of_tarpit(const struct rows *subjects, const char *tarpit);
