/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* systemd makes a scope of one process, and the others are moved after it here: it makes none, or one that
 * has failed, where a process has ended that it was to have, and in a tree there is always one that ends. */

#include "scope-again.h"
#include "cgroup-mount.h"
#include "clock.h"
#include "file.h"
#include "macro.h"
#include "source.h"
#include "text.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CGROUP_PATH_MAX 4096

/* An answer takes milliseconds; who waits for it is not hobbled meanwhile. */
#define PATIENCE_USEC (5 * USEC_PER_SEC)

/* Of processes to begin with that have ended meanwhile. */
#define TRIES 20U

struct member {
        pid_t pid;
        uint64_t start_time; /* 0: not looked at yet */
};

/* A scope that is being made. */
struct scope {
        struct scope_again *owner;
        struct scope *next;
        char *unit, *slice, *path;              /* its own, in the hierarchy */
        char *where;                            /* they are until then */
        char *tarpit, *subject, *source, *text; /* of the result */
        const hobble_engine *engine;            /* that they were let go by */
        pid_t pid;
        struct member *members; /* that came from it, and what they have forked; some may have ended */
        size_t n_members, cursor;
        sd_bus_slot *answer;
        sd_event_source *timer;
        uint64_t end_usec; /* when nothing is waited for any more */
        unsigned tries;
        bool queued; /* systemd has a job for it */
        bool made;
};

struct scope_again {
        sd_event *event;
        struct units *units;
        struct units_listener *listener;
        scope_again_handler handler;
        void *userdata;
        struct scope *scopes;
};

static struct scope *scope_free(struct scope *s)
{
        if (!s)
                return NULL;
        sd_bus_slot_unref(s->answer);
        sd_event_source_disable_unref(s->timer);
        free(s->unit);
        free(s->slice);
        free(s->path);
        free(s->where);
        free(s->tarpit);
        free(s->subject);
        free(s->source);
        free(s->text);
        free(s->members);
        free(s);
        return NULL;
}

static void scope_freep(struct scope **s)
{
        scope_free(*s);
}

/* -- Which scope ------------------------------------------------------------------------------- */

static bool is_gone(const char *path, size_t n)
{
        const char *mount = cgroup_mount();
        char full[CGROUP_PATH_MAX + 32];

        if (!mount)
                return false;
        snprintf(full, sizeof(full), "%s%.*s", mount, (int) n, path);
        return access(full, F_OK) < 0 && errno == ENOENT;
}

/* systemd puts an underscore before a name that could be taken for one of the kernel's files. */
static char *unit_name(const char *component, size_t n)
{
        bool escaped = *component == '_';

        return strndup(component + escaped, n - escaped);
}

/* The scope that has ended of those in the path of a cgroup. Returns 1 with its path, its name and that of
 * its slice; 0: there is none; -EREMOTE: it is another manager's; -ENOMEM. */
static int find_scope(const char *path, struct scope *ret)
{
        const char *slice = "-.slice";
        size_t n, n_slice = strlen(slice);
        bool foreign = false;

        for (const char *p = path + strspn(path, "/"); *p; p += n, p += strspn(p, "/")) {
                n = strcspn(p, "/");
                if (text_ends_in(p, n, ".scope") && is_gone(path, (size_t) (p + n - path))) {
                        if (foreign)
                                return -EREMOTE;
                        ret->path = strndup(path, (size_t) (p + n - path));
                        ret->unit = unit_name(p, n);
                        ret->slice = unit_name(slice, n_slice);
                        return ret->path && ret->unit && ret->slice ? 1 : -ENOMEM;
                }
                foreign = foreign || !text_ends_in(p, n, ".slice");
                slice = p;
                n_slice = n;
        }
        return 0;
}

/* -- Which processes --------------------------------------------------------------------------- */

static bool has(const struct scope *s, pid_t pid)
{
        for (size_t i = 0; i < s->n_members; i++) {
                if (s->members[i].pid == pid)
                        return true;
        }
        return false;
}

