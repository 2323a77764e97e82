/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The text of Exec=: its command line, and what the command prints. Pure: nothing is looked up or run. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define EXEC_WORDS_MAX 64U

/* What a command may print. */
#define EXEC_OUTPUT_MAX (64U * 1024U)
#define EXEC_ITEMS_MAX 10000U

/* Split a command line at blanks. "..." and '...' keep blanks; outside of '...' a backslash takes away what
 * is special about the next byte. The first word is an absolute path. Nothing is expanded: there is no shell.
 * *ret ends with a NULL; exec_words_free(). Returns the number of words, -EINVAL (empty, no absolute path, a
 * quote or a backslash without its end), -E2BIG (more than EXEC_WORDS_MAX) or -ENOMEM. */
int exec_words_split(const char *line, char ***ret);
char **exec_words_free(char **words);

enum exec_item_kind {
        EXEC_PID,
        EXEC_UNIT,
        EXEC_CGROUP,
        EXEC_USER,
        EXEC_NONE, /* an empty line, or a comment */
        EXEC_BAD,
};

/* What a line, without its end, says. *ret_value is the part of it that counts, in the line; *ret_pid is set
 * for EXEC_PID. */
enum exec_item_kind exec_item_parse(char *line, const char **ret_value, pid_t *ret_pid);

struct exec_item {
        enum exec_item_kind kind;
        const char *value; /* in the text */
        pid_t pid;
};

struct exec_output {
        struct exec_item *items;
        size_t n;
        unsigned n_bad, bad_line; /* how many lines make no sense, and the first of them */
        const char *bad;          /* its text */
};

/* Take a whole output apart. text ends with a NUL, is changed, and lives as long as *ret; a NUL within counts
 * as the end of a line. Returns 0, -E2BIG (more than EXEC_ITEMS_MAX lines with something) or -ENOMEM. */
int exec_output_parse(char *text, size_t size, struct exec_output *ret);
void exec_output_done(struct exec_output *output);
