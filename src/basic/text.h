/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Numbers and names in text that comes from outside. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parse s as an unsigned decimal number: digits only, no sign, no space. Returns 0, -EINVAL (empty, another
 * byte) or -ERANGE (does not fit). */
int parse_u64(const char *s, uint64_t *ret);

/* Whether s may be the name of an instance or a tarpit: [A-Za-z0-9_.-]{1,64}, not beginning with a dot or a
 * dash. */
bool name_is_valid(const char *s);

/* How many of the size bytes at s, at least one, the UTF-8 character there takes, and which it is; 0 where it
 * is none. */
size_t utf8_length(const char *s, size_t size, uint32_t *ret);

/* Whether the size bytes at s are UTF-8 text on one line: no control characters but tabs. */
bool line_is_text(const char *s, size_t size);

/* Whether the size bytes at s end in suffix and are more than that. */
bool text_ends_in(const char *s, size_t size, const char *suffix);

/* Write the size bytes at s to buf as text that is safe to show: control characters, bytes that are not UTF-8
 * and backslashes become \xNN. What does not fit is cut, with "..." at the end. Returns buf. buf_size is at
 * least 4. */
char *escape_text(const char *s, size_t size, char *buf, size_t buf_size);
