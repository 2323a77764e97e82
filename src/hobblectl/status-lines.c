/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cells.h"
#include "macro.h"
#include "message.h"
#include "status.h"
#include "usage.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LABEL_WIDTH 10

void status_title(struct status *status, enum status_dot dot, const char *name, const char *rest)
{
        static const struct {
                const char *dot, *on;
        } looks[] = {
                [STATUS_DOT_GOOD] = { "●", "\033[0;1;32m" },
                [STATUS_DOT_WARN] = { "●", "\033[0;1;33m" },
                [STATUS_DOT_OFF] = { "○", "\033[0;2m" },
        };
        bool colours = status->terminal.colours;
        char text[SHOWN_MAX], line[2 * SHOWN_MAX];

        if (status->begun)
                (void) putchar('\n');
        status->begun = true;
        (void) printf("%s%s%s ", colours ? looks[dot].on : "", looks[dot].dot, colours ? "\033[0m" : "");
        (void) snprintf(line, sizeof(line), "%s%s%s", shown(name, text), *rest ? " - " : "", rest);
        print_wrapped(&status->terminal, line, 2);
}

void status_line(const struct status *status, const char *label, const char *format, ...)
{
        char line[2048];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(line, sizeof(line), format, ap);
        va_end(ap);
        (void) printf("%*s%c ", LABEL_WIDTH, label, *label ? ':' : ' ');
        print_wrapped(&status->terminal, line, LABEL_WIDTH + 2);
}

char *status_time(uint64_t usec, char *buf, size_t size)
{
        uint64_t now = now_realtime();
        char point[64], span[64];

        (void) local_time(usec, point, sizeof(point));
        if (!*point)
                (void) snprintf(buf, size, "unknown");
        else if (usec <= now)
                (void) snprintf(buf, size, "%s; %s ago", point, rough_span(now - usec, span, sizeof(span)));
        else
                (void) snprintf(buf, size, "%s; %s left", point, rough_span(usec - now, span, sizeof(span)));
        return buf;
}

void status_subject_line(const struct status *status, const char *label, const struct subject_row *row)
{
        char subject[SHOWN_MAX], command[SHOWN_MAX], state[SHOWN_MAX];

        status_line(status, label, "%s %s, %s, %.2f%% CPU", shown(row->subject, subject),
                    shown(row->command, command), shown(row->state, state), share_of_subject(row));
}

void status_request_line(const struct status *status, const char *label, const struct request_row *row)
{
        char id[SHOWN_MAX], verb[SHOWN_MAX], what[SHOWN_MAX], tarpit[SHOWN_MAX], who[SHOWN_MAX], until[160];
        bool of_tarpit = strcmp(row->what, row->tarpit) == 0;

        (void) status_time(row->until_usec, until, sizeof(until));
        status_line(status, label, "#%s %s %s%s%s%s by %s%s%s%s", shown(row->id, id), shown(row->verb, verb),
                    of_tarpit ? "tarpit " : "", shown(row->what, what),
                    of_tarpit      ? ""
                    : *row->tarpit ? " in "
                                   : "",
                    of_tarpit ? "" : shown(row->tarpit, tarpit), shown(row->who, who),
                    row->until_usec > 0 ? ", until " : "", row->until_usec > 0 ? until : "",
                    row->persistent ? ", persistent" : "");
}

void json_time(struct json *json, const char *key, uint64_t usec)
{
        char buf[64];

        (void) iso_time(usec, buf, sizeof(buf));
        json_text(json, key, *buf ? buf : NULL);
}

void status_json_subject(struct json *json, const struct subject_row *row)
{
        json_open(json, NULL, '{');
        json_number(json, "id", row->id);
        json_text(json, "subject", row->subject);
        json_text(json, "tarpit", row->tarpit);
        json_number(json, "pid", row->pid);
        json_text(json, "command", row->command);
        json_number(json, "uid", row->uid);
        json_text(json, "state", row->state);
        json_text(json, "source", row->source);
        json_double(json, "cpu", (double) row->cpu_usec / 1e6);
        json_double(json, "share", share_of_subject(row));
        json_double(json, "frozen", (double) row->frozen_usec / 1e6);
        json_double(json, "balance", (double) row->balance_usec / 1e6);
        json_time(json, "since", row->since_usec);
        json_time(json, "until", row->until_usec);
        json_close(json);
}

void status_json_request(struct json *json, const struct request_row *row)
{
        json_open(json, NULL, '{');
        json_text(json, "id", row->id);
        json_text(json, "verb", row->verb);
        json_text(json, "what", row->what);
        json_text(json, "tarpit", *row->tarpit ? row->tarpit : NULL);
        json_time(json, "since", row->since_usec);
        json_time(json, "until", row->until_usec);
        json_text(json, "who", row->who);
        json_bool(json, "persistent", row->persistent);
        json_close(json);
}
