/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* hobblectl hobble and release: what is asked for by hand. */

#include "cells.h"
#include "client.h"
#include "macro.h"
#include "message.h"
#include "options.h"
#include "request.h"
#include "rows.h"
#include "terminal.h"
#include "timespan.h"

#include <stdio.h>
#include <string.h>

/* Do it for each argument, and go on where one fails. Returns the first status that is none of success. */
static int for_each(char *argv[],
                    int (*fn)(struct client *client, const struct request_options *options, const char *what),
                    struct client *client, const struct request_options *options)
{
        int status = STATUS_DONE;

        for (; *argv; argv++) {
                _cleanup_free_ char *what = request_what(*argv);
                int s = what ? fn(client, options, what) : STATUS_USAGE;

                if (status == STATUS_DONE)
                        status = s;
        }
        return finish_output() < 0 && status == STATUS_DONE ? STATUS_FAILED : status;
}

/* "for 10min", or what is said where it has no end. */
static const char *how_long(uint64_t usec, const char *endless, char *buf, size_t size)
{
        char span[64];

        if (usec == 0)
                return endless;
        (void) snprintf(buf, size, "for %s", timespan_format(usec, span, sizeof(span)));
        return buf;
}

/* -- hobble ------------------------------------------------------------------------------------ */

static int hobble(struct client *client, const struct request_options *options, const char *what)
{
        char name[SHOWN_MAX], tarpit[SHOWN_MAX], id[SHOWN_MAX], span[80];
        sd_bus_message *reply = NULL;
        const char *request;
        int status;

        status = client_call(client, NULL, NULL, "Hobble", &reply, "s", "sstt", what, options->tarpit,
                             options->for_usec, options->flags);
        if (status != STATUS_DONE)
                return status;

        if (sd_bus_message_read(reply, "s", &request) < 0)
                status = client_odd_reply(client, "Hobble");
        else if (!options->quiet)
                (void) printf("%s: hobbled in tarpit %s, %s%s%s (request %s)\n", shown(what, name),
                              shown(*options->tarpit ? options->tarpit : "manual", tarpit),
                              what[strspn(what, "0123456789")] ? "whenever it has processes, " : "",
                              how_long(options->for_usec, "until it is released", span, sizeof(span)),
                              options->flags & REQUEST_PERSISTENT ? ", also after a restart" : "",
                              shown(request, id));
        sd_bus_message_unref(reply);
        return status;
}

enum {
        COLUMN_PID,
        COLUMN_COMMAND,
        COLUMN_CGROUP,
        COLUMN_VERDICT,
        COLUMN_WHY,
        COLUMN_MAX,
};

static const struct column_row columns[COLUMN_MAX + 1] = {
        [COLUMN_PID] = { "PID", "The process", .flags = SCOLS_FL_RIGHT, .json = SCOLS_JSON_NUMBER },
        [COLUMN_COMMAND] = { "COMMAND", "Its command name" },
        [COLUMN_CGROUP] = { "CGROUP", "Where it is", .flags = SCOLS_FL_TRUNC },
        [COLUMN_VERDICT] = { "VERDICT", "hobble, move, freeze, stay, exempt, already" },
        [COLUMN_WHY] = { "WHY", "In words", .flags = SCOLS_FL_TRUNC },
};

static char *preview_cell(const void *item, unsigned column, const struct table_format *format)
{
        const struct preview_row *row = item;

        switch (column) {
        case COLUMN_PID:
                return cell_number(row->pid);
        case COLUMN_COMMAND:
                return table_text(row->command, format);
        case COLUMN_CGROUP:
                return table_text(row->cgroup, format);
        case COLUMN_VERDICT:
                return table_text(row->verdict, format);
        default:
                return table_text(row->text, format);
        }
}

static int preview_all(struct client *client, const struct request_options *options, char *argv[],
                       struct rows *lists, struct preview_row **items, size_t *n)
{
        int status = STATUS_DONE;

        for (; *argv; argv++, lists++) {
                _cleanup_free_ char *what = request_what(*argv);
                struct preview_row *more;
                int s;

                s = what ? rows_preview(client, what, options->tarpit, options->flags, lists) : STATUS_USAGE;
                if (s != STATUS_DONE) {
                        status = status == STATUS_DONE ? s : status;
                        continue;
                }
                more = reallocarray(*items, *n + lists->n + 1, sizeof(**items));
                if (!more) {
                        complain("out of memory");
                        return STATUS_FAILED;
                }
                *items = more;
                for (size_t i = 0; i < lists->n; i++)
                        more[(*n)++] = lists->previews[i];
        }
        return status;
}

/* The lists live as long as the rows of the one table that is made of them. */
static int preview(struct client *client, const struct request_options *options, int n_arguments,
                   char *argv[], const struct table_format *format)
{
        struct rows *lists = calloc((size_t) n_arguments, sizeof(*lists));
        struct preview_row *items = NULL;
        size_t n = 0;
        int status, printed = STATUS_DONE;

        if (!lists) {
                complain("out of memory");
                return STATUS_FAILED;
        }
        status = preview_all(client, options, argv, lists, &items, &n);
        if (n > 0 || status == STATUS_DONE) {
                _cleanup_(terminal_close) struct terminal terminal = { 0 };

                terminal_open(&terminal, !format->no_pager);
                printed = table_print_rows(&(struct table_rows){ .name = "processes",
                                                                 .items = items,
                                                                 .n = n,
                                                                 .size = sizeof(*items),
                                                                 .cell = preview_cell },
                                           format);
        }

        for (int i = 0; i < n_arguments; i++)
                rows_done(&lists[i]);
        free(lists);
        free(items);
        return status == STATUS_DONE ? printed : status;
}

