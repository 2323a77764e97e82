/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A verb: what it is called, what it takes, what it does. One definition feeds parsing and --help. */

#include <stdbool.h>
#include <stddef.h>

struct column_row;

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

/* What the arguments of a verb are, for completion. */
enum verb_words {
        WORDS_NONE,
        WORDS_FILES,
        WORDS_SUBJECTS, /* processes, units, cgroups, users */
        WORDS_HOBBLED,  /* those of them that are hobbled */
        WORDS_PIDS,
        WORDS_TARPITS,
        WORDS_INSTANCES,
        WORDS_COMMAND,  /* a command line */
        WORDS_SETTINGS, /* a tarpit, then KEY=VALUE */
};

/* What the value of an option is. */
enum option_words {
        OPTION_WORDS_NONE,
        OPTION_WORDS_TARPITS,
        OPTION_WORDS_COLUMNS,
        OPTION_WORDS_TIMES,
        OPTION_WORDS_PERCENTS,
        OPTION_WORDS_HOSTS,
        OPTION_WORDS_FILES,
};

struct option_row {
        int code;          /* the letter; for one that has none, OPTION_LONG or above */
        const char *name;  /* the long name */
        const char *value; /* what the value is called in the help, NULL: takes none */
        const char *help;  /* NULL: another spelling of the row before */
        enum option_words words;
};

#define OPTION_LONG 256

struct verb {
        const char *name;
        const char *arguments; /* as shown behind the name, "" for none */
        const char *summary;
        const struct option_row
                *options; /* ends with a row without a name; --help is understood without one */
        enum verb_words words;
        const struct column_row *columns; /* of its table, see table.h; NULL: it has none */
        int arguments_max;                /* how many arguments it takes, -1: any number */
        bool stop_at_argument;            /* what comes after the first argument is not for us */
        int usage_status;
        void (*help)(void); /* what --help says below the options, may be NULL */
        int (*main)(const struct verb *verb, int argc, char *argv[]);
};

extern const struct verb verb_cat_config;
extern const struct verb verb_check_config;
extern const struct verb verb_hobble;
extern const struct verb verb_list;
extern const struct verb verb_list_tarpits;
extern const struct verb verb_metrics;
extern const struct verb verb_monitor;
extern const struct verb verb_pause;
extern const struct verb verb_release;
extern const struct verb verb_reload;
extern const struct verb verb_rescue;
extern const struct verb verb_resume;
extern const struct verb verb_run;
extern const struct verb verb_set;
extern const struct verb verb_status;
extern const struct verb verb_top;
extern const struct verb verb_tree;
extern const struct verb verb_why;
