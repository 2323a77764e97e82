/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the daemon lists. The strings live in the reply, and as long as the list. */

#include "client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tarpit_row {
        const char *name, *description, *path;
        uint64_t frozen_usec, thawed_usec;
        bool freeze_idle, paused;
        uint32_t subjects;
};

struct subject_row {
        uint32_t id, pid, uid;
        const char *tarpit, *subject, *command, *state, *source, *path;
        uint64_t cpu_usec, frozen_usec;
        uint64_t since_usec, until_usec; /* CLOCK_REALTIME; until 0: no end */
        int64_t balance_usec;
};

struct request_row {
        const char *id, *verb, *what, *tarpit, *who;
        uint64_t since_usec, until_usec; /* as above */
        bool persistent;
};

struct preview_row {
        uint32_t pid;
        const char *command, *cgroup, *verdict, *text;
};

/* One kind of them. Begins as zero, ends with rows_done(). */
struct rows {
        sd_bus_message *reply;
        size_t n;
        union {
                void *items;
                struct tarpit_row *tarpits;
                struct subject_row *subjects;
                struct request_row *requests;
                struct preview_row *previews;
        };
};

void rows_done(struct rows *rows);

/* Each returns 0 or an exit status after a message. */
int rows_tarpits(struct client *client, struct rows *ret);
int rows_requests(struct client *client, struct rows *ret);

/* tarpit "": of all. Sorted by tarpit and name. */
int rows_subjects(struct client *client, const char *tarpit, struct rows *ret);

int rows_preview(struct client *client, const char *what, const char *tarpit, uint64_t flags,
                 struct rows *ret);
