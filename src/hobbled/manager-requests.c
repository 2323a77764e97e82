/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What was asked for by hand, followed. */

#include "clock.h"
#include "control.h"
#include "macro.h"
#include "manager-internal.h"
#include "text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define STATE_FILE "requests"

/* How many are looked at in a round whether their process is still there. */
#define SWEEP_MAX 16U

/* -- Texts ------------------------------------------------------------------------------------- */

/* For as long as the manager lives: what a source named may outlive it. */
static const char *keep_text(struct manager *m, const char *text)
{
        char **grown;

        for (size_t i = 0; i < m->n_texts; i++) {
                if (strcmp(m->texts[i], text) == 0)
                        return m->texts[i];
        }
        grown = reallocarray(m->texts, m->n_texts + 1, sizeof(*grown));
        if (!grown)
                return NULL;
        m->texts = grown;
        grown[m->n_texts] = strdup(text);
        return grown[m->n_texts] ? grown[m->n_texts++] : NULL;
}

static const struct request *find_request(const struct manager *m, unsigned id)
{
        const struct request *request = requests_next(m->requests, id - 1);

        return request && request->id == id ? request : NULL;
}

const char *manager_source_text(struct manager *m, const struct tarpit *t, const struct source *s)
{
        const struct source *top = source_top(s);

        for (size_t i = 0; i < t->n_asked; i++) {
                const struct request *request;

                if (t->asked[i].source != top)
                        continue;
                request = find_request(m, t->asked[i].request);
                if (request)
                        return keep_text(m, request->source);
        }
        return keep_text(m, source_text(top));
}

/* -- Following them ---------------------------------------------------------------------------- */

bool manager_is_requested(const struct manager *m, const char *tarpit)
{
        const struct request *request = NULL;

        if (strcmp(tarpit, CONTROL_TARPIT) != 0)
                return false;
        while ((request = requests_next(m->requests, request ? request->id : 0))) {
                if (request->verb == REQUEST_HOBBLE && strcmp(request->tarpit, tarpit) == 0)
                        return true;
        }
        return false;
}

/* The tarpit of requests is there for as long as there is one, unless it is configured. */
static void settle_tarpit(struct manager *m)
{
        struct tarpit *t = manager_find_by_name(m, CONTROL_TARPIT);

        if (manager_is_configured(m, CONTROL_TARPIT))
                return;
        if (!manager_is_requested(m, CONTROL_TARPIT)) {
                if (t && t->configured)
                        tarpit_end(t);
                return;
        }
        if (t && t->configured)
                return;
        manager_set_tarpit(m,
                           &(struct tarpit_settings){
                                   .name = CONTROL_TARPIT,
                                   .description = "Hobbled by hand",
                                   .duty = m->options.duty,
                                   .check_usec = m->options.check_usec,
                                   .limits = HOBBLE_LIMITS_NONE,
                           },
                           true);
}

static void ask(struct tarpit *t, const struct request *request)
{
        static const enum source_kind kinds[] = {
                [REQUEST_UNIT] = SOURCE_UNIT,
                [REQUEST_CGROUP] = SOURCE_CGROUP,
                [REQUEST_USER] = SOURCE_USER,
        };
        int r;

        if (request->verb != REQUEST_HOBBLE || request->kind == REQUEST_PID ||
            strcmp(request->tarpit, t->name) != 0)
                return;
        r = tarpit_ask(t, request->id, kinds[request->kind], request->what + (request->kind == REQUEST_USER));
        if (r < 0)
                topic_say(&t->topic, MESSAGE_ERROR, "%s cannot be followed: %s", request->source,
                          strerror(-r));
}

/* Sources whose request is gone. */
static void unask_all(struct manager *m, struct tarpit *t)
{
        for (size_t i = t->n_asked; i > 0; i--) {
                unsigned id = t->asked[i - 1].request;

                if (!find_request(m, id))
                        (void) tarpit_unask(t, id);
        }
}

static void pause_tarpit(struct manager *m, struct tarpit *t, bool pause)
{
        if (t->paused == pause)
                return;
        tarpit_pause(t, pause);
        topic_say(&t->topic, MESSAGE_NOTICE, pause ? "paused: nobody is frozen" : "hobbling goes on");
        bus_tarpit_changed(m->bus, t);
        bus_event(m->bus, &(struct bus_news){ .kind = pause ? "paused" : "resumed", .tarpit = t->name });
}

void manager_settle_requests(struct manager *m)
{
        if (!m->began)
                return;
        settle_tarpit(m);
        manager_rank_tarpits(m);
        for (size_t i = 0; i < m->n_tarpits; i++) {
                struct tarpit *t = m->tarpits[i];
                const struct request *request = NULL;

                pause_tarpit(m, t, requests_find(m->requests, REQUEST_PAUSE, REQUEST_TARPIT, t->name, 0, 0));
                unask_all(m, t);
                while (t->configured && (request = requests_next(m->requests, request ? request->id : 0)))
                        ask(t, request);
        }
        bus_changed(m->bus);
        manager_changed(m);
}

/* -- Processes --------------------------------------------------------------------------------- */

/* A tree whose root has ended goes on for as long as any of it is there: name one of its processes. */
static pid_t member_of(const struct manager *m, const struct request *request, uint64_t *ret_start_time)
{
        const struct roster_entry *entry = roster_find(m->roster, request->pid, request->start_time);
        struct hobble_process process;
        pid_t pid;

        if (!entry || !entry->subject || hobble_subject_member(entry->subject, &pid) < 0 ||
            hobble_process_read(pid, &process) < 0)
                return 0;
        *ret_start_time = process.start_time;
        return process.pid;
}

