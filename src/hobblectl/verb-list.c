/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* hobblectl list: what the cgroup tree shows as hobbled, with or without a daemon. */

#include "cells.h"
#include "client.h"
#include "entries.h"
#include "message.h"
#include "options.h"
#include "rows.h"
#include "table.h"
#include "terminal.h"

#include <stdio.h>
#include <string.h>

/* One row for each column: heading, --output, --help and the cells. */
enum {
        COLUMN_SUBJECT,
        COLUMN_PID,
        COLUMN_COMMAND,
        COLUMN_USER,
        COLUMN_TARPIT,
        COLUMN_STATE,
        COLUMN_CPU,
        COLUMN_SHARE,
        COLUMN_SINCE,
        COLUMN_INSTANCE,
        COLUMN_CONTAINER,
        COLUMN_SOURCE, /* from here on what only the daemon knows */
        COLUMN_UNTIL,
        COLUMN_BALANCE,
        COLUMN_FROZEN,
        COLUMN_MAX,
};

static const struct column_row columns[COLUMN_MAX + 1] = {
        [COLUMN_SUBJECT] = { "SUBJECT", "Pid of the tree's root at admission, or path of the cgroup" },
        [COLUMN_PID] = { "PID", "Root of the tree, while it lives", .flags = SCOLS_FL_RIGHT,
                         .json = SCOLS_JSON_NUMBER },
        [COLUMN_COMMAND] = { "COMMAND", "Its command name", .flags = SCOLS_FL_TRUNC },
        [COLUMN_USER] = { "USER", "Whose it is" },
        [COLUMN_TARPIT] = { "TARPIT", "The tarpit it is in" },
        [COLUMN_STATE] = { "STATE", "frozen, thawed, held by someone else, or orphaned: see rescue" },
        [COLUMN_CPU] = { "CPU", "Seconds of CPU time since admission", .flags = SCOLS_FL_RIGHT,
                         .json = SCOLS_JSON_NUMBER },
        [COLUMN_SHARE] = { "SHARE", "Percent of one core since admission", .flags = SCOLS_FL_RIGHT,
                           .json = SCOLS_JSON_NUMBER },
        [COLUMN_SINCE] = { "SINCE", "When it was admitted" },
        [COLUMN_INSTANCE] = { "INSTANCE", "Which hobbled has it", .hidden = true },
        [COLUMN_CONTAINER] = { "CONTAINER", "Its container, as the cgroup's name tells", .hidden = true },
        [COLUMN_SOURCE] = { "SOURCE", "What named it", .hidden = true },
        [COLUMN_UNTIL] = { "UNTIL", "When the request for it ends", .hidden = true },
        [COLUMN_BALANCE] = { "BALANCE", "Seconds of CPU time above what it may have", .hidden = true,
                             .flags = SCOLS_FL_RIGHT, .json = SCOLS_JSON_NUMBER },
        [COLUMN_FROZEN] = { "FROZEN", "Seconds that it was frozen", .hidden = true, .flags = SCOLS_FL_RIGHT,
                            .json = SCOLS_JSON_NUMBER },
};

static const struct option_row options[] = {
        TABLE_OPTIONS,
        CLIENT_OPTIONS,
        { 0 },
};

struct item {
        const struct hobble_entry *entry;
        const struct subject_row *known; /* by the daemon, NULL: not known */
        uint64_t now;
};

/* Numbers that only the daemon knows; nothing where there is none, or where it is another's. */
static char *cell_of_daemon(const struct item *item, unsigned column, const struct table_format *format)
{
        const struct subject_row *known = item->known;

        if (!known)
                return strdup("");
        switch (column) {
        case COLUMN_SOURCE:
                return table_text(known->source, format);
        case COLUMN_UNTIL:
                return cell_time(known->until_usec, format);
        case COLUMN_BALANCE:
                return cell_signed(known->balance_usec, format);
        case COLUMN_FROZEN:
                return table_decimal(known->frozen_usec, "", format);
        default:
                return strdup("");
        }
}

