/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tables on standard output, with the options of lsblk(8) and findmnt(8). */

#include "terminal.h"
#include "verb.h"

#include <libsmartcols/libsmartcols.h>
#include <stdint.h>
#include <sys/types.h>

#define TABLE_COLUMNS_MAX 32

struct column_row {
        const char *name; /* as in the heading and in --output, lower-case in JSON; NULL ends the columns */
        const char *help;
        bool hidden; /* shown only where --output asks for it */
        double width;
        int flags; /* SCOLS_FL_* */
        int json;  /* SCOLS_JSON_* */
};

struct table_format {
        const struct column_row *columns;
        bool json, raw, no_headings, no_pager;
        bool chosen; /* by --output */
        size_t n_shown;
        unsigned shown[TABLE_COLUMNS_MAX]; /* indices in columns */
};

/* clang-format off */
#define TABLE_OPTIONS \
        { 'J', "json", NULL, "Print JSON", OPTION_WORDS_NONE }, \
        { 'n', "noheadings", NULL, "Print no headings", OPTION_WORDS_NONE }, \
        { 'n', "no-headings", NULL, NULL, OPTION_WORDS_NONE }, \
        { 'o', "output", "COLUMNS", "Print these columns; with +: after the usual", OPTION_WORDS_COLUMNS }, \
        { 'r', "raw", NULL, "Print for scripts: one space between columns", OPTION_WORDS_NONE }, \
        TERMINAL_OPTIONS
/* clang-format on */

void table_format_init(struct table_format *format, const struct column_row *columns);

/* Take in one of TABLE_OPTIONS. Returns 0 or, after a complaint, -EINVAL. */
int table_format_option(struct table_format *format, int code, const char *value);

/* Read the options of a verb that has TABLE_OPTIONS and CLIENT_OPTIONS, and a table of verb->columns.
 * *ret_socket is that of --socket, or NULL. Returns whether to go on; else *ret_status is the exit status. */
bool table_read_options(const struct verb *verb, int argc, char *argv[], struct table_format *format,
                        const char **ret_socket, int *ret_status);

void table_print_columns(const struct column_row *columns);

/* An empty table of that form. name: what its lines are called in JSON. Returns 0 or a negative errno. */
int table_new(struct libscols_table **ret, const char *name, const struct table_format *format);

/* The texts of cells, to be freed; NULL: out of memory. The first: text that comes from a process, escaped.
 */
char *table_text(const char *text, const struct table_format *format);
char *table_user(uid_t uid, const struct table_format *format);

/* A number with two decimals and a unit or, in JSON, with six and none, from millionths of it. */
char *table_decimal(uint64_t millionths, const char *unit, const struct table_format *format);

/* Fill a cell of the n-th column that is shown; "" where nothing is known. Takes the text, which may be NULL:
 * -ENOMEM. */
int table_put(struct libscols_line *line, size_t n, char *text, const struct table_format *format);

/* Print it and free it. Returns the exit status. */
int table_finish(struct libscols_table *table, const struct table_format *format);
