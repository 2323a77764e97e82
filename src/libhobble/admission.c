/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "admission.h"
#include "engine.h"
#include "file.h"
#include "macro.h"
#include "points.h"
#include "process.h"
#include "subject.h"
#include "tarpit.h"
#include "tree.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* Where members of one origin are put: the subject's own directory for those of the root's origin, else one
 * beneath. */
struct berth {
        char *origin;
        int dir_fd;
        int procs_fd;
        bool left_out; /* the origin is frozen by someone else: its processes stay there */
};

struct admission {
        hobble_subject *subject;
        hobble_engine *engine;
        int pid_fd;           /* of the root */
        uint64_t begun_ticks; /* in the clock of start times */
        char *path;           /* of the subject's directory, in the hierarchy; NULL until it is made */
        struct berth *berths; /* the first one is the subject's own directory */
        size_t n_berths;
        struct tree tree;
        const char *reason; /* why the root cannot be taken in */
};

static const struct tree_host host;

int admission_new_tree(struct admission **ret, hobble_subject *s, int pid_fd)
{
        struct admission *a = calloc(1, sizeof(*a));

        if (!a)
                return -ENOMEM;
        a->subject = s;
        a->engine = s->tarpit->engine;
        a->pid_fd = pid_fd;
        tree_init(&a->tree, &host, a, s->pid);
        *ret = a;
        return 0;
}

int admission_new_cgroup(struct admission **ret, hobble_subject *s)
{
        return admission_new_tree(ret, s, -EBADF);
}

struct admission *admission_free(struct admission *a)
{
        if (!a)
                return NULL;
        tree_done(&a->tree);
        for (size_t i = 0; i < a->n_berths; i++) {
                free(a->berths[i].origin);
                close_fd(a->berths[i].dir_fd);
                close_fd(a->berths[i].procs_fd);
        }
        free(a->berths);
        free(a->path);
        close_fd(a->pid_fd);
        free(a);
        return NULL;
}

/* Start times are counted in ticks of the clock that includes suspends. */
static uint64_t now_ticks(void)
{
        uint64_t hz = (uint64_t) sysconf(_SC_CLK_TCK);
        struct timespec ts;

        (void) clock_gettime(CLOCK_BOOTTIME, &ts);
        return (uint64_t) ts.tv_sec * hz + (uint64_t) ts.tv_nsec * hz / NSEC_PER_SEC;
}

/* -- Directories ------------------------------------------------------------------------------- */

static int frozen_by_someone(const struct admission *a, const char *origin)
{
        _cleanup_close_ int fd = cgroup_open(a->engine->root_fd, origin);

        /* The root has no such file, and cannot be frozen. */
        return fd >= 0 && cgroup_is_frozen(fd) > 0;
}

static int berth_open(struct berth *b, int parent_fd, const char *name)
{
        b->dir_fd = cgroup_make(parent_fd, name);
        if (b->dir_fd < 0)
                return b->dir_fd;
        point("admit.mkdir");
        return 0;
}

