/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Values as text: cells of a table, and the same in sentences. What returns char * returns a copy, to be
 * freed; NULL: out of memory. "" where nothing is known. */

#include "table.h"

#include <stdbool.h>
#include <stdint.h>

/* Now, CLOCK_REALTIME. */
uint64_t now_realtime(void);

char *cell_number(uint64_t number);

/* Millionths of it, with its sign. */
char *cell_signed(int64_t millionths, const struct table_format *format);

/* Percent of one core: so much CPU time since then. */
char *cell_share(uint64_t cpu_usec, uint64_t since_usec, uint64_t now, const struct table_format *format);

/* A point in time: for people local, for programs ISO 8601 with its offset from UTC. 0: not known. */
char *cell_time(uint64_t usec, const struct table_format *format);

/* For sentences. Each returns buf. */
char *iso_time(uint64_t usec, char *buf, size_t size);   /* "2025-11-24T10:31:07+01:00" */
char *local_time(uint64_t usec, char *buf, size_t size); /* "Mon 2025-11-24 10:31:07 CET" */
char *rough_span(uint64_t usec, char *buf, size_t size); /* "2 days", "5min 3s", "250ms": two units at most */

/* Print a table of these items, each `size` bytes long. cell: the text of one. Returns the exit status. */
struct table_rows {
        const char *name; /* what the lines are called in JSON */
        const void *items;
        size_t n, size;
        char *(*cell)(const void *item, unsigned column, const struct table_format *format);
};

int table_print_rows(const struct table_rows *rows, const struct table_format *format);