/* Whether the process lives, in one of the cgroups above the scope. */
static bool is_astray(const struct scope *s, struct member *member, char home[static CGROUP_PATH_MAX])
{
        struct hobble_process p;
        size_t n;

        if (hobble_process_read(member->pid, &p) < 0 || p.pid != member->pid || p.state == 'Z' ||
            p.state == 'X' || hobble_engine_home_of(s->engine, member->pid, home, CGROUP_PATH_MAX) < 0)
                return false;
        if (!member->start_time)
                member->start_time = p.start_time;
        n = strlen(home);
        return member->start_time == p.start_time &&
               (!home[1] || (strncmp(home, s->path, n) == 0 && s->path[n] == '/'));
}

static int add(struct scope *s, pid_t pid)
{
        struct member *grown = reallocarray(s->members, s->n_members + 1, sizeof(*grown));

        if (!grown)
                return -ENOMEM;
        s->members = grown;
        grown[s->n_members++] = (struct member){ .pid = pid };
        return 0;
}

/* One look for what they have forked where they were. Returns 1 where there is something, 0 or -ENOMEM. */
static int add_children(struct scope *s)
{
        char path[CGROUP_PATH_MAX + 64];
        size_t before = s->n_members;
        struct hobble_process p;
        FILE *file;
        int pid, r = 0;

        snprintf(path, sizeof(path), "%s%s/cgroup.procs", cgroup_mount(), s->where);
        file = fopen(path, "re");
        while (file && r >= 0 && fscanf(file, "%d", &pid) == 1) {
                if (!has(s, pid) && hobble_process_read(pid, &p) >= 0 && has(s, p.parent))
                        r = add(s, pid);
        }
        if (file)
                (void) fclose(file);
        return r < 0 ? r : s->n_members > before;
}

/* -- What became of it ------------------------------------------------------------------------- */

static void tell(const struct scope_again *a, const struct scope_again_result *result)
{
        a->handler(result, a->userdata);
}

/* text: what follows what the engine said. */
_printf_(2, 3) static void finish(struct scope *s, const char *fmt, ...)
{
        struct scope_again *a = s->owner;
        char text[2 * CGROUP_PATH_MAX + 1024], more[1024];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(more, sizeof(more), fmt, ap);
        va_end(ap);
        for (struct scope **p = &a->scopes; *p; p = &(*p)->next) {
                if (*p == s) {
                        *p = s->next;
                        break;
                }
        }
        snprintf(text, sizeof(text), "%s%s", s->text, more);
        tell(a, &(struct scope_again_result){
                        .tarpit = s->tarpit,
                        .subject = s->subject,
                        .source = s->source,
                        .pid = s->pid,
                        .text = text,
                });
        scope_free(s);
}

static void finish_failed(struct scope *s, const char *reason)
{
        char unit[512], why[512];

        finish(s, "; %s is not made again: %s", escape_text(s->unit, strlen(s->unit), unit, sizeof(unit)),
               escape_text(reason, strlen(reason), why, sizeof(why)));
}

/* -- Asking ------------------------------------------------------------------------------------ */

static int on_answer(sd_bus_message *message, void *userdata, sd_bus_error *error);

static int append_string(sd_bus_message *m, const char *name, const char *value)
{
        return sd_bus_message_append(m, "(sv)", name, "s", value);
}

static int call(struct scope *s, sd_bus *bus, pid_t pid)
{
        sd_bus_message *m = NULL;
        sd_bus_slot *answer;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                           "org.freedesktop.systemd1.Manager", "StartTransientUnit");
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", s->unit, "fail");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sv)");
        if (r >= 0)
                r = append_string(m, "Description", "Made again by hobbled");
        if (r >= 0)
                r = append_string(m, "Slice", s->slice);
        if (r >= 0)
                r = append_string(m, "CollectMode", "inactive-or-failed");
        if (r >= 0)
                r = sd_bus_message_append(m, "(sv)", "PIDs", "au", 1, (uint32_t) pid);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_append(m, "a(sa(sv))", 0);
        if (r >= 0)
                r = sd_bus_call_async(bus, &answer, m, on_answer, s, PATIENCE_USEC);
        sd_bus_message_unref(m);
        if (r < 0)
                return r;
        sd_bus_slot_unref(s->answer);
        s->answer = answer;
        return 0;
}

