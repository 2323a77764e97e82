/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* hobblectl list: what the cgroup tree shows as hobbled, with or without a daemon. */

#include "hobble.h"
#include "message.h"
#include "options.h"
#include "table.h"
#include "text.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

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
};

static const struct option_row options[] = {
        TABLE_OPTIONS,
        { 0 },
};

struct entries {
        struct hobble_entry *items; /* the strings are copies */
        size_t n, allocated;
};

static void entries_done(struct entries *entries)
{
        for (size_t i = 0; i < entries->n; i++) {
                free((char *) entries->items[i].instance);
                free((char *) entries->items[i].tarpit);
                free((char *) entries->items[i].subject);
                free((char *) entries->items[i].command);
        }
        free(entries->items);
        *entries = (struct entries){ 0 };
}

static int entries_add(const struct hobble_entry *entry, void *userdata)
{
        struct entries *entries = userdata;
        struct hobble_entry *item;

        if (entries->n == entries->allocated) {
                size_t allocated = MAX(entries->allocated * 2, 64U);
                struct hobble_entry *items = reallocarray(entries->items, allocated, sizeof(*items));

                if (!items)
                        return -ENOMEM;
                entries->items = items;
                entries->allocated = allocated;
        }

        item = &entries->items[entries->n++];
        *item = *entry;
        item->instance = strdup(entry->instance);
        item->tarpit = strdup(entry->tarpit);
        item->subject = strdup(entry->subject);
        item->command = strdup(entry->command);
        return item->instance && item->tarpit && item->subject && item->command ? 0 : -ENOMEM;
}

static int entry_compare(const void *a, const void *b)
{
        const struct hobble_entry *x = a, *y = b;
        int r = strverscmp(x->tarpit, y->tarpit);

        if (r == 0)
                r = strverscmp(x->subject, y->subject);
        return r != 0 ? r : strverscmp(x->instance, y->instance);
}

static uint64_t now_usec(void)
{
        struct timespec t;

        (void) clock_gettime(CLOCK_REALTIME, &t);
        return (uint64_t) t.tv_sec * USEC_PER_SEC + (uint64_t) t.tv_nsec / NSEC_PER_USEC;
}

static const char *state_name(const struct hobble_entry *entry)
{
        static const char *const names[] = {
                [HOBBLE_THAWED] = "thawed",
                [HOBBLE_FROZEN] = "frozen",
                [HOBBLE_HELD] = "held",
        };
        _Static_assert(ELEMENTSOF(names) == HOBBLE_STATE_MAX, "a name for each state");

        return entry->alive ? names[entry->state] : "orphaned";
}

/* Text that comes from a process. In raw form libsmartcols escapes by itself, backslashes too. */
static char *foreign_text(const char *text, const struct table_format *format)
{
        size_t n = strlen(text), size = 4 * n + 4;
        char *buf;

        if (format->raw)
                return strdup(text);

        buf = malloc(size);
        return buf ? escape_text(text, n, buf, size) : NULL;
}

static char *user_name(uid_t uid, const struct table_format *format)
{
        const struct passwd *user = getpwuid(uid);
        char number[16];

        (void) snprintf(number, sizeof(number), "%u", uid);
        return foreign_text(user ? user->pw_name : number, format);
}

/* A number with two decimals, or six in JSON, from millionths of it. */
static char *decimal(uint64_t millionths, const char *unit, const struct table_format *format)
{
        uint64_t whole = millionths / 1000000, rest = millionths % 1000000;
        char buf[48];

        if (format->json)
                (void) snprintf(buf, sizeof(buf), "%" PRIu64 ".%06" PRIu64, whole, rest);
        else
                (void) snprintf(buf, sizeof(buf), "%" PRIu64 ".%02" PRIu64 "%s", whole, rest / 10000, unit);
        return strdup(buf);
}

static char *share(const struct hobble_entry *entry, uint64_t now, const struct table_format *format)
{
        double millionths;

        if (entry->since_usec == 0 || entry->since_usec >= now)
                return strdup("");

        millionths = (double) entry->cpu_usec / (double) (now - entry->since_usec) * 100e6;
        if (millionths > 1e15)
                return strdup(""); /* someone set the clock back since */
        return decimal((uint64_t) millionths, "%", format);
}

