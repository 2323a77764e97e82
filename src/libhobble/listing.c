/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is hobbled, and where it came from, read off the cgroup tree. */

#include "cgroup.h"
#include "engine.h"
#include "foreign.h"
#include "hierarchy.h"
#include "hobble.h"
#include "instances.h"
#include "macro.h"
#include "nest.h"
#include "origin.h"
#include "process.h"
#include "rescue.h"
#include "text.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Tarpits and subjects of an instance of another user, who may make any number. */
#define FOREIGN_MAX 1000U

struct listing {
        int root_fd;
        int (*fn)(const struct hobble_entry *entry, void *userdata);
        void *userdata;
        struct hobble_entry entry; /* what is known so far: instance, then tarpit */
        const char *home;          /* path of the instance's */
        bool foreign;              /* the instance is another user's: its marks are no more than hints */
        unsigned left;             /* how many of its subjects are still shown */
};

static uint64_t number_mark(int dir_fd, const char *mark)
{
        unsigned long long n = 0;
        char text[32];

        if (cgroup_mark_get(dir_fd, mark, text, sizeof(text)) > 0)
                (void) sscanf(text, "%llu", &n);
        return n;
}

static uid_t owner_of(pid_t pid)
{
        struct stat st;
        char file[32];

        snprintf(file, sizeof(file), "/proc/%d", pid);
        return stat(file, &st) < 0 ? (uid_t) -1 : st.st_uid;
}

static int on_member(pid_t tid, void *userdata)
{
        return hobble_process_read(tid, userdata) == 0;
}

/* The root or, where it has ended, some member. */
static void look_at_process(const struct listing *l, struct hobble_entry *e, int members_fd, int marks_fd,
                            struct hobble_process *ret)
{
        unsigned long long start_time = 0;
        char text[64];
        int pid = 0;

        if (cgroup_mark_get(marks_fd, CGROUP_MARK_ROOT, text, sizeof(text)) > 0)
                (void) sscanf(text, "%d %llu", &pid, &start_time);
        if (pid > 0 && hobble_process_read(pid, ret) == 0 && ret->start_time == start_time &&
            (!l->foreign || foreign_has_member(e->cgroup, pid))) {
                e->pid = pid;
                e->start_time = start_time;
        } else if (cgroup_for_each_id(members_fd, "cgroup.threads", on_member, ret) != 1) {
                e->command = "";
                e->uid = (uid_t) -1;
                return;
        }
        e->command = ret->comm;
        e->uid = owner_of(ret->pid);
}

static uint64_t usage_of(int dir_fd)
{
        _cleanup_close_ int fd = openat(dir_fd, "cpu.stat", O_RDONLY | O_CLOEXEC);
        uint64_t usec;

        return fd < 0 || cgroup_read_usage(fd, &usec) < 0 ? 0 : usec;
}

static enum hobble_state state_of(const struct listing *l, const char *path, int dir_fd, bool in_place,
                                  bool outside)
{
        char text[128];

        if (in_place && cgroup_mark_get(dir_fd, CGROUP_MARK_INSTANCE, text, sizeof(text)) < 0)
                return HOBBLE_HELD;
        if (outside && cgroup_is_frozen_above(l->root_fd, path))
                return HOBBLE_HELD;
        /* The tarpit as a whole may be frozen. */
        return cgroup_freeze_is_set(dir_fd) > 0 || cgroup_is_frozen(dir_fd) > 0 ? HOBBLE_FROZEN
                                                                                : HOBBLE_THAWED;
}

/* Whether it is what an engine may have made; of one user not too many. */
static bool is_fit(struct listing *l, const char *name)
{
        if (!name_is_valid(name) || l->left == 0)
                return false;
        l->left--;
        return true;
}

