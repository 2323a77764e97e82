/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The options of a verb, read by its table. */

#include "verb.h"

#include <getopt.h>

#define OPTIONS_MAX 32

enum { OPTION_HELP = 'h', OPTION_HOST = 'H' }; /* every verb has these */

struct option_reader {
        const struct verb *verb;
        int argc;
        char **argv;
        const char *value; /* of the option that was read last */
        int status;        /* where options_next() said to end: the exit status */
        struct option names[OPTIONS_MAX + 3];
        char letters[2 * OPTIONS_MAX + 6];
};

/* argv[0] is the verb. */
void options_begin(struct option_reader *reader, const struct verb *verb, int argc, char *argv[]);

/* The next option's code; 0 at the end of the options: argv[optind] is the first argument, and there are no
 * more than the verb takes; -1 when there is nothing left to do (--help was given, or something wrong): exit
 * with ->status. */
int options_next(struct option_reader *reader);

void options_print(const struct option_row *rows);

/* Say how to find out more, after a usage error. Returns the verb's usage status. */
int usage_error(const struct verb *verb);
