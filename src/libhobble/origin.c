/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "origin.h"
#include "clock.h"
#include "file.h"
#include "macro.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* After so many passes over all members that did not empty the directory, somebody forks faster than they are
 * moved; the same after so many passes that the deadline cut off (2 ms each: more than any tree takes that
 * holds still). */
#define PASSES_THAWED 3
#define SLICES_THAWED 2500

bool subject_is_likely(const char *path)
{
        return strstr(path, "/hobble");
}

int subject_mark_find(int root_fd, const char *path, const char *mark, char *buf, size_t size)
{
        char dir[CGROUP_PATH_MAX];

        if (!subject_is_likely(path) || strlen(path) >= sizeof(dir))
                return 0;
        strcpy(dir, path);
        for (char *slash; dir[1] && (slash = strrchr(dir, '/')); slash[slash == dir] = '\0') {
                _cleanup_close_ int fd = cgroup_open(root_fd, dir);

                if (fd >= 0 && cgroup_is_ours(fd) && cgroup_mark_get(fd, mark, buf, size) > 0)
                        return (int) strlen(dir);
        }
        return 0;
}

/* Open the destination, and where it is gone the nearest ancestor of it that is not. */
static int open_destination(struct restore *r)
{
        for (;;) {
                _cleanup_close_ int dir_fd = cgroup_open(r->root_fd, r->path);
                char *slash;

                if (dir_fd >= 0) {
                        r->procs_fd = close_fd(r->procs_fd);
                        r->procs_fd = openat(dir_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
                        if (r->procs_fd >= 0)
                                return 0;
                        dir_fd = -errno;
                }

                slash = strrchr(r->path, '/');
                if (!slash || !slash[1])
                        return dir_fd;
                slash[slash == r->path] = '\0'; /* "/a" becomes "/" */
                r->strayed = true;
        }
}

int restore_init(struct restore *r, int root_fd, int dir_fd)
{
        int n;

        *r = (struct restore){ .root_fd = root_fd, .dir_fd = dir_fd, .procs_fd = -EBADF };

        n = cgroup_mark_get(dir_fd, CGROUP_MARK_ORIGIN, r->path, sizeof(r->path));
        if (n <= 0 || r->path[0] != '/') {
                /* Nobody is attached before the origin is written: a stranger's process, if any. */
                strcpy(r->path, "/");
                r->strayed = true;
        }
        return open_destination(r);
}

/* Go one level up, because the destination takes no processes (it became threaded, or controllers were
 * enabled). */
static int next_destination(struct restore *r)
{
        char *slash = strrchr(r->path, '/');

        if (!slash[1])
                return -EBUSY;
        slash[slash == r->path] = '\0';
        r->strayed = true;
        return open_destination(r);
}

static int move_one(pid_t pid, void *userdata)
{
        struct restore *r = userdata;
        char text[16];
        int k;

        snprintf(text, sizeof(text), "%d", pid);
        for (;;) {
                k = pid > 0 ? file_write(r->procs_fd, text) : -ESRCH;
                if (k == 0) {
                        r->moved++;
                        r->strays += r->strayed;
                        if (r->strayed && r->on_stray)
                                r->on_stray(r, pid, r->userdata);
                }
                if (k == 0 || k == -ESRCH)
                        break;
                k = cgroup_is_gone(k) ? open_destination(r) : next_destination(r);
                if (k < 0) {
                        r->error = k;
                        break;
                }
        }

        /* 1 ends the pass. */
        return r->deadline_usec && clock_now() >= r->deadline_usec;
}

/* Returns 1 where the deadline ended the pass. */
static int pass(struct restore *r)
{
        unsigned before = r->moved;
        int k;

        k = cgroup_for_each_id(r->dir_fd, "cgroup.procs", move_one, r);
        if (k == 0 && r->moved == before)
                /* A process whose leader has exited is listed by its threads only; any of them moves it. */
                k = cgroup_for_each_id(r->dir_fd, "cgroup.threads", move_one, r);
        if (k == 1)
                r->slices++;
        else
                r->passes++;
        return k;
}

static void refreeze(struct restore *r, bool freeze)
{
        if (r->frozen != freeze && cgroup_freeze(r->dir_fd, freeze) == 0)
                r->frozen = freeze;
}

int restore_step(struct restore *r, uint64_t deadline_usec)
{
        r->deadline_usec = deadline_usec;

        for (;;) {
                unsigned before = r->moved;
                int k = cgroup_is_populated(r->dir_fd);

                if (k <= 0) {
                        refreeze(r, false);
                        return cgroup_is_gone(k) ? 0 : k;
                }

                if (r->passes >= PASSES_THAWED || r->slices >= SLICES_THAWED)
                        refreeze(r, true);
                k = pass(r);
                if (k == 1)
                        return 1;
                if (k < 0 && !cgroup_is_gone(k))
                        r->error = k;
                if (r->moved == before && r->passes > PASSES_THAWED) {
                        /* What is left is dying, or cannot be moved. */
                        refreeze(r, false);
                        return r->error ?: cgroup_is_populated(r->dir_fd) > 0 ? -EBUSY : 0;
                }
        }
}

void restore_done(struct restore *r)
{
        refreeze(r, false);
        r->procs_fd = close_fd(r->procs_fd);
}
