/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What top shows: the subjects as they were at one moment, and at which rate they use CPU time since the
 * moment before. Nothing here waits or reads. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct top_row {
        /* As they are shown: escaped. */
        char *subject, *tarpit, *command, *user, *instance;
        char *raw_tarpit; /* as the daemon knows it */
        char *path;       /* its object on the bus, NULL: it is not the daemon's */
        bool tarpit_paused;
        char state[12];                 /* as it is shown */
        bool timed;                     /* frozen_usec and balance_usec are known */
        uint64_t cpu_usec, frozen_usec; /* since admission */
        uint64_t since_usec;            /* CLOCK_REALTIME, 0: unknown */
        int64_t balance_usec;

        /* In CPUs, made by top_rows_measure(): what it got and what it would have burnt, NAN where that is
         * not known. */
        double got, wants;
};

struct top_rows {
        struct top_row *items;
        size_t n, allocated;
        uint64_t monotonic_usec, realtime_usec; /* when they were read */
};

/* A new row, zeroed; NULL: out of memory. */
struct top_row *top_rows_add(struct top_rows *rows);

/* A copy of the text, escaped. NULL: out of memory. */
char *top_escape(const char *text);

void top_rows_done(struct top_rows *rows);

/* Rates since the moment before; of who was not there then, since admission. cpus: how many the host has;
 * nobody would burn more. Both lists are sorted by this as top_rows_find() needs them. */
void top_rows_measure(struct top_rows *rows, struct top_rows *before, double cpus);

struct top_totals {
        unsigned subjects, tarpits, frozen, paused;
        uint64_t cpu_usec;
        double got, wants; /* CPUs; who is not timed would have burnt what they got */
        bool timed;        /* of one at least it is known what they would have burnt */
};

void top_rows_sum(const struct top_rows *rows, struct top_totals *ret);

enum top_column {
        TOP_SUBJECT,
        TOP_USER,
        TOP_TARPIT,
        TOP_STATE,
        TOP_CPU,
        TOP_WANTS,
        TOP_BALANCE,
        TOP_TIME,
        TOP_COMMAND,
        TOP_COLUMN_MAX,
};

/* Its heading, and as --sort names it. */
const char *top_column_name(enum top_column column);

/* The column of that name, upper or lower case; -EINVAL: none. */
int top_column_find(const char *name);

/* The rows that the filter lets through, sorted: pointers into rows, to be freed. filter: a part of subject,
 * tarpit, command or user, upper or lower case being the same; "" lets all through. Numbers come with the
 * greatest first, names in their order, unless reversed. Returns NULL where memory is short. */
const struct top_row **top_rows_view(const struct top_rows *rows, enum top_column sort, bool reverse,
                                     const char *filter, size_t *ret_n);

/* Whether both are the same subject. */
bool top_row_is(const struct top_row *a, const struct top_row *b);
