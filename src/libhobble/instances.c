/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "instances.h"
#include "cgroup.h"
#include "foreign.h"
#include "hierarchy.h"
#include "hobble.h"
#include "macro.h"
#include "pulse.h"
#include "rescue.h"
#include "run-scope.h"
#include "text.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define RESCUE_USEC (5 * USEC_PER_SEC)

/* Digits of a process id. */
#define NUMBER_MAX 10

#define RUN_SLICE_FORMAT "/user.slice/user-%u.slice/user@%u.service/" RUN_SLICE_IN_MANAGER

struct walk {
        unsigned flags;
        int (*fn)(const struct instance *i, void *userdata);
        void *userdata;
        const char *parent; /* path of the cgroup whose homes are looked at, "" for the root */
};

/* An engine that was killed between making its home and marking it left nothing but an empty directory. */
static void remove_unfinished(int parent_fd, const char *name)
{
        _cleanup_close_ int fd = cgroup_open(parent_fd, name);
        char text[8];

        if (fd >= 0 && cgroup_is_ours(fd) &&
            cgroup_mark_get(fd, CGROUP_MARK_INSTANCE, text, sizeof(text)) == -ENODATA &&
            home_lock(name + strlen(HOME_PREFIX), fd) == 0)
                (void) cgroup_remove(parent_fd, name);
}

static int on_home(const struct walk *w, const char *instance, int home_fd, bool foreign)
{
        char name[HOME_NAME_MAX], path[CGROUP_PATH_MAX];
        struct instance i = { .name = instance, .path = path, .home_fd = home_fd, .foreign = foreign };
        int r;

        home_path(instance, name);
        if (snprintf(path, sizeof(path), "%s%s", w->parent, name) >= (int) sizeof(path))
                return 0;
        r = home_lock(instance, home_fd);
        if (r == -ESTALE)
                return 0;
        i.alive = r == -EBUSY;
        if (!(w->flags & INSTANCES_TAKE))
                (void) flock(home_fd, LOCK_UN);
        return w->fn(&i, w->userdata);
}

static int on_child(int parent_fd, const char *name, void *userdata)
{
        const struct walk *w = userdata;
        const char *instance = name + strlen(HOME_PREFIX);
        _cleanup_close_ int fd = -EBADF;

        if (strncmp(name, HOME_PREFIX, strlen(HOME_PREFIX)) != 0 || !name_is_valid(instance) ||
            home_is_service(instance))
                return 0;
        fd = home_open(parent_fd, instance);
        if (fd < 0) {
                if (w->flags & INSTANCES_TAKE)
                        remove_unfinished(parent_fd, name);
                return 0;
        }
        return on_home(w, instance, fd, false);
}

/* -- Users' scopes (run-scope.h) ----------------------------------------------------------------- */

/* Anybody may make any number of directories in a subtree of theirs: of one user's, no more are looked at. */
#define SCOPES_MAX 1000U

struct user_walk {
        const struct walk *walk;
        uid_t uid;
        const char *slice; /* path of the slice that the scopes are in */
        unsigned left;
        bool over;
};

static bool belongs_to(int dir_fd, uid_t uid)
{
        struct stat st;

        return fstat(dir_fd, &st) == 0 && st.st_uid == uid;
}

/* The number in the name of a scope: "hobble-run-4711.scope". Returns its length, 0: it has another name. */
static size_t number_in(const char *scope)
{
        const char *number = scope + strlen(RUN_SCOPE_PREFIX);
        size_t n;

        if (strncmp(scope, RUN_SCOPE_PREFIX, strlen(RUN_SCOPE_PREFIX)) != 0)
                return 0;
        n = strspn(number, "0123456789");
        return n <= NUMBER_MAX && strcmp(number + n, RUN_SCOPE_SUFFIX) == 0 ? n : 0;
}

static int on_scope(int slice_fd, const char *name, void *userdata)
{
        struct user_walk *u = userdata;
        char path[CGROUP_PATH_MAX], instance[sizeof(RUN_INSTANCE_PREFIX) + NUMBER_MAX], home[HOME_NAME_MAX];
        size_t n = number_in(name);
        struct walk w = *u->walk;
        _cleanup_close_ int scope_fd = -EBADF, fd = -EBADF;

        if (n == 0)
                return 0;
        u->over = u->left == 0;
        if (u->over)
                return 1;
        u->left--;
        snprintf(instance, sizeof(instance), RUN_INSTANCE_PREFIX "%.*s", (int) n,
                 name + strlen(RUN_SCOPE_PREFIX));
        snprintf(path, sizeof(path), "%s/%s", u->slice, name);
        home_path(instance, home);
        scope_fd = cgroup_open(slice_fd, name);
        fd = scope_fd < 0 ? scope_fd : cgroup_open(scope_fd, home);
        if (fd < 0 || !belongs_to(fd, u->uid))
                return 0;
        w.parent = path;
        if (u->uid != geteuid())
                return on_home(&w, instance, fd, true);
        return home_is_one(fd, instance) ? on_home(&w, instance, fd, false) : 0;
}

static int walk_user(const struct walk *w, int root_fd, uid_t uid)
{
        char slice[sizeof(RUN_SLICE_FORMAT) + 20];
        struct user_walk u = { .walk = w, .uid = uid, .slice = slice, .left = SCOPES_MAX };
        _cleanup_close_ int fd = -EBADF;
        int r;

        snprintf(slice, sizeof(slice), RUN_SLICE_FORMAT, uid, uid);
        fd = cgroup_open(root_fd, slice);
        if (fd < 0)
                return 0;
        r = cgroup_for_each_child(fd, on_scope, &u);
        return u.over ? 0 : r;
}

