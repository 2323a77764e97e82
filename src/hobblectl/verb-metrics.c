/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* hobblectl metrics: numbers for Prometheus and its like, in the text format of version 0.0.4. */

#include "client.h"
#include "facts.h"
#include "macro.h"
#include "message.h"
#include "options.h"
#include "overview.h"
#include "rows.h"
#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { OPTION_SUBJECTS = OPTION_LONG };

static void describe(const char *name, const char *type, const char *help)
{
        (void) printf("# HELP hobbled_%s %s\n# TYPE hobbled_%s %s\n", name, help, name, type);
}

/* A label's value; shown text may have quotes and backslashes. */
static void put_label(const char *name, const char *value)
{
        char text[4 * SHOWN_MAX];

        (void) printf("%s=\"", name);
        (void) escape_text(value, strlen(value), text, sizeof(text));
        for (const char *p = text; *p; p++) {
                if (*p == '"' || *p == '\\')
                        (void) putchar('\\');
                (void) putchar(*p);
        }
        (void) putchar('"');
}

static void put_number(const char *name, const char *type, const char *help, uint64_t n)
{
        describe(name, type, help);
        (void) printf("hobbled_%s %" PRIu64 "\n", name, n);
}

/* -- The daemon -------------------------------------------------------------------------------- */

static void print_overview(const struct overview *o)
{
        char name[64];

        describe("info", "gauge", "The hobbled that says this; always 1.");
        (void) fputs("hobbled_info{", stdout);
        put_label("version", o->version);
        (void) putchar(',');
        put_label("instance", o->instance);
        (void) puts("} 1");

        describe("start_time_seconds", "gauge", "When it was started, in seconds since 1970.");
        (void) printf("hobbled_start_time_seconds %.3f\n", (double) o->since_usec / 1e6);
        put_number("guarded", "gauge", "Whether a guard watches, to thaw everything if hobbled cannot.",
                   o->guarded);
        put_number("configuration_errors", "gauge", "Errors in the configuration that was read last.",
                   o->errors);
        put_number("configuration_outdated", "gauge",
                   "Whether what is in force is older than what was read last, which has errors.",
                   o->outdated);
        put_number("tarpits", "gauge", "Tarpits.", o->tarpits);
        put_number("subjects", "gauge", "Subjects in all tarpits.", o->subjects);
        put_number("requests", "gauge", "Requests by hand that are in force.", o->requests);
        put_number("descriptors", "gauge", "Open file descriptors.", o->descriptors);
        describe("late_max_seconds", "gauge", "By how much a freeze or thaw was late at most.");
        (void) printf("hobbled_late_max_seconds %.6f\n", (double) o->late_max_usec / 1e6);

        for (const struct overview_counter *c = overview_counters; c->name; c++) {
                char help[128];

                (void) snprintf(name, sizeof(name), "%s_total", c->name);
                (void) snprintf(help, sizeof(help), "%s.", c->what);
                put_number(name, "counter", help, overview_count(o, c));
        }
}

/* -- Tarpits ----------------------------------------------------------------------------------- */

struct tarpit_metric {
        const char *name, *type, *help;
        double (*value)(const struct tarpit_facts *facts);
};

static double value_subjects(const struct tarpit_facts *f)
{
        return f->subjects;
}

static double value_cpu(const struct tarpit_facts *f)
{
        return (double) f->cpu_usec / 1e6;
}

static double value_balance(const struct tarpit_facts *f)
{
        return (double) f->balance_usec / 1e6;
}

static double value_paused(const struct tarpit_facts *f)
{
        return f->paused;
}

static double value_frozen(const struct tarpit_facts *f)
{
        return (double) f->frozen_usec / 1e6;
}

static double value_thawed(const struct tarpit_facts *f)
{
        return (double) f->thawed_usec / 1e6;
}

static const struct tarpit_metric of_tarpit[] = {
        { "tarpit_subjects", "gauge", "Subjects in the tarpit.", value_subjects },
        { "tarpit_cpu_seconds_total", "counter", "CPU time of the tarpit's subjects.", value_cpu },
        { "tarpit_balance_seconds", "gauge", "CPU time above what the tarpit may have.", value_balance },
        { "tarpit_paused", "gauge", "Whether the tarpit is paused, and freezes nobody.", value_paused },
        { "tarpit_frozen_seconds", "gauge", "FrozenSec= of the tarpit.", value_frozen },
        { "tarpit_thawed_seconds", "gauge", "ThawedSec= of the tarpit.", value_thawed },
};

