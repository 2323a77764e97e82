/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "subject.h"
#include "admission.h"
#include "engine.h"
#include "file.h"
#include "in-place.h"
#include "macro.h"
#include "nest.h"
#include "origin.h"
#include "points.h"
#include "process.h"
#include "release.h"
#include "tarpit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

int subject_new(hobble_subject **ret, hobble_tarpit *tarpit, void *userdata)
{
        hobble_subject *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->tarpit = tarpit;
        s->userdata = userdata;
        s->pid_fd = s->freeze.fd = s->usage.fd = s->pressure.fd = -EBADF;
        ilist_append(&tarpit->subjects, &s->in_tarpit);
        engine_count(tarpit->engine, 1);
        *ret = s;
        return 0;
}

static void close_files(hobble_subject *s)
{
        fdcache_close(&s->freeze);
        fdcache_close(&s->usage);
        fdcache_close(&s->pressure);
}

hobble_subject *subject_free(hobble_subject *s)
{
        if (!s)
                return NULL;
        close_files(s);
        late_freeze_done(&s->late);
        file_wait_done(&s->files);
        s->admission = admission_free(s->admission);
        s->release = release_free(s->release);
        s->in_place = in_place_free(s->in_place);
        free(s->nest);
        free(s->end_text);
        free(s);
        return NULL;
}

void subject_discard(hobble_subject *s)
{
        ilist_remove(&s->in_tarpit);
        engine_count(s->tarpit->engine, -1);
        subject_free(s);
}

void subject_tell(hobble_subject *s, struct hobble_event event)
{
        event.tarpit = s->tarpit;
        event.subject = s;
        events_tell(&s->tarpit->engine->events, &event);
}

uint64_t subject_used(const hobble_subject *s, uint64_t cpu_usec)
{
        uint64_t base = s->in_place ? s->in_place->base_usec : 0;

        return cpu_usec - MIN(cpu_usec, base);
}

/* Nothing in the engine looks at it any more. */
static void detach(hobble_subject *s)
{
        hobble_engine *e = s->tarpit->engine;
        uint64_t now = clock_now();

        if (s->state == SUBJECT_LIVE) {
                planner_remove(s->tarpit->planner, &s->plan, now);
                if (subject_is_outside(s))
                        s->tarpit->past_usec += subject_used(s, s->plan.seen.cpu_usec);
        }
        frozen_time_set(&s->frozen, false, now);
        watch_remove(&e->watch, s);
        worker_remove(&e->worker, s);
        late_freeze_done(&s->late);
        close_files(s);
}

void subject_end(hobble_subject *s, struct hobble_event event)
{
        hobble_tarpit *t = s->tarpit;

        detach(s);
        s->state = SUBJECT_ENDED;
        s->admission = admission_free(s->admission);
        s->release = release_free(s->release);
        pathindex_remove(&t->engine->places, &s->place);
        ilist_remove(&s->in_tarpit);
        engine_count(t->engine, -1);

        event.tarpit = t;
        event.subject = s;
        if (t->ended)
                subject_free(s);
        else
                events_tell_end(&t->engine->events, &event);
}

void subject_go_live(hobble_subject *s, unsigned processes, int pid_fd)
{
        hobble_tarpit *t = s->tarpit;
        struct planner_sample base = { 0 };
        int r;

        /* A tree's cgroup is new: its counters were 0 when it was made. */
        r = s->in_place ? subject_sample(s, &base) : 0;
        if (r >= 0)
                r = planner_add(t->planner, &s->plan, &base, subject_is_outside(s), clock_now());
        if (r < 0) {
                close_fd(pid_fd);
                if (cgroup_is_gone(r)) {
                        subject_gone(s);
                } else {
                        s->end_error = r;
                        hobble_subject_release(s);
                }
                return;
        }

        s->state = SUBJECT_LIVE;
        if (s->in_place)
                s->in_place->base_usec = base.cpu_usec;
        file_wait_begin(&s->files, clock_now());
        subject_note_frozen(s, clock_now());
        if (!s->in_place)
                watch_add(&t->engine->watch, s, pid_fd);
        else if (s->in_place->held)
                planner_hold(t->planner, &s->plan, true, clock_now());
        point("admit.live");
        subject_tell(s, (struct hobble_event){
                                .kind = HOBBLE_EVENT_ADMITTED, .pid = s->pid, .processes = processes });
        if (s->in_place && s->in_place->held)
                subject_tell(s, (struct hobble_event){ .kind = HOBBLE_EVENT_HELD });
        tarpit_set_clock(t);
}

