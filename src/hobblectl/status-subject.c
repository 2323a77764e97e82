/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One subject. */

#include "cells.h"
#include "facts.h"
#include "macro.h"
#include "message.h"
#include "processes.h"
#include "status.h"

#include <math.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

/* How many processes a subject is shown with; tree shows them all. */
#define PROCESSES_SHOWN 20

struct whole {
        struct subject_facts facts;
        struct rows requests;
        struct processes processes; /* of the host */
};

static void whole_done(struct whole *whole)
{
        subject_facts_done(&whole->facts);
        rows_done(&whole->requests);
        processes_done(&whole->processes);
}

/* Whether the process is in the subject's cgroup, or below. */
static bool is_member(const struct whole *whole, const struct process *process)
{
        const char *cgroup = whole->facts.cgroup;
        size_t n = strlen(cgroup);

        return n > 1 && process->cgroup && strncmp(process->cgroup, cgroup, n) == 0 &&
               (process->cgroup[n] == '\0' || process->cgroup[n] == '/');
}

/* The request that the source is made for: it has the name of "hobblectl hobble WHAT". */
static const struct request_row *request_of(const struct whole *whole)
{
        const char *what = whole->facts.requested ? strrchr(whole->facts.source, ' ') : NULL;

        for (size_t i = 0; what && i < whole->requests.n; i++) {
                const struct request_row *row = &whole->requests.requests[i];

                if (strcmp(row->verb, "hobble") == 0 && strcmp(row->what, what + 1) == 0)
                        return row;
        }
        return NULL;
}

/* -- Text -------------------------------------------------------------------------------------- */

static void print_processes(const struct status *status, const struct whole *whole)
{
        size_t n = 0;

        for (size_t i = 0; i < whole->processes.n; i++) {
                const struct process *process = &whole->processes.items[i];
                _cleanup_free_ char *line = NULL;
                char text[SHOWN_MAX];

                if (!is_member(whole, process))
                        continue;
                if (n++ >= PROCESSES_SHOWN)
                        continue;
                line = process_command_line(process);
                status_line(status, n == 1 ? "Processes" : "", "%d %s", process->pid,
                            shown(line ?: "", text));
        }
        if (n > PROCESSES_SHOWN)
                status_line(status, "", "and %zu more: see \"hobblectl tree\"", n - PROCESSES_SHOWN);
}

static const char *user_name(uid_t uid, char buf[static SHOWN_MAX])
{
        const struct passwd *user = getpwuid(uid);

        if (user)
                return shown(user->pw_name, buf);
        (void) snprintf(buf, SHOWN_MAX, "%u", uid);
        return buf;
}

static void print_times(const struct status *status, const struct subject_facts *f)
{
        uint64_t now = now_realtime();
        char since[160], frozen[64];
        double age = f->since_usec > 0 && f->since_usec < now ? (double) (now - f->since_usec) : 0;

        status_line(status, "Since", "%s", status_time(f->since_usec, since, sizeof(since)));
        if (f->until_usec > 0)
                status_line(status, "Until", "%s", status_time(f->until_usec, since, sizeof(since)));
        status_line(status, "Frozen", "%s", rough_span(f->frozen_usec, frozen, sizeof(frozen)));
        status_line(status, "CPU", "%.3fs, %.2f%% since then, balance %+.3fs", (double) f->cpu_usec / 1e6,
                    age > 0 ? MIN((double) f->cpu_usec / age * 100, 1e9) : 0, (double) f->balance_usec / 1e6);
        if (isfinite(f->fair_share))
                status_line(status, "Rate", "used %.2f%% lately, may have %.2f%%", f->rate * 100,
                            f->fair_share * 100);
        else
                status_line(status, "Rate", "used %.2f%% lately", f->rate * 100);
}

static void print_text(struct status *status, const struct whole *whole)
{
        const struct subject_facts *f = &whole->facts;
        const struct request_row *request = request_of(whole);
        char text[SHOWN_MAX], other[SHOWN_MAX];

        status_title(status, strcmp(f->state, "held") == 0 ? STATUS_DOT_WARN : STATUS_DOT_GOOD, f->name,
                     shown(f->command, text));
        status_line(status, "State", "%s", shown(f->state, text));
        status_line(status, "Tarpit", "%s", shown(f->tarpit, text));
        status_line(status, "Source", "%s", shown(f->source, text));
        if (request)
                status_request_line(status, "Request", request);
        if (f->pid > 0)
                status_line(status, "PID", "%u (%s), of %s", f->pid, shown(f->command, text),
                            user_name(f->uid, other));
        if (*f->container)
                status_line(status, "Container", "%s", shown(f->container, text));
        status_line(status, "CGroup", "%s", shown(f->cgroup, text));
        print_times(status, f);
        print_processes(status, whole);
}

/* -- JSON -------------------------------------------------------------------------------------- */

static void print_json(struct json *json, const struct whole *whole)
{
        const struct subject_facts *f = &whole->facts;
        const struct request_row *request = request_of(whole);

        json_open(json, NULL, '{');
        json_text(json, "kind", "subject");
        json_number(json, "id", f->id);
        json_text(json, "subject", f->name);
        json_text(json, "tarpit", f->tarpit);
        if (f->pid > 0)
                json_number(json, "pid", f->pid);
        else
                json_null(json, "pid");
        json_text(json, "command", f->command);
        json_number(json, "uid", f->uid);
        json_text(json, "state", f->state);
        json_text(json, "source", f->source);
        json_text(json, "cgroup", f->cgroup);
        json_text(json, "container", *f->container ? f->container : NULL);
        json_time(json, "since", f->since_usec);
        json_time(json, "until", f->until_usec);
        json_double(json, "cpu", (double) f->cpu_usec / 1e6);
        json_double(json, "frozen", (double) f->frozen_usec / 1e6);
        json_double(json, "balance", (double) f->balance_usec / 1e6);
        json_double(json, "rate", f->rate);
        json_double(json, "fair_share", f->fair_share);
        json_text(json, "request", request ? request->id : NULL);
        json_open(json, "processes", '[');
        for (size_t i = 0; i < whole->processes.n; i++) {
                if (is_member(whole, &whole->processes.items[i]))
                        json_signed(json, NULL, whole->processes.items[i].pid);
        }
        json_close(json);
        json_close(json);
}

int status_subject(struct status *status, const char *path)
{
        _cleanup_(whole_done) struct whole whole = { 0 };
        int r;

        r = subject_facts_get(status->client, path, &whole.facts);
        if (r == STATUS_DONE)
                r = rows_requests(status->client, &whole.requests);
        if (r != STATUS_DONE)
                return r;
        (void) processes_read(&whole.processes); /* what cannot be read is not shown */
        if (status->as_json)
                print_json(&status->json, &whole);
        else
                print_text(status, &whole);
        return STATUS_DONE;
}
