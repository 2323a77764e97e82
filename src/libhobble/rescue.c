/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "rescue.h"
#include "cgroup.h"
#include "clock.h"
#include "macro.h"
#include "nest.h"
#include "origin.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

/* What a directory in a tarpit stands for. */
struct found {
        enum { FOUND_TREE, FOUND_NESTED, FOUND_IN_PLACE } kind;
        int fd;        /* the directory in the tarpit */
        int target_fd; /* what it is a stand-in for, where that is there, is ours, and bears the mark */
        int error;     /* of the look at it, where a later one may be better */
        char path[CGROUP_PATH_MAX]; /* of the target */
};

static void found_done(struct found *f)
{
        f->fd = close_fd(f->fd);
        f->target_fd = close_fd(f->target_fd);
}

/* Open the cgroup in place, if it is still the one that the instance marked. */
static int open_in_place(const struct rescue *r, const char *path)
{
        _cleanup_close_ int fd = nest_open(r->root_fd, path);
        char instance[128];
        int k;

        if (fd < 0)
                return fd;
        k = cgroup_mark_get(fd, CGROUP_MARK_INSTANCE, instance, sizeof(instance));
        if (k < 0)
                return k;
        return strcmp(instance, r->instance) == 0 ? TAKE_FD(fd) : -ENODATA;
}

static void look_at_target(const struct rescue *r, struct found *f)
{
        f->target_fd = f->kind == FOUND_NESTED ? nest_open(r->root_fd, f->path) : open_in_place(r, f->path);
        if (f->target_fd < 0 && f->target_fd != -ENODATA && f->target_fd != -EPERM &&
            !cgroup_is_gone(f->target_fd))
                f->error = f->target_fd;
}

/* Returns false where it is nothing of ours; found_done() is due in either case. */
static bool look_at(const struct rescue *r, int tarpit_fd, const char *name, struct found *f)
{
        f->kind = FOUND_TREE;
        f->target_fd = -EBADF;
        f->error = 0;
        f->fd = cgroup_open(tarpit_fd, name);
        if (f->fd < 0 || !cgroup_is_ours(f->fd))
                return false;
        if (cgroup_mark_get(f->fd, CGROUP_MARK_TARGET, f->path, sizeof(f->path)) <= 0)
                return true;
        f->kind = nest_is_named(f->path, r->instance) ? FOUND_NESTED : FOUND_IN_PLACE;
        look_at_target(r, f);
        return true;
}

/* Thaw a cgroup in place. Returns 1: thawed, 0: there was nothing to do, or a negative errno. */
static int thaw_in_place(const struct rescue *r, const struct found *f)
{
        int k;

        if (f->target_fd < 0)
                return f->error;
        k = cgroup_freeze(f->target_fd, false);
        if (k >= 0 && !r->keep_marks)
                k = cgroup_mark_clear(f->target_fd, CGROUP_MARK_INSTANCE);
        return k >= 0 ? 1 : cgroup_is_gone(k) ? 0 : k;
}

/* Each write to the hierarchy takes one lock of the whole host, which tasks of ordinary priority hold too: on
 * a busy host that can be a wait of tens of milliseconds each. So first everything is thawed, because that is
 * what hurts, and nothing is written where nothing is frozen; then all is brought home; and directories are
 * removed last, because each removal gives the kernel more such work to do, which the next attach would wait
 * for. */

static void thaw(int dir_fd)
{
        if (cgroup_freeze_is_set(dir_fd) != 0)
                (void) cgroup_freeze(dir_fd, false);
}

static int thaw_subject(int tarpit_fd, const char *name, void *userdata)
{
        struct rescue *r = userdata;
        _cleanup_(found_done) struct found f;

        if (!look_at(r, tarpit_fd, name, &f))
                return 0;
        if (f.kind == FOUND_IN_PLACE)
                /* Its mark is gone with that: no later pass finds it. */
                r->subjects += thaw_in_place(r, &f) > 0 && !r->keep_marks;
        else if (f.kind == FOUND_TREE || f.target_fd >= 0)
                thaw(f.kind == FOUND_TREE ? f.fd : f.target_fd);
        return 0;
}

static int thaw_tarpit(int pit_fd, const char *name, void *userdata)
{
        _cleanup_close_ int fd = cgroup_open(pit_fd, name);

        if (fd < 0 || !cgroup_is_ours(fd))
                return 0;
        thaw(fd);
        return cgroup_for_each_child(fd, thaw_subject, userdata);
}

/* Bring one directory's own members home. */
static void restore_members(struct rescue *r, int dir_fd)
{
        struct restore restore;

        if (restore_init(&restore, r->root_fd, dir_fd) >= 0)
                (void) restore_step(&restore, 0);
        r->processes += restore.moved;
        r->strayed += restore.strays;
        restore_done(&restore);
}

static int restore_child(int subject_fd, const char *name, void *userdata)
{
        _cleanup_close_ int fd = cgroup_open(subject_fd, name);

        if (fd >= 0)
                restore_members(userdata, fd);
        return 0;
}

static bool has_origin(int dir_fd)
{
        char path[CGROUP_PATH_MAX];

        return cgroup_mark_get(dir_fd, CGROUP_MARK_ORIGIN, path, sizeof(path)) > 0;
}

