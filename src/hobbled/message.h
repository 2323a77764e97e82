/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the daemon says, a line each on standard error.
 *
 * Saying something never waits: where the reader of standard error does not keep up, lines are left out and
 * counted. Messages about one thing go through its topic, which says a problem once until it changes or is
 * solved, and bounds the number of lines. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "macro.h"

enum message_level {
        MESSAGE_ERROR,
        MESSAGE_WARNING,
        MESSAGE_NOTICE,
        MESSAGE_INFO,
        MESSAGE_DEBUG,
        MESSAGE_LEVEL_MAX,
};

/* "error", "warning", "notice", "info" or "debug". Returns 0 or -EINVAL. */
int message_level_parse(const char *s, enum message_level *ret);

/* Leave out what is less important than level; MESSAGE_INFO unless set. */
void message_set_level(enum message_level level);

/* Say "hobbled: TEXT". Text that comes from outside must have been through escape_text(). */
void message(enum message_level level, const char *fmt, ...) _printf_(2, 3);

/* -- Topics ------------------------------------------------------------------------------------ */

#define TOPIC_BURST 20U
#define TOPIC_WINDOW_USEC (10 * USEC_PER_SEC)

struct topic {
        char *name;           /* "source \"/run/x.pids\"", or NULL: lines are said as they are */
        char problem[512];    /* the last one said, "" where there is none */
        uint64_t window_usec; /* when the present window began */
        unsigned said[2];     /* lines in it: warnings and errors, and others */
        unsigned dropped;     /* lines left out since the last summary */
        struct topic *next;   /* of those that have left something out */
};

/* name is copied; NULL for none. Returns 0 or -ENOMEM. */
int topic_init(struct topic *topic, const char *name);
void topic_done(struct topic *topic);

/* Say "NAME: TEXT", unless TOPIC_BURST lines of that weight were said within TOPIC_WINDOW_USEC. */
void topic_say(struct topic *topic, enum message_level level, const char *fmt, ...) _printf_(3, 4);

/* The same, unless it was the last problem said. */
void topic_problem(struct topic *topic, enum message_level level, const char *fmt, ...) _printf_(3, 4);

/* The problem is over: say so, where one was said. */
void topic_solved(struct topic *topic, const char *fmt, ...) _printf_(2, 3);

/* Call fn as soon as a topic leaves a line out; topics_flush() then tells how many, some time later. */
void topics_set_handler(void (*fn)(void *userdata), void *userdata);
void topics_flush(void);
