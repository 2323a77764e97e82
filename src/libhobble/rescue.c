/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "rescue.h"
#include "cgroup.h"
#include "clock.h"
#include "macro.h"
#include "origin.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

/* Open the cgroup that a stand-in names, if it is still the one that the instance marked. */
static int open_target(const struct rescue *r, int stand_in_fd)
{
        _cleanup_close_ int fd = -EBADF;
        char path[CGROUP_PATH_MAX], instance[128];
        int k;

        k = cgroup_mark_get(stand_in_fd, CGROUP_MARK_TARGET, path, sizeof(path));
        if (k < 0)
                return k;
        fd = cgroup_open(r->root_fd, path);
        if (fd < 0)
                return fd;
        if (!cgroup_is_ours(fd))
                return -EPERM;
        k = cgroup_mark_get(fd, CGROUP_MARK_INSTANCE, instance, sizeof(instance));
        if (k < 0)
                return k;
        return strcmp(instance, r->instance) == 0 ? TAKE_FD(fd) : -ENODATA;
}

int rescue_target(const struct rescue *r, int stand_in_fd)
{
        _cleanup_close_ int fd = open_target(r, stand_in_fd);
        int k;

        if (fd < 0)
                return fd == -ENODATA || fd == -EPERM || cgroup_is_gone(fd) ? 0 : fd;

        k = cgroup_freeze(fd, false);
        if (k >= 0 && !r->keep_marks)
                k = cgroup_mark_clear(fd, CGROUP_MARK_INSTANCE);
        return k >= 0 ? 1 : cgroup_is_gone(k) ? 0 : k;
}

static bool is_stand_in(int dir_fd)
{
        char path[CGROUP_PATH_MAX];

        return cgroup_mark_get(dir_fd, CGROUP_MARK_TARGET, path, sizeof(path)) > 0;
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
        _cleanup_close_ int fd = cgroup_open(tarpit_fd, name);

        if (fd < 0 || !cgroup_is_ours(fd))
                return 0;
        if (is_stand_in(fd))
                (void) rescue_target(r, fd);
        else
                thaw(fd);
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
        if (restore.strayed && restore.moved > 0)
                r->strayed++;
        restore_done(&restore);
}

static int restore_child(int subject_fd, const char *name, void *userdata)
{
        _cleanup_close_ int fd = cgroup_open(subject_fd, name);

        if (fd >= 0)
                restore_members(userdata, fd);
        return 0;
}

static int restore_subject(int tarpit_fd, const char *name, void *userdata)
{
        _cleanup_close_ int fd = cgroup_open(tarpit_fd, name);

        if (fd < 0 || !cgroup_is_ours(fd) || is_stand_in(fd))
                return 0;
        /* It counts as populated for as long as one of its children is. */
        (void) cgroup_for_each_child(fd, restore_child, userdata);
        restore_members(userdata, fd);
        return 0;
}

static int restore_tarpit(int pit_fd, const char *name, void *userdata)
{
        _cleanup_close_ int fd = cgroup_open(pit_fd, name);

        if (fd >= 0 && cgroup_is_ours(fd))
                (void) cgroup_for_each_child(fd, restore_subject, userdata);
        return 0;
}

static int remove_child(int subject_fd, const char *name, _unused_ void *userdata)
{
        (void) cgroup_remove(subject_fd, name);
        return 0;
}

static int remove_subject(int tarpit_fd, const char *name, void *userdata)
{
        struct rescue *r = userdata;
        _cleanup_close_ int fd = cgroup_open(tarpit_fd, name);
        bool stand_in;

        if (fd < 0 || !cgroup_is_ours(fd))
                return 0;
        stand_in = is_stand_in(fd);
        if (stand_in) {
                int k = rescue_target(r, fd);

                r->subjects += k > 0;
                r->left += k < 0;
                if (k < 0 || r->keep_marks)
                        return 0;
        } else {
                (void) cgroup_for_each_child(fd, remove_child, NULL);
        }

        if (cgroup_remove(tarpit_fd, name) < 0)
                r->left++;
        else
                r->subjects += !stand_in;
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

static void home_name(const char *instance, char buf[static HOME_NAME_MAX])
{
        if (home_is_service(instance))
                strcpy(buf, HOME_SERVICE_PATH);
        else
                snprintf(buf, HOME_NAME_MAX, HOME_PREFIX "%s", instance);
}

bool home_is_one(int dir_fd, const char *instance)
{
        char text[128];

        return cgroup_is_ours(dir_fd) &&
               cgroup_mark_get(dir_fd, CGROUP_MARK_INSTANCE, text, sizeof(text)) > 0 &&
               strcmp(text, instance) == 0;
}

int home_open(int root_fd, const char *instance)
{
        _cleanup_close_ int fd = -EBADF;
        char name[HOME_NAME_MAX];

        home_name(instance, name);
        fd = cgroup_open(root_fd, name);
        if (fd < 0)
                return fd;
        return home_is_one(fd, instance) ? TAKE_FD(fd) : -EPERM;
}

int home_lock(int root_fd, const char *instance, int home_fd)
{
        char name[HOME_NAME_MAX];
        struct stat mine, current;

        if (flock(home_fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EBUSY : -errno;

        home_name(instance, name);
        if (fstat(home_fd, &mine) < 0)
                return -errno;
        if (fstatat(root_fd, name, &current, AT_SYMLINK_NOFOLLOW) < 0 || mine.st_ino != current.st_ino)
                return -ESTALE;
        return 0;
}

void home_remove(int root_fd, const char *instance, int home_fd)
{
        char name[HOME_NAME_MAX];

        home_name(instance, name);
        (void) cgroup_remove(home_fd, HOME_PIT);
        (void) cgroup_remove(home_fd, HOME_GUARD);
        if (!home_is_service(instance))
                (void) cgroup_remove(root_fd, name);
}
