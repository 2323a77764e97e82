/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* hobblectl list-tarpits: the tarpits of a running hobbled. */

#include "cells.h"
#include "client.h"
#include "macro.h"
#include "message.h"
#include "options.h"
#include "rows.h"
#include "terminal.h"
#include "timespan.h"
#include "usage.h"

#include <string.h>

enum {
        COLUMN_NAME,
        COLUMN_DUTY,
        COLUMN_FROZEN,
        COLUMN_THAWED,
        COLUMN_SUBJECTS,
        COLUMN_SHARE,
        COLUMN_STATE,
        COLUMN_DESCRIPTION,
        COLUMN_MAX,
};

static const struct column_row columns[COLUMN_MAX + 1] = {
        [COLUMN_NAME] = { "NAME", "The tarpit" },
        [COLUMN_DUTY] = { "DUTY", "Which part of the time who is in it may run, in percent",
                          .flags = SCOLS_FL_RIGHT, .json = SCOLS_JSON_NUMBER },
        [COLUMN_FROZEN] = { "FROZEN", "FrozenSec=: in JSON seconds", .flags = SCOLS_FL_RIGHT,
                            .json = SCOLS_JSON_NUMBER },
        [COLUMN_THAWED] = { "THAWED", "ThawedSec=: in JSON seconds", .flags = SCOLS_FL_RIGHT,
                            .json = SCOLS_JSON_NUMBER },
        [COLUMN_SUBJECTS] = { "SUBJECTS", "How many are in it", .flags = SCOLS_FL_RIGHT,
                              .json = SCOLS_JSON_NUMBER },
        [COLUMN_SHARE] = { "SHARE", "Percent of one core, all of them together", .flags = SCOLS_FL_RIGHT,
                           .json = SCOLS_JSON_NUMBER },
        [COLUMN_STATE] = { "STATE", "hobbling, or paused" },
        [COLUMN_DESCRIPTION] = { "DESCRIPTION", "Description=", .flags = SCOLS_FL_TRUNC },
};

struct item {
        const struct tarpit_row *tarpit;
        double share;
};

static char *span_cell(uint64_t usec, const struct table_format *format)
{
        char buf[64];

        return format->json ? table_decimal(usec, "", format)
                            : table_text(timespan_format(usec, buf, sizeof(buf)), format);
}

/* Rounded, as status has it: to what is shown. */
static char *percent_cell(double percent, const struct table_format *format)
{
        return table_decimal((uint64_t) ((percent + (format->json ? 0.5e-6 : 0.5e-2)) * 1e6), "%", format);
}

static char *cell(const void *row, unsigned column, const struct table_format *format)
{
        const struct item *item = row;
        const struct tarpit_row *tarpit = item->tarpit;

        switch (column) {
        case COLUMN_NAME:
                return table_text(tarpit->name, format);
        case COLUMN_DUTY:
                return percent_cell(duty_percent(tarpit), format);
        case COLUMN_FROZEN:
                return span_cell(tarpit->frozen_usec, format);
        case COLUMN_THAWED:
                return span_cell(tarpit->thawed_usec, format);
        case COLUMN_SUBJECTS:
                return cell_number(tarpit->subjects);
        case COLUMN_SHARE:
                return percent_cell(item->share, format);
        case COLUMN_STATE:
                return strdup(tarpit->paused ? "paused" : "hobbling");
        default:
                return table_text(tarpit->description, format);
        }
}

static int print(struct client *client, const struct table_format *format)
{
        _cleanup_(rows_done) struct rows tarpits = { 0 }, subjects = { 0 };
        _cleanup_(terminal_close) struct terminal terminal = { 0 };
        _cleanup_free_ struct item *items = NULL;
        int status;

        status = rows_tarpits(client, &tarpits);
        if (status == STATUS_DONE)
                status = rows_subjects(client, "", &subjects);
        if (status != STATUS_DONE)
                return status;

        items = calloc(MAX(tarpits.n, 1U), sizeof(*items));
        if (!items) {
                complain("out of memory");
                return STATUS_FAILED;
        }
        for (size_t i = 0; i < tarpits.n; i++)
                items[i] = (struct item){ &tarpits.tarpits[i],
                                          share_of_tarpit(&subjects, tarpits.tarpits[i].name) };
        terminal_open(&terminal, !format->no_pager);
        return table_print_rows(&(struct table_rows){ .name = "tarpits",
                                                      .items = items,
                                                      .n = tarpits.n,
                                                      .size = sizeof(*items),
                                                      .cell = cell },
                                format);
}

static int list_tarpits_main(const struct verb *verb, int argc, char *argv[])
{
        _cleanup_(client_freep) struct client *client = NULL;
        struct table_format format;
        const char *socket = NULL;
        int status;

        if (!table_read_options(verb, argc, argv, &format, &socket, &status))
                return status;

        status = client_new(&client, socket);
        return status == STATUS_DONE ? print(client, &format) : status;
}

static void help(void)
{
        table_print_columns(columns);
}

static const struct option_row options[] = {
        TABLE_OPTIONS,
        CLIENT_OPTIONS,
        { 0 },
};

const struct verb verb_list_tarpits = {
        .name = "list-tarpits",
        .arguments = "",
        .summary = "List the tarpits",
        .options = options,
        .columns = columns,
        .usage_status = STATUS_USAGE,
        .help = help,
        .main = list_tarpits_main,
};