static char *cell(const void *row, unsigned column, const struct table_format *format)
{
        const struct item *item = row;
        const struct hobble_entry *entry = item->entry;
        char container[CONTAINER_MAX];

        switch (column) {
        case COLUMN_SUBJECT:
                return table_text(entry->subject, format);
        case COLUMN_PID:
                return entry->pid > 0 ? cell_number((uint64_t) entry->pid) : strdup("");
        case COLUMN_COMMAND:
                return table_text(entry->command, format);
        case COLUMN_USER:
                return entry->uid == (uid_t) -1 ? strdup("") : table_user(entry->uid, format);
        case COLUMN_TARPIT:
                return table_text(entry->tarpit, format);
        case COLUMN_STATE:
                return strdup(entry_state(entry));
        case COLUMN_CPU:
                return table_decimal(entry->cpu_usec, "", format);
        case COLUMN_SHARE:
                return cell_share(entry->cpu_usec, entry->since_usec, item->now, format);
        case COLUMN_SINCE:
                return cell_time(entry->since_usec, format);
        case COLUMN_INSTANCE:
                return table_text(entry->instance, format);
        case COLUMN_CONTAINER:
                return table_text(entry_container(entry, container), format);
        default:
                return cell_of_daemon(item, column, format);
        }
}

/* What the daemon says about its subjects, where one of its columns is asked for and it is there. */
static void ask_daemon(const struct table_format *format, const char *socket, struct rows *ret,
                       char **instance)
{
        _cleanup_(client_freep) struct client *client = NULL;
        bool wanted = false;

        for (size_t i = 0; i < format->n_shown; i++)
                wanted = wanted || format->shown[i] >= COLUMN_SOURCE;
        if (!wanted || client_try(&client, socket) < 0)
                return;
        (void) sd_bus_get_property_string(client_bus(client), CLIENT_NAME, CLIENT_PATH, CLIENT_MANAGER,
                                          "Instance", NULL, instance);
        (void) rows_subjects(client, "", ret);
}

static const struct subject_row *find_known(const struct rows *rows, const char *instance,
                                            const struct hobble_entry *entry)
{
        if (!instance || strcmp(instance, entry->instance) != 0)
                return NULL;
        for (size_t i = 0; i < rows->n; i++) {
                if (strcmp(rows->subjects[i].subject, entry->subject) == 0 &&
                    strcmp(rows->subjects[i].tarpit, entry->tarpit) == 0)
                        return &rows->subjects[i];
        }
        return NULL;
}

static int print(struct entries *entries, const struct table_format *format, const char *socket)
{
        _cleanup_(rows_done) struct rows known = { 0 };
        _cleanup_free_ struct item *items = calloc(MAX(entries->n, 1U), sizeof(*items));
        _cleanup_(terminal_close) struct terminal terminal = { 0 };
        _cleanup_free_ char *instance = NULL;
        uint64_t now = now_realtime();

        if (!items)
                return entries_failed(-ENOMEM);
        ask_daemon(format, socket, &known, &instance);

        for (size_t i = 0; i < entries->n; i++)
                items[i] = (struct item){ &entries->items[i],
                                          find_known(&known, instance, &entries->items[i]), now };
        terminal_open(&terminal, !format->no_pager);
        return table_print_rows(&(struct table_rows){ .name = "subjects",
                                                      .items = items,
                                                      .n = entries->n,
                                                      .size = sizeof(*items),
                                                      .cell = cell },
                                format);
}

static int list_main(const struct verb *verb, int argc, char *argv[])
{
        _cleanup_(entries_done) struct entries entries = { 0 };
        struct table_format format;
        const char *socket = NULL;
        int r, status;

        if (!table_read_options(verb, argc, argv, &format, &socket, &status))
                return status;

        r = entries_read_all(&entries, socket);
        return r < 0 ? entries_failed(r) : print(&entries, &format, socket);
}

static void list_help(void)
{
        table_print_columns(columns);
}

const struct verb verb_list = {
        .name = "list",
        .arguments = "",
        .summary = "List what is hobbled",
        .options = options,
        .columns = columns,
        .arguments_max = 0,
        .usage_status = STATUS_USAGE,
        .help = list_help,
        .main = list_main,
};
