/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One tarpit. */

#include "facts.h"
#include "macro.h"
#include "message.h"
#include "status.h"
#include "timespan.h"
#include "usage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* How many subjects a tarpit is shown with; list shows them all. */
#define SUBJECTS_SHOWN 20

struct limit {
        const char *key, *json;
        size_t offset;
        bool per_million;
};

static const struct limit limits[] = {
        { "CPUQuota", "cpu_quota", offsetof(struct tarpit_facts, cpu_quota_ppm), true },
        { "CPUWeight", "cpu_weight", offsetof(struct tarpit_facts, cpu_weight), false },
        { "IOWeight", "io_weight", offsetof(struct tarpit_facts, io_weight), false },
        { "MemoryHigh", "memory_high", offsetof(struct tarpit_facts, memory_high), false },
        { "MemoryMax", "memory_max", offsetof(struct tarpit_facts, memory_max), false },
        { "TasksMax", "tasks_max", offsetof(struct tarpit_facts, tasks_max), false },
};

static uint64_t limit_of(const struct tarpit_facts *facts, const struct limit *limit)
{
        uint64_t n;

        memcpy(&n, (const char *) facts + limit->offset, sizeof(n));
        return n;
}

static void print_limits(const struct status *status, const struct tarpit_facts *facts)
{
        char line[512] = "", share[32];
        size_t used = 0;

        for (size_t i = 0; i < ELEMENTSOF(limits); i++) {
                uint64_t n = limit_of(facts, &limits[i]);

                if (n == UINT64_MAX)
                        continue;
                if (limits[i].per_million)
                        used += (size_t) snprintf(line + used, sizeof(line) - used, "%s%s=%s",
                                                  used ? " " : "", limits[i].key,
                                                  share_format(n, share, sizeof(share)));
                else
                        used += (size_t) snprintf(line + used, sizeof(line) - used, "%s%s=%" PRIu64,
                                                  used ? " " : "", limits[i].key, n);
        }
        if (used > 0)
                status_line(status, "Limits", "%s", line);
}

static void print_subjects(const struct status *status, const struct rows *subjects)
{
        size_t n = MIN(subjects->n, (size_t) SUBJECTS_SHOWN);

        for (size_t i = 0; i < n; i++)
                status_subject_line(status, i == 0 ? "Subjects" : "", &subjects->subjects[i]);
        if (n < subjects->n)
                status_line(status, "", "and %zu more: see \"hobblectl list\"", subjects->n - n);
        if (n == 0)
                status_line(status, "Subjects", "none");
}

static void print_text(struct status *status, const struct tarpit_facts *f, const struct rows *subjects)
{
        char description[SHOWN_MAX], frozen[64], thawed[64], check[64], text[SHOWN_MAX];

        status_title(status, f->paused ? STATUS_DOT_WARN : STATUS_DOT_GOOD, f->name,
                     shown(f->description, description));
        status_line(status, "State", "%s%s", f->paused ? "paused, nobody in it is frozen" : "hobbling",
                    f->configured ? "" : "; not configured, and there while requests need it");
        status_line(status, "Duty", "%.2f%%: frozen for %s, thawed for %s%s",
                    duty_of(f->frozen_usec, f->thawed_usec),
                    timespan_format(f->frozen_usec, frozen, sizeof(frozen)),
                    timespan_format(f->thawed_usec, thawed, sizeof(thawed)),
                    f->freeze_idle ? ", also who is idle" : "");
        status_line(status, "Placement", "%s", shown(f->placement, text));
        status_line(status, "Check", "every %s", timespan_format(f->check_usec, check, sizeof(check)));
        print_limits(status, f);
        for (char **source = f->sources; source && *source; source++)
                status_line(status, source == f->sources ? "Sources" : "", "%s", shown(*source, text));
        status_line(status, "CPU", "%.3fs, %.2f%% since admission, balance %+.3fs",
                    (double) f->cpu_usec / 1e6, share_of_tarpit(subjects, f->name),
                    (double) f->balance_usec / 1e6);
        print_subjects(status, subjects);
}

static void print_json(struct json *json, const struct tarpit_facts *f, const struct rows *subjects)
{
        json_open(json, NULL, '{');
        json_text(json, "kind", "tarpit");
        json_text(json, "name", f->name);
        json_text(json, "description", *f->description ? f->description : NULL);
        json_double(json, "duty", duty_of(f->frozen_usec, f->thawed_usec));
        json_double(json, "frozen", (double) f->frozen_usec / 1e6);
        json_double(json, "thawed", (double) f->thawed_usec / 1e6);
        json_bool(json, "freeze_idle", f->freeze_idle);
        json_text(json, "placement", f->placement);
        json_double(json, "check", (double) f->check_usec / 1e6);
        json_bool(json, "paused", f->paused);
        json_bool(json, "configured", f->configured);
        json_double(json, "cpu", (double) f->cpu_usec / 1e6);
        json_double(json, "share", share_of_tarpit(subjects, f->name));
        json_double(json, "balance", (double) f->balance_usec / 1e6);

        json_open(json, "limits", '{');
        for (size_t i = 0; i < ELEMENTSOF(limits); i++) {
                uint64_t n = limit_of(f, &limits[i]);

                if (n == UINT64_MAX)
                        json_null(json, limits[i].json);
                else if (limits[i].per_million)
                        json_double(json, limits[i].json, (double) n / 1e4);
                else
                        json_number(json, limits[i].json, n);
        }
        json_close(json);
        json_open(json, "sources", '[');
        for (char **source = f->sources; source && *source; source++)
                json_text(json, NULL, *source);
        json_close(json);
        json_open(json, "subjects", '[');
        for (size_t i = 0; i < subjects->n; i++)
                status_json_subject(json, &subjects->subjects[i]);
        json_close(json);
        json_close(json);
}

int status_tarpit(struct status *status, const char *path)
{
        _cleanup_(tarpit_facts_done) struct tarpit_facts facts = { 0 };
        _cleanup_(rows_done) struct rows subjects = { 0 };
        int r;

        r = tarpit_facts_get(status->client, path, &facts);
        if (r == STATUS_DONE)
                r = rows_subjects(status->client, facts.name, &subjects);
        if (r != STATUS_DONE)
                return r;
        if (status->as_json)
                print_json(&status->json, &facts, &subjects);
        else
                print_text(status, &facts, &subjects);
        return STATUS_DONE;
}