static int restore_subject(int tarpit_fd, const char *name, void *userdata)
{
        struct rescue *r = userdata;
        _cleanup_(found_done) struct found f;
        int fd;

        if (!look_at(r, tarpit_fd, name, &f) || f.kind == FOUND_IN_PLACE)
                return 0;
        fd = f.kind == FOUND_TREE ? f.fd : f.target_fd;
        /* Nobody was attached to a nested one before its origin was written. */
        if (fd < 0 || (f.kind == FOUND_NESTED && !has_origin(fd)))
                return 0;
        /* It counts as populated for as long as one of its children is. */
        (void) cgroup_for_each_child(fd, restore_child, r);
        restore_members(r, fd);
        return 0;
}

static int restore_tarpit(int pit_fd, const char *name, void *userdata)
{
        _cleanup_close_ int fd = cgroup_open(pit_fd, name);

        if (fd >= 0 && cgroup_is_ours(fd))
                (void) cgroup_for_each_child(fd, restore_subject, userdata);
        return 0;
}

/* Returns 1: done, 0: there was nothing to do, or a negative errno: it has to stay. */
static int remove_target(const struct rescue *r, const struct found *f)
{
        int k;

        if (f->kind == FOUND_IN_PLACE)
                return thaw_in_place(r, f);
        if (f->target_fd < 0)
                return f->error;
        k = nest_remove(r->root_fd, f->path);
        /* Who is in there without an origin is not from us. */
        return k < 0 && has_origin(f->target_fd) ? k : 1;
}

static int remove_subject(int tarpit_fd, const char *name, void *userdata)
{
        struct rescue *r = userdata;
        _cleanup_(found_done) struct found f;

        if (!look_at(r, tarpit_fd, name, &f))
                return 0;
        if (f.kind != FOUND_TREE) {
                int k = remove_target(r, &f);

                r->subjects += k > 0;
                r->left += k < 0;
                if (k < 0 || (f.kind == FOUND_IN_PLACE && r->keep_marks))
                        return 0;
        }

        if (cgroup_remove_all(tarpit_fd, name) < 0)
                r->left++;
        else
                r->subjects += f.kind == FOUND_TREE;
        return 0;
}

static int remove_tarpit(int pit_fd, const char *name, void *userdata)
{
        _cleanup_close_ int fd = cgroup_open(pit_fd, name);

        if (fd < 0 || !cgroup_is_ours(fd))
                return 0;
        (void) cgroup_for_each_child(fd, remove_subject, userdata);
        (void) cgroup_remove(pit_fd, name);
        return 0;
}

int rescue_round(struct rescue *r, int home_fd)
{
        _cleanup_close_ int pit_fd = cgroup_open(home_fd, HOME_PIT);
        int k;

        r->left = 0;
        if (pit_fd < 0)
                return cgroup_is_gone(pit_fd) ? 0 : pit_fd;

        k = cgroup_for_each_child(pit_fd, thaw_tarpit, r);
        if (k >= 0)
                k = cgroup_for_each_child(pit_fd, restore_tarpit, r);
        if (k >= 0)
                k = cgroup_for_each_child(pit_fd, remove_tarpit, r);
        return cgroup_is_gone(k) ? 0 : k;
}

int rescue_all(struct rescue *r, int home_fd, uint64_t limit_usec)
{
        const struct timespec pause = { .tv_nsec = 5 * 1000 * 1000 };
        uint64_t end = clock_now() + limit_usec;
        int k;

        /* What is left after a round is mostly dying: it empties within a moment. */
        while ((k = rescue_round(r, home_fd)) >= 0 && r->left > 0 && clock_now() < end)
                (void) nanosleep(&pause, NULL);
        return k;
}

bool home_is_service(const char *instance)
{
        return strcmp(instance, HOME_SERVICE) == 0;
}

void home_path(const char *instance, char buf[static HOME_NAME_MAX])
{
        if (home_is_service(instance))
                strcpy(buf, "/" HOME_SERVICE_PATH);
        else
                snprintf(buf, HOME_NAME_MAX, "/" HOME_PREFIX "%s", instance);
}

/* Its name as seen from the home itself, which may be anywhere in the hierarchy. */
static void sibling_name(const char *instance, char buf[static HOME_NAME_MAX + 2])
{
        char path[HOME_NAME_MAX];

        home_path(instance, path);
        snprintf(buf, HOME_NAME_MAX + 2, "..%s", strrchr(path, '/'));
}

bool home_is_one(int dir_fd, const char *instance)
{
        char text[128];

        return cgroup_is_ours(dir_fd) &&
               cgroup_mark_get(dir_fd, CGROUP_MARK_INSTANCE, text, sizeof(text)) > 0 &&
               strcmp(text, instance) == 0;
}

int home_open(int parent_fd, const char *instance)
{
        _cleanup_close_ int fd = -EBADF;
        char path[HOME_NAME_MAX];

        home_path(instance, path);
        fd = cgroup_open(parent_fd, path);
        if (fd < 0)
                return fd;
        return home_is_one(fd, instance) ? TAKE_FD(fd) : -EPERM;
}

int home_lock(const char *instance, int home_fd)
{
        char name[HOME_NAME_MAX + 2];
        struct stat mine, current;

        if (flock(home_fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EBUSY : -errno;

        sibling_name(instance, name);
        if (fstat(home_fd, &mine) < 0)
                return -errno;
        if (fstatat(home_fd, name, &current, AT_SYMLINK_NOFOLLOW) < 0 || mine.st_ino != current.st_ino)
                return -ESTALE;
        return 0;
}

void home_remove(const char *instance, int home_fd)
{
        char name[HOME_NAME_MAX + 2];

        sibling_name(instance, name);
        (void) cgroup_remove(home_fd, HOME_PIT);
        (void) cgroup_remove(home_fd, HOME_GUARD);
        if (!home_is_service(instance))
                (void) cgroup_remove(home_fd, name);
}
