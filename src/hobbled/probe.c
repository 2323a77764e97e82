/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "probe.h"
#include "macro.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

const char *const probe_inside[] = { "cgroup.procs", "tasks", NULL };

/* File systems that make their text up, and those where others than this kernel may change a file, or where a
 * change is told to watchers of another inode. Magic numbers that linux/magic.h lacks are spelled out. */
static const struct file_system {
        uint64_t magic;
        bool live;
} file_systems[] = {
        { CGROUP_SUPER_MAGIC, true },
        { CGROUP2_SUPER_MAGIC, true },
        { PROC_SUPER_MAGIC, true },
        { SYSFS_MAGIC, true },
        { DEBUGFS_MAGIC, true },
        { TRACEFS_MAGIC, true },
        { NFS_SUPER_MAGIC, false },
        { SMB_SUPER_MAGIC, false },
        { CIFS_SUPER_MAGIC, false },
        { SMB2_SUPER_MAGIC, false },
        { V9FS_MAGIC, false },
        { FUSE_SUPER_MAGIC, false },
        { CEPH_SUPER_MAGIC, false },
        { AFS_FS_MAGIC, false },
        { CODA_SUPER_MAGIC, false },
        { OCFS2_SUPER_MAGIC, false },
        { OVERLAYFS_SUPER_MAGIC, false },
        { ECRYPTFS_SUPER_MAGIC, false },
        { 0x01161970 /* gfs2 */, false },
        { 0x0bd00bd0 /* lustre */, false },
        { 0x47504653 /* gpfs */, false },
        { 0x19830326 /* beegfs */, false },
        { 0x20030528 /* orangefs */, false },
        { 0x786f4256 /* vboxsf */, false },
};

static void probe_say(struct probe *p, enum probe_kind kind, const char *fmt, ...) _printf_(3, 4);

static void probe_say(struct probe *p, enum probe_kind kind, const char *fmt, ...)
{
        va_list ap;

        p->kind = kind;
        va_start(ap, fmt);
        (void) vsnprintf(p->text, sizeof(p->text), fmt, ap);
        va_end(ap);
}

/* Note what kind of file system fd is in. Returns its magic number, 0: not known. */
static uint64_t probe_file_system(struct probe *p, int fd)
{
        struct statfs fs;

        p->live = p->silent = false;
        if (fstatfs(fd, &fs) < 0) {
                p->silent = true;
                return 0;
        }
        for (size_t i = 0; i < ELEMENTSOF(file_systems); i++) {
                if ((uint64_t) (uint32_t) fs.f_type == file_systems[i].magic) {
                        p->silent = true;
                        p->live = file_systems[i].live;
                }
        }
        return (uint32_t) fs.f_type;
}

