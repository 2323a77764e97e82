/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What hobblectl says on standard error: one line each, "hobblectl: " before it. */

#include "macro.h"

#include <stddef.h>

/* Long enough for any name that is worth showing in a message. */
#define SHOWN_MAX 256

void complain(const char *format, ...) _printf_(1, 2);

/* The text as it may be shown: escaped, and cut where it is very long. Returns buf. */
char *shown(const char *text, char buf[static SHOWN_MAX]);

/* The same for a sentence that somebody else wrote, who escaped the names in it: what is no text in it is
 * escaped, but neither its backslashes nor its ends of lines. Returns a copy, to be freed; NULL: out of
 * memory. */
char *shown_sentence(const char *text);

/* Flush standard output and see whether all of it was written. Returns 0; -EPIPE, which needs no words as the
 * reader went away on its own account; or another negative errno, which was complained about. */
int finish_output(void);
