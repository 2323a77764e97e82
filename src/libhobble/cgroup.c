/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cgroup.h"
#include "file.h"
#include "macro.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

int cgroup_open(int dir_fd, const char *path)
{
        struct open_how how = {
                .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
        };
        long fd;

        path += strspn(path, "/");
        do
                fd = syscall(SYS_openat2, dir_fd, *path ? path : ".", &how, sizeof(how));
        while (fd < 0 && errno == EAGAIN); /* a rename raced with the look-up */

        return fd < 0 ? -errno : (int) fd;
}

int cgroup_mkdir(int dir_fd, const char *name)
{
        if (mkdirat(dir_fd, name, 0755) < 0)
                return -errno;
        /* Whatever the umask is. */
        (void) fchmodat(dir_fd, name, 0755, 0);
        return 0;
}

int cgroup_make(int dir_fd, const char *name)
{
        int r = cgroup_mkdir(dir_fd, name);

        return r < 0 && r != -EEXIST ? r : cgroup_open(dir_fd, name);
}

int cgroup_remove(int dir_fd, const char *name)
{
        if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && !cgroup_is_gone(-errno))
                return -errno;

        return 0;
}

static int remove_child(int dir_fd, const char *name, _unused_ void *userdata)
{
        (void) cgroup_remove(dir_fd, name);
        return 0;
}

int cgroup_remove_all(int dir_fd, const char *name)
{
        _cleanup_close_ int fd = cgroup_open(dir_fd, name);

        if (fd < 0)
                return cgroup_is_gone(fd) ? 0 : fd;
        (void) cgroup_for_each_child(fd, remove_child, NULL);
        return cgroup_remove(dir_fd, name);
}

bool cgroup_is_ours(int dir_fd)
{
        struct stat st;

        return fstat(dir_fd, &st) == 0 && st.st_uid == geteuid();
}

int cgroup_attach(int dir_fd, pid_t pid)
{
        char text[16];

        snprintf(text, sizeof(text), "%d", pid);
        return file_write_at(dir_fd, "cgroup.procs", text);
}

int cgroup_freeze(int dir_fd, bool freeze)
{
        return file_write_at(dir_fd, "cgroup.freeze", freeze ? "1" : "0");
}

int cgroup_freeze_is_set(int dir_fd)
{
        char text[16];
        ssize_t n = file_read_piece_at(dir_fd, "cgroup.freeze", text, sizeof(text));

        return n < 0 ? (int) n : text[0] == '1';
}

bool cgroup_is_frozen_above(int root_fd, const char *path)
{
        char dir[CGROUP_PATH_MAX];

        if (strlen(path) >= sizeof(dir))
                return false;
        strcpy(dir, path);
        for (char *slash; (slash = strrchr(dir, '/')) && slash > dir;) {
                _cleanup_close_ int fd = -EBADF;

                *slash = '\0';
                fd = cgroup_open(root_fd, dir);
                if (fd >= 0 && cgroup_freeze_is_set(fd) > 0)
                        return true;
        }
        return false;
}

static int read_event(int dir_fd, const char *key)
{
        char text[256];
        uint64_t value;
        ssize_t n;
        int r;

        n = file_read_piece_at(dir_fd, "cgroup.events", text, sizeof(text));
        if (n < 0)
                return (int) n;
        r = cgroup_parse_key(text, key, &value);
        return r < 0 ? r : value != 0;
}

int cgroup_is_frozen(int dir_fd)
{
        return read_event(dir_fd, "frozen");
}

int cgroup_is_populated(int dir_fd)
{
        return read_event(dir_fd, "populated");
}

int cgroup_for_each_id(int dir_fd, const char *file, int (*fn)(pid_t, void *), void *userdata)
{
        _cleanup_close_ int fd = -EBADF;
        char text[CGROUP_TEXT_MAX + 1];
        ssize_t n;
        int r;

        fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        /* The kernel hands out whole lines as long as it is asked for a page at a time. */
        while ((n = read(fd, text, sizeof(text) - 1)) > 0) {
                text[n] = '\0';
                for (const char *p = text, *end; (end = strchr(p, '\n')); p = end + 1) {
                        int id = 0;

                        for (; *p >= '0' && *p <= '9'; p++)
                                id = id * 10 + (*p - '0');
                        r = fn(id, userdata);
                        if (r != 0)
                                return r;
                }
        }
        return n < 0 ? -errno : 0;
}

