/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the daemon says: a line each on standard error or, where that is the journal's, an entry with fields
 * each in the journal.
 *
 * Saying something never waits: where the reader of standard error, or the journal, does not keep up,
 * messages are left out and counted. Messages about one thing go through its topic, which says a problem once
 * until it changes or is solved, and bounds the number of messages. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "macro.h"

struct snapshot;

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

/* What the journal is told beside the text; what is NULL or 0 is left out, and so is what is longer than a
 * record can be. On standard error only the text is said. Everything stays the caller's. */
struct message_fields {
        const char *id;      /* MESSAGE_ID=, of message-id.h */
        const char *tarpit;  /* TARPIT=, its name */
        const char *subject; /* SUBJECT=, its name */
        const char *source;  /* SOURCE=, what names it */
        const char *unit;    /* UNIT= and OBJECT_SYSTEMD_UNIT=, the systemd unit that it came from */
        pid_t pid;           /* OBJECT_PID= */
        bool has_uid;
        uid_t uid;                   /* OBJECT_UID=, with has_uid */
        const char *config_file;     /* CONFIG_FILE= */
        unsigned config_line;        /* CONFIG_LINE= */
        int error;                   /* ERRNO=; negative here */
        const struct snapshot *tree; /* HOBBLE_TREE=; on standard error at level debug, a line each */
};

/* Say "hobbled: TEXT". Text that comes from outside must have been through escape_text(). */
void message(enum message_level level, const char *fmt, ...) _printf_(2, 3);

/* The same with fields. */
void message_event(enum message_level level, const struct message_fields *fields, const char *fmt, ...)
        _printf_(3, 4);

/* Whether fields go anywhere: to the journal. */
bool message_has_fields(void);

/* Whether the field `tree` goes anywhere. */
bool message_has_tree(void);

/* -- Topics ------------------------------------------------------------------------------------ */

#define TOPIC_BURST 20U
#define TOPIC_WINDOW_USEC (10 * USEC_PER_SEC)

struct topic {
        char *name;           /* "source \"/run/x.pids\"", or NULL: lines are said as they are */
        char *tarpit;         /* TARPIT= of all that is said here, or NULL */
        char *source;         /* SOURCE=, likewise */
        char problem[512];    /* the last one said, "" where there is none */
        uint64_t window_usec; /* when the present window began */
        unsigned said[2];     /* lines in it: warnings and errors, and others */
        unsigned dropped;     /* lines left out since the last summary */
        struct topic *next;   /* of those that have left something out */
};

/* name is copied; NULL for none. Returns 0 or -ENOMEM. */
int topic_init(struct topic *topic, const char *name);
void topic_done(struct topic *topic);

/* Fields of all that is said from now on; both are copied, NULL for none. Returns 0 or -ENOMEM. */
int topic_set_fields(struct topic *topic, const char *tarpit, const char *source);

/* Say "NAME: TEXT", unless TOPIC_BURST lines of that weight were said within TOPIC_WINDOW_USEC. */
void topic_say(struct topic *topic, enum message_level level, const char *fmt, ...) _printf_(3, 4);

/* The same with more fields; those of the topic fill what they leave out. */
void topic_event(struct topic *topic, enum message_level level, const struct message_fields *fields,
                 const char *fmt, ...) _printf_(4, 5);

/* Whether topic_say() would say it. */
bool topic_has_room(const struct topic *topic, enum message_level level);

/* Like topic_say() and topic_event(), unless it was the last problem said. */
void topic_problem(struct topic *topic, enum message_level level, const char *fmt, ...) _printf_(3, 4);
void topic_problem_event(struct topic *topic, enum message_level level, const struct message_fields *fields,
                         const char *fmt, ...) _printf_(4, 5);

/* The problem is over: say so, where one was said. */
void topic_solved(struct topic *topic, const char *fmt, ...) _printf_(2, 3);

/* Call fn as soon as a topic leaves a line out; topics_flush() then tells how many, some time later. */
void topics_set_handler(void (*fn)(void *userdata), void *userdata);
void topics_flush(void);