static void print_tarpits(const struct tarpit_facts *facts, size_t n)
{
        for (size_t m = 0; m < ELEMENTSOF(of_tarpit) && n > 0; m++) {
                describe(of_tarpit[m].name, of_tarpit[m].type, of_tarpit[m].help);
                for (size_t i = 0; i < n; i++) {
                        (void) printf("hobbled_%s{", of_tarpit[m].name);
                        put_label("tarpit", facts[i].name);
                        (void) printf("} %.6f\n", of_tarpit[m].value(&facts[i]));
                }
        }
}

/* A tarpit that goes meanwhile is left out. */
static int get_tarpits(struct client *client, const struct rows *rows, struct tarpit_facts *facts, size_t *n)
{
        for (size_t i = 0; i < rows->n; i++) {
                int status = tarpit_facts_get(client, rows->tarpits[i].path, &facts[*n]);

                if (status == STATUS_DONE)
                        (*n)++;
                else if (status == STATUS_NO_SUCH)
                        tarpit_facts_done(&facts[*n]);
                else {
                        tarpit_facts_done(&facts[*n]);
                        return status;
                }
        }
        return STATUS_DONE;
}

/* -- Subjects ---------------------------------------------------------------------------------- */

static void print_of_subjects(const struct rows *subjects, const char *name, const char *help, bool frozen)
{
        if (subjects->n > 0)
                describe(name, "counter", help);
        for (size_t i = 0; i < subjects->n; i++) {
                const struct subject_row *s = &subjects->subjects[i];

                (void) printf("hobbled_%s{", name);
                put_label("tarpit", s->tarpit);
                (void) putchar(',');
                put_label("subject", s->subject);
                (void) printf(",id=\"%u\"} %.6f\n", s->id,
                              (double) (frozen ? s->frozen_usec : s->cpu_usec) / 1e6);
        }
}

static int print(struct client *client, bool of_subjects)
{
        _cleanup_(overview_done) struct overview overview = { 0 };
        _cleanup_(rows_done) struct rows rows = { 0 }, subjects = { 0 };
        _cleanup_free_ struct tarpit_facts *facts = NULL;
        size_t n = 0;
        int status;

        status = overview_get(client, &overview);
        if (status == STATUS_DONE)
                status = rows_tarpits(client, &rows);
        if (status == STATUS_DONE && of_subjects)
                status = rows_subjects(client, "", &subjects);
        if (status != STATUS_DONE)
                return status;

        facts = calloc(MAX(rows.n, 1U), sizeof(*facts));
        if (!facts) {
                complain("out of memory");
                return STATUS_FAILED;
        }
        status = get_tarpits(client, &rows, facts, &n);
        if (status == STATUS_DONE) {
                print_overview(&overview);
                print_tarpits(facts, n);
                print_of_subjects(&subjects, "subject_cpu_seconds_total",
                                  "CPU time of the subject since its admission.", false);
                print_of_subjects(&subjects, "subject_frozen_seconds_total",
                                  "For how long the subject was frozen.", true);
        }
        for (size_t i = 0; i < n; i++)
                tarpit_facts_done(&facts[i]);
        return finish_output() < 0 && status == STATUS_DONE ? STATUS_FAILED : status;
}

static int metrics_main(const struct verb *verb, int argc, char *argv[])
{
        _cleanup_(client_freep) struct client *client = NULL;
        struct option_reader reader;
        const char *socket = NULL;
        bool subjects = false;
        int r, status;

        options_begin(&reader, verb, argc, argv);
        while ((r = options_next(&reader)) > 0) {
                if (r == CLIENT_SOCKET)
                        socket = reader.value;
                else
                        subjects = true;
        }
        if (r < 0)
                return reader.status;

        status = client_new(&client, socket);
        return status == STATUS_DONE ? print(client, subjects) : status;
}

static const struct option_row options[] = {
        { OPTION_SUBJECTS, "subjects", NULL, "Also of each subject, which may be many", OPTION_WORDS_NONE },
        CLIENT_OPTIONS,
        { 0 },
};

const struct verb verb_metrics = {
        .name = "metrics",
        .arguments = "",
        .summary = "Print counters and gauges for Prometheus",
        .options = options,
        .usage_status = STATUS_USAGE,
        .main = metrics_main,
};
