/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "hierarchy.h"
#include "macro.h"

#include <fcntl.h>
#include <libmount.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
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

/* What is mounted there is of the hierarchy, and is its root; something may be mounted on top, so what is
 * opened is looked at. */
static int open_root(struct libmnt_fs *fs)
{
        const char *type = mnt_fs_get_fstype(fs), *root = mnt_fs_get_root(fs);
        int fd;

        if (!type || strcmp(type, "cgroup2") != 0 || !root || strcmp(root, "/") != 0)
                return -ENOENT;
        fd = open(mnt_fs_get_target(fs), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd >= 0 && !is_cgroup2(fd) ? close_fd(fd) : fd;
}

static bool is_read_only(int fd)
{
        struct statvfs sfs;

        return fstatvfs(fd, &sfs) == 0 && sfs.f_flag & ST_RDONLY;
}

/* A mount of the whole hierarchy that this process's cgroup namespace has, not of a part of it, nor of what
 * is above: paths in /proc/PID/cgroup begin at its root. One that can be written to, where there is one. */
static int open_mounted(void)
{
        _cleanup_(unref_tablep) struct libmnt_table *table = NULL;
        _cleanup_(unref_iterp) struct libmnt_iter *iter = NULL;
        _cleanup_close_ int found_fd = -EBADF;
        struct libmnt_fs *fs;

        table = mnt_new_table_from_file("/proc/self/mountinfo");
        iter = mnt_new_iter(MNT_ITER_FORWARD);
        if (!table || !iter)
                return -ENOMEM;

        while (mnt_table_next_fs(table, iter, &fs) == 0) {
                int fd = open_root(fs);

                if (fd < 0)
                        continue;
                close_fd(found_fd);
                found_fd = fd;
                if (!is_read_only(fd))
                        break;
        }
        return found_fd >= 0 ? TAKE_FD(found_fd) : -ENOENT;
}

/* What an error of a mount says of the host: whether the kernel cannot, or whoever runs this may not. */
static int mount_error(int error)
{
        switch (error) {
        case ENODEV:
        case ENOSYS:
                return -EOPNOTSUPP;
        case EPERM:
        case EACCES:
                return -ENXIO;
        default:
                return -error;
        }
}

static int open_private(void)
{
        _cleanup_close_ int fs_fd = -EBADF, mount_fd = -EBADF;
        int fd;

        fs_fd = fsopen("cgroup2", FSOPEN_CLOEXEC);
        if (fs_fd < 0 || fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return mount_error(errno);
        mount_fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        if (mount_fd < 0)
                return mount_error(errno);
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
