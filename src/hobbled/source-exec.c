/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Exec=: a command that prints who it is. Runs every CheckSec, never twice at a time. Where a run fails, what
 * the last good one printed stays in force. */

#include "brood.h"
#include "cgroup-mount.h"
#include "clock.h"
#include "exec-run.h"
#include "exec-text.h"
#include "members.h"
#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* After so many failures in a row the pause is not doubled any more. */
#define FAILURES_MAX 4U

#define TIMER_ACCURACY_USEC (10 * USEC_PER_MSEC)

struct source_exec {
        struct source source;
        char **words;
        sd_event_source *timer;
        struct exec_run *run;
        unsigned failures; /* in a row */
        struct members members;
        struct brood brood;
};

#define SELF(ptr) CONTAINER_OF(ptr, struct source_exec, source)

static void source_exec_problem(struct source_exec *s, const char *what)
{
        s->failures++;
        topic_problem(&s->source.topic, MESSAGE_WARNING, "%s; %s", what,
                      s->members.bindings.n + s->brood.n > 0 ? "what it named last stays in force"
                                                             : "nothing is hobbled for it");
}

/* -- The output -------------------------------------------------------------------------------- */

static int compare_pids(const void *a, const void *b)
{
        return (*(const pid_t *) a > *(const pid_t *) b) - (*(const pid_t *) a < *(const pid_t *) b);
}

static int source_exec_take_pids(struct source_exec *s, const struct exec_output *output)
{
        _cleanup_free_ pid_t *pids = reallocarray(NULL, output->n + 1, sizeof(*pids));
        size_t n = 0, k = 0;

        if (!pids)
                return -ENOMEM;
        for (size_t i = 0; i < output->n; i++) {
                if (output->items[i].kind == EXEC_PID)
                        pids[n++] = output->items[i].pid;
        }
        if (n > 0)
                qsort(pids, n, sizeof(*pids), compare_pids);
        for (size_t i = 0; i < n; i++) {
                if (k == 0 || pids[k - 1] != pids[i])
                        pids[k++] = pids[i];
        }
        return members_take(&s->members, pids, k, MEMBERS_NAMED);
}

/* Returns 1 where the item becomes a source, 0 or -ENOMEM. */
static int child_of_item(const struct exec_item *item, struct brood_item *ret)
{
        static const enum source_kind kinds[] = {
                [EXEC_UNIT] = SOURCE_UNIT,
                [EXEC_CGROUP] = SOURCE_CGROUP,
                [EXEC_USER] = SOURCE_USER,
        };
        const char *mount = "";

        if (item->kind == EXEC_PID)
                return 0;
        /* A path of the file system, or one as /proc/PID/cgroup has it. */
        if (item->kind == EXEC_CGROUP && strncmp(item->value, "/sys/", 5) != 0)
                mount = cgroup_mount() ?: "/sys/fs/cgroup";
        ret->kind = kinds[item->kind];
        return asprintf(&ret->value, "%s%s", mount, item->value) < 0 ? -ENOMEM : 1;
}

static int source_exec_take_children(struct source_exec *s, const struct exec_output *output)
{
        struct brood_item *items = reallocarray(NULL, output->n + 1, sizeof(*items));
        size_t n = 0;
        int r = items ? 0 : -ENOMEM;

        for (size_t i = 0; i < output->n && r >= 0; i++) {
                r = child_of_item(output->items + i, items + n);
                n += r > 0;
        }
        if (r >= 0) {
                n = brood_sort(items, n);
                r = brood_set(&s->brood, &s->source, items, n);
        }
        while (n > 0)
                free(items[--n].value);
        free(items);
        if (r > 0)
                s->source.host->changed(s->source.host->userdata);
        return r;
}

static void source_exec_take(struct source_exec *s, char *text, size_t size)
{
        struct exec_output output = { 0 };
        char shown[128], what[256];
        int r;

        r = exec_output_parse(text, size, &output);
        if (r == -E2BIG) {
                snprintf(what, sizeof(what), "printed more than %u lines", EXEC_ITEMS_MAX);
                source_exec_problem(s, what);
                return;
        }
        if (r >= 0)
                r = source_exec_take_pids(s, &output);
        if (r >= 0)
                r = source_exec_take_children(s, &output);
        if (r < 0)
                source_exec_problem(s, strerror(-r));
        else if (output.n_bad > 0)
                topic_problem(&s->source.topic, MESSAGE_WARNING,
                              "line %u of its output is no pid, unit, cgroup or @user: \"%s\"; skipped%s",
                              output.bad_line,
                              escape_text(output.bad, strlen(output.bad), shown, sizeof(shown)),
                              output.n_bad > 1 ? ", and more" : "");
        else
                topic_solved(&s->source.topic, "works now, with %zu entr%s", output.n,
                             output.n == 1 ? "y" : "ies");
        exec_output_done(&output);
}

/* -- Runs -------------------------------------------------------------------------------------- */

