/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The text of one file as assignments, in the syntax of systemd.syntax(7): [Section], Key=value, comments on
 * lines of their own, a backslash at the end of a line that goes on in the next.
 *
 * libinih sees sections and keys; values pass it by, as it would end one at " ;" and a line at 200 bytes. */

#include <stddef.h>

/* The longest line, with all that continues it. */
#define PARSER_LINE_MAX 4096U
/* The longest name of a section or a key; libinih cuts sections at 49. */
#define PARSER_NAME_MAX 48U

struct parser_handler {
        /* section: "" before the first header; section_line: where its header was. */
        void (*assignment)(const char *section, unsigned section_line, const char *key, const char *value,
                           unsigned line, void *userdata);
        /* A line is no use; text is a clause that tells why. */
        void (*fault)(unsigned line, const char *text, void *userdata);
};

void parser_run(const char *text, size_t size, const struct parser_handler *handler, void *userdata);
