/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus-list.h"
#include "bus-internal.h"
#include "bus-job.h"
#include "container.h"
#include "explain.h"
#include "preview.h"

#include <stdio.h>
#include <string.h>

/* -- Tarpits ----------------------------------------------------------------------------------- */

static int append_tarpit(sd_bus_message *answer, const struct tarpit *t)
{
        _cleanup_free_ char *path = bus_tarpit_path(t->name);

        return !path ? -ENOMEM
                     : sd_bus_message_append(answer, "(ssttbbuo)", t->name, t->description,
                                             t->duty.frozen_usec, t->duty.thawed_usec, t->duty.freeze_idle,
                                             t->paused, hobble_tarpit_subjects(t->host.tarpit), path);
}

int bus_list_tarpits(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error)
{
        const struct bus_peer *p = userdata;
        sd_bus_message *answer = NULL;
        struct tarpit *const *tarpits;
        size_t n;
        int r;

        tarpits = control_tarpits(p->bus->manager, &n);
        r = sd_bus_message_new_method_return(m, &answer);
        if (r >= 0)
                r = sd_bus_message_open_container(answer, 'a', "(ssttbbuo)");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = append_tarpit(answer, tarpits[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(answer);
        if (r >= 0)
                r = sd_bus_send(NULL, answer, NULL);
        sd_bus_message_unref(answer);
        return r;
}

/* -- Subjects ---------------------------------------------------------------------------------- */

struct subjects_walk {
        unsigned id; /* the last one that was looked at */
        char tarpit[65];
};

static int append_subject(sd_bus_message *answer, const struct manager *m, const struct subjects_item *item)
{
        _cleanup_free_ char *path = bus_subject_path(item->id);
        struct hobble_subject_status status;
        struct bus_process process;
        char name[4096], source[1024];
        uint64_t until;
        bool requested;

        if (!path)
                return -ENOMEM;
        if (hobble_subject_status(item->handle, &status) < 0)
                return 0; /* about to end */
        until = bus_until_usec(m, item, &requested);
        bus_process_read(hobble_subject_pid(item->handle), &process);
        return sd_bus_message_append(
                answer, "(usssuusttttxso)", item->id, item->tarpit->name,
                bus_text(hobble_subject_name(item->handle), name, sizeof(name)), process.command,
                (uint32_t) hobble_subject_pid(item->handle), (uint32_t) process.uid,
                bus_state_name(&status, item->tarpit->paused), status.cpu_usec, status.frozen_usec,
                status.since_usec, until, status.balance_usec,
                bus_text(item->source ? item->source : "", source, sizeof(source)), path);
}

static int step_subjects(struct bus *b, void *state, sd_bus_message *answer, _unused_ sd_bus_error *error)
{
        struct subjects_walk *walk = state;
        const struct subjects_item *item = subjects_next(control_subjects(b->manager), walk->id);
        int r;

        if (!item)
                return 0;
        walk->id = item->id;
        if (*walk->tarpit && strcmp(item->tarpit->name, walk->tarpit) != 0)
                return 1;
        r = append_subject(answer, b->manager, item);
        return r < 0 ? r : 1;
}

static const struct bus_job_type subjects_type = { step_subjects, free, "(usssuusttttxso)" };

/* Returns the tarpit, or NULL with the error set. */
static struct tarpit *find_tarpit(const struct bus *b, const char *name, sd_bus_error *error)
{
        struct tarpit *t = control_find_tarpit(b->manager, name);

        if (!t)
                (void) sd_bus_error_set(error, CONTROL_ERROR_NO_SUCH_TARPIT, "There is no such tarpit");
        return t;
}

int bus_list_subjects(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct bus_peer *p = userdata;
        struct subjects_walk *walk;
        const char *tarpit;
        int r;

        r = sd_bus_message_read(m, "s", &tarpit);
        if (r < 0)
                return r;
        if (*tarpit && !find_tarpit(p->bus, tarpit, error))
                return -ENOENT;
        walk = calloc(1, sizeof(*walk));
        if (!walk)
                return -ENOMEM;
        snprintf(walk->tarpit, sizeof(walk->tarpit), "%s", tarpit);
        return bus_job_new(p, m, &subjects_type, walk, error);
}

/* -- Requests ---------------------------------------------------------------------------------- */

static int step_requests(struct bus *b, void *state, sd_bus_message *answer, _unused_ sd_bus_error *error)
{
        unsigned *last = state;
        const struct request *request = requests_next(control_requests(b->manager), *last);
        char id[16], who[64], what[4096];
        int r;

        if (!request)
                return 0;
        *last = request->id;
        snprintf(id, sizeof(id), "%u", request->id);
        r = sd_bus_message_append(answer, "(ssssttsb)", id, request_verb_name(request->verb),
                                  bus_text(request->what, what, sizeof(what)),
                                  request->tarpit ? request->tarpit : "", request->since_usec,
                                  request->until_usec, bus_user_name(request->uid, who, sizeof(who)),
                                  request->persistent);
        return r < 0 ? r : 1;
}

static const struct bus_job_type requests_type = { step_requests, free, "(ssssttsb)" };

int bus_list_requests(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        unsigned *last = calloc(1, sizeof(*last));

        return last ? bus_job_new(userdata, m, &requests_type, last, error) : -ENOMEM;
}

/* -- What would be, and why -------------------------------------------------------------------- */

static int append_preview(const struct preview_line *line, void *userdata)
{
        char command[256], home[4096], text[1024];
        int r;

        r = sd_bus_message_append(userdata, "(ussss)", (uint32_t) line->process.pid,
                                  bus_text(line->process.comm, command, sizeof(command)),
                                  bus_text(line->home ? line->home : "", home, sizeof(home)),
                                  preview_verdict_name(line->verdict),
                                  bus_text(line->text ? line->text : "", text, sizeof(text)));
        return r < 0 ? r : 0;
}

static int step_preview(_unused_ struct bus *b, void *state, sd_bus_message *answer,
                        _unused_ sd_bus_error *error)
{
        return preview_step(state, append_preview, answer);
}

static void done_preview(void *state)
{
        (void) preview_free(state);
}

static const struct bus_job_type preview_type = { step_preview, done_preview, "(ussss)" };

int bus_list_preview(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct bus_peer *p = userdata;
        struct preview *preview = NULL;
        const char *what, *tarpit;
        uint64_t flags;
        int r;

        r = sd_bus_message_read(m, "sst", &what, &tarpit, &flags);
        if (r >= 0)
                r = bus_check_flags(flags, error);
        if (r >= 0)
                r = bus_check_what(what, error);
        if (r >= 0)
                r = preview_new(&preview, p->bus->manager, what, tarpit, flags, error);
        return r < 0 ? r : bus_job_new(p, m, &preview_type, preview, error);
}

static int append_fact(sd_bus_message *answer, const char *name, const char *value)
{
        char text[4096];

        return value && *value
                       ? sd_bus_message_append(answer, "{sv}", name, "s", bus_text(value, text, sizeof(text)))
                       : 0;
}

static int append_number(sd_bus_message *answer, const char *name, uint64_t value)
{
        return sd_bus_message_append(answer, "{sv}", name, "t", value);
}

/* The facts about the subject that the process belongs to. */
static int append_subject_facts(sd_bus_message *answer, const struct manager *m, const struct explanation *e)
{
        const struct subjects_item *item = subjects_find(control_subjects(m), e->subject);
        _cleanup_free_ char *path = NULL;
        int r;

        if (!item)
                return 0;
        path = bus_subject_path(item->id);
        if (!path)
                return -ENOMEM;
        r = append_fact(answer, "Subject", hobble_subject_name(item->handle));
        if (r >= 0)
                r = sd_bus_message_append(answer, "{sv}", "SubjectPath", "o", path);
        if (r >= 0)
                r = append_fact(answer, "State", bus_state_name(&e->status, item->tarpit->paused));
        if (r >= 0)
                r = append_number(answer, "SinceUSec", e->status.since_usec);
        if (r >= 0)
                r = append_number(answer, "CPUUSec", e->status.cpu_usec);
        if (r >= 0)
                r = append_number(answer, "FrozenUSec", e->status.frozen_usec);
        if (r >= 0)
                r = sd_bus_message_append(answer, "{sv}", "BalanceUSec", "x", e->status.balance_usec);
        if (r >= 0)
                r = sd_bus_message_append(answer, "{sv}", "TarpitBalanceUSec", "x",
                                          e->status.tarpit_balance_usec);
        return r;
}

static int append_facts(sd_bus_message *answer, const struct manager *m, const struct explanation *e)
{
        bool hobbled = e->verdict == EXPLAIN_HOBBLED || e->verdict == EXPLAIN_MEMBER ||
                       e->verdict == EXPLAIN_IN_PLACE;
        char container[CONTAINER_MAX];
        int r;

        (void) container_of_cgroup(e->home, container);
        r = sd_bus_message_append(answer, "{sv}", "PID", "u", (uint32_t) e->process.pid);
        if (r >= 0)
                r = append_number(answer, "StartTime", e->process.start_time);
        if (r >= 0)
                r = append_fact(answer, "Command", e->process.comm);
        if (r >= 0)
                r = sd_bus_message_append(answer, "{sv}", "Hobbled", "b", hobbled);
        if (r >= 0)
                r = append_fact(answer, "Verdict", explain_verdict_name(e->verdict));
        if (r >= 0)
                r = append_fact(answer, "Tarpit", e->tarpit);
        if (r >= 0)
                r = append_fact(answer, "Source", e->source);
        if (r >= 0 && e->until_usec > 0)
                r = append_number(answer, "UntilUSec", e->until_usec);
        if (r >= 0)
                r = append_fact(answer, "ControlGroup", e->home);
        if (r >= 0)
                r = append_fact(answer, "Container", container);
        if (r >= 0)
                r = append_fact(answer, "Reason", e->reason);
        return r < 0 || e->subject == 0 ? r : append_subject_facts(answer, m, e);
}

int bus_list_explain(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct bus_peer *p = userdata;
        sd_bus_message *answer = NULL;
        struct explanation e;
        uint32_t pid;
        char text[sizeof(e.text)];
        int r;

        r = sd_bus_message_read(m, "u", &pid);
        if (r >= 0 && (pid == 0 || pid > INT32_MAX))
                r = sd_bus_error_set(error, CONTROL_ERROR_NO_SUCH_PROCESS, "There is no such process");
        if (r >= 0)
                r = explain(p->bus->manager, (pid_t) pid, &e, error);
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &answer);
        if (r >= 0)
                r = sd_bus_message_open_container(answer, 'a', "{sv}");
        if (r >= 0)
                r = append_facts(answer, p->bus->manager, &e);
        if (r >= 0)
                r = sd_bus_message_close_container(answer);
        if (r >= 0)
                r = sd_bus_message_append(answer, "s", bus_text(e.text, text, sizeof(text)));
        if (r >= 0)
                r = sd_bus_send(NULL, answer, NULL);
        sd_bus_message_unref(answer);
        return r;
}

/* -- Paths ------------------------------------------------------------------------------------- */

static int reply_path(sd_bus_message *m, char *path)
{
        int r = path ? sd_bus_reply_method_return(m, "o", path) : -ENOMEM;

        free(path);
        return r;
}

int bus_list_get_tarpit(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        const struct bus_peer *p = userdata;
        const char *name;
        int r = sd_bus_message_read(m, "s", &name);

        if (r < 0)
                return r;
        return find_tarpit(p->bus, name, error) ? reply_path(m, bus_tarpit_path(name)) : -ENOENT;
}

static int reply_subject(struct bus_peer *p, sd_bus_message *m, const char *what, sd_bus_error *error)
{
        const struct subjects_item *item;
        int r = control_find_subject(p->bus->manager, what, &item, error);

        return r < 0 ? r : reply_path(m, bus_subject_path(item->id));
}

int bus_list_get_subject(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        const char *what;
        int r = sd_bus_message_read(m, "s", &what);

        return r < 0 ? r : reply_subject(userdata, m, what, error);
}

int bus_list_get_subject_by_pid(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        uint32_t pid;
        char what[16];
        int r = sd_bus_message_read(m, "u", &pid);

        snprintf(what, sizeof(what), "%u", pid);
        return r < 0 ? r : reply_subject(userdata, m, what, error);
}
