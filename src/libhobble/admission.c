/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "admission.h"
#include "berth.h"
#include "engine.h"
#include "file.h"
#include "macro.h"
#include "nest.h"
#include "origin.h"
#include "placement.h"
#include "points.h"
#include "process.h"
#include "subject.h"
#include "tarpit.h"
#include "text.h"
#include "tree.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

struct admission {
        hobble_subject *subject;
        hobble_engine *engine;
        int pid_fd;           /* of the root */
        uint64_t begun_ticks; /* in the clock of start times */
        struct berths berths; /* none until the root is attached */
        struct tree tree;
        pid_t *parts; /* the topmost processes of what is left out because it is of another unit */
        size_t n_parts;
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
        berths_init(&a->berths, s);
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
        berths_done(&a->berths);
        free(a->parts);
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

/* -- The tree's host --------------------------------------------------------------------------- */

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

/* Whether the process is hobbled already, or is a guard. */
static bool is_taken(struct admission *a, const char *path)
{
        const hobble_engine *e = a->engine;
        char dir[CGROUP_PATH_MAX], origin[CGROUP_PATH_MAX];
        int n = subject_mark_find(e->root_fd, path, CGROUP_MARK_ORIGIN, origin, sizeof(origin));

        if (n == 0 && !path_is_in_home(path) && !path_is_beneath(path, e->pit_path))
                return false;
        snprintf(dir, sizeof(dir), "%.*s", n, path);
        a->reason = path_is_beneath(path, e->pit_path) || nest_is_named(dir, e->instance)
                            ? "is part of another subject"
                            : "is hobbled by another instance";
        return true;
}

/* Whether the caller wants it left alone. */
static bool is_refused(struct admission *a, const struct hobble_process *p, const char *home)
{
        const hobble_engine *e = a->engine;
        const char *reason = e->filter ? e->filter(a->subject->tarpit, p, home, e->events.userdata) : NULL;

        if (reason && a->berths.n == 0)
                a->subject->end_text = strdup(reason);
        return reason;
}

/* Whether it is its parent who has to be told of, where p is left out. */
static bool is_beneath_part(struct admission *a, const struct hobble_process *p, const struct berth *b)
{
        char path[CGROUP_PATH_MAX];
        struct hobble_process parent;

        return hobble_process_read(p->parent, &parent) >= 0 &&
               process_cgroup(&parent, path, sizeof(path)) >= 0 &&
               (b->elsewhere ? placement_same_unit(b->origin, path) : strcmp(b->origin, path) == 0) &&
               !is_refused(a, &parent, path);
}

/* Tell of the topmost process of what is left out, once. */
static void tell_part(struct admission *a, const struct hobble_process *p, const struct berth *b)
{
        char where[CGROUP_PATH_MAX], text[CGROUP_PATH_MAX + 64];
        size_t n = b->elsewhere ? placement_unit(b->origin) : 0;
        pid_t *grown;

        for (size_t i = 0; i < a->n_parts; i++)
                if (a->parts[i] == p->pid)
                        return;
        if (is_beneath_part(a, p, b))
                return;

        grown = reallocarray(a->parts, a->n_parts + 1, sizeof(*grown));
        if (!grown)
                return;
        a->parts = grown;
        grown[a->n_parts++] = p->pid;
        escape_text(b->origin, n ?: strlen(b->origin), where, sizeof(where));
        snprintf(text, sizeof(text),
                 b->elsewhere ? "is left in a unit of its own, %s"
                              : "is left in %s, which someone else has frozen",
                 where);
        subject_tell(a->subject,
                     (struct hobble_event){ .kind = HOBBLE_EVENT_PART, .pid = p->pid, .text = text });
}

/* Where p goes. Returns 1, 0 where it is in already or stays where it is, or a negative errno. */
static int find_berth(struct admission *a, const struct hobble_process *p, struct berth **ret)
{
        bool root = p->pid == a->subject->pid && a->berths.n == 0;
        char origin[CGROUP_PATH_MAX];
        int r;

        r = process_cgroup(p, origin, sizeof(origin));
        if (r == -ESRCH || (r == -EXDEV && !root))
                return 0;
        if (r < 0)
                return r;
        if (!root && protection_of_process(a->engine, p, NULL) < 0)
                return 0;
        if (is_taken(a, origin))
                return root ? -EBUSY : 0;
        if (is_refused(a, p, origin))
                return root ? -EPERM : 0;

        if (root)
                r = berths_begin(&a->berths, origin, &a->reason);
        else
                r = berths_find(&a->berths, p, origin, ret);
        if (r < 0)
                return r;
        if (root)
                *ret = a->berths.berth;
        if ((*ret)->left_out)
                tell_part(a, p, *ret);
        return !(*ret)->left_out;
}

/* Whether this is the process that was meant, and not one that has got its pid since. Who was gathered was
 * there when the admission began; those of the same tick are left to a sweep. */
static bool is_meant(const struct admission *a, const struct hobble_process *p, bool gathered)
{
        if (a->berths.n == 0)
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
        if (cgroup_of_process(tid, path, sizeof(path)) < 0 || !path_is_beneath(path, a->berths.path))
                return 0;
        return process_for_each_child_of_thread(tid, fn, fn_userdata);
}

static int members(int (*fn)(pid_t, void *), void *fn_userdata, void *userdata)
{
        struct admission *a = userdata;

        for (size_t i = 0; i < a->berths.n; i++) {
                const struct berth *b = a->berths.berth + i;
                int r = b->left_out ? 0 : cgroup_for_each_id(b->dir_fd, "cgroup.threads", fn, fn_userdata);

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
        r = cgroup_freeze(a->berths.berth[0].dir_fd, freeze);
        if (freeze && !engine_may_freeze(a->engine)) {
                (void) cgroup_freeze(a->berths.berth[0].dir_fd, false);
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
                               .text = s->end_text ?: text,
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
                berth_mark_since(s, fd);
                if (subject_sample(s, &base) >= 0) {
                        snprintf(text, sizeof(text), "%llu", (unsigned long long) base.cpu_usec);
                        (void) cgroup_mark_set(fd, CGROUP_MARK_BASE, text);
                }
                r = subject_set_place(s, s->in_place->path);
        }
        if (r >= 0)
                r = in_place_begin(&s->tarpit->engine->in_place, s);
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
        if (r < 0 && a->berths.n > 0 && a->berths.berth[0].dir_fd >= 0 &&
            cgroup_is_populated(a->berths.berth[0].dir_fd) > 0) {
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
