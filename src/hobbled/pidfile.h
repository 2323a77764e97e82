/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The text of a pid file: numbers separated by blanks and line ends, one or more a line; what follows a # is
 * a comment.
 *
 * The parser is fed in pieces of any size and opens nothing. A line counts when its end has been seen: until
 * then its numbers are kept apart, because the `12` of a half-written `1234` is somebody else. A line with
 * anything else in it is reported and does not count at all. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* No process id is larger: PID_MAX_LIMIT of the kernel. */
#define PIDFILE_PID_MAX 4194304

/* A line with more numbers than this is a bad one. */
#define PIDFILE_LINE_MAX 65536U

#define PIDFILE_VALUE_MAX 48U

/* What is wrong with a line. value is not a string, may hold any byte, and is cut to PIDFILE_VALUE_MAX bytes;
 * it is valid during the call only. value is NULL where the line has more than PIDFILE_LINE_MAX numbers. */
struct pidfile_fault {
        unsigned long line; /* from 1 */
        const char *value;
        size_t size;
        bool cut;
};

struct pidfile_handler {
        void (*pid)(pid_t pid, void *userdata); /* 1 to PIDFILE_PID_MAX; duplicates come as they are */
        void (*fault)(const struct pidfile_fault *fault, void *userdata);
};

struct pidfile_parser {
        const struct pidfile_handler *handler;
        void *userdata;
        unsigned long line;
        char token[PIDFILE_VALUE_MAX];
        size_t token_size; /* may be larger than what is kept */
        pid_t *numbers;    /* of the present line */
        size_t n_numbers, n_allocated;
        bool comment; /* in a comment */
        bool bad;     /* in a line that does not count */
        bool crowded; /* because it has too many numbers; else for the token */
};

void pidfile_parser_init(struct pidfile_parser *p, const struct pidfile_handler *handler, void *userdata);
void pidfile_parser_done(struct pidfile_parser *p);

/* Returns 0 or -ENOMEM. */
int pidfile_parser_feed(struct pidfile_parser *p, const char *text, size_t size);

/* Whether there is something in a last line whose end has not been seen. */
bool pidfile_parser_pending(const struct pidfile_parser *p);

/* Let such a line count, as if its end had been seen. Returns 0 or -ENOMEM. */
int pidfile_parser_finish(struct pidfile_parser *p);