static int hobble_main(const struct verb *verb, int argc, char *argv[])
{
        struct request_options options = { .tarpit = "" };
        _cleanup_(client_freep) struct client *client = NULL;
        struct option_reader reader;
        struct table_format format;
        bool formatted = false;
        int r, status;

        table_format_init(&format, columns);
        options_begin(&reader, verb, argc, argv);
        while ((r = options_next(&reader)) > 0) {
                bool of_table = r == TERMINAL_NO_PAGER || (r < OPTION_LONG && strchr("Jnor", r));

                formatted = formatted || of_table;
                if ((of_table ? table_format_option(&format, r, reader.value)
                              : request_option(&options, r, reader.value)) < 0)
                        return usage_error(verb);
        }
        if (r < 0)
                return reader.status;
        if (!argv[optind]) {
                complain("hobble: nobody is named");
                return usage_error(verb);
        }
        if (formatted && !options.dry_run) {
                complain("hobble: the options of a table go with --dry-run");
                return usage_error(verb);
        }

        status = options.dry_run ? client_new(&client, options.socket)
                                 : client_new_changing(&client, options.socket);
        if (status != STATUS_DONE)
                return status;
        if (options.dry_run)
                return preview(client, &options, argc - optind, argv + optind, &format);
        return for_each(argv + optind, hobble, client, &options);
}

static void hobble_help(void)
{
        table_print_columns(columns);
}

static const struct option_row hobble_options[] = {
        { 't', "tarpit", "NAME", "Hobble there, not in 'manual'", OPTION_WORDS_TARPITS },
        { OPTION_FOR, "for", "TIME", "Release it after so long", OPTION_WORDS_TIMES },
        { OPTION_FORCE, "force", NULL, "Also what is exempt", OPTION_WORDS_NONE },
        { OPTION_DRY_RUN, "dry-run", NULL, "Show who would be hobbled, and do nothing", OPTION_WORDS_NONE },
        REQUEST_OPTIONS,
        TABLE_OPTIONS,
        { 0 },
};

const struct verb verb_hobble = {
        .name = "hobble",
        .arguments = "PID|UNIT|CGROUP|@USER…",
        .summary = "Hobble processes",
        .options = hobble_options,
        .words = WORDS_SUBJECTS,
        .columns = columns,
        .arguments_max = -1,
        .usage_status = STATUS_USAGE,
        .help = hobble_help,
        .main = hobble_main,
};

/* -- release ----------------------------------------------------------------------------------- */

static int read_count(struct client *client, sd_bus_message *reply, const char *method, uint32_t *ret)
{
        int r = sd_bus_message_read(reply, "u", ret);

        sd_bus_message_unref(reply);
        return r < 0 ? client_odd_reply(client, method) : STATUS_DONE;
}

static int release(struct client *client, const struct request_options *options, const char *what)
{
        char name[SHOWN_MAX], span[80];
        sd_bus_message *reply = NULL;
        uint32_t n;
        int status;

        status = client_call(client, NULL, NULL, "Release", &reply, "u", "sstt", what, "", options->for_usec,
                             options->flags);
        if (status == STATUS_DONE)
                status = read_count(client, reply, "Release", &n);
        if (status == STATUS_DONE && !options->quiet)
                (void) printf("%s: released%s%s\n", shown(what, name), options->for_usec > 0 ? " " : "",
                              how_long(options->for_usec, "", span, sizeof(span)));
        return status;
}

static int release_all(struct client *client, const struct request_options *options)
{
        sd_bus_message *reply = NULL;
        uint32_t n;
        int status;

        status = client_call(client, NULL, NULL, "ReleaseAll", &reply, "u", "t", options->flags);
        if (status == STATUS_DONE)
                status = read_count(client, reply, "ReleaseAll", &n);
        if (status != STATUS_DONE)
                return status;
        if (!options->quiet && n == 0)
                (void) puts("nothing to release");
        else if (!options->quiet)
                (void) printf("released all: %u %s; who is there now stays free until hobbled restarts, or "
                              "\"hobblectl resume TARPIT\"\n",
                              n, n == 1 ? "subject or request" : "subjects and requests");
        return finish_output() < 0 ? STATUS_FAILED : STATUS_DONE;
}

static int release_main(const struct verb *verb, int argc, char *argv[])
{
        struct request_options options = { 0 };
        _cleanup_(client_freep) struct client *client = NULL;
        struct option_reader reader;
        int r, status;

        options_begin(&reader, verb, argc, argv);
        while ((r = options_next(&reader)) > 0) {
                if (request_option(&options, r, reader.value) < 0)
                        return usage_error(verb);
        }
        if (r < 0)
                return reader.status;
        if (options.all && (argv[optind] || options.for_usec > 0)) {
                complain("release: --all goes with neither names nor --for");
                return usage_error(verb);
        }
        if (!options.all && !argv[optind]) {
                complain("release: nobody is named, and --all is not given");
                return usage_error(verb);
        }

        status = client_new_changing(&client, options.socket);
        if (status != STATUS_DONE)
                return status;
        return options.all ? release_all(client, &options)
                           : for_each(argv + optind, release, client, &options);
}

static const struct option_row release_options[] = {
        { 'a', "all", NULL, "Everybody, and take all requests back", OPTION_WORDS_NONE },
        { OPTION_FOR, "for", "TIME", "Hobble it again after so long", OPTION_WORDS_TIMES },
        REQUEST_OPTIONS,
        { 0 },
};

const struct verb verb_release = {
        .name = "release",
        .arguments = "PID|UNIT|CGROUP|@USER…",
        .summary = "Let hobbled processes go",
        .options = release_options,
        .words = WORDS_HOBBLED,
        .arguments_max = -1,
        .usage_status = STATUS_USAGE,
        .main = release_main,
};