static int on_subject(int tarpit_fd, const char *name, void *userdata)
{
        struct listing *l = userdata;
        struct hobble_entry e = l->entry;
        _cleanup_close_ int fd = cgroup_open(tarpit_fd, name), target_fd = -EBADF;
        char path[CGROUP_PATH_MAX], origin[CGROUP_PATH_MAX];
        struct hobble_process process;
        bool in_place = false, outside;
        uint64_t base;
        int dir_fd = fd;

        if (fd < 0 || (l->foreign && !is_fit(l, name)))
                return 0;
        outside = cgroup_mark_get(fd, CGROUP_MARK_TARGET, path, sizeof(path)) > 0;
        if (outside && l->foreign)
                return 0;
        if (outside) {
                in_place = !nest_is_named(path, e.instance);
                dir_fd = target_fd = cgroup_open(l->root_fd, path);
                if (target_fd < 0)
                        return 0;
        } else {
                snprintf(path, sizeof(path), "%s/" HOME_PIT "/%s/%s", l->home, e.tarpit, name);
        }

        e.subject = in_place ? path : name;
        e.cgroup = path;
        if (in_place)
                e.origin = path;
        else if (!l->foreign && cgroup_mark_get(dir_fd, CGROUP_MARK_ORIGIN, origin, sizeof(origin)) > 0)
                e.origin = origin;
        else
                e.origin = "";
        look_at_process(l, &e, dir_fd, fd, &process);
        e.state = state_of(l, path, dir_fd, in_place, outside);
        base = number_mark(fd, CGROUP_MARK_BASE);
        e.cpu_usec = usage_of(dir_fd);
        e.cpu_usec -= MIN(e.cpu_usec, base);
        e.since_usec = number_mark(fd, CGROUP_MARK_SINCE);
        return l->fn(&e, l->userdata);
}

/* A directory that is removed meanwhile has nothing to list. */
static int list_children(int fd, int (*fn)(int, const char *, void *), struct listing *l)
{
        int r = cgroup_for_each_child(fd, fn, l);

        return cgroup_is_gone(r) && faccessat(fd, "cgroup.procs", F_OK, 0) < 0 ? 0 : r;
}

static int on_tarpit(int pit_fd, const char *name, void *userdata)
{
        struct listing *l = userdata;
        _cleanup_close_ int fd = cgroup_open(pit_fd, name);

        if (fd < 0 || (l->foreign && !is_fit(l, name)))
                return 0;
        l->entry.tarpit = name;
        return list_children(fd, on_subject, l);
}

static int on_instance(const struct instance *i, void *userdata)
{
        struct listing *l = userdata;
        _cleanup_close_ int pit_fd = cgroup_open(i->home_fd, HOME_PIT);

        if (pit_fd < 0)
                return 0;
        l->home = i->path;
        l->foreign = i->foreign;
        l->left = FOREIGN_MAX;
        l->entry = (struct hobble_entry){ .instance = i->name, .alive = i->alive };
        return list_children(pit_fd, on_tarpit, l);
}

_public_ int hobble_list(int (*fn)(const struct hobble_entry *, void *), void *userdata)
{
        _cleanup_close_ int root_fd = hierarchy_open();
        struct listing l = { .root_fd = root_fd, .fn = fn, .userdata = userdata };

        return root_fd < 0 ? root_fd : instances_for_each(root_fd, INSTANCES_OTHERS, on_instance, &l);
}

/* root_fd: the hierarchy's, or negative: to be opened where it is needed, which takes longer than all else.
 */
static int home_of(int root_fd, pid_t pid, char *buf, size_t size)
{
        char path[CGROUP_PATH_MAX], origin[CGROUP_PATH_MAX];
        _cleanup_close_ int own_fd = -EBADF;
        struct hobble_process p;
        const char *home = path;
        int r;

        r = hobble_process_read(pid, &p);
        if (r >= 0)
                r = process_cgroup(&p, path, sizeof(path));
        if (r < 0)
                return r;
        if (subject_is_likely(path)) {
                if (root_fd < 0)
                        root_fd = own_fd = hierarchy_open();
                if (root_fd >= 0 &&
                    subject_mark_find(root_fd, path, CGROUP_MARK_ORIGIN, origin, sizeof(origin)) > 0)
                        home = origin;
        }
        if (strlen(home) >= size)
                return -ENAMETOOLONG;
        strcpy(buf, home);
        return 0;
}

_public_ int hobble_process_home(pid_t pid, char *buf, size_t size)
{
        return home_of(-EBADF, pid, buf, size);
}

_public_ int hobble_engine_home_of(const hobble_engine *e, pid_t pid, char *buf, size_t size)
{
        return home_of(e->root_fd, pid, buf, size);
}