/* Returns 1 where the answer is waited for, 0 where nobody is left to ask for, or a negative errno. */
static int ask(struct scope *s)
{
        sd_bus *bus = units_bus(s->owner->units);
        char home[CGROUP_PATH_MAX];
        size_t i = 0;
        int r;

        while (i < s->n_members && !is_astray(s, s->members + i, home))
                i++;
        if (i == s->n_members)
                return 0;
        free(s->where);
        s->where = strdup(home);
        if (!s->where)
                return -ENOMEM;
        s->tries++;
        s->queued = false;
        r = bus ? call(s, bus, s->members[i].pid) : -ENOTCONN;
        return r < 0 ? r : 1;
}

static const char *failure(int error)
{
        switch (error) {
        case -EREMOTE:
                return "it was another manager's than the system's";
        case -ENOTCONN:
                return "there is no system bus to ask systemd over";
        default:
                return strerror(-error);
        }
}

/* The one that it was to begin with may have ended: begin with another. */
static void ask_again(struct scope *s, const char *reason)
{
        int r = 0;

        if (s->tries < TRIES)
                r = ask(s);
        if (r > 0)
                return;
        if (s->tries >= TRIES || r < 0)
                finish_failed(s, r < 0 ? failure(r) : reason);
        else
                finish(s, "%s", "");
}

static int on_answer(sd_bus_message *message, void *userdata, _unused_ sd_bus_error *error)
{
        const sd_bus_error *e = sd_bus_message_get_error(message);
        struct scope *s = userdata;

        if (!e)
                s->queued = true;
        else if (sd_bus_error_has_name(e, SD_BUS_ERROR_UNIX_PROCESS_ID_UNKNOWN))
                ask_again(s, e->message);
        else
                finish_failed(s, e->message ? e->message : e->name);
        return 0;
}

/* -- It is there ------------------------------------------------------------------------------- */

static int move(const struct scope *s, pid_t pid)
{
        _cleanup_close_ int fd = -EBADF;
        char path[CGROUP_PATH_MAX + 64], text[16];

        snprintf(path, sizeof(path), "%s%s/cgroup.procs", cgroup_mount(), s->path);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        snprintf(text, sizeof(text), "%d", (int) pid);
        return file_write(fd, text);
}

/* Move the others after the first one, for one slice of time. Returns 1 where there is more to do, 0 or a
 * negative errno. */
static int move_others(struct scope *s)
{
        uint64_t until = clock_now() + CLOCK_SLICE_USEC;
        char home[CGROUP_PATH_MAX];

        for (; s->cursor < s->n_members; s->cursor++) {
                int r = 0;

                if (clock_now() >= until)
                        return 1;
                if (is_astray(s, s->members + s->cursor, home))
                        r = move(s, s->members[s->cursor].pid);
                if (r < 0 && r != -ESRCH)
                        return r;
        }
        return add_children(s);
}

static void go_on(struct scope *s)
{
        char name[512];

        if (move_others(s) > 0 && clock_now() < s->end_usec) {
                (void) sd_event_source_set_time_relative(s->timer, 0);
                (void) sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
                return;
        }
        finish(s, ", and from there to %s, which systemd has made again",
               escape_text(s->unit, strlen(s->unit), name, sizeof(name)));
}

static int on_timer(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata)
{
        struct scope *s = userdata;

        if (s->made)
                go_on(s);
        else
                finish_failed(s, "systemd does not answer");
        return 0;
}

