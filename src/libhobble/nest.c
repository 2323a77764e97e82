/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "nest.h"
#include "cgroup.h"
#include "macro.h"
#include "rescue.h"

#include <string.h>

bool nest_is_named(const char *path, const char *instance)
{
        const char *name = strrchr(path, '/');
        size_t n = strlen(instance);

        name = name ? name + 1 : path;
        if (strncmp(name, HOME_PREFIX, strlen(HOME_PREFIX)) != 0)
                return false;
        name += strlen(HOME_PREFIX);
        if (strncmp(name, instance, n) != 0 || name[n] != '-')
                return false;
        name += n + 1;
        return *name && !name[strspn(name, "0123456789")];
}

int nest_open(int root_fd, const char *path)
{
        _cleanup_close_ int fd = cgroup_open(root_fd, path);

        return fd < 0 || cgroup_is_ours(fd) ? TAKE_FD(fd) : -EPERM;
}

int nest_remove(int root_fd, const char *path)
{
        _cleanup_close_ int fd = nest_open(root_fd, path);

        if (fd < 0)
                return fd == -EPERM || cgroup_is_gone(fd) ? 0 : fd;
        path += strspn(path, "/");
        return cgroup_remove_all(root_fd, path);
}
