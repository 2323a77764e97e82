/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cells.h"
#include "message.h"
#include "timespan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t now_realtime(void)
{
        struct timespec t;

        (void) clock_gettime(CLOCK_REALTIME, &t);
        return (uint64_t) t.tv_sec * USEC_PER_SEC + (uint64_t) t.tv_nsec / NSEC_PER_USEC;
}

char *cell_number(uint64_t number)
{
        char buf[32];

        (void) snprintf(buf, sizeof(buf), "%" PRIu64, number);
        return strdup(buf);
}

char *cell_signed(int64_t millionths, const struct table_format *format)
{
        char buf[48];

        (void) snprintf(buf, sizeof(buf), "%.*f", format->json ? 6 : 3, (double) millionths / 1e6);
        return strdup(buf);
}

char *cell_share(uint64_t cpu_usec, uint64_t since_usec, uint64_t now, const struct table_format *format)
{
        double millionths;

        if (since_usec == 0 || since_usec >= now)
                return strdup("");

        millionths = (double) cpu_usec / (double) (now - since_usec) * 100e6;
        if (millionths > 1e15)
                return strdup(""); /* someone set the clock back since */
        return table_decimal((uint64_t) millionths, "%", format);
}

static bool broken_down(uint64_t usec, struct tm *ret)
{
        time_t t = (time_t) (usec / USEC_PER_SEC);

        return usec > 0 && usec != USEC_INFINITY && localtime_r(&t, ret);
}

char *iso_time(uint64_t usec, char *buf, size_t size)
{
        char text[64] = "", zone[8] = "";
        struct tm tm;

        *buf = '\0';
        if (!broken_down(usec, &tm))
                return buf;
        (void) strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
        (void) strftime(zone, sizeof(zone), "%z", &tm); /* "+0200" */
        (void) snprintf(buf, size, "%s%.3s:%s", text, zone, zone + 3);
        return buf;
}

char *local_time(uint64_t usec, char *buf, size_t size)
{
        struct tm tm;

        if (!broken_down(usec, &tm) || strftime(buf, size, "%a %Y-%m-%d %H:%M:%S %Z", &tm) == 0)
                *buf = '\0';
        return buf;
}

char *cell_time(uint64_t usec, const struct table_format *format)
{
        char buf[64];
        struct tm tm;

        if (format->json || format->raw)
                return strdup(iso_time(usec, buf, sizeof(buf)));
        if (!broken_down(usec, &tm) || strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M:%S", &tm) == 0)
                *buf = '\0';
        return strdup(buf);
}

char *rough_span(uint64_t usec, char *buf, size_t size)
{
        static const struct unit {
                uint64_t usec, fine; /* what is below `fine` is left out */
        } units[] = {
                { 2 * 86400 * USEC_PER_SEC, 86400 * USEC_PER_SEC },
                { 86400 * USEC_PER_SEC, 3600 * USEC_PER_SEC },
                { 3600 * USEC_PER_SEC, 60 * USEC_PER_SEC },
                { USEC_PER_SEC, USEC_PER_SEC },
                { USEC_PER_MSEC, USEC_PER_MSEC },
        };

        for (size_t i = 0; i < ELEMENTSOF(units); i++) {
                if (usec < units[i].usec)
                        continue;
                if (i == 0)
                        (void) snprintf(buf, size, "%" PRIu64 " days", usec / units[i].fine);
                else
                        (void) timespan_format(usec - usec % units[i].fine, buf, size);
                return buf;
        }
        return timespan_format(usec, buf, size);
}

/* -- Rows -------------------------------------------------------------------------------------- */

static int add_line(struct libscols_table *table, const struct table_rows *rows, const void *item,
                    const struct table_format *format)
{
        struct libscols_line *line = scols_table_new_line(table, NULL);

        if (!line)
                return -ENOMEM;

        for (size_t i = 0; i < format->n_shown; i++) {
                char *text = rows->cell(item, format->shown[i], format);

                int r = table_put(line, i, text, format);

                if (r < 0)
                        return r;
        }
        return 0;
}

int table_print_rows(const struct table_rows *rows, const struct table_format *format)
{
        struct libscols_table *table;
        int r;

        r = table_new(&table, rows->name, format);
        if (r < 0) {
                complain("cannot make the table: %s", strerror(-r));
                return STATUS_FAILED;
        }
        for (size_t i = 0; i < rows->n; i++) {
                r = add_line(table, rows, (const char *) rows->items + i * rows->size, format);
                if (r < 0) {
                        scols_unref_table(table);
                        complain("cannot make the table: %s", strerror(-r));
                        return STATUS_FAILED;
                }
        }
        return table_finish(table, format);
}
