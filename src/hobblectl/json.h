/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* JSON on standard output, for what is no table. Text is escaped as everywhere first, so that it is valid
 * whatever a process calls itself. In a list, and at the top, the key is NULL. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 8

struct json {
        bool one_line;
        unsigned depth;
        bool filled[JSON_DEPTH_MAX]; /* there is something before, at that depth */
        char closing[JSON_DEPTH_MAX];
};

/* opening: '{' or '['. */
void json_open(struct json *json, const char *key, char opening);

/* Close what was opened last; with the outermost, the line ends. */
void json_close(struct json *json);

/* text NULL: null */
void json_text(struct json *json, const char *key, const char *text);
void json_sentence(struct json *json, const char *key, const char *text); /* see shown_sentence() */
void json_bool(struct json *json, const char *key, bool truth);
void json_number(struct json *json, const char *key, uint64_t number);
void json_signed(struct json *json, const char *key, int64_t number);
void json_double(struct json *json, const char *key, double number);
void json_null(struct json *json, const char *key);