/* For people the local time, for programs ISO 8601 with its offset from UTC. */
static char *since(uint64_t usec, const struct table_format *format)
{
        time_t t = (time_t) (usec / USEC_PER_SEC);
        char buf[64], zone[8];
        struct tm tm;

        if (usec == 0 || !localtime_r(&t, &tm))
                return strdup("");
        if (!format->json && !format->raw) {
                (void) strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M:%S", &tm);
                return strdup(buf);
        }

        (void) strftime(buf, sizeof(buf), "%Y-%m-%dT%H:%M:%S", &tm);
        (void) strftime(zone, sizeof(zone), "%z", &tm); /* "+0200" */
        (void) snprintf(buf + strlen(buf), sizeof(buf) - strlen(buf), "%.3s:%s", zone, zone + 3);
        return strdup(buf);
}

/* The text of a cell, to be freed; "" where nothing is known. NULL: out of memory. */
static char *cell(const struct hobble_entry *entry, unsigned column, uint64_t now,
                  const struct table_format *format)
{
        char buf[16];

        switch (column) {
        case COLUMN_SUBJECT:
                return foreign_text(entry->subject, format);
        case COLUMN_PID:
                (void) snprintf(buf, sizeof(buf), "%d", entry->pid);
                return strdup(entry->pid > 0 ? buf : "");
        case COLUMN_COMMAND:
                return foreign_text(entry->command, format);
        case COLUMN_USER:
                return entry->uid == (uid_t) -1 ? strdup("") : user_name(entry->uid, format);
        case COLUMN_TARPIT:
                return foreign_text(entry->tarpit, format);
        case COLUMN_STATE:
                return strdup(state_name(entry));
        case COLUMN_CPU:
                return decimal(entry->cpu_usec, "", format);
        case COLUMN_SHARE:
                return share(entry, now, format);
        case COLUMN_SINCE:
                return since(entry->since_usec, format);
        case COLUMN_INSTANCE:
                return foreign_text(entry->instance, format);
        default:
                return strdup("");
        }
}

static int add_line(struct libscols_table *table, const struct hobble_entry *entry, uint64_t now,
                    const struct table_format *format)
{
        struct libscols_line *line = scols_table_new_line(table, NULL);

        if (!line)
                return -ENOMEM;

        for (size_t i = 0; i < format->n_shown; i++) {
                char *text = cell(entry, format->shown[i], now, format);

                if (!text)
                        return -ENOMEM;
                /* A script that splits lines needs a word in each column; JSON has null. */
                if (!*text && !format->json) {
                        free(text);
                        text = strdup("-");
                        if (!text)
                                return -ENOMEM;
                }
                if (scols_line_refer_data(line, i, text) < 0) {
                        free(text);
                        return -ENOMEM;
                }
        }
        return 0;
}

static int failed(int error)
{
        switch (error) {
        case -EPERM:
        case -EACCES:
                complain("not permitted to read the cgroup tree");
                return STATUS_NOT_PERMITTED;
        case -EOPNOTSUPP:
                complain("there is no cgroup v2 hierarchy with a freezer here, so nothing can be hobbled");
                return STATUS_FAILED;
        default:
                complain("cannot list what is hobbled: %s", strerror(-error));
                return STATUS_FAILED;
        }
}

static int print(struct entries *entries, const struct table_format *format)
{
        struct libscols_table *table;
        uint64_t now = now_usec();
        int r;

        if (entries->n > 0)
                qsort(entries->items, entries->n, sizeof(*entries->items), entry_compare);

        r = table_new(&table, "subjects", format);
        if (r < 0)
                return failed(r);
        for (size_t i = 0; i < entries->n; i++) {
                r = add_line(table, &entries->items[i], now, format);
                if (r < 0) {
                        scols_unref_table(table);
                        return failed(r);
                }
        }
        return table_finish(table, format);
}

static int list_main(const struct verb *verb, int argc, char *argv[])
{
        _cleanup_(entries_done) struct entries entries = { 0 };
        struct option_reader reader;
        struct table_format format;
        int r;

        table_format_init(&format, columns);
        options_begin(&reader, verb, argc, argv);
        while ((r = options_next(&reader)) > 0) {
                if (table_format_option(&format, r, reader.value) < 0)
                        return usage_error(verb);
        }
        if (r < 0)
                return reader.status;

        r = hobble_list(entries_add, &entries);
        return r < 0 ? failed(r) : print(&entries, &format);
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
        .arguments_max = 0,
        .usage_status = STATUS_USAGE,
        .help = list_help,
        .main = list_main,
};