static int probe_take(struct probe *p, int dir_fd, const char *path)
{
        int fd = openat(dir_fd, path, O_PATH | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        close_fd(p->fd);
        p->fd = fd;
        return fstat(fd, &p->st) < 0 ? -errno : 0;
}

/* Other files there hold numbers that are no pids. In v2: from the list of a cgroup's members to the cgroup,
 * as whoever is moved leaves the list. */
static int probe_cgroup_file(struct probe *p, bool v2)
{
        static const char *const lists[] = { "cgroup.procs", "cgroup.threads", "tasks" };
        bool is_list = false;
        char link[32], path[PATH_MAX];
        const char *name;
        ssize_t n;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", p->fd);
        n = readlink(link, path, sizeof(path) - 1);
        if (n < 0)
                return -errno;
        path[n] = '\0';

        name = strrchr(path, '/');
        for (size_t i = 0; name && i < ELEMENTSOF(lists); i++)
                is_list = is_list || strcmp(name + 1, lists[i]) == 0;
        if (!is_list) {
                probe_say(p, PROBE_UNFIT, "is a file of a cgroup, but not the list of its members");
                return 0;
        }
        if (!v2)
                return 0;
        path[name - path] = '\0';
        p->member_file = true;
        return probe_take(p, AT_FDCWD, *path ? path : "/");
}

static const char *type_name(mode_t mode)
{
        return S_ISFIFO(mode)   ? "a FIFO"
               : S_ISSOCK(mode) ? "a socket"
               : S_ISCHR(mode)  ? "a character device"
               : S_ISBLK(mode)  ? "a block device"
               : S_ISDIR(mode)  ? "a directory"
                                : "no regular file";
}

/* Whether the file may say whom to hobble. */
static void probe_judge_file(struct probe *p)
{
        if (!S_ISREG(p->st.st_mode))
                probe_say(p, PROBE_UNFIT, "is %s, not a file of pids", type_name(p->st.st_mode));
        else if (p->st.st_uid != 0 && p->st.st_uid != geteuid())
                probe_say(p, PROBE_UNFIT, "belongs to user %u, who could have anybody hobbled", p->st.st_uid);
        else if (p->st.st_mode & (S_IWGRP | S_IWOTH))
                probe_say(p, PROBE_UNFIT, "can be written by others than its owner (mode %04o)",
                          p->st.st_mode & 07777);
        else
                p->kind = PROBE_PIDFILE;
}

static int probe_inside_directory(struct probe *p)
{
        _cleanup_close_ int dir_fd = TAKE_FD(p->fd);
        int r = -ENOENT;

        for (const char *const *name = probe_inside; *name && r == -ENOENT; name++) {
                r = probe_take(p, dir_fd, *name);
                p->list = *name;
        }

        if (r == -ENOENT)
                probe_say(p, PROBE_MISSING, "is a directory without cgroup.procs and tasks");
        else if (r >= 0) {
                p->inside = true;
                if (probe_file_system(p, p->fd) == CGROUP_SUPER_MAGIC)
                        p->group_fd = TAKE_FD(dir_fd);
                probe_judge_file(p);
        }
        return r == -ENOENT ? 0 : r;
}

/* Nothing is there: note what kind of file system it would be in. */
static void probe_missing(struct probe *p, const char *path)
{
        char dir[PATH_MAX];
        char *slash;
        int fd = -EBADF;

        (void) snprintf(dir, sizeof(dir), "%s", path);
        while (fd < 0 && (slash = strrchr(dir, '/')) && slash > dir) {
                *slash = '\0';
                fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        }
        if (fd < 0)
                fd = open(*path == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        (void) probe_file_system(p, fd);
        close_fd(fd);
        probe_say(p, PROBE_MISSING, "does not exist");
}

void probe_path(const char *path, struct probe *ret)
{
        struct probe p = { .fd = -EBADF, .group_fd = -EBADF };
        uint64_t magic;
        bool v2;
        int r;

        r = probe_take(&p, AT_FDCWD, path);
        if (r == -ENOENT || r == -ENOTDIR)
                probe_missing(&p, path);
        else if (r >= 0) {
                magic = probe_file_system(&p, p.fd);
                v2 = magic == CGROUP2_SUPER_MAGIC;
                p.in_cgroup = v2 || magic == CGROUP_SUPER_MAGIC;
                if (p.in_cgroup && S_ISREG(p.st.st_mode))
                        r = probe_cgroup_file(&p, v2);
                if (r < 0 || p.kind == PROBE_UNFIT)
                        ;
                else if (!S_ISDIR(p.st.st_mode))
                        probe_judge_file(&p);
                else if (v2)
                        p.kind = PROBE_CGROUP;
                else
                        r = probe_inside_directory(&p);
        }

        if (r < 0 && !*p.text)
                probe_say(&p, PROBE_UNFIT, "cannot be looked at: %s", strerror(-r));
        if (p.kind == PROBE_MISSING || p.kind == PROBE_UNFIT)
                probe_done(&p);
        *ret = p;
}

void probe_done(struct probe *p)
{
        p->fd = close_fd(p->fd);
        p->group_fd = close_fd(p->group_fd);
}

int probe_open(const struct probe *p)
{
        char link[32];
        int fd;

        /* The very file that was looked at, not what the path leads to by now. */
        snprintf(link, sizeof(link), "/proc/self/fd/%d", p->fd);
        fd = open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}
