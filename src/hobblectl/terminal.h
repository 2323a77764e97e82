/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Standard output as something that is looked at: its width, colours, and a pager.
 *
 *     _cleanup_(terminal_close) struct terminal terminal;
 *
 *     terminal_open(&terminal, !no_pager); */

#include "verb.h"

#include <stdbool.h>
#include <sys/types.h>

#define TERMINAL_NO_PAGER (OPTION_LONG + 100)

/* clang-format off */
#define TERMINAL_OPTIONS \
        { TERMINAL_NO_PAGER, "no-pager", NULL, "Do not pipe into a pager", OPTION_WORDS_NONE }
/* clang-format on */

struct terminal {
        unsigned width; /* columns; 0: it is none */
        bool colours;   /* it is one, which is not dumb, and NO_COLOR is not set */
        pid_t pager;    /* 0: none */
};

/* Look at standard output. With a pager, and where it is a terminal, what is printed from here on goes
 * through $SYSTEMD_PAGER or $PAGER, else less(1) or more(1); an empty one, or "cat", means none. */
void terminal_open(struct terminal *ret, bool pager);

/* Where there is a pager, print the rest and wait until the user has read it. */
void terminal_close(struct terminal *terminal);

/* Print text that is escaped already, broken between words to the terminal's width, each line after the first
 * behind `indent` blanks. Ends the line. */
void print_wrapped(const struct terminal *terminal, const char *text, unsigned indent);
