/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "table.h"
#include "client.h"
#include "message.h"
#include "options.h"
#include "text.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void table_format_init(struct table_format *format, const struct column_row *columns)
{
        *format = (struct table_format){ .columns = columns };
        for (unsigned i = 0; columns[i].name; i++) {
                if (!columns[i].hidden)
                        format->shown[format->n_shown++] = i;
        }
}

static int unknown_column(const struct column_row *columns, const char *word)
{
        char names[512] = "", name[SHOWN_MAX];
        size_t used = 0;

        for (; columns->name && used < sizeof(names); columns++)
                used += (size_t) snprintf(names + used, sizeof(names) - used, "%s%s", used ? " " : "",
                                          columns->name);
        complain("unknown column '%s': there are %s", shown(word, name), names);
        return -EINVAL;
}

static int add_column(struct table_format *format, const char *word)
{
        for (unsigned i = 0; format->columns[i].name; i++) {
                if (strcasecmp(format->columns[i].name, word) != 0)
                        continue;
                if (format->n_shown == TABLE_COLUMNS_MAX) {
                        complain("more than %d columns are asked for", TABLE_COLUMNS_MAX);
                        return -EINVAL;
                }
                format->shown[format->n_shown++] = i;
                return 0;
        }
        return unknown_column(format->columns, word);
}

static int choose_columns(struct table_format *format, const char *value)
{
        _cleanup_free_ char *list = NULL;
        char *rest;
        int r;

        /* What --output named first replaces the usual columns, a second one adds to the first. */
        if (*value == '+')
                value++;
        else if (!format->chosen)
                format->n_shown = 0;
        format->chosen = true;

        list = rest = strdup(value);
        if (!list) {
                complain("out of memory");
                return -ENOMEM;
        }
        for (char *word = strsep(&rest, ","); word; word = strsep(&rest, ",")) {
                r = add_column(format, word);
                if (r < 0)
                        return r;
        }
        return 0;
}

int table_format_option(struct table_format *format, int code, const char *value)
{
        switch (code) {
        case 'J':
                format->json = true;
                break;
        case 'n':
                format->no_headings = true;
                break;
        case 'o':
                return choose_columns(format, value);
        case 'r':
                format->raw = true;
                break;
        case TERMINAL_NO_PAGER:
                format->no_pager = true;
                break;
        default:
                break;
        }

        if (format->json && format->raw) {
                complain("--json and --raw exclude each other");
                return -EINVAL;
        }
        return 0;
}

bool table_read_options(const struct verb *verb, int argc, char *argv[], struct table_format *format,
                        const char **ret_socket, int *ret_status)
{
        struct option_reader reader;
        int r;

        *ret_socket = NULL;
        table_format_init(format, verb->columns);
        options_begin(&reader, verb, argc, argv);
        while ((r = options_next(&reader)) > 0) {
                if (r == CLIENT_SOCKET) {
                        *ret_socket = reader.value;
                } else if (table_format_option(format, r, reader.value) < 0) {
                        *ret_status = usage_error(verb);
                        return false;
                }
        }
        *ret_status = reader.status;
        return r == 0;
}

void table_print_columns(const struct column_row *columns)
{
        (void) puts("\nColumns:");
        for (; columns->name; columns++)
                (void) printf("  %-10s %s%s\n", columns->name, columns->help,
                              columns->hidden ? " (not by default)" : "");
}

int table_new(struct libscols_table **ret, const char *name, const struct table_format *format)
{
        struct libscols_table *table = scols_new_table();

        if (!table)
                return -ENOMEM;

        /* The cells are escaped already; a second time would spoil them. */
        if (scols_table_enable_noencoding(table, 1) < 0 || scols_table_enable_json(table, format->json) < 0 ||
            scols_table_enable_raw(table, format->raw) < 0 ||
            scols_table_enable_noheadings(table, format->no_headings) < 0 ||
            scols_table_set_name(table, name) < 0)
                goto fail;

        for (size_t i = 0; i < format->n_shown; i++) {
                const struct column_row *row = &format->columns[format->shown[i]];
                /* Lines that a script splits have no branches before a name. */
                int flags = format->raw ? row->flags & ~SCOLS_FL_TREE : row->flags;
                struct libscols_column *column = scols_table_new_column(table, row->name, row->width, flags);

                if (!column || scols_column_set_json_type(column, row->json) < 0)
                        goto fail;
        }

        *ret = table;
        return 0;

fail:
        scols_unref_table(table);
        return -ENOMEM;
}

/* In raw form libsmartcols escapes by itself, backslashes too. */
char *table_text(const char *text, const struct table_format *format)
{
        size_t n = strlen(text), size = 4 * n + 4;
        char *buf;

        if (format->raw)
                return strdup(text);

        buf = malloc(size);
        return buf ? escape_text(text, n, buf, size) : NULL;
}

char *table_user(uid_t uid, const struct table_format *format)
{
        const struct passwd *user = getpwuid(uid);
        char number[16];

        (void) snprintf(number, sizeof(number), "%u", uid);
        return table_text(user ? user->pw_name : number, format);
}

char *table_decimal(uint64_t millionths, const char *unit, const struct table_format *format)
{
        uint64_t whole = millionths / 1000000, rest = millionths % 1000000;
        char buf[48];

        if (format->json)
                (void) snprintf(buf, sizeof(buf), "%" PRIu64 ".%06" PRIu64, whole, rest);
        else
                (void) snprintf(buf, sizeof(buf), "%" PRIu64 ".%02" PRIu64 "%s", whole, rest / 10000, unit);
        return strdup(buf);
}

int table_put(struct libscols_line *line, size_t n, char *text, const struct table_format *format)
{
        /* A script that splits lines needs a word in each column; JSON has null. */
        if (text && !*text && !format->json) {
                free(text);
                text = strdup("-");
        }
        if (!text)
                return -ENOMEM;
        if (scols_line_refer_data(line, n, text) < 0) {
                free(text);
                return -ENOMEM;
        }
        return 0;
}

int table_finish(struct libscols_table *table, const struct table_format *format)
{
        int r;

        /* libsmartcols prints nothing at all for a table without lines, which is no JSON. */
        if (format->json && scols_table_get_nlines(table) == 0)
                r = printf("{\n   \"%s\": []\n}\n", scols_table_get_name(table)) < 0 ? -errno : 0;
        else
                r = scols_print_table(table);
        scols_unref_table(table);

        if (finish_output() < 0)
                return STATUS_FAILED;
        if (r < 0) {
                complain("cannot print the table: %s", strerror(-r));
                return STATUS_FAILED;
        }
        return STATUS_DONE;
}
