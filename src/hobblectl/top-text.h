/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Text in cells of a given width, where a character may be one or two columns wide, or none. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many columns the text takes on a terminal. */
size_t text_columns(const char *text);

enum text_side {
        TEXT_LEFT,  /* filled up with blanks behind it, cut at its end */
        TEXT_RIGHT, /* filled up before it, cut at its end */
        TEXT_TAIL,  /* as TEXT_LEFT, but cut at its beginning: of a path the end says more */
};

/* Write the text to buf so that it takes exactly so many columns; what was cut is shown by a mark: "…", or
 * "~" where the locale has no such character. What does not fit in buf, which has room for at least size
 * bytes, is left out. Returns buf. */
char *text_fit(const char *text, size_t columns, enum text_side side, char *buf, size_t size);

/* Numbers for people in few columns. Each returns buf. */
char *text_percent(double cpus, char *buf, size_t size);  /* of one CPU: "3.8", "150"; "-": unknown */
char *text_clock(uint64_t usec, char *buf, size_t size);  /* CPU time: "0:01.25", "75:03", "26h" */
char *text_balance(int64_t usec, char *buf, size_t size); /* "-250ms", "1.5s" */
