/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Time spans as people write them, systemd.time(7): "250ms", "1min 30s", "2" (seconds). */

#include <stddef.h>
#include <stdint.h>

/* Parse a time span to microseconds. Units: us, ms, s, min, h, d and their long forms; a number without a
 * unit is seconds; fractions are allowed. Returns 0, -EINVAL or -ERANGE. */
int timespan_parse(const char *s, uint64_t *ret_usec);

/* Write a span in the largest units that give it exactly, to the precision of a microsecond: "1min 30s",
 * "250ms", "0". Returns buf. */
char *timespan_format(uint64_t usec, char *buf, size_t size);

/* Parse a percentage ("5%", "3.85%", "0.5 %") to parts of a million. Returns 0, -EINVAL, or -ERANGE unless it
 * is above 0 and at most 100 %. */
int percent_parse(const char *s, uint64_t *ret_ppm);

/* The same without an upper end, for shares of several CPUs: "250%". */
int share_parse(const char *s, uint64_t *ret_ppm);

/* Write parts of a million as a percentage: "3.85%". Returns buf. */
char *share_format(uint64_t ppm, char *buf, size_t size);
