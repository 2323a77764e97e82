/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "whereabouts.h"
#include "cgroup-mount.h"
#include "file.h"
#include "macro.h"
#include "text.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* What hobbled's directories are called, and how a cgroup is marked that is hobbled in place. */
#define PREFIX "hobbled-"
#define SERVICE "hobble-pit.service"
#define SERVICE_INSTANCE "pit"
#define MARK "user.hobble.instance"

/* More lines of /etc/passwd are not read. */
#define USERS_MAX 4096U

static void fclosep(FILE **f)
{
        if (*f)
                (void) fclose(*f);
}

/* -- Processes --------------------------------------------------------------------------------- */

int whereabouts_parse_cgroup(const char *text, char *buf, size_t size)
{
        const char *line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
        size_t n;

        if (!line)
                return -EBADMSG;
        line += *line == '\n';
        line += strlen("0::");
        n = strcspn(line, "\n");
        if (n >= size)
                return -ENAMETOOLONG;
        memcpy(buf, line, n);
        buf[n] = '\0';
        return 0;
}

int whereabouts_cgroup(pid_t pid, char *buf, size_t size)
{
        char name[32], text[PATH_MAX + 512];
        ssize_t n;

        snprintf(name, sizeof(name), "/proc/%d/cgroup", (int) pid);
        n = file_read_piece_at(AT_FDCWD, name, text, sizeof(text));
        if (n < 0)
                return n == -ENOENT ? -ESRCH : (int) n;
        return whereabouts_parse_cgroup(text, buf, size);
}

bool whereabouts_is_beneath(const char *path, const char *above)
{
        size_t size = strlen(above);

        while (size > 0 && above[size - 1] == '/')
                size--;
        return size > 0 && strncmp(path, above, size) == 0 && (path[size] == '/' || !path[size]);
}

uid_t whereabouts_uid(pid_t pid)
{
        char name[32];
        struct stat st;

        snprintf(name, sizeof(name), "/proc/%d", (int) pid);
        return stat(name, &st) < 0 ? (uid_t) -1 : st.st_uid;
}

/* -- Users ------------------------------------------------------------------------------------- */

/* "NAME:x:UID:…" */
static bool is_user(char *line, uid_t uid)
{
        char *name = strchr(line, ':'), *number = name ? strchr(name + 1, ':') : NULL;
        uint64_t n;

        if (!number)
                return false;
        number++;
        number[strcspn(number, ":\n")] = '\0';
        *name = '\0';
        return *line && parse_u64(number, &n) >= 0 && n == uid;
}

char *whereabouts_user_in(const char *file, uid_t uid, char *buf, size_t size)
{
        _cleanup_(fclosep) FILE *f = fopen(file, "re");
        char line[1024];

        for (unsigned i = 0; f && i < USERS_MAX && fgets(line, sizeof(line), f); i++) {
                if (is_user(line, uid)) {
                        snprintf(buf, size, "%s", line);
                        return buf;
                }
        }
        snprintf(buf, size, "uid %u", (unsigned) uid);
        return buf;
}

char *whereabouts_user(uid_t uid, char *buf, size_t size)
{
        if (uid != 0)
                return whereabouts_user_in("/etc/passwd", uid, buf, size);
        snprintf(buf, size, "root");
        return buf;
}

/* -- Instances --------------------------------------------------------------------------------- */

static bool copy_name(const char *name, size_t n, char *buf, size_t size)
{
        if (n == 0 || n >= size)
                return false;
        memcpy(buf, name, n);
        buf[n] = '\0';
        return name_is_valid(buf);
}

/* Without the number at the end of a nested cgroup's name: the length of what is before "-N"; 0: none. */
static size_t without_number(const char *name, size_t n)
{
        size_t k = n;

        while (k > 0 && name[k - 1] >= '0' && name[k - 1] <= '9')
                k--;
        return k < n && k > 1 && name[k - 1] == '-' ? k - 1 : 0;
}

static bool is_called(const char *component, size_t n, const char *name)
{
        return n == strlen(name) && memcmp(component, name, n) == 0;
}

bool whereabouts_instance_of(const char *path, char *buf, size_t size, size_t *ret_size)
{
        size_t n;

        for (const char *p = path + strspn(path, "/"); *p; p += n, p += strspn(p, "/")) {
                const char *next;
                bool pit, guard;

                n = strcspn(p, "/");
                next = p + n + strspn(p + n, "/");
                pit = is_called(next, strcspn(next, "/"), "pit");
                guard = is_called(next, strcspn(next, "/"), "guard"); /* of a home, too: it hobbles nobody */
                *ret_size = (size_t) (p + n - path);
                if (pit && is_called(p, n, SERVICE)) {
                        snprintf(buf, size, SERVICE_INSTANCE);
                        return true;
                }
                if (guard || n <= strlen(PREFIX) || strncmp(p, PREFIX, strlen(PREFIX)) != 0)
                        continue;
                if (copy_name(p + strlen(PREFIX),
                              pit ? n - strlen(PREFIX)
                                  : without_number(p + strlen(PREFIX), n - strlen(PREFIX)),
                              buf, size))
                        return true;
        }
        return false;
}

