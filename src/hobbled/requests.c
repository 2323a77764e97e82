/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "requests.h"
#include "cgroup-mount.h"
#include "clock.h"
#include "exempt-rules.h"
#include "macro.h"
#include "message.h"
#include "requests-file.h"
#include "text.h"
#include "units.h"
#include "userset.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A longer line of ancestors is not followed to its end. */
#define ANCESTORS_MAX 64U

#define TIMER_ACCURACY_USEC (100 * USEC_PER_MSEC)

/* Most look-ups of users take less. */
#define USERS_WAIT_USEC (2 * USEC_PER_MSEC)

struct requests {
        struct request **items; /* by number */
        size_t n, n_allocated;
        unsigned newest;
        sd_event_source *timer;
        struct requests_file *file; /* NULL: none is kept */
        char boot[37];
        void (*ended)(const struct request *request, void *userdata);
        void *userdata;
};

const char *request_verb_name(enum request_verb verb)
{
        static const char *const names[] = {
                [REQUEST_HOBBLE] = "hobble",
                [REQUEST_RELEASE] = "release",
                [REQUEST_PAUSE] = "pause",
        };

        _Static_assert(ELEMENTSOF(names) == REQUEST_VERB_MAX, "a name for each verb");
        return names[verb];
}

int request_kind_of(const char *what, enum request_kind *ret)
{
        size_t size = strlen(what);
        uint64_t pid;

        if (size == 0 || size >= REQUEST_WHAT_MAX || !line_is_text(what, size))
                return -EINVAL;
        if (parse_u64(what, &pid) >= 0) {
                *ret = REQUEST_PID;
                return pid > 0 && pid <= INT32_MAX ? 0 : -EINVAL;
        }
        if (*what == '/') {
                *ret = REQUEST_CGROUP;
                return 0;
        }
        if (*what == '@') {
                *ret = REQUEST_USER;
                return userset_is_valid(what + 1) ? 0 : -EINVAL;
        }
        *ret = REQUEST_UNIT;
        return unit_name_has_cgroup(what, size) ? 0 : -EINVAL;
}

/* -- One --------------------------------------------------------------------------------------- */

static struct request *request_free(struct request *request)
{
        if (!request)
                return NULL;
        userset_free(request->users);
        free(request->source);
        free(request->tarpit);
        free(request->what);
        free(request);
        return NULL;
}

static int request_new(struct request **ret, const struct request *wish)
{
        struct request *request = malloc(sizeof(*request));

        if (!request)
                return -ENOMEM;
        *request = *wish;
        request->users = NULL;
        request->source = NULL;
        request->tarpit = wish->tarpit ? strdup(wish->tarpit) : NULL;
        request->what = strdup(wish->what);
        if (asprintf(&request->source, "hobblectl %s %s", request_verb_name(wish->verb), wish->what) < 0)
                request->source = NULL;
        if (!request->what || !request->source || (wish->tarpit && !request->tarpit) ||
            (wish->kind == REQUEST_USER && userset_new(&request->users, wish->what + 1) < 0)) {
                request_free(request);
                return -ENOMEM;
        }
        if (request->users)
                (void) userset_refresh(request->users, USERS_WAIT_USEC, NULL);
        *ret = request;
        return 0;
}

static bool request_is(const struct request *request, enum request_verb verb, enum request_kind kind,
                       const char *what, pid_t pid, uint64_t start_time)
{
        if (request->verb != verb || request->kind != kind)
                return false;
        if (kind == REQUEST_PID)
                return request->pid == pid && request->start_time == start_time;
        return strcmp(request->what, what) == 0;
}

/* -- The file ---------------------------------------------------------------------------------- */

static void requests_save(struct requests *r)
{
        size_t size = 1, used = 0;
        char *text;

        if (!r->file)
                return;
        for (size_t i = 0; i < r->n; i++)
                size += r->items[i]->persistent ? REQUEST_LINE_MAX : 0;
        text = malloc(size);
        if (!text) {
                message(MESSAGE_ERROR, "requests could not be kept: out of memory");
                return;
        }
        *text = '\0';
        for (size_t i = 0; i < r->n; i++) {
                if (r->items[i]->persistent)
                        used += request_format(r->items[i], r->boot, text + used, size - used);
        }
        requests_file_write(r->file, text);
}

