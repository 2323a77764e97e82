/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tarpit.h"
#include "admission.h"
#include "engine.h"
#include "file.h"
#include "macro.h"
#include "points.h"
#include "process.h"
#include "protection.h"
#include "release.h"
#include "subject.h"
#include "tarpit-limits.h"
#include "text.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* However long the tarpit's own sleep, the guard must hear of us. */
#define BEAT_USEC (250 * USEC_PER_MSEC)

/* A probe (file-wait.h) takes some 50 us, and a look is not to take long. */
#define PROBES_MAX 32

static hobble_subject *subject_of(struct planner_subject *p)
{
        return CONTAINER_OF(p, hobble_subject, plan);
}

/* -- Clock ------------------------------------------------------------------------------------- */

void tarpit_set_clock(hobble_tarpit *t)
{
        uint64_t deadline = planner_deadline(t->planner);

        /* The guard wants to hear of us as long as there is a subject, even where the planner has nothing to
         * do. */
        if (t->ended || t->subjects.count == 0 || !engine_may_freeze(t->engine)) {
                (void) sd_event_source_set_enabled(t->clock, SD_EVENT_OFF);
                return;
        }
        (void) sd_event_source_set_time(t->clock, MIN(deadline, clock_now() + BEAT_USEC));
        (void) sd_event_source_set_enabled(t->clock, SD_EVENT_ONESHOT);
}

static void sample(hobble_tarpit *t)
{
        struct planner_subject *p;

        t->probes_left = PROBES_MAX;
        while ((p = planner_next_sample(t->planner))) {
                struct planner_sample counters;
                int r = subject_sample(subject_of(p), &counters);

                if (r >= 0)
                        planner_put_sample(t->planner, p, &counters);
                else if (cgroup_is_gone(r))
                        subject_gone(subject_of(p));
        }
}

/* The whole tarpit at once: its own directory, and what lies outside of it. */
static void freeze_all(hobble_tarpit *t, bool freeze, uint64_t now)
{
        int r;

        if (freeze && !engine_may_freeze(t->engine))
                return;
        if (freeze)
                point("freeze.looked");
        r = file_write(t->freeze_fd, freeze ? "1" : "0");
        if (freeze)
                point("freeze.written");
        t->stopped = freeze && r >= 0;
        if (freeze && !engine_may_freeze(t->engine)) {
                (void) file_write(t->freeze_fd, "0");
                t->stopped = false;
        }

        for (struct ilist_link *k = t->subjects.first, *next; k; k = next) {
                hobble_subject *s = CONTAINER_OF(k, hobble_subject, in_tarpit);

                next = k->next;
                if (!subject_is_outside(s))
                        subject_note_frozen(s, now);
                else if (s->state == SUBJECT_LIVE && cgroup_is_gone(subject_freeze(s, freeze, now)))
                        subject_gone(s);
        }
}

static void act(hobble_tarpit *t, uint64_t now)
{
        struct planner_action action;

        while (planner_next_action(t->planner, &action)) {
                bool freeze = action.verb == PLANNER_FREEZE || action.verb == PLANNER_FREEZE_ALL;

                if (action.subject) {
                        hobble_subject *s = subject_of(action.subject);

                        if (cgroup_is_gone(subject_freeze(s, freeze, now)))
                                subject_gone(s);
                } else {
                        freeze_all(t, freeze, now);
                }
        }
}

static void look(hobble_tarpit *t, uint64_t now)
{
        uint64_t total = 0;

        if (cgroup_read_usage(t->usage_fd, &total) >= 0)
                t->seen_usec = total;
        planner_begin(t->planner, now, total);
        sample(t);
        planner_decide(t->planner);
        act(t, now);
        planner_acted(t->planner, clock_now());
}

static void note_late(hobble_tarpit *t, uint64_t now)
{
        uint64_t deadline = planner_deadline(t->planner), usec = now - MIN(now, deadline);
        hobble_engine *e = t->engine;
        unsigned bucket = 0;

        if (!planner_deadline_is_edge(t->planner))
                return;
        while (bucket < HOBBLE_LATE_MAX - 1 && usec >= UINT64_C(64) << bucket)
                bucket++;
        e->late[bucket]++;
        e->late_max_usec = MAX(e->late_max_usec, usec);
}

static int on_clock(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata)
{
        hobble_tarpit *t = userdata;
        hobble_engine *e = t->engine;
        uint64_t now = clock_now();

        if (!engine_beat(e))
                return 0;
        if (now >= planner_deadline(t->planner)) {
                note_late(t, now);
                look(t, now);
        }
        /* Fenced while it froze: what it froze is thawed, and the rest is the guard's. */
        if (engine_beat(e))
                tarpit_set_clock(t);
        return 0;
}