static int put_request(struct manager *m, const struct tarpit *t, const struct request *request)
{
        struct roster_claim claim = {
                .rank = t->rank,
                .tarpit = (void *) t,
                .placement = t->placement,
                .source = keep_text(m, request->source),
        };
        struct hobble_process process;
        uint64_t start_time;
        pid_t pid;
        int r;

        r = roster_put(m->roster, request->pid, request->start_time, &claim);
        if (r < 0 || (hobble_process_read(request->pid, &process) >= 0 &&
                      process.start_time == request->start_time && process.state != 'Z'))
                return r;
        pid = member_of(m, request, &start_time);
        return pid > 0 ? roster_put(m->roster, pid, start_time, &claim) : 0;
}

int manager_put_requests(struct manager *m, struct tarpit *t)
{
        const struct request *request = NULL;
        int r;

        while (t->configured && (request = requests_next(m->requests, request ? request->id : 0))) {
                if (request->verb != REQUEST_HOBBLE || request->kind != REQUEST_PID ||
                    strcmp(request->tarpit, t->name) != 0)
                        continue;
                r = put_request(m, t, request);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Those whose process has ended, and who are in no tree any more, concern nobody. */
void manager_sweep_requests(struct manager *m)
{
        for (unsigned i = 0; i < SWEEP_MAX; i++) {
                const struct request *request = requests_next(m->requests, m->swept);
                struct hobble_process process;

                m->swept = request ? request->id : 0;
                if (!request)
                        return;
                if (request->verb == REQUEST_RELEASE && request->kind == REQUEST_PID &&
                    (hobble_process_read(request->pid, &process) < 0 || process.state == 'Z' ||
                     process.start_time != request->start_time))
                        requests_remove(m->requests, request->id);
        }
}

void manager_request_process_ended(struct manager *m, pid_t pid, uint64_t start_time)
{
        bool ended = false;

        for (int verb = REQUEST_HOBBLE; verb <= REQUEST_RELEASE; verb++)
                ended |= requests_forget(m->requests, (enum request_verb) verb, REQUEST_PID, "", pid,
                                         start_time);
        manager_sweep_requests(m);
        if (ended)
                manager_settle_requests(m);
}

/* -- Who was let go ---------------------------------------------------------------------------- */

static const char *release_reason(struct manager *m, const struct request *release)
{
        char who[32] = "root", shown[256], until[64] = "";

        /* A name might have to be asked for over the network. */
        if (release->uid != 0)
                snprintf(who, sizeof(who), "user %u", release->uid);
        if (release->until_usec) {
                time_t t = (time_t) (release->until_usec / USEC_PER_SEC);
                struct tm tm;

                if (localtime_r(&t, &tm))
                        (void) strftime(until, sizeof(until), ", until %Y-%m-%d %H:%M:%S", &tm);
        }
        snprintf(m->reason, sizeof(m->reason), "was let go by hand (%s, by %s%s)",
                 escape_text(release->source, strlen(release->source), shown, sizeof(shown)), who, until);
        return m->reason;
}

/* Who was asked for after that is hobbled all the same. */
const char *manager_release_reason(struct manager *m, const struct tarpit *t,
                                   const struct hobble_process *process, const char *home)
{
        const struct request *release, *hobble;

        if (!t || requests_count(m->requests) == 0)
                return NULL;
        release = requests_match(m->requests, REQUEST_RELEASE, t->name, false, process, home);
        if (!release)
                return NULL;
        hobble = requests_match(m->requests, REQUEST_HOBBLE, NULL, false, process, home);
        return hobble && hobble->id > release->id ? NULL : release_reason(m, release);
}

const char *manager_cgroup_release_reason(struct manager *m, const struct tarpit *t, const char *path)
{
        const struct request *release, *hobble;

        release = requests_match_cgroup(m->requests, REQUEST_RELEASE, t->name, false, path);
        if (!release)
                return NULL;
        hobble = requests_match_cgroup(m->requests, REQUEST_HOBBLE, NULL, false, path);
        return hobble && hobble->id > release->id ? NULL : release_reason(m, release);
}

/* -- Life -------------------------------------------------------------------------------------- */

static void on_ended(const struct request *request, void *userdata)
{
        struct manager *m = userdata;
        char shown[256], text[320];

        snprintf(text, sizeof(text), "%s: its time is over",
                 escape_text(request->source, strlen(request->source), shown, sizeof(shown)));
        message(MESSAGE_NOTICE, "%s", text);
        bus_event(m->bus, &(struct bus_news){ .kind = "expired", .tarpit = request->tarpit, .text = text });
        if (request->verb == REQUEST_RELEASE) {
                roster_reconsider(m->roster);
                for (size_t i = 0; i < m->n_tarpits; i++)
                        tarpit_reread(m->tarpits[i]);
        }
        manager_settle_requests(m);
}

int manager_init_requests(struct manager *m)
{
        _cleanup_free_ char *file = NULL;
        const char *dir = getenv("STATE_DIRECTORY");

        if (m->options.configured && dir && *dir == '/' && asprintf(&file, "%s/" STATE_FILE, dir) < 0)
                return -ENOMEM;
        return requests_new(&m->requests, m->event, file, on_ended, m);
}

void manager_done_requests(struct manager *m)
{
        m->requests = requests_free(m->requests);
        subjects_done(&m->subjects);
        for (size_t i = 0; i < m->n_texts; i++)
                free(m->texts[i]);
        free(m->texts);
}