/* Whether the one from the file still makes sense. */
static bool is_there(const struct request *request)
{
        struct hobble_process process;

        if (request->until_usec && request->until_usec <= clock_usec(CLOCK_REALTIME))
                return false;
        return request->kind != REQUEST_PID || (hobble_process_read(request->pid, &process) >= 0 &&
                                                process.start_time == request->start_time);
}

static int requests_insert(struct requests *r, const struct request *wish, struct request **ret);

static int requests_load(struct requests *r)
{
        _cleanup_free_ char *text = NULL;
        unsigned line = 0;
        char *rest;
        int k;

        k = requests_file_read(r->file, &text);
        if (k == -ENOENT)
                return 0;
        if (k < 0) {
                message(MESSAGE_WARNING, "the persistent requests cannot be read: %s", strerror(-k));
                return 0;
        }
        rest = text;
        for (char *word = strsep(&rest, "\n"); word; word = strsep(&rest, "\n")) {
                struct request request, *kept;

                line++;
                if (!*word)
                        continue;
                k = request_parse(word, r->boot, &request);
                if (k == -EINVAL)
                        message(MESSAGE_WARNING, "the persistent requests, line %u: makes no sense; skipped",
                                line);
                if (k >= 0 && is_there(&request))
                        k = requests_insert(r, &request, &kept);
                if (k == -ENOMEM)
                        return k;
        }
        return 0;
}

/* -- Ends -------------------------------------------------------------------------------------- */

