/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "groups.h"
#include "macro.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* Go into a directory, unless there are no others in it: its links are its own two and one from each. */
static int groups_enter(struct groups *g, int fd)
{
        struct stat st;
        DIR *dir;
        int copy;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_nlink == 2 || g->depth == GROUPS_DEPTH_MAX)
                return 0;
        copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (copy < 0)
                return -errno;
        dir = fdopendir(copy);
        if (!dir) {
                close_fd(copy);
                return -ENOMEM;
        }
        g->open[g->depth++] = dir;
        return 0;
}

int groups_begin(struct groups *g, int dir_fd)
{
        g->depth = 0;
        return groups_enter(g, dir_fd);
}

void groups_done(struct groups *g)
{
        while (g->depth > 0)
                closedir(g->open[--g->depth]);
}

int groups_next(struct groups *g, const char *file)
{
        while (g->depth > 0) {
                DIR *dir = g->open[g->depth - 1];
                const struct dirent *d = readdir(dir);
                _cleanup_close_ int dir_fd = -EBADF;
                int fd, r;

                if (!d) {
                        closedir(dir);
                        g->depth--;
                        continue;
                }
                if (d->d_type != DT_DIR || strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
                        continue;
                dir_fd = openat(dirfd(dir), d->d_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                fd = dir_fd < 0 ? -1 : openat(dir_fd, file, O_RDONLY | O_CLOEXEC);
                if (fd < 0 && errno != ENOENT && errno != ENODEV)
                        return -errno;
                if (fd < 0)
                        continue;
                r = groups_enter(g, dir_fd);
                if (r < 0 && r != -ENOENT && r != -ENODEV) {
                        close_fd(fd);
                        return r;
                }
                return fd;
        }
        return -ENOENT;
}
