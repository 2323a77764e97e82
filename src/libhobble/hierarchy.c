/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "hierarchy.h"
#include "macro.h"

#include <fcntl.h>
#include <libmount.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>

static void unref_tablep(struct libmnt_table **table)
{
        mnt_unref_table(*table);
}

static void unref_iterp(struct libmnt_iter **iter)
{
        mnt_free_iter(*iter);
}

static bool is_cgroup2(int fd)
{
        struct statfs sfs;

        return fstatfs(fd, &sfs) == 0 && sfs.f_type == CGROUP2_SUPER_MAGIC;
}

/* A mount of the whole hierarchy, not of a part of it: paths in /proc/PID/cgroup begin at its root. Something
 * may be mounted on top, so what is opened is looked at. */
static int open_mounted(void)
{
        _cleanup_(unref_tablep) struct libmnt_table *table = NULL;
        _cleanup_(unref_iterp) struct libmnt_iter *iter = NULL;
        struct libmnt_fs *fs;

        table = mnt_new_table_from_file("/proc/self/mountinfo");
        iter = mnt_new_iter(MNT_ITER_FORWARD);
        if (!table || !iter)
                return -ENOMEM;

        while (mnt_table_next_fs(table, iter, &fs) == 0) {
                const char *type = mnt_fs_get_fstype(fs), *root = mnt_fs_get_root(fs);
                int fd;

                if (!type || strcmp(type, "cgroup2") != 0 || !root || strcmp(root, "/") != 0)
                        continue;
                fd = open(mnt_fs_get_target(fs), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (fd >= 0 && is_cgroup2(fd))
                        return fd;
                close_fd(fd);
        }
        return -ENOENT;
}

static int open_private(void)
{
        _cleanup_close_ int fs_fd = -EBADF, mount_fd = -EBADF;
        int fd;

        fs_fd = fsopen("cgroup2", FSOPEN_CLOEXEC);
        if (fs_fd < 0)
                return errno == ENODEV || errno == ENOSYS ? -EOPNOTSUPP : -errno;
        if (fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        mount_fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        if (mount_fd < 0)
                return -errno;
        /* fsmount() gives an O_PATH descriptor; the mount lives as long as something in it is open. */
        fd = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int hierarchy_open(void)
{
        int fd = open_mounted();

        if (fd == -ENOENT)
                fd = open_private();
        return fd;
}