struct users_walk {
        const struct walk *walk;
        int root_fd;
};

static int on_user_slice(_unused_ int slice_fd, const char *name, void *userdata)
{
        const struct users_walk *u = userdata;
        unsigned uid;
        int end = 0;

        if (sscanf(name, "user-%u.slice%n", &uid, &end) != 1 || end == 0 || name[end])
                return 0;
        return walk_user(u->walk, u->root_fd, uid);
}

static int for_each_user(const struct walk *w, int root_fd)
{
        struct users_walk u = { .walk = w, .root_fd = root_fd };
        _cleanup_close_ int fd = -EBADF;

        if (geteuid() != 0)
                return walk_user(w, root_fd, geteuid());
        if (!(w->flags & INSTANCES_OTHERS))
                return 0;
        fd = cgroup_open(root_fd, "user.slice");
        return fd < 0 ? 0 : cgroup_for_each_child(fd, on_user_slice, &u);
}

int instances_for_each(int root_fd, unsigned flags, int (*fn)(const struct instance *, void *),
                       void *userdata)
{
        struct walk w = { .flags = flags, .fn = fn, .userdata = userdata, .parent = "" };
        _cleanup_close_ int service_fd = home_open(root_fd, HOME_SERVICE);
        int r = 0;

        if (service_fd >= 0)
                r = on_home(&w, HOME_SERVICE, service_fd, false);
        if (r == 0)
                r = cgroup_for_each_child(root_fd, on_child, &w);
        return r == 0 ? for_each_user(&w, root_fd) : r;
}

/* -- Rescue ------------------------------------------------------------------------------------ */

struct salvage {
        int root_fd;
        const char *wanted; /* NULL: all */
        unsigned flags;
        struct hobble_rescued done;
        bool found;
};

static int on_guard(pid_t pid, void *userdata)
{
        *(pid_t *) userdata = pid;
        return 1;
}

/* Keep a live engine from freezing, for good. Its guard, whose process id is returned, has the word of the
 * heartbeat open. */
static pid_t retire(const struct instance *i)
{
        _cleanup_close_ int leaf_fd = cgroup_open(i->home_fd, HOME_GUARD), fd = -EBADF;
        char file[48];
        pid_t guard = 0;
        pulse *p;
        int r;

        if (leaf_fd < 0)
                return leaf_fd;
        r = cgroup_for_each_id(leaf_fd, "cgroup.procs", on_guard, &guard);
        if (r < 0 || guard <= 0)
                return r < 0 ? r : -ESRCH;
        snprintf(file, sizeof(file), "/proc/%d/fd/%d", guard, PULSE_GUARD_FD);
        fd = open(file, O_RDWR | O_CLOEXEC);
        if (fd < 0 && errno != EISDIR) /* a guard that has no engine keeps the number with a directory */
                return -errno;
        r = fd < 0 ? -ENXIO : pulse_open(fd, &p);
        if (r < 0)
                /* A service may be without an engine: there is nobody to keep from freezing. */
                return home_is_service(i->name) ? guard : r;
        pulse_retire(p);
        (void) pulse_free(p);
        return guard;
}

static int on_instance(const struct instance *i, void *userdata)
{
        struct salvage *s = userdata;
        struct rescue r = { .root_fd = s->root_fd, .instance = i->name };
        pid_t guard = 0;

        if (s->wanted && strcmp(s->wanted, i->name) != 0)
                return 0;
        s->found = true;
        if (i->foreign) {
                s->done.others += !i->alive && foreign_thaw(i->home_fd) > 0;
                return 0;
        }
        if (i->alive) {
                guard = s->flags & HOBBLE_RESCUE_ALL ? retire(i) : -EBUSY;
                if (guard < 0) {
                        s->done.busy++;
                        return 0;
                }
        }

        (void) rescue_all(&r, i->home_fd, RESCUE_USEC);
        if (i->alive)
                (void) kill(guard, SIGUSR1); /* it tells the engine, which may be asleep */
        else
                home_remove(i->name, i->home_fd);
        s->done.instances++;
        s->done.subjects += r.subjects;
        s->done.processes += r.processes;
        s->done.left += r.left;
        s->done.strayed += r.strayed;
        return 0;
}

int instances_rescue_dead(int root_fd)
{
        struct salvage s = { .root_fd = root_fd };

        return instances_for_each(root_fd, INSTANCES_TAKE, on_instance, &s);
}

int instances_rescue_dead_in(int root_fd, int parent_fd, const char *parent)
{
        struct salvage s = { .root_fd = root_fd };
        struct walk w = { .flags = INSTANCES_TAKE, .fn = on_instance, .userdata = &s, .parent = parent };

        return cgroup_for_each_child(parent_fd, on_child, &w);
}

_public_ int hobble_rescue(const char *instance, unsigned flags, struct hobble_rescued *ret)
{
        _cleanup_close_ int root_fd = hierarchy_open();
        struct salvage s = { .root_fd = root_fd, .wanted = instance, .flags = flags };
        int r;

        if (root_fd < 0)
                return root_fd;
        r = instances_for_each(root_fd, INSTANCES_TAKE | INSTANCES_OTHERS, on_instance, &s);
        if (r < 0)
                return r;
        if (instance && !s.found) {
                _cleanup_close_ int fd = home_open(root_fd, instance); /* not ours, or not there */

                return fd == -EACCES || fd == -EPERM ? -EPERM : -ENOENT;
        }
        if (instance && s.done.busy > 0)
                return -EBUSY;
        if (ret)
                *ret = s.done;
        return 0;
}
