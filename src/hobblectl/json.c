/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "json.h"
#include "macro.h"
#include "message.h"
#include "text.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Text without control characters, but perhaps for ends of lines. */
static void put_escaped(const char *text)
{
        (void) putchar('"');
        for (const char *p = text; *p; p++) {
                if (*p == '"' || *p == '\\')
                        (void) putchar('\\');
                if (*p == '\n')
                        (void) fputs("\\n", stdout);
                else
                        (void) putchar(*p);
        }
        (void) putchar('"');
}

static void put_text(const char *text)
{
        size_t n = strlen(text), size = 4 * n + 4;
        _cleanup_free_ char *buf = malloc(size);

        put_escaped(buf ? escape_text(text, n, buf, size) : "");
}

/* Up to where the value begins. */
static void begin(struct json *json, const char *key)
{
        bool *filled = &json->filled[json->depth];

        if (*filled)
                (void) putchar(',');
        if (json->depth > 0 && !json->one_line)
                (void) printf("\n%*s", (int) (3 * json->depth), "");
        *filled = true;
        if (key) {
                put_text(key);
                (void) fputs(json->one_line ? ":" : ": ", stdout);
        }
}

void json_open(struct json *json, const char *key, char opening)
{
        begin(json, key);
        (void) putchar(opening);
        assert(json->depth + 1 < JSON_DEPTH_MAX);
        json->depth++;
        json->filled[json->depth] = false;
        json->closing[json->depth] = opening == '{' ? '}' : ']';
}

void json_close(struct json *json)
{
        bool filled = json->filled[json->depth];
        char closing = json->closing[json->depth];

        json->depth--;
        if (filled && !json->one_line)
                (void) printf("\n%*s", (int) (3 * json->depth), "");
        (void) putchar(closing);
        if (json->depth == 0) {
                (void) putchar('\n');
                json->filled[0] = false;
        }
}

void json_text(struct json *json, const char *key, const char *text)
{
        if (!text) {
                json_null(json, key);
                return;
        }
        begin(json, key);
        put_text(text);
}

void json_sentence(struct json *json, const char *key, const char *text)
{
        _cleanup_free_ char *buf = shown_sentence(text);

        begin(json, key);
        put_escaped(buf ?: "");
}

void json_bool(struct json *json, const char *key, bool truth)
{
        begin(json, key);
        (void) fputs(truth ? "true" : "false", stdout);
}

void json_number(struct json *json, const char *key, uint64_t number)
{
        begin(json, key);
        (void) printf("%" PRIu64, number);
}

void json_signed(struct json *json, const char *key, int64_t number)
{
        begin(json, key);
        (void) printf("%" PRId64, number);
}

void json_double(struct json *json, const char *key, double number)
{
        if (!isfinite(number)) {
                json_null(json, key);
                return;
        }
        begin(json, key);
        (void) printf("%.6f", number);
}

void json_null(struct json *json, const char *key)
{
        begin(json, key);
        (void) fputs("null", stdout);
}
