/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The daemon as a whole. */

#include "cells.h"
#include "macro.h"
#include "message.h"
#include "overview.h"
#include "status.h"
#include "timespan.h"
#include "usage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct whole {
        struct overview overview;
        struct rows tarpits, subjects, requests;
};

static void whole_done(struct whole *whole)
{
        overview_done(&whole->overview);
        rows_done(&whole->tarpits);
        rows_done(&whole->subjects);
        rows_done(&whole->requests);
}

static int whole_get(struct client *client, struct whole *whole)
{
        int status = overview_get(client, &whole->overview);

        if (status == STATUS_DONE)
                status = rows_tarpits(client, &whole->tarpits);
        if (status == STATUS_DONE)
                status = rows_subjects(client, "", &whole->subjects);
        if (status == STATUS_DONE)
                status = rows_requests(client, &whole->requests);
        return status;
}

/* -- Text -------------------------------------------------------------------------------------- */

static void print_tarpit(const struct status *status, const char *label, const struct tarpit_row *row,
                         const struct rows *subjects)
{
        char name[SHOWN_MAX], frozen[64], thawed[64];

        status_line(status, label, "%s %.2f%% (%s/%s), %u %s, %.2f%% CPU%s", shown(row->name, name),
                    duty_percent(row), timespan_format(row->frozen_usec, frozen, sizeof(frozen)),
                    timespan_format(row->thawed_usec, thawed, sizeof(thawed)), row->subjects,
                    row->subjects == 1 ? "subject" : "subjects", share_of_tarpit(subjects, row->name),
                    row->paused ? ", paused" : "");
}

static void print_stats(const struct status *status, const struct overview *o)
{
        char late[64];

        for (const struct overview_counter *c = overview_counters; c->name; c++) {
                char value[32];

                (void) snprintf(value, sizeof(value), "%" PRIu64, overview_count(o, c));
                status_line(status, c == overview_counters ? "Counters" : "", "%s: %s", c->what, value);
        }
        status_line(status, "", "Descriptors: %u", o->descriptors);
        status_line(status, "", "Freezes and thaws were late by %s at most",
                    timespan_format(o->late_max_usec, late, sizeof(late)));
}

static void print_text(struct status *status, const struct whole *whole)
{
        const struct overview *o = &whole->overview;
        bool good = o->guarded && o->errors == 0 && !o->outdated;
        char version[SHOWN_MAX], name[2 * SHOWN_MAX], since[160], instance[SHOWN_MAX];

        (void) snprintf(name, sizeof(name), "hobbled %s", o->version);
        status_title(status, good ? STATUS_DOT_GOOD : STATUS_DOT_WARN, shown(name, version), "running");
        status_line(status, "Since", "%s", status_time(o->since_usec, since, sizeof(since)));
        status_line(status, "PID", "%u", o->pid);
        status_line(status, "Instance", "%s", shown(o->instance, instance));
        status_line(status, "Guard", "%s",
                    o->guarded ? "watches" : "none: nobody thaws what is frozen if hobbled cannot");
        if (o->errors > 0)
                status_line(status, "Config", "%u %s%s: see \"hobblectl check-config\"", o->errors,
                            o->errors == 1 ? "error" : "errors",
                            o->outdated ? ", and what was in force before stays in force" : "");
        else
                status_line(status, "Config", "%s",
                            o->outdated ? "not the newest is in force: \"hobblectl reload\"" : "in order");

        status_line(status, "Hobbled", "%u %s", o->subjects, o->subjects == 1 ? "subject" : "subjects");
        for (size_t i = 0; i < whole->tarpits.n; i++)
                print_tarpit(status, i == 0 ? "Tarpits" : "", &whole->tarpits.tarpits[i], &whole->subjects);
        if (whole->tarpits.n == 0)
                status_line(status, "Tarpits", "none");
        for (size_t i = 0; i < whole->requests.n; i++)
                status_request_line(status, i == 0 ? "Requests" : "", &whole->requests.requests[i]);
        if (status->stats)
                print_stats(status, o);
}

/* -- JSON -------------------------------------------------------------------------------------- */

static void json_tarpit(struct json *json, const struct tarpit_row *row, const struct rows *subjects)
{
        json_open(json, NULL, '{');
        json_text(json, "name", row->name);
        json_text(json, "description", *row->description ? row->description : NULL);
        json_double(json, "duty", duty_percent(row));
        json_double(json, "frozen", (double) row->frozen_usec / 1e6);
        json_double(json, "thawed", (double) row->thawed_usec / 1e6);
        json_bool(json, "freeze_idle", row->freeze_idle);
        json_bool(json, "paused", row->paused);
        json_number(json, "subjects", row->subjects);
        json_double(json, "share", share_of_tarpit(subjects, row->name));
        json_close(json);
}

static void json_overview(struct json *json, const struct overview *o)
{
        json_bool(json, "running", true);
        json_text(json, "version", o->version);
        json_text(json, "instance", o->instance);
        json_number(json, "pid", o->pid);
        json_time(json, "since", o->since_usec);
        json_bool(json, "guarded", o->guarded);
        json_number(json, "configuration_errors", o->errors);
        json_bool(json, "configuration_outdated", o->outdated);
        json_number(json, "subjects", o->subjects);
}

static void print_json(struct status *status, const struct whole *whole)
{
        struct json *json = &status->json;

        json_open(json, NULL, '{');
        json_overview(json, &whole->overview);
        json_open(json, "tarpits", '[');
        for (size_t i = 0; i < whole->tarpits.n; i++)
                json_tarpit(json, &whole->tarpits.tarpits[i], &whole->subjects);
        json_close(json);
        json_open(json, "requests", '[');
        for (size_t i = 0; i < whole->requests.n; i++)
                status_json_request(json, &whole->requests.requests[i]);
        json_close(json);
        if (status->stats) {
                json_open(json, "stats", '{');
                for (const struct overview_counter *c = overview_counters; c->name; c++)
                        json_number(json, c->name, overview_count(&whole->overview, c));
                json_number(json, "descriptors", whole->overview.descriptors);
                json_double(json, "late_max", (double) whole->overview.late_max_usec / 1e6);
                json_close(json);
        }
        json_close(json);
}

int status_overview(struct status *status)
{
        _cleanup_(whole_done) struct whole whole = { 0 };
        int r = whole_get(status->client, &whole);

        if (r != STATUS_DONE)
                return r;
        if (status->as_json)
                print_json(status, &whole);
        else
                print_text(status, &whole);
        return STATUS_DONE;
}
