/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "placement.h"
#include "cgroup.h"
#include "macro.h"
#include "process.h"
#include "text.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* Of what kinds of unit processes are; those of a slice are in units beneath it. */
static bool is_unit(const char *name, size_t n)
{
        static const char *const suffixes[] = { ".scope", ".service", ".socket", ".mount", ".swap" };

        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++)
                if (text_ends_in(name, n, suffixes[i]))
                        return true;
        return false;
}

size_t placement_unit(const char *path)
{
        size_t unit = 0;

        for (const char *p = path; *p == '/';) {
                size_t n = strcspn(++p, "/");

                if (is_unit(p, n))
                        unit = (size_t) (p + n - path);
                p += n;
        }
        return unit;
}

bool placement_same_unit(const char *path, const char *of)
{
        size_t n = placement_unit(of);

        if (n == 0)
                n = strlen(of);
        return strncmp(path, of, n) == 0 && (path[n] == '/' || !path[n]) && placement_unit(path) <= n;
}

static bool is_in_scope(const char *path)
{
        for (const char *p = path; *p == '/';) {
                size_t n = strcspn(++p, "/");

                if (text_ends_in(p, n, ".scope"))
                        return true;
                p += n;
        }
        return false;
}

int placement_host(int root_fd, const char *path, char *buf, size_t size)
{
        char prefix[CGROUP_PATH_MAX];
        size_t host = 0;

        if (strlen(path) >= MIN(size, sizeof(prefix)))
                return -ENAMETOOLONG;
        for (const char *p = path; *p == '/';) {
                struct stat st;

                p += 1 + strcspn(p + 1, "/");
                memcpy(prefix, path, (size_t) (p - path));
                prefix[p - path] = '\0';
                if (!prefix[1])
                        break;
                if (fstatat(root_fd, prefix + 1, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        return -errno;
                if (st.st_uid != 0 && st.st_uid != geteuid())
                        break;
                host = (size_t) (p - path);
        }
        if (host == 0)
                return -EOPNOTSUPP;
        memcpy(buf, path, host);
        buf[host] = '\0';
        return 0;
}

static bool is_delegated(int root_fd, const char *path)
{
        char host[CGROUP_PATH_MAX];

        return placement_host(root_fd, path, host, sizeof(host)) >= 0 && strcmp(host, path) != 0;
}

bool placement_is_bound(int root_fd, pid_t pid, const char *path)
{
        if (strcmp(path, "/") == 0)
                return false;
        return is_in_scope(path) || is_delegated(root_fd, path) ||
               process_shares_namespace(pid, "cgroup") == 0;
}