void tarpit_thaw_all(hobble_tarpit *t)
{
        uint64_t now = clock_now();

        (void) file_write(t->freeze_fd, "0");
        t->stopped = false;
        for (struct ilist_link *k = t->subjects.first; k; k = k->next) {
                hobble_subject *s = CONTAINER_OF(k, hobble_subject, in_tarpit);

                if (s->state == SUBJECT_LIVE && (s->plan.frozen || subject_is_outside(s)))
                        (void) subject_freeze(s, false, now);
                else
                        subject_note_frozen(s, now);
        }
        planner_thawed_all(t->planner, now);
        tarpit_set_clock(t);
}

void tarpit_forget_all(hobble_tarpit *t)
{
        while (t->subjects.first) {
                hobble_subject *s = CONTAINER_OF(t->subjects.first, hobble_subject, in_tarpit);

                if (s->in_place)
                        in_place_forget(&t->engine->in_place, s);
                subject_end(s, (struct hobble_event){ .kind = HOBBLE_EVENT_RESCUED, .pid = s->pid });
        }
        tarpit_set_clock(t);
}

/* -- Life -------------------------------------------------------------------------------------- */

static int configure(hobble_tarpit *t, const struct hobble_duty *duty)
{
        const struct planner_config config = {
                .frozen_usec = duty->frozen_usec,
                .thawed_usec = duty->thawed_usec,
                .cpus = t->engine->cpus,
                .freeze_idle = duty->freeze_idle,
        };
        int r;

        if (t->planner)
                r = planner_configure(t->planner, &config, clock_now());
        else
                r = planner_new(&t->planner, &config, clock_now());
        if (r >= 0)
                t->duty = *duty;
        return r;
}

static int make_directory(hobble_tarpit *t)
{
        t->dir_fd = cgroup_make(t->engine->pit_fd, t->name);
        if (t->dir_fd < 0)
                return t->dir_fd;
        t->freeze_fd = openat(t->dir_fd, "cgroup.freeze", O_RDWR | O_CLOEXEC);
        t->usage_fd = openat(t->dir_fd, "cpu.stat", O_RDONLY | O_CLOEXEC);
        if (t->freeze_fd < 0 || t->usage_fd < 0)
                return -errno;
        (void) limits_apply(t, NULL);
        return 0;
}

int tarpit_open_directory(hobble_tarpit *t)
{
        t->dir_fd = close_fd(t->dir_fd);
        t->freeze_fd = close_fd(t->freeze_fd);
        t->usage_fd = close_fd(t->usage_fd);
        t->past_usec += t->seen_usec;
        t->seen_usec = 0;
        t->stopped = false;
        return make_directory(t);
}

void tarpit_drop(hobble_tarpit *t)
{
        events_drop(&t->engine->events, t);
        ilist_remove(&t->in_engine);
        t->planner = planner_free(t->planner);
        t->clock = sd_event_source_disable_unref(t->clock);
        close_fd(t->usage_fd);
        close_fd(t->freeze_fd);
        close_fd(t->dir_fd);
        free(t);
}

_public_ int hobble_duty_check(const struct hobble_duty *duty)
{
        return duty->frozen_usec <= 60 * USEC_PER_SEC && duty->thawed_usec >= USEC_PER_MSEC &&
                               duty->thawed_usec <= 10 * USEC_PER_SEC
                       ? 0
                       : -ERANGE;
}

_public_ int hobble_tarpit_new(hobble_tarpit **ret, hobble_engine *e, const char *name,
                               const struct hobble_duty *duty)
{
        hobble_tarpit *t;
        int r;

        if (!name_is_valid(name))
                return -EINVAL;
        r = hobble_duty_check(duty);
        if (r < 0)
                return r;
        for (const struct ilist_link *k = e->tarpits.first; k; k = k->next)
                if (strcmp(CONTAINER_OF(k, const hobble_tarpit, in_engine)->name, name) == 0)
                        return -EEXIST;

        t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;
        t->engine = e;
        t->dir_fd = t->freeze_fd = t->usage_fd = -EBADF;
        t->limits = HOBBLE_LIMITS_NONE;
        strcpy(t->name, name);
        ilist_append(&e->tarpits, &t->in_engine);

        r = configure(t, duty);
        if (r >= 0 && engine_may_admit(e) >= 0)
                r = make_directory(t);
        if (r >= 0)
                r = sd_event_add_time(e->event, &t->clock, CLOCK_MONOTONIC, 0, 1, on_clock, t);
        if (r >= 0)
                r = sd_event_source_set_priority(t->clock, PRIORITY_CLOCK);
        if (r >= 0)
                r = sd_event_source_set_enabled(t->clock, SD_EVENT_OFF);
        if (r < 0) {
                tarpit_drop(t);
                return r;
        }
        *ret = t;
        return 0;
}

