/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A verb: what it is called, what it takes, what it does. One definition feeds parsing and --help. */

#include <stdbool.h>
#include <stddef.h>

enum {
        STATUS_DONE = 0,
        STATUS_FAILED = 1,
        STATUS_USAGE = 2,
        STATUS_NO_SUCH = 3,
        STATUS_NOT_PERMITTED = 4,

        /* Of `run`, which passes on another program's status, as in env(1). */
        STATUS_RUN_FAILED = 125,
        STATUS_RUN_CANNOT_EXECUTE = 126,
        STATUS_RUN_NOT_FOUND = 127,
        STATUS_RUN_SIGNALED = 128,
};

struct option_row {
        int code;          /* the letter; for one that has none, OPTION_LONG or above */
        const char *name;  /* the long name */
        const char *value; /* what the value is called in the help, NULL: takes none */
        const char *help;  /* NULL: another spelling of the row before */
};

#define OPTION_LONG 256

struct verb {
        const char *name;
        const char *arguments; /* as shown behind the name, "" for none */
        const char *summary;
        const struct option_row
                *options;      /* ends with a row without a name; --help is understood without one */
        int arguments_max;     /* how many arguments it takes, -1: any number */
        bool stop_at_argument; /* what comes after the first argument is not for us */
        int usage_status;
        void (*help)(void); /* what --help says below the options, may be NULL */
        int (*main)(const struct verb *verb, int argc, char *argv[]);
};

extern const struct verb verb_cat_config;
extern const struct verb verb_check_config;
extern const struct verb verb_list;
extern const struct verb verb_reload;
extern const struct verb verb_rescue;
extern const struct verb verb_run;
