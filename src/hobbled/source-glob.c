/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Cgroup=: each cgroup that the path, a glob, matches is a source of its own. Matches come and go; they are
 * looked for every CheckSec. */

#include "brood.h"
#include "cgroup-mount.h"
#include "clock.h"
#include "text.h"
#include "units.h"

#include <glob.h>
#include <string.h>
#include <sys/stat.h>

#define TIMER_ACCURACY_USEC (10 * USEC_PER_MSEC)

/* The children that hobbled makes in cgroups. */
#define OWN_PREFIX "hobbled-"

struct source_glob {
        struct source source;
        sd_event_source *timer;
        struct brood brood;
        bool is_glob;
        char *unit_said; /* the last match that was taken for a unit */
};

#define SELF(ptr) CONTAINER_OF(ptr, struct source_glob, source)

/* Where the path is the cgroup of a systemd unit in the v2 hierarchy: the rest of it, from the root of the
 * hierarchy; else NULL. PID 1 starts processes in there, and would wait for the thaw where it was frozen. */
static const char *unit_of_path(const char *path)
{
        const char *name = strrchr(path, '/') ?: path;

        name += *name == '/';
        if (!unit_name_has_cgroup(name, strlen(name)) || access("/run/systemd/system", F_OK) < 0)
                return NULL;
        return cgroup_mount_strip(path);
}

static void source_glob_say_unit(struct source_glob *s, const char *path, const char *unit)
{
        char shown[512];

        if (s->unit_said && strcmp(s->unit_said, unit) == 0)
                return;
        free(s->unit_said);
        s->unit_said = strdup(unit);
        topic_say(&s->source.topic, MESSAGE_NOTICE,
                  "%s is a systemd unit's own cgroup, in which systemd starts processes, so it is not frozen "
                  "itself: its processes are hobbled in children of it, as with Unit=",
                  s->is_glob ? escape_text(path, strlen(path), shown, sizeof(shown)) : "this");
}

/* Returns 1 where the match counts, 0 or -ENOMEM. */
static int source_glob_take(struct source_glob *s, const char *match, struct brood_item *ret)
{
        _cleanup_free_ char *path = strdup(match);
        const char *unit, *name;
        size_t size;
        struct stat st;

        if (!path)
                return -ENOMEM;
        for (size = strlen(path); size > 1 && path[size - 1] == '/'; size--)
                path[size - 1] = '\0';
        name = strrchr(path, '/') ?: path;
        if (s->is_glob && (strncmp(name + (*name == '/'), OWN_PREFIX, strlen(OWN_PREFIX)) == 0 ||
                           stat(path, &st) < 0 || !S_ISDIR(st.st_mode)))
                return 0;

        unit = unit_of_path(path);
        if (unit)
                source_glob_say_unit(s, path, unit);
        ret->kind = unit ? SOURCE_UNIT : SOURCE_PATH;
        ret->value = strdup(unit ? unit : path);
        return ret->value ? 1 : -ENOMEM;
}

static int source_glob_set(struct source_glob *s, char *const *matches, size_t n)
{
        struct brood_item *items = reallocarray(NULL, n + 1, sizeof(*items));
        size_t k = 0;
        int r = items ? 0 : -ENOMEM;

        for (size_t i = 0; i < n && r >= 0; i++) {
                r = source_glob_take(s, matches[i], items + k);
                k += r > 0;
        }
        if (r >= 0) {
                k = brood_sort(items, k);
                if (k == 0)
                        topic_problem(&s->source.topic, MESSAGE_NOTICE, "matches no cgroup; waiting for one");
                else if (s->is_glob)
                        topic_solved(&s->source.topic, "matches %zu cgroup%s now", k, k == 1 ? "" : "s");
                r = brood_set(&s->brood, &s->source, items, k);
        }
        while (k > 0)
                free(items[--k].value);
        free(items);
        return r;
}

static int source_glob_on_time(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata)
{
        struct source_glob *s = userdata;
        glob_t found = { 0 };
        int r;

        r = glob(s->source.value, GLOB_NOSORT | GLOB_ONLYDIR | GLOB_NOESCAPE, NULL, &found);
        if (r == 0 || r == GLOB_NOMATCH)
                (void) source_glob_set(s, found.gl_pathv, found.gl_pathc);
        globfree(&found);

        (void) sd_event_source_set_time(s->timer, clock_now() + s->source.host->check_usec);
        return sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
}

static int source_glob_init(struct source *source)
{
        struct source_glob *s = SELF(source);
        int r;

        /* What is no glob is one match, there or not: the source that it becomes waits for it. */
        s->is_glob = strpbrk(source->value, "*?[");
        if (!s->is_glob)
                return source_glob_set(s, &source->value, 1);

        r = sd_event_add_time(source->host->event, &s->timer, CLOCK_MONOTONIC, 0, TIMER_ACCURACY_USEC,
                              source_glob_on_time, s);
        return r < 0 ? r : sd_event_source_set_priority(s->timer, SD_EVENT_PRIORITY_IDLE);
}

static void source_glob_done(struct source *source)
{
        struct source_glob *s = SELF(source);

        s->timer = sd_event_source_disable_unref(s->timer);
        brood_done(&s->brood);
        free(s->unit_said);
}

static void source_glob_reread(struct source *source)
{
        struct source_glob *s = SELF(source);

        if (s->timer)
                (void) sd_event_source_set_time(s->timer, 0);
        brood_reread(&s->brood);
}

static int source_glob_for_each(const struct source *source, source_process_fn fn, void *userdata)
{
        const struct source_glob *s = SELF(source);

        return brood_for_each(&s->brood, fn, userdata);
}

static int source_glob_for_each_cgroup(const struct source *source, source_cgroup_fn fn, void *userdata)
{
        const struct source_glob *s = SELF(source);

        return brood_for_each_cgroup(&s->brood, fn, userdata);
}

static void source_glob_process_ended(struct source *source, pid_t pid, uint64_t start_time)
{
        brood_process_ended(&SELF(source)->brood, pid, start_time);
}

static void source_glob_void(struct source *source)
{
        brood_void(&SELF(source)->brood);
}

static void source_glob_end(struct source *source)
{
        struct source_glob *s = SELF(source);

        s->timer = sd_event_source_disable_unref(s->timer);
        brood_end(&s->brood);
}

static enum hobble_placement source_glob_placement(const struct source *source)
{
        const struct source_glob *s = SELF(source);

        return brood_placement(&s->brood);
}

static bool source_glob_is_over(const struct source *source)
{
        const struct source_glob *s = SELF(source);

        return brood_is_over(&s->brood);
}

static void source_glob_child_over(struct source *source)
{
        brood_sweep(&SELF(source)->brood);
}

const struct source_ops source_glob_ops = {
        .size = sizeof(struct source_glob),
        .init = source_glob_init,
        .done = source_glob_done,
        .reread = source_glob_reread,
        .for_each = source_glob_for_each,
        .for_each_cgroup = source_glob_for_each_cgroup,
        .process_ended = source_glob_process_ended,
        .void_all = source_glob_void,
        .end = source_glob_end,
        .placement = source_glob_placement,
        .is_over = source_glob_is_over,
        .child_over = source_glob_child_over,
};