void subject_gone(hobble_subject *s)
{
        hobble_tarpit *t = s->tarpit;

        if (s->in_place)
                in_place_end(&t->engine->in_place, s);
        (void) subject_remove_directory(s);
        subject_end(s, (struct hobble_event){ .kind = HOBBLE_EVENT_GONE, .pid = s->pid });
        tarpit_set_clock(t);
}

int subject_open(const hobble_subject *s)
{
        return s->nest ? nest_open(s->tarpit->engine->root_fd, s->nest)
                       : cgroup_open(s->tarpit->dir_fd, s->name);
}

/* What is frozen, where that of a cgroup in place is not its directory in the tarpit. */
static int open_cgroup(const hobble_subject *s)
{
        return s->in_place ? cgroup_open(s->in_place->dir_fd, "") : subject_open(s);
}

int subject_open_control(const hobble_subject *s, const char *file)
{
        _cleanup_close_ int dir_fd = open_cgroup(s);
        int fd;

        if (dir_fd < 0)
                return dir_fd;
        fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int subject_remove_directory(hobble_subject *s)
{
        int r = s->nest ? nest_remove(s->tarpit->engine->root_fd, s->nest) : 0;

        /* The stand-in last: whoever rescues finds the other by it. */
        return r < 0 || !s->name[0] ? r : cgroup_remove_all(s->tarpit->dir_fd, s->name);
}

/* An open control file of the subject's cgroup. */
static int control(hobble_subject *s, struct fdslot *slot, const char *file, int flags)
{
        hobble_engine *e = s->tarpit->engine;
        char path[CGROUP_PATH_MAX + 32];

        if (s->in_place)
                return fdcache_open(&e->fds, slot, s->in_place->dir_fd, file, flags);
        snprintf(path, sizeof(path), "%s/%s", s->nest ? s->nest + 1 : s->name, file);
        return fdcache_open(&e->fds, slot, s->nest ? e->root_fd : s->tarpit->dir_fd, path, flags);
}

static int write_freeze(hobble_subject *s, bool freeze)
{
        int fd;

        if (s->in_place)
                return in_place_write(&s->tarpit->engine->in_place, s, freeze);
        fd = control(s, &s->freeze, "cgroup.freeze", O_WRONLY);
        return fd < 0 ? fd : file_write(fd, freeze ? "1" : "0");
}

static int try_freeze(hobble_subject *s)
{
        const hobble_engine *e = s->tarpit->engine;
        int r;

        if (!engine_may_freeze(e))
                return -EPERM;
        point("freeze.looked");
        r = write_freeze(s, true);
        point("freeze.written");
        if (engine_may_freeze(e))
                return r;
        (void) write_freeze(s, false);
        return -EPERM;
}

void subject_note_frozen(hobble_subject *s, uint64_t now_usec)
{
        /* In place someone else may have changed it since. */
        bool ours = !s->in_place || (s->in_place->frozen && !s->in_place->held);
        bool frozen = (s->stopped && ours) || (s->tarpit->stopped && !subject_is_outside(s));

        if (!frozen && frozen_time_runs(&s->frozen))
                file_wait_begin(&s->files, now_usec);
        frozen_time_set(&s->frozen, frozen && s->state == SUBJECT_LIVE, now_usec);
}

int subject_freeze(hobble_subject *s, bool freeze, uint64_t now_usec)
{
        int r = freeze ? try_freeze(s) : write_freeze(s, false);

        s->stopped = freeze && r >= 0;
        if (!s->stopped)
                late_freeze_end(s, now_usec);
        else if (file_wait_hit(&s->files))
                late_freeze_begin(s, now_usec);
        subject_note_frozen(s, now_usec);
        return r;
}

/* How long the probe stands for at most: what is read in calm ticks is not worth more, and else who slept and
 * then opens one file would pay for its sleep. */
static uint64_t longest_stretch(const hobble_subject *s)
{
        return MAX(50 * USEC_PER_MSEC, s->tarpit->duty.thawed_usec);
}

/* Its threads' calls to file systems, those that io.pressure does not tell of. */
static uint64_t probe_files(hobble_subject *s, uint64_t cpu_usec, uint64_t pressure_usec)
{
        uint64_t now = clock_now();
        _cleanup_close_ int fd = -EBADF;

        if (s->state != SUBJECT_LIVE || frozen_time_runs(&s->frozen))
                return 0;
        if (!file_wait_is_due(&s->files, cpu_usec, pressure_usec, s->plan.state == PLANNER_IN_TURN, now))
                return 0;
        if (s->tarpit->probes_left == 0)
                return 0;
        s->tarpit->probes_left--;
        fd = open_cgroup(s);
        return fd < 0 ? 0 : file_wait_probe(&s->files, fd, longest_stretch(s), now);
}

static void note_waits(hobble_subject *s, uint64_t cpu_usec)
{
        int fd = control(s, &s->pressure, "io.pressure", O_RDONLY);
        uint64_t pressure = s->pressure_usec, waited;

        s->asked = s->state == SUBJECT_LIVE;
        if (fd >= 0)
                (void) cgroup_read_pressure(fd, &pressure);
        waited = pressure - MIN(s->pressure_usec, pressure);
        s->pressure_usec = pressure;
        s->wait_usec += waited + probe_files(s, cpu_usec, waited);
}

/* Who did not run has not begun to wait since it was asked. Who computes that much is charged for it in full;
 * what it waits for does not matter. */
static bool may_wait(const hobble_subject *s, uint64_t cpu_usec)
{
        if (cpu_usec == 0)
                return s->plan.waits || s->plan.fresh || !s->asked;
        return cpu_usec < s->tarpit->duty.thawed_usec / 2;
}

int subject_sample(hobble_subject *s, struct planner_sample *ret)
{
        uint64_t cpu, grown;
        int fd, r;

        fd = control(s, &s->usage, "cpu.stat", O_RDONLY);
        r = fd < 0 ? fd : cgroup_read_usage(fd, &cpu);
        if (r < 0)
                return r;

        grown = cpu - s->plan.seen.cpu_usec;
        if (s->state != SUBJECT_LIVE || may_wait(s, grown))
                note_waits(s, grown);
        else if (grown > 0)
                s->asked = false;

        *ret = (struct planner_sample){ .cpu_usec = cpu,
                                        .wait_usec = s->wait_usec,
                                        .suspect = file_wait_is_suspect(&s->files) };
        return 0;
}

int subject_read_usage(const hobble_subject *s, uint64_t *ret_usec)
{
        _cleanup_close_ int dir_fd = -EBADF, fd = -EBADF;

        if (s->usage.recent.list)
                return cgroup_read_usage(s->usage.fd, ret_usec);
        dir_fd = cgroup_open(s->tarpit->engine->root_fd, s->place.path);
        if (dir_fd < 0)
                return dir_fd;
        fd = openat(dir_fd, "cpu.stat", O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : cgroup_read_usage(fd, ret_usec);
}

int subject_set_place(hobble_subject *s, const char *path)
{
        return pathindex_put(&s->tarpit->engine->places, &s->place, path);
}

/* -- API --------------------------------------------------------------------------------------- */

_public_ void hobble_subject_release(hobble_subject *s)
{
        hobble_tarpit *t = s->tarpit;

        if (s->state == SUBJECT_RELEASING || s->state == SUBJECT_ENDED)
                return;
        detach(s);
        s->state = SUBJECT_RELEASING;
        s->admission = admission_free(s->admission);
        if (release_new(&s->release, s) >= 0)
                worker_enqueue(&t->engine->worker, s);
        tarpit_set_clock(t);
}

_public_ const char *hobble_subject_name(const hobble_subject *s)
{
        return s->in_place ? s->in_place->path : s->name;
}

_public_ pid_t hobble_subject_pid(const hobble_subject *s)
{
        return s->pid;
}

_public_ uint64_t hobble_subject_start_time(const hobble_subject *s)
{
        return s->start_time;
}

_public_ void *hobble_subject_userdata(const hobble_subject *s)
{
        return s->userdata;
}

_public_ hobble_tarpit *hobble_subject_tarpit(const hobble_subject *s)
{
        return s->tarpit;
}

_public_ int hobble_engine_root_of(const hobble_engine *e, pid_t pid, pid_t *ret_root,
                                   uint64_t *ret_start_time)
{
        char path[CGROUP_PATH_MAX], mark[64];
        unsigned long long start_time;
        struct hobble_process p;
        int r, root;

        r = hobble_process_read(pid, &p);
        if (r >= 0)
                r = process_cgroup(&p, path, sizeof(path));
        if (r < 0)
                return r;
        r = subject_mark_find(e->root_fd, path, CGROUP_MARK_ROOT, mark, sizeof(mark));
        if (r == 0)
                return -ENOENT;
        path[r] = '\0';
        if (!path_is_beneath(path, e->pit_path) && !nest_is_named(path, e->instance))
                return -ENOENT;
        if (sscanf(mark, "%d %llu", &root, &start_time) != 2)
                return -ENOENT;
        *ret_root = root;
        *ret_start_time = start_time;
        return 0;
}