/* Nobody is attached before the origin is written. */
static int berth_mark(struct berth *b)
{
        int r = cgroup_mark_set(b->dir_fd, CGROUP_MARK_ORIGIN, b->origin);

        if (r < 0)
                return r;
        point("admit.origin");
        b->procs_fd = openat(b->dir_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        return b->procs_fd < 0 ? -errno : 0;
}

static int berth_new(struct admission *a, const char *origin, struct berth **ret)
{
        struct berth *grown = reallocarray(a->berths, a->n_berths + 1, sizeof(*grown)), *b;

        if (!grown)
                return -ENOMEM;
        a->berths = grown;
        b = grown + a->n_berths;
        *b = (struct berth){ .origin = strdup(origin), .dir_fd = -EBADF, .procs_fd = -EBADF };
        if (!b->origin)
                return -ENOMEM;
        a->n_berths++;
        b->left_out = frozen_by_someone(a, origin);
        *ret = b;
        return 0;
}

/* The place for processes that come from this origin. */
static int berth_for(struct admission *a, const char *origin, struct berth **ret)
{
        struct berth *b;
        char name[16];
        int r;

        for (size_t i = 0; i < a->n_berths; i++) {
                if (strcmp(a->berths[i].origin, origin) == 0) {
                        *ret = a->berths + i;
                        return 0;
                }
        }

        r = berth_new(a, origin, &b);
        if (r < 0 || b->left_out) {
                *ret = b;
                return r;
        }
        snprintf(name, sizeof(name), "o%zu", a->n_berths - 1);
        r = berth_open(b, a->berths[0].dir_fd, name);
        if (r >= 0)
                r = berth_mark(b);
        *ret = b;
        return r;
}

static void mark_since(int dir_fd)
{
        struct timespec ts;
        char text[32];

        (void) clock_gettime(CLOCK_REALTIME, &ts);
        snprintf(text, sizeof(text), "%llu",
                 (unsigned long long) ts.tv_sec * USEC_PER_SEC +
                         (unsigned long long) ts.tv_nsec / NSEC_PER_USEC);
        (void) cgroup_mark_set(dir_fd, CGROUP_MARK_SINCE, text);
}

/* Make the subject's own directory. A name that is taken is that of a tree whose root has ended and whose pid
 * has been used again. */
static int make_directory(struct admission *a, const char *origin)
{
        hobble_subject *s = a->subject;
        struct berth *b;
        char text[64];
        int r;

        r = berth_new(a, origin, &b);
        if (r < 0)
                return r;
        if (b->left_out) {
                a->reason = "is in a cgroup that someone else has frozen";
                return -EAGAIN;
        }

        snprintf(s->name, sizeof(s->name), "%d", s->pid);
        for (unsigned i = 2; faccessat(s->tarpit->dir_fd, s->name, F_OK, 0) == 0; i++)
                snprintf(s->name, sizeof(s->name), "%d-%u", s->pid, i);
        if (asprintf(&a->path, "%s/%s/%s", a->engine->pit_path, s->tarpit->name, s->name) < 0) {
                a->path = NULL;
                return -ENOMEM;
        }
        r = berth_open(b, s->tarpit->dir_fd, s->name);
        if (r < 0)
                return r;

        mark_since(b->dir_fd);
        snprintf(text, sizeof(text), "%d %llu", s->pid, (unsigned long long) s->start_time);
        (void) cgroup_mark_set(b->dir_fd, CGROUP_MARK_ROOT, text);
        return berth_mark(b);
}

/* -- The tree's host --------------------------------------------------------------------------- */

/* The cgroup that a process is in. One whose leader has exited is where its other threads are. Returns 0;
 * -ESRCH: it has ended, or is a zombie. */
static int locate(const struct hobble_process *p, char *path, size_t size)
{
        pid_t tid;

        if (p->state != 'Z' && p->state != 'X')
                return cgroup_of_process(p->pid, path, size);
        return process_live_thread(p->pid, &tid) < 0 ? -ESRCH : cgroup_of_thread(p->pid, tid, path, size);
}

static int write_pid(struct admission *a, const struct berth *b, pid_t pid)
{
        uint64_t begin = clock_now();
        char text[16];
        int r;

        snprintf(text, sizeof(text), "%d", pid);
        r = file_write(b->procs_fd, text);
        worker_learn(&a->engine->worker, clock_now() - begin);
        return r;
}

static void look_at_priority(struct admission *a, pid_t pid)
{
        if (a->engine->rt_priority <= 0 || a->engine->outranked ||
            process_rt_priority(pid) <= a->engine->rt_priority)
                return;
        a->engine->outranked = true;
        subject_tell(a->subject,
                     (struct hobble_event){
                             .kind = HOBBLE_EVENT_OUTRANKED,
                             .pid = pid,
                             .text = "runs at a higher real-time priority than hobbled, which may be "
                                     "kept from freezing it in time",
                     });
}

/* Where p goes. Returns 1, 0 where it is in already or stays where it is, or a negative errno. */
static int find_berth(struct admission *a, const struct hobble_process *p, struct berth **ret)
{
        bool root = p->pid == a->subject->pid && a->n_berths == 0;
        char origin[CGROUP_PATH_MAX];
        int r;

        r = locate(p, origin, sizeof(origin));
        if (r < 0)
                return r == -ESRCH ? 0 : r;
        if (!root && protection_of_process(a->engine, p, NULL) < 0)
                return 0;
        if (path_is_beneath(origin, a->engine->pit_path) || path_is_in_home(origin)) {
                a->reason = path_is_beneath(origin, a->engine->pit_path) ? "is part of another subject"
                                                                         : "is hobbled by another instance";
                return root ? -EBUSY : 0;
        }

        if (root)
                r = make_directory(a, origin);
        else
                r = berth_for(a, origin, ret);
        if (r < 0)
                return r;
        if (root)
                *ret = a->berths;
        return !(*ret)->left_out;
}

/* Whether this is the process that was meant, and not one that has got its pid since. Who was gathered was
 * there when the admission began; those of the same tick are left to a sweep. */
static bool is_meant(const struct admission *a, const struct hobble_process *p, bool gathered)
{
        if (a->n_berths == 0)
                return p->start_time == a->subject->start_time;
        return !gathered || p->start_time < a->begun_ticks;
}

static int attach(pid_t pid, bool gathered, void *userdata)
{
        struct admission *a = userdata;
        struct hobble_process p;
        struct berth *b;
        int r;

        if (hobble_process_read(pid, &p) < 0 || !is_meant(a, &p, gathered))
                return 0;

        r = find_berth(a, &p, &b);
        if (r <= 0)
                return r;
        r = write_pid(a, b, p.pid);
        if (r < 0)
                return r == -ESRCH ? 0 : r;
        a->engine->attached++;
        look_at_priority(a, p.pid);
        point("admit.attach");
        return 1;
}

static int children(pid_t pid, int (*fn)(pid_t, void *), void *fn_userdata, _unused_ void *userdata)
{
        return process_for_each_child(pid, fn, fn_userdata);
}

static int member_children(pid_t tid, int (*fn)(pid_t, void *), void *fn_userdata, void *userdata)
{
        const struct admission *a = userdata;
        char path[CGROUP_PATH_MAX];

        /* It was a member when it was listed; who has its id now may be somebody else. */
        if (cgroup_of_process(tid, path, sizeof(path)) < 0 || !path_is_beneath(path, a->path))
                return 0;
        return process_for_each_child_of_thread(tid, fn, fn_userdata);
}

static int members(int (*fn)(pid_t, void *), void *fn_userdata, void *userdata)
{
        struct admission *a = userdata;

        for (size_t i = 0; i < a->n_berths; i++) {
                int r = a->berths[i].left_out
                                ? 0
                                : cgroup_for_each_id(a->berths[i].dir_fd, "cgroup.threads", fn, fn_userdata);

                if (r != 0)
                        return r;
        }
        return 0;
}

static int freeze_members(bool freeze, void *userdata)
{
        struct admission *a = userdata;
        int r;

        if (freeze && !engine_may_freeze(a->engine))
                return -EPERM;
        r = cgroup_freeze(a->berths[0].dir_fd, freeze);
        if (freeze && !engine_may_freeze(a->engine)) {
                (void) cgroup_freeze(a->berths[0].dir_fd, false);
                return -EPERM;
        }
        return r;
}

static uint64_t now(_unused_ void *userdata)
{
        return clock_now();
}

static const struct tree_host host = {
        .children = children,
        .member_children = member_children,
        .members = members,
        .attach = attach,
        .freeze = freeze_members,
        .now = now,
};

/* -- Steps ------------------------------------------------------------------------------------- */

static void fail(hobble_subject *s, int error, const char *text)
{
        (void) subject_remove_directory(s);
        subject_end(s, (struct hobble_event){
                               .kind = error == -ESRCH ? HOBBLE_EVENT_GONE : HOBBLE_EVENT_FAILED,
                               .pid = s->pid,
                               .error = error,
                               .text = text,
                       });
}

/* What dead instances left was rescued when we began. */
static bool is_another_instances(const hobble_subject *s)
{
        char instance[128];

        return cgroup_mark_get(s->in_place->dir_fd, CGROUP_MARK_INSTANCE, instance, sizeof(instance)) > 0 &&
               strcmp(instance, s->tarpit->engine->instance) != 0;
}

static void step_cgroup(hobble_subject *s)
{
        _cleanup_close_ int fd = -EBADF;
        struct planner_sample base;
        char text[32];
        int r;

        if (is_another_instances(s)) {
                fail(s, -EBUSY, "is hobbled by another instance");
                return;
        }
        fd = cgroup_make(s->tarpit->dir_fd, s->name);
        r = fd;
        if (r >= 0)
                r = cgroup_mark_set(fd, CGROUP_MARK_TARGET, s->in_place->path);
        if (r >= 0) {
                point("admit.target");
                mark_since(fd);
                if (subject_sample(s, &base) >= 0) {
                        snprintf(text, sizeof(text), "%llu", (unsigned long long) base.cpu_usec);
                        (void) cgroup_mark_set(fd, CGROUP_MARK_BASE, text);
                }
                r = in_place_begin(&s->tarpit->engine->in_place, s);
        }
        if (r < 0) {
                fail(s, r, NULL);
                return;
        }
        s->admission = admission_free(s->admission);
        subject_go_live(s, 0, -EBADF);
}

void admission_step(hobble_subject *s, uint64_t deadline_usec)
{
        struct admission *a = s->admission;
        const char *reason;
        unsigned attached;
        int pid_fd, r;

        if (s->in_place) {
                step_cgroup(s);
                return;
        }

        if (!a->begun_ticks)
                a->begun_ticks = now_ticks();
        r = tree_step(&a->tree, deadline_usec);
        if (r > 0) {
                worker_enqueue(&a->engine->worker, s);
                return;
        }
        if (r < 0 && a->n_berths > 0 && a->berths[0].dir_fd >= 0 &&
            cgroup_is_populated(a->berths[0].dir_fd) > 0) {
                /* Only part of the tree is in: it goes home again. */
                s->end_error = r;
                hobble_subject_release(s);
                return;
        }

        reason = a->reason;
        attached = a->tree.attached;
        pid_fd = r < 0 ? -EBADF : TAKE_FD(a->pid_fd);
        s->admission = admission_free(a);
        if (r < 0)
                fail(s, r, reason);
        else
                subject_go_live(s, attached, pid_fd);
}
