/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "protection.h"
#include "cgroup.h"
#include "engine.h"
#include "macro.h"
#include "origin.h"
#include "process.h"

#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* Longer lines of parents do not exist. */
#define ANCESTORS_MAX 4096

int protection_init(struct protection *p)
{
        struct hobble_process process;
        pid_t pid = getppid();

        p->self = getpid();
        while (pid > 0 && p->n_ancestors < ANCESTORS_MAX && hobble_process_read(pid, &process) == 0) {
                struct ancestor *grown = reallocarray(p->ancestors, p->n_ancestors + 1, sizeof(*grown));

                if (!grown)
                        return -ENOMEM;
                p->ancestors = grown;
                grown[p->n_ancestors++] = (struct ancestor){ process.pid, process.start_time };
                pid = process.parent;
        }
        return 0;
}

void protection_done(struct protection *p)
{
        free(p->ancestors);
        p->ancestors = NULL;
        p->n_ancestors = 0;
}

static bool is_ancestor(const struct protection *p, const struct hobble_process *process)
{
        for (size_t i = 0; i < p->n_ancestors; i++)
                if (p->ancestors[i].pid == process->pid && p->ancestors[i].start_time == process->start_time)
                        return true;
        return false;
}

int protection_of_process(const hobble_engine *e, const struct hobble_process *p, const char **ret_reason)
{
        const char *reason = NULL;

        if (p->pid == 1)
                reason = "is PID 1";
        else if (p->kernel)
                reason = "is a kernel thread";
        else if (p->pid == e->protection.self)
                reason = "is hobbled itself";
        else if (p->pid == e->guard.pid || p->pid == e->guard.peer)
                reason = "is hobbled's guard";
        else if (is_ancestor(&e->protection, p))
                reason = "is an ancestor of hobbled";
        if (!reason)
                return 0;
        if (ret_reason)
                *ret_reason = reason;
        return -EPERM;
}

_public_ int hobble_engine_may_hobble(const hobble_engine *e, const struct hobble_process *p,
                                      const char **ret_reason)
{
        char path[CGROUP_PATH_MAX];
        int r = protection_of_process(e, p, ret_reason);

        if (r < 0)
                return r;
        if (process_cgroup(p, path, sizeof(path)) != -EXDEV)
                return 0;
        if (ret_reason)
                *ret_reason = "lives outside of hobbled's cgroup namespace";
        return -EPERM;
}

bool path_is_beneath(const char *path, const char *dir)
{
        size_t n = strlen(dir);

        if (n == 1) /* "/" */
                return true;
        return strncmp(path, dir, n) == 0 && (path[n] == '/' || !path[n]);
}

bool path_is_in_home(const char *path)
{
        const char *rest;

        if (path_is_beneath(path, "/" HOME_SERVICE_PATH))
                return true;
        if (strncmp(path, "/" HOME_PREFIX, strlen("/" HOME_PREFIX)) != 0)
                return false;
        rest = strchr(path + 1, '/');
        return rest && (path_is_beneath(rest, "/" HOME_PIT) || path_is_beneath(rest, "/" HOME_GUARD));
}

static int path_of_fd(int fd, char *buf, size_t size)
{
        char link[32];
        ssize_t n;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, buf, size - 1);
        if (n < 0)
                return -errno;
        if ((size_t) n == size - 1)
                return -ENAMETOOLONG;
        buf[n] = '\0';
        return 0;
}

/* The path of an open cgroup in the engine's hierarchy; "/" for its root. */
static int path_in_hierarchy(const hobble_engine *e, int dir_fd, char *ret, size_t size)
{
        char path[CGROUP_PATH_MAX], root[CGROUP_PATH_MAX];
        _cleanup_close_ int again_fd = -EBADF;
        struct stat st, again;
        int r;

        r = path_of_fd(dir_fd, path, sizeof(path));
        if (r >= 0)
                r = path_of_fd(e->root_fd, root, sizeof(root));
        if (r < 0)
                return r;
        if (!path_is_beneath(path, root))
                return -EOPNOTSUPP;

        /* The hierarchy may be mounted elsewhere too: only what is found again by the path is meant. */
        snprintf(ret, size, "/%s", path + strlen(root) + (path[strlen(root)] == '/'));
        again_fd = cgroup_open(e->root_fd, ret);
        if (again_fd < 0 || fstat(dir_fd, &st) < 0 || fstat(again_fd, &again) < 0 ||
            st.st_ino != again.st_ino || st.st_dev != again.st_dev)
                return -EOPNOTSUPP;
        return 0;
}

static bool has_process(const char *cgroup, pid_t pid)
{
        char path[CGROUP_PATH_MAX];

        return cgroup_of_process(pid, path, sizeof(path)) >= 0 && path_is_beneath(path, cgroup);
}

/* What is in the cgroup that must not be frozen, NULL: nothing. */
static const char *why_not_to_freeze(const hobble_engine *e, const char *cgroup)
{
        char path[CGROUP_PATH_MAX];

        if (has_process(cgroup, 1))
                return "contains PID 1";
        if (has_process(cgroup, e->protection.self))
                return "contains hobbled itself";
        for (size_t i = 0; i < e->protection.n_ancestors; i++)
                if (has_process(cgroup, e->protection.ancestors[i].pid))
                        return "contains an ancestor of hobbled";
        if (path_is_in_home(cgroup) || path_is_beneath(cgroup, e->pit_path))
                return "is a cgroup of hobbled's own";
        if (path_is_beneath(e->pit_path, cgroup) || path_is_beneath("/" HOME_SERVICE_PATH, cgroup))
                return "contains what hobbled hobbles";
        if (subject_mark_find(e->root_fd, cgroup, CGROUP_MARK_ORIGIN, path, sizeof(path)) > 0)
                return "is part of what is hobbled already";
        return NULL;
}

int protection_of_cgroup(const hobble_engine *e, int dir_fd, char *ret_path, size_t size,
                         const char **ret_reason)
{
        struct statfs sfs;
        int r;

        *ret_reason = NULL;
        if (fstatfs(dir_fd, &sfs) < 0)
                return -errno;
        r = sfs.f_type == CGROUP2_SUPER_MAGIC ? path_in_hierarchy(e, dir_fd, ret_path, size) : -EOPNOTSUPP;
        if (r == -EOPNOTSUPP)
                *ret_reason = "is no cgroup of the v2 hierarchy that hobbled uses";
        if (r < 0)
                return r;
        *ret_reason = "is the root of the cgroup hierarchy, which cannot be frozen";
        if (strcmp(ret_path, "/") == 0)
                return -EOPNOTSUPP;
        *ret_reason = "belongs to another user";
        if (!cgroup_is_ours(dir_fd))
                return -EPERM;
        *ret_reason = why_not_to_freeze(e, ret_path);
        return *ret_reason ? -ELOOP : 0;
}

_public_ int hobble_engine_may_hobble_cgroup(const hobble_engine *e, int dir_fd, const char **ret_reason)
{
        char path[CGROUP_PATH_MAX];
        const char *reason = NULL;
        int r = protection_of_cgroup(e, dir_fd, path, sizeof(path), &reason);

        if (r < 0 && reason && ret_reason)
                *ret_reason = reason;
        return r;
}