/* Whose marks and names are believed. */
static bool is_trusted(int fd)
{
        struct stat st;

        return fstat(fd, &st) >= 0 && (st.st_uid == 0 || st.st_uid == geteuid());
}

static int open_cgroup(int root_fd, const char *path, size_t n)
{
        char name[PATH_MAX];
        size_t lead = strspn(path, "/");

        if (n <= lead || n - lead >= sizeof(name))
                return -EINVAL;
        memcpy(name, path + lead, n - lead);
        name[n - lead] = '\0';
        return openat(root_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Who hobbles the cgroup in place, by the mark on it. */
static bool read_mark(int fd, char *buf, size_t size)
{
        char link[32];
        ssize_t n;

        if (!is_trusted(fd))
                return false;
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = getxattr(link, MARK, buf, size - 1);
        if (n <= 0)
                return false;
        buf[n] = '\0';
        return name_is_valid(buf);
}

/* Whether the first n bytes of the path name a home, and what is left the guard in it: a home carries its
 * instance's mark as well, but its guard is not hobbled. */
static bool is_home_of_guard(const char *path, size_t n)
{
        const char *next = path + n + strspn(path + n, "/");
        size_t lead = n;

        while (lead > 0 && path[lead - 1] != '/')
                lead--;
        return is_called(next, strcspn(next, "/"), "guard") && n - lead > strlen(PREFIX) &&
               strncmp(path + lead, PREFIX, strlen(PREFIX)) == 0;
}

bool whereabouts_instance(const char *path, char *buf, size_t size)
{
        const char *mount = cgroup_mount();
        _cleanup_close_ int root_fd = mount ? open(mount, O_PATH | O_DIRECTORY | O_CLOEXEC) : -EBADF;
        char instance[80];
        size_t n;

        if (root_fd < 0)
                return false;
        if (whereabouts_instance_of(path, instance, sizeof(instance), &n)) {
                _cleanup_close_ int fd = open_cgroup(root_fd, path, n);

                if (fd >= 0 && is_trusted(fd)) {
                        snprintf(buf, size, "%s", instance);
                        return true;
                }
        }
        for (n = strlen(path); n > 1; n--) {
                _cleanup_close_ int fd = -EBADF;

                if ((path[n] && path[n] != '/') || is_home_of_guard(path, n))
                        continue;
                fd = open_cgroup(root_fd, path, n);
                if (fd >= 0 && read_mark(fd, buf, size))
                        return true;
        }
        return false;
}

/* -- Units ------------------------------------------------------------------------------------- */

static bool ends_in(const char *name, size_t n, const char *suffix)
{
        size_t k = strlen(suffix);

        return n > k && memcmp(name + n - k, suffix, k) == 0;
}

static bool is_unit(const char *name, size_t n)
{
        static const char *const suffixes[] = { ".scope", ".service", ".socket", ".mount", ".swap" };

        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                if (ends_in(name, n, suffixes[i]))
                        return true;
        }
        return false;
}

size_t whereabouts_unit(const char *path)
{
        size_t unit = 0, n;

        for (const char *p = path + strspn(path, "/"); *p; p += n, p += strspn(p, "/")) {
                n = strcspn(p, "/");
                if (is_unit(p, n))
                        unit = (size_t) (p + n - path);
        }
        return unit;
}

bool whereabouts_same_unit(const char *path, const char *of)
{
        size_t n = whereabouts_unit(of);

        if (n == 0)
                n = strlen(of);
        return strncmp(path, of, n) == 0 && (path[n] == '/' || !path[n]) && whereabouts_unit(path) <= n;
}

/* Whether it has another root of the cgroup hierarchy than this process. */
static bool is_in_container(pid_t pid)
{
        char name[32], theirs[64], ours[64];
        ssize_t n, k;

        snprintf(name, sizeof(name), "/proc/%d/ns/cgroup", (int) pid);
        n = readlink(name, theirs, sizeof(theirs));
        k = readlink("/proc/self/ns/cgroup", ours, sizeof(ours));
        return n > 0 && k > 0 && (n != k || memcmp(theirs, ours, (size_t) n) != 0);
}

bool whereabouts_is_bound(pid_t pid, const char *path)
{
        size_t n;

        if (strcmp(path, "/") == 0)
                return false;
        for (const char *p = path + strspn(path, "/"); *p; p += n, p += strspn(p, "/")) {
                n = strcspn(p, "/");
                if (ends_in(p, n, ".scope"))
                        return true;
        }
        return is_in_container(pid);
}