_public_ hobble_tarpit *hobble_tarpit_free(hobble_tarpit *t)
{
        if (!t)
                return NULL;

        t->ended = true;
        tarpit_thaw_all(t);
        while (t->subjects.first) {
                hobble_subject *s = CONTAINER_OF(t->subjects.first, hobble_subject, in_tarpit);

                hobble_subject_release(s);
                release_now(s);
        }
        (void) cgroup_remove(t->engine->pit_fd, t->name);
        tarpit_drop(t);
        return NULL;
}

_public_ const char *hobble_tarpit_name(const hobble_tarpit *t)
{
        return t->name;
}

_public_ hobble_engine *hobble_tarpit_engine(const hobble_tarpit *t)
{
        return t->engine;
}

_public_ unsigned hobble_tarpit_subjects(const hobble_tarpit *t)
{
        return (unsigned) t->subjects.count;
}

_public_ int hobble_tarpit_set_duty(hobble_tarpit *t, const struct hobble_duty *duty)
{
        int r = hobble_duty_check(duty);

        if (r < 0)
                return r;
        r = configure(t, duty);
        tarpit_set_clock(t);
        return r;
}

/* -- Subjects ---------------------------------------------------------------------------------- */

_public_ int hobble_tarpit_add_tree(hobble_tarpit *t, pid_t pid, uint64_t start_time,
                                    enum hobble_placement placement, void *userdata, hobble_subject **ret)
{
        _cleanup_close_ int pid_fd = -EBADF;
        struct hobble_process p;
        hobble_subject *s;
        int r;

        if ((unsigned) placement >= HOBBLE_PLACEMENT_MAX)
                return -EINVAL;
        r = engine_may_admit(t->engine);
        if (r < 0)
                return r;
        pid_fd = process_open(pid, start_time, &p);
        if (pid_fd < 0)
                return pid_fd;
        r = hobble_engine_may_hobble(t->engine, &p, NULL);
        if (r < 0)
                return r;

        r = subject_new(&s, t, userdata);
        if (r < 0)
                return r;
        s->pid = p.pid;
        s->start_time = p.start_time;
        s->placement = placement;
        r = admission_new_tree(&s->admission, s, pid_fd);
        if (r < 0) {
                subject_discard(s);
                return r;
        }
        TAKE_FD(pid_fd);
        worker_enqueue(&t->engine->worker, s);
        if (ret)
                *ret = s;
        return 0;
}

static bool is_hobbled_in_place(const hobble_engine *e, ino_t ino)
{
        /* One that waits for its admission counts as well. */
        for (const struct ilist_link *i = e->tarpits.first; i; i = i->next) {
                const hobble_tarpit *t = CONTAINER_OF(i, const hobble_tarpit, in_engine);

                for (const struct ilist_link *k = t->subjects.first; k; k = k->next) {
                        const hobble_subject *s = CONTAINER_OF(k, const hobble_subject, in_tarpit);
                        struct stat st;

                        if (s->in_place && fstat(s->in_place->dir_fd, &st) == 0 && st.st_ino == ino)
                                return true;
                }
        }
        return false;
}

_public_ int hobble_tarpit_add_cgroup(hobble_tarpit *t, int dir_fd, void *userdata, hobble_subject **ret)
{
        _cleanup_close_ int fd = -EBADF;
        char path[CGROUP_PATH_MAX];
        const char *reason;
        hobble_subject *s;
        struct stat st;
        int r;

        r = engine_may_admit(t->engine);
        if (r < 0)
                return r;
        fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        r = protection_of_cgroup(t->engine, fd, path, sizeof(path), &reason);
        if (r < 0)
                return r;
        if (is_hobbled_in_place(t->engine, st.st_ino))
                return -EEXIST;

        r = subject_new(&s, t, userdata);
        if (r < 0)
                return r;
        snprintf(s->name, sizeof(s->name), "cg-%llu", (unsigned long long) st.st_ino);
        r = in_place_new(&s->in_place, s, fd, path);
        if (r >= 0) {
                TAKE_FD(fd);
                r = admission_new_cgroup(&s->admission, s);
        }
        if (r < 0) {
                subject_discard(s);
                return r;
        }
        worker_enqueue(&t->engine->worker, s);
        if (ret)
                *ret = s;
        return 0;
}