static void requests_set_timer(struct requests *r)
{
        uint64_t next = USEC_INFINITY;

        for (size_t i = 0; i < r->n; i++)
                next = MIN(next, r->items[i]->ends_usec);
        if (next < USEC_INFINITY)
                (void) sd_event_source_set_time(r->timer, next);
        (void) sd_event_source_set_enabled(r->timer, next < USEC_INFINITY ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static struct request *requests_take_out(struct requests *r, size_t index)
{
        struct request *request = r->items[index];

        memmove(r->items + index, r->items + index + 1, (--r->n - index) * sizeof(*r->items));
        return request;
}

static int on_time(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata)
{
        struct requests *r = userdata;
        uint64_t now = clock_usec(CLOCK_BOOTTIME);
        bool kept = false;

        for (size_t i = 0; i < r->n;) {
                struct request *request = r->items[i];

                if (request->ends_usec > now) {
                        i++;
                        continue;
                }
                kept = kept || request->persistent;
                (void) requests_take_out(r, i);
                r->ended(request, r->userdata);
                request_free(request);
        }
        if (kept)
                requests_save(r);
        requests_set_timer(r);
        return 0;
}

/* -- All --------------------------------------------------------------------------------------- */

int requests_new(struct requests **ret, sd_event *event, const char *file,
                 void (*ended)(const struct request *request, void *userdata), void *userdata)
{
        struct requests *r = calloc(1, sizeof(*r));
        int k;

        if (!r)
                return -ENOMEM;
        r->ended = ended;
        r->userdata = userdata;
        k = sd_event_add_time(event, &r->timer, CLOCK_BOOTTIME, 0, TIMER_ACCURACY_USEC, on_time, r);
        if (k >= 0)
                k = sd_event_source_set_enabled(r->timer, SD_EVENT_OFF);
        if (k >= 0)
                k = sd_event_source_set_priority(r->timer, SD_EVENT_PRIORITY_IDLE);
        if (k >= 0 && file)
                k = request_boot_id(r->boot);
        if (k >= 0 && file)
                k = requests_file_new(&r->file, event, file);
        if (k >= 0 && file)
                k = requests_load(r);
        if (k < 0) {
                requests_free(r);
                return k;
        }
        requests_set_timer(r);
        *ret = r;
        return 0;
}

struct requests *requests_free(struct requests *r)
{
        if (!r)
                return NULL;
        requests_file_free(r->file);
        for (size_t i = 0; i < r->n; i++)
                request_free(r->items[i]);
        free(r->items);
        sd_event_source_disable_unref(r->timer);
        free(r);
        return NULL;
}

bool requests_are_kept(const struct requests *r)
{
        return r->file;
}

/* Put it at the end, with what is known about it; since_usec is set. */
static int requests_insert(struct requests *r, const struct request *wish, struct request **ret)
{
        uint64_t now = clock_usec(CLOCK_REALTIME);
        struct request *request;
        int k;

        if (r->n >= REQUESTS_MAX * (wish->verb == REQUEST_HOBBLE ? 1 : 2))
                return -E2BIG;
        if (r->n == r->n_allocated) {
                size_t n = MAX(r->n_allocated * 2, (size_t) 16);
                struct request **items = reallocarray(r->items, n, sizeof(struct request *));

                if (!items)
                        return -ENOMEM;
                r->items = items;
                r->n_allocated = n;
        }
        k = request_new(&request, wish);
        if (k < 0)
                return k;
        request->id = ++r->newest;
        request->ends_usec = USEC_INFINITY;
        if (request->until_usec)
                request->ends_usec = clock_usec(CLOCK_BOOTTIME) +
                                     (request->until_usec > now ? request->until_usec - now : 0);
        r->items[r->n++] = request;
        *ret = request;
        return 0;
}

int requests_add(struct requests *r, const struct request *wish, const struct request **ret)
{
        struct request fresh = *wish, *request;
        const struct request *old;
        unsigned old_id;
        bool kept;
        int k;

        old = requests_find(r, wish->verb, wish->kind, wish->what, wish->pid, wish->start_time);
        old_id = old ? old->id : 0;
        kept = wish->persistent || (old && old->persistent);
        fresh.since_usec = clock_usec(CLOCK_REALTIME);
        k = requests_insert(r, &fresh, &request);
        if (k < 0)
                return k;
        for (size_t i = 0; old_id && i < r->n; i++) {
                if (r->items[i]->id == old_id) {
                        request_free(requests_take_out(r, i));
                        break;
                }
        }
        if (kept)
                requests_save(r);
        requests_set_timer(r);
        *ret = request;
        return 0;
}

void requests_remove(struct requests *r, unsigned id)
{
        for (size_t i = 0; i < r->n; i++) {
                struct request *request = r->items[i];

                if (request->id != id)
                        continue;
                (void) requests_take_out(r, i);
                if (request->persistent)
                        requests_save(r);
                request_free(request);
                requests_set_timer(r);
                return;
        }
}

const struct request *requests_next(const struct requests *r, unsigned id)
{
        for (size_t i = 0; i < r->n; i++) {
                if (r->items[i]->id > id)
                        return r->items[i];
        }
        return NULL;
}

const struct request *requests_find(const struct requests *r, enum request_verb verb, enum request_kind kind,
                                    const char *what, pid_t pid, uint64_t start_time)
{
        for (size_t i = 0; i < r->n; i++) {
                if (request_is(r->items[i], verb, kind, what, pid, start_time))
                        return r->items[i];
        }
        return NULL;
}

bool requests_forget(struct requests *r, enum request_verb verb, enum request_kind kind, const char *what,
                     pid_t pid, uint64_t start_time)
{
        const struct request *request = requests_find(r, verb, kind, what, pid, start_time);

        if (request)
                requests_remove(r, request->id);
        return request;
}

unsigned requests_count(const struct requests *r)
{
        return (unsigned) r->n;
}

/* -- Whom they concern ------------------------------------------------------------------------- */

/* What is asked about a process, as far as it was found out. */
struct question {
        const struct hobble_process *process;
        const char *home;
        struct hobble_process ancestors[ANCESTORS_MAX];
        size_t n_ancestors;
        bool climbed, has_uid;
        uid_t uid;
};

static bool is_ancestor(struct question *q, const struct request *request)
{
        if (q->process->pid == request->pid && q->process->start_time == request->start_time)
                return true;
        if (!q->climbed) {
                pid_t pid = q->process->parent;

                q->climbed = true;
                while (pid > 1 && q->n_ancestors < ANCESTORS_MAX &&
                       hobble_process_read(pid, q->ancestors + q->n_ancestors) >= 0)
                        pid = q->ancestors[q->n_ancestors++].parent;
        }
        for (size_t i = 0; i < q->n_ancestors; i++) {
                if (q->ancestors[i].pid == request->pid && q->ancestors[i].start_time == request->start_time)
                        return true;
        }
        return false;
}

static bool is_user(struct question *q, struct userset *users)
{
        if (!q->has_uid) {
                char path[32];
                struct stat st;

                snprintf(path, sizeof(path), "/proc/%d", (int) q->process->pid);
                q->uid = stat(path, &st) < 0 ? (uid_t) -1 : st.st_uid;
                q->has_uid = true;
        }
        (void) userset_refresh(users, 0, NULL);
        return userset_has(users, q->uid);
}

/* Whether the path of a cgroup, or of one above, is what the glob says. */
static bool is_beneath(const char *path, const char *glob)
{
        const char *pattern = cgroup_mount_strip(glob);
        size_t size = pattern ? strlen(pattern) : 0;
        char text[REQUEST_WHAT_MAX];

        while (size > 1 && pattern[size - 1] == '/')
                size--;
        if (size < 2 || size >= sizeof(text))
                return false;
        snprintf(text, sizeof(text), "%.*s", (int) size, pattern);
        return fnmatch(text, path, FNM_PATHNAME | FNM_LEADING_DIR | FNM_NOESCAPE) == 0;
}

static bool concerns(const struct request *request, struct question *q)
{
        switch (request->kind) {
        case REQUEST_PID:
                return is_ancestor(q, request);
        case REQUEST_UNIT:
                return exempt_unit_matches(request->what, q->home) ||
                       unit_pattern_matches_path(request->what, q->home);
        case REQUEST_CGROUP:
                return is_beneath(q->home, request->what);
        case REQUEST_USER:
                return is_user(q, request->users);
        case REQUEST_TARPIT:
                return q->process->start_time <= request->start_time;
        default:
                return false;
        }
}

bool request_concerns(const struct request *request, const struct hobble_process *process, const char *home)
{
        struct question q = { .process = process, .home = home };
        struct userset *users = NULL;
        struct request asked = *request;
        bool answer;

        if (request->kind == REQUEST_USER && !request->users) {
                if (userset_new(&users, request->what + 1) < 0)
                        return false;
                (void) userset_refresh(users, USERS_WAIT_USEC, NULL);
                asked.users = users;
        }
        answer = concerns(&asked, &q);
        userset_free(users);
        return answer;
}

bool request_concerns_cgroup(const struct request *request, const char *path)
{
        return request->kind == REQUEST_TARPIT ||
               (request->kind == REQUEST_CGROUP && is_beneath(path, request->what));
}

static bool counts(const struct request *request, enum request_verb verb, const char *tarpit, bool forced)
{
        return request->verb == verb && (request->force || !forced) &&
               (!tarpit || !request->tarpit || strcmp(request->tarpit, tarpit) == 0);
}

const struct request *requests_match(const struct requests *r, enum request_verb verb, const char *tarpit,
                                     bool forced, const struct hobble_process *process, const char *home)
{
        struct question q = { .process = process, .home = home };

        for (size_t i = r->n; i > 0; i--) {
                const struct request *request = r->items[i - 1];

                if (counts(request, verb, tarpit, forced) && concerns(request, &q))
                        return request;
        }
        return NULL;
}

const struct request *requests_match_cgroup(const struct requests *r, enum request_verb verb,
                                            const char *tarpit, bool forced, const char *path)
{
        for (size_t i = r->n; i > 0; i--) {
                const struct request *request = r->items[i - 1];

                if (counts(request, verb, tarpit, forced) && request_concerns_cgroup(request, path))
                        return request;
        }
        return NULL;
}
