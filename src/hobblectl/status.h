/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* hobblectl status, in parts: the daemon as a whole; one tarpit; one subject. Each as text or as JSON. */

#include "client.h"
#include "json.h"
#include "macro.h"
#include "rows.h"
#include "terminal.h"

#include <stdbool.h>
#include <stdint.h>

struct status {
        struct client *client;
        struct terminal terminal;
        bool as_json, stats;
        struct json json;
        bool begun; /* something was printed */
};

/* Each returns 0 or an exit status after a message. path: the object's. */
int status_overview(struct status *status);
int status_tarpit(struct status *status, const char *path);
int status_subject(struct status *status, const char *path);

/* -- Lines ------------------------------------------------------------------------------------- */

enum status_dot {
        STATUS_DOT_GOOD,
        STATUS_DOT_WARN,
        STATUS_DOT_OFF,
};

/* The first line: a dot, a name that is shown escaped, and the rest. rest may be "". */
void status_title(struct status *status, enum status_dot dot, const char *name, const char *rest);

/* "      Since: …", the text being escaped already, and broken where the terminal ends. */
void status_line(const struct status *status, const char *label, const char *format, ...) _printf_(3, 4);

/* The point in time, and how long ago that is or how long until then. Returns buf. */
char *status_time(uint64_t usec, char *buf, size_t size);

/* A subject in one line, below a label that is printed before the first. */
void status_subject_line(const struct status *status, const char *label, const struct subject_row *row);
void status_request_line(const struct status *status, const char *label, const struct request_row *row);

void status_json_subject(struct json *json, const struct subject_row *row);
void status_json_request(struct json *json, const struct request_row *row);

/* 0 and UINT64_MAX, where they mean that there is none, become null. */
void json_time(struct json *json, const char *key, uint64_t usec);