static void on_news(const char *unit, const char *result, void *userdata)
{
        const struct scope_again *a = userdata;

        for (struct scope *s = a->scopes, *next; result && s; s = next) {
                next = s->next;
                if (!s->queued || strcmp(s->unit, unit) != 0)
                        continue;
                s->queued = false;
                s->made = strcmp(result, "done") == 0;
                if (s->made)
                        go_on(s);
                else
                        ask_again(s, result);
        }
}

/* -- Taking ------------------------------------------------------------------------------------ */

static int scope_new(struct scope **ret, struct scope_again *a, const struct hobble_event *event,
                     const char *source)
{
        _cleanup_(scope_freep) struct scope *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->owner = a;
        s->end_usec = clock_now() + PATIENCE_USEC;
        s->engine = hobble_tarpit_engine(event->tarpit);
        s->pid = event->pid;
        s->tarpit = strdup(hobble_tarpit_name(event->tarpit));
        s->subject = strdup(hobble_subject_name(event->subject));
        s->source = source ? strdup(source) : NULL;
        s->text = strdup(event->text);
        if (!s->tarpit || !s->subject || !s->text || (source && !s->source))
                return -ENOMEM;
        for (size_t i = 0; i < event->n_strays; i++) {
                if (add(s, event->strays[i]) < 0)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(s);
        return 0;
}

/* Returns 1 where the handler is told later, else 0 or a negative errno: why no scope is made. */
static int take(struct scope_again *a, const struct hobble_event *event, const char *source)
{
        _cleanup_(scope_freep) struct scope *s = NULL;
        int r;

        if (!event->origin)
                return 0;
        r = scope_new(&s, a, event, source);
        if (r >= 0)
                r = find_scope(event->origin, s);
        if (r > 0)
                r = ask(s);
        if (r <= 0)
                return r;
        r = sd_event_add_time(a->event, &s->timer, CLOCK_MONOTONIC, s->end_usec, 10 * USEC_PER_MSEC, on_timer,
                              s);
        if (r < 0)
                return r;
        s->next = a->scopes;
        a->scopes = TAKE_PTR(s);
        return 1;
}

void scope_again_take(struct scope_again *a, const struct hobble_event *event, const char *source)
{
        char text[2 * CGROUP_PATH_MAX + 1024];
        int r = take(a, event, source);

        if (r > 0)
                return;
        snprintf(text, sizeof(text), "%s%s%s", event->text, r < 0 ? "; the scope is not made again: " : "",
                 r < 0 ? failure(r) : "");
        tell(a, &(struct scope_again_result){
                        .tarpit = hobble_tarpit_name(event->tarpit),
                        .subject = hobble_subject_name(event->subject),
                        .source = source,
                        .pid = event->pid,
                        .text = text,
                });
}

bool scope_again_has(const struct scope_again *a, pid_t pid)
{
        for (const struct scope *s = a->scopes; s; s = s->next) {
                if (has(s, pid))
                        return true;
        }
        return false;
}

/* -- Life -------------------------------------------------------------------------------------- */

int scope_again_new(struct scope_again **ret, sd_event *event, struct units *units,
                    scope_again_handler handler, void *userdata)
{
        static const struct units_handler listener = { .news = on_news };
        struct scope_again *a = calloc(1, sizeof(*a));
        int r;

        if (!a)
                return -ENOMEM;
        *a = (struct scope_again){ .event = event, .units = units, .handler = handler, .userdata = userdata };
        r = units_listen(&a->listener, units, &listener, a);
        if (r < 0) {
                free(a);
                return r;
        }
        *ret = a;
        return 0;
}

struct scope_again *scope_again_free(struct scope_again *a)
{
        struct scope *s;

        if (!a)
                return NULL;
        while ((s = a->scopes)) {
                a->scopes = s->next;
                scope_free(s);
        }
        units_listener_free(a->listener);
        free(a);
        return NULL;
}