int cgroup_for_each_child(int dir_fd, int (*fn)(int, const char *, void *), void *userdata)
{
        _cleanup_close_ int fd = -EBADF;
        _Alignas(struct dirent64) char buf[8192];
        ssize_t n;
        int r;

        fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        /* Not readdir(3), which allocates. */
        while ((n = getdents64(fd, buf, sizeof(buf))) > 0) {
                for (ssize_t i = 0; i < n;) {
                        const struct dirent64 *d = (const void *) (buf + i);

                        i += d->d_reclen;
                        if (d->d_type != DT_DIR || strcmp(d->d_name, ".") == 0 ||
                            strcmp(d->d_name, "..") == 0)
                                continue;
                        r = fn(dir_fd, d->d_name, userdata);
                        if (r != 0)
                                return r;
                }
        }
        return n < 0 ? -errno : 0;
}

int cgroup_parse_key(const char *text, const char *key, uint64_t *ret)
{
        size_t n = strlen(key);

        for (const char *line = text; line; line = strchr(line, '\n')) {
                uint64_t value = 0;

                line += *line == '\n';
                if (strncmp(line, key, n) != 0 || line[n] != ' ')
                        continue;
                line += n + 1;
                if (*line < '0' || *line > '9')
                        return -EBADMSG;
                for (; *line >= '0' && *line <= '9'; line++)
                        value = value * 10 + (unsigned) (*line - '0');
                *ret = value;
                return 0;
        }
        return -EBADMSG;
}

int cgroup_parse_pressure(const char *text, uint64_t *ret_usec)
{
        const char *total;
        uint64_t value = 0;

        if (strncmp(text, "some ", 5) != 0)
                return -EBADMSG;
        total = strstr(text, "total=");
        if (!total || memchr(text, '\n', (size_t) (total - text)))
                return -EBADMSG;
        for (total += strlen("total="); *total >= '0' && *total <= '9'; total++)
                value = value * 10 + (unsigned) (*total - '0');

        *ret_usec = value;
        return 0;
}

/* usage_usec is cpu.stat's first line, and the "some" line io.pressure's: one short read is enough. */
static ssize_t read_first_line(int fd, char *buf, size_t size)
{
        ssize_t n = pread(fd, buf, size - 1, 0);

        if (n < 0)
                return -errno;
        buf[n] = '\0';
        return n;
}

int cgroup_read_usage(int stat_fd, uint64_t *ret_usec)
{
        char text[64];
        ssize_t n = read_first_line(stat_fd, text, sizeof(text));

        return n < 0 ? (int) n : cgroup_parse_key(text, "usage_usec", ret_usec);
}

int cgroup_read_pressure(int pressure_fd, uint64_t *ret_usec)
{
        char text[128];
        ssize_t n = read_first_line(pressure_fd, text, sizeof(text));

        return n < 0 ? (int) n : cgroup_parse_pressure(text, ret_usec);
}

int cgroup_mark_set(int dir_fd, const char *mark, const char *value)
{
        return fsetxattr(dir_fd, mark, value, strlen(value), 0) < 0 ? -errno : 0;
}

int cgroup_mark_get(int dir_fd, const char *mark, char *buf, size_t size)
{
        ssize_t n = fgetxattr(dir_fd, mark, buf, size - 1);

        if (n < 0)
                return errno == ERANGE ? -EFBIG : -errno;
        buf[n] = '\0';
        return (int) n;
}

int cgroup_mark_clear(int dir_fd, const char *mark)
{
        return fremovexattr(dir_fd, mark) < 0 && errno != ENODATA ? -errno : 0;
}

int cgroup_parse_membership(const char *text, char *buf, size_t size)
{
        /* "0::" is the v2 hierarchy's line; a v1 line has a controller or a name between the colons. */
        for (const char *line = text; line; line = strchr(line, '\n')) {
                size_t n;

                line += *line == '\n';
                if (strncmp(line, "0::/", 4) != 0)
                        continue;
                line += 3;
                n = strcspn(line, "\n");
                if (strncmp(line, "/..", 3) == 0 && (line[3] == '/' || n == 3))
                        return -EXDEV;
                if (n >= size)
                        return -ENAMETOOLONG;
                memcpy(buf, line, n);
                buf[n] = '\0';
                return 0;
        }
        return -EBADMSG;
}

static int read_membership(const char *file, char *buf, size_t size)
{
        /* v1 hierarchies add lines of their own, each with a path. */
        char text[4 * CGROUP_PATH_MAX];
        ssize_t n = file_read_piece_at(AT_FDCWD, file, text, sizeof(text));

        if (n == -ENOENT)
                return -ESRCH;
        return n < 0 ? (int) n : cgroup_parse_membership(text, buf, size);
}

int cgroup_of_process(pid_t pid, char *buf, size_t size)
{
        char file[32];

        snprintf(file, sizeof(file), "/proc/%d/cgroup", pid);
        return read_membership(file, buf, size);
}

int cgroup_of_thread(pid_t pid, pid_t tid, char *buf, size_t size)
{
        char file[64];

        snprintf(file, sizeof(file), "/proc/%d/task/%d/cgroup", pid, tid);
        return read_membership(file, buf, size);
}
