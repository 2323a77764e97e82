/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "instances.h"
#include "cgroup.h"
#include "hierarchy.h"
#include "hobble.h"
#include "macro.h"
#include "pulse.h"
#include "rescue.h"
#include "text.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#define RESCUE_USEC (5 * USEC_PER_SEC)

struct walk {
        bool take;
        int (*fn)(const struct instance *i, void *userdata);
        void *userdata;
};

/* An engine that was killed between making its home and marking it left nothing but an empty directory. */
static void remove_unfinished(int root_fd, const char *name)
{
        _cleanup_close_ int fd = cgroup_open(root_fd, name);
        char text[8];

        if (fd >= 0 && cgroup_is_ours(fd) &&
            cgroup_mark_get(fd, CGROUP_MARK_INSTANCE, text, sizeof(text)) == -ENODATA &&
            home_lock(root_fd, name + strlen(HOME_PREFIX), fd) == 0)
                (void) cgroup_remove(root_fd, name);
}

static int on_home(const struct walk *w, int root_fd, const char *instance, int home_fd)
{
        char path[HOME_NAME_MAX];
        struct instance i = { .name = instance, .path = path, .home_fd = home_fd };
        int r;

        home_path(instance, path);
        r = home_lock(root_fd, instance, home_fd);
        if (r == -ESTALE)
                return 0;
        i.alive = r == -EBUSY;
        if (!w->take)
                (void) flock(home_fd, LOCK_UN);
        return w->fn(&i, w->userdata);
}

static int on_child(int root_fd, const char *name, void *userdata)
{
        const struct walk *w = userdata;
        const char *instance = name + strlen(HOME_PREFIX);
        _cleanup_close_ int fd = -EBADF;

        if (strncmp(name, HOME_PREFIX, strlen(HOME_PREFIX)) != 0 || !name_is_valid(instance) ||
            home_is_service(instance))
                return 0;
        fd = home_open(root_fd, instance);
        if (fd < 0) {
                if (w->take)
                        remove_unfinished(root_fd, name);
                return 0;
        }
        return on_home(w, root_fd, instance, fd);
}

int instances_for_each(int root_fd, bool take, int (*fn)(const struct instance *, void *), void *userdata)
{
        struct walk w = { .take = take, .fn = fn, .userdata = userdata };
        _cleanup_close_ int service_fd = home_open(root_fd, HOME_SERVICE);
        int r = 0;

        if (service_fd >= 0)
                r = on_home(&w, root_fd, HOME_SERVICE, service_fd);
        return r == 0 ? cgroup_for_each_child(root_fd, on_child, &w) : r;
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
        if (fd < 0)
                return -errno;
        r = pulse_open(fd, &p);
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
                home_remove(s->root_fd, i->name, i->home_fd);
        s->done.instances++;
        s->done.subjects += r.subjects;
        s->done.processes += r.processes;
        s->done.left += r.left;
        return 0;
}

int instances_rescue_dead(int root_fd)
{
        struct salvage s = { .root_fd = root_fd };

        return instances_for_each(root_fd, true, on_instance, &s);
}

_public_ int hobble_rescue(const char *instance, unsigned flags, struct hobble_rescued *ret)
{
        _cleanup_close_ int root_fd = hierarchy_open();
        struct salvage s = { .root_fd = root_fd, .wanted = instance, .flags = flags };
        int r;

        if (root_fd < 0)
                return root_fd;
        r = instances_for_each(root_fd, true, on_instance, &s);
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