static void source_exec_again(struct source_exec *s)
{
        /* What fails again and again fills the journal, and is tried less often. */
        uint64_t pause_usec = s->source.host->check_usec << MIN(s->failures, FAILURES_MAX);

        (void) sd_event_source_set_time(s->timer, clock_now() + pause_usec);
        (void) sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
}

static void source_exec_on_end(const char *error, char *text, size_t size, void *userdata)
{
        struct source_exec *s = userdata;

        if (error)
                source_exec_problem(s, error);
        else {
                s->failures = 0;
                source_exec_take(s, text, size);
        }
        s->run = exec_run_free(s->run);
        source_exec_again(s);
}

static int source_exec_start(struct source_exec *s)
{
        char unit[128], description[800];
        const char *tarpit = s->source.host->tarpit ? hobble_tarpit_name(s->source.host->tarpit) : "none";

        if (access(s->words[0], X_OK) < 0)
                return -errno;
        snprintf(unit, sizeof(unit), "hobbled-exec-%s-%" PRIx64 ".service", tarpit, clock_now());
        snprintf(description, sizeof(description), "%s of tarpit %s", s->source.text, tarpit);
        return exec_run_new(&s->run, s->source.host->event, s->source.host->units, unit, description,
                            s->words, source_exec_on_end, s);
}

static int source_exec_on_time(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata)
{
        struct source_exec *s = userdata;
        char what[256];
        int r;

        if (s->run)
                return 0;
        r = source_exec_start(s);
        if (r >= 0)
                return 0;
        if (r == -ENOTCONN)
                source_exec_problem(s, "needs systemd to run it, and there is no system bus");
        else {
                snprintf(what, sizeof(what), "cannot be run: %s", strerror(-r));
                source_exec_problem(s, what);
        }
        source_exec_again(s);
        return 0;
}

static int source_exec_init(struct source *source)
{
        struct source_exec *s = SELF(source);
        int r;

        r = exec_words_split(source->value, &s->words);
        if (r == -EINVAL || r == -E2BIG) {
                topic_say(&source->topic, MESSAGE_ERROR,
                          r == -E2BIG
                                  ? "has too many words; nothing is hobbled for it"
                                  : "is no command line with an absolute path; nothing is hobbled for it");
                return -EINVAL;
        }
        if (r >= 0)
                r = members_init(&s->members, source->host, &source->topic, NULL, s);
        if (r >= 0)
                r = sd_event_add_time(source->host->event, &s->timer, CLOCK_MONOTONIC, 0, TIMER_ACCURACY_USEC,
                                      source_exec_on_time, s);
        return r < 0 ? r : sd_event_source_set_priority(s->timer, SD_EVENT_PRIORITY_IDLE);
}

static void source_exec_done(struct source *source)
{
        struct source_exec *s = SELF(source);

        s->run = exec_run_free(s->run);
        s->timer = sd_event_source_disable_unref(s->timer);
        brood_done(&s->brood);
        members_done(&s->members);
        s->words = exec_words_free(s->words);
}

static void source_exec_reread(struct source *source)
{
        struct source_exec *s = SELF(source);

        s->failures = 0;
        if (!s->run) {
                (void) sd_event_source_set_time(s->timer, 0);
                (void) sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
        }
        brood_reread(&s->brood);
}

static int source_exec_for_each(const struct source *source, source_process_fn fn, void *userdata)
{
        const struct source_exec *s = SELF(source);
        int r;

        r = members_for_each(&s->members, fn, userdata);
        return r != 0 ? r : brood_for_each(&s->brood, fn, userdata);
}

static int source_exec_for_each_cgroup(const struct source *source, source_cgroup_fn fn, void *userdata)
{
        const struct source_exec *s = SELF(source);

        return brood_for_each_cgroup(&s->brood, fn, userdata);
}

static void source_exec_process_ended(struct source *source, pid_t pid, uint64_t start_time)
{
        brood_process_ended(&SELF(source)->brood, pid, start_time);
}

static void source_exec_void(struct source *source)
{
        brood_void(&SELF(source)->brood);
}

static void source_exec_end(struct source *source)
{
        struct source_exec *s = SELF(source);

        s->run = exec_run_free(s->run);
        s->timer = sd_event_source_disable_unref(s->timer);
        members_clear(&s->members);
        brood_end(&s->brood);
}

static enum hobble_placement source_exec_placement(const struct source *source)
{
        const struct source_exec *s = SELF(source);

        return brood_placement(&s->brood);
}

static bool source_exec_is_over(const struct source *source)
{
        const struct source_exec *s = SELF(source);

        return brood_is_over(&s->brood);
}

static void source_exec_child_over(struct source *source)
{
        brood_sweep(&SELF(source)->brood);
}

const struct source_ops source_exec_ops = {
        .size = sizeof(struct source_exec),
        .init = source_exec_init,
        .done = source_exec_done,
        .reread = source_exec_reread,
        .for_each = source_exec_for_each,
        .for_each_cgroup = source_exec_for_each_cgroup,
        .process_ended = source_exec_process_ended,
        .void_all = source_exec_void,
        .end = source_exec_end,
        .placement = source_exec_placement,
        .is_over = source_exec_is_over,
        .child_over = source_exec_child_over,
};
