/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "foreign.h"
#include "cgroup.h"
#include "macro.h"
#include "protection.h"
#include "rescue.h"

/* A run of a command has one subject; tarpit, subject and one directory for each other origin are three
 * levels.
 */
#define CGROUPS_MAX 1000U
#define DEPTH_MAX 3U

struct thawing {
        unsigned left, depth, thawed;
};

static int thaw(int dir_fd, const char *name, void *userdata)
{
        struct thawing *t = userdata;
        _cleanup_close_ int fd = -EBADF;

        if (t->left == 0)
                return 1;
        t->left--;
        fd = cgroup_open(dir_fd, name);
        if (fd < 0)
                return 0;
        if (cgroup_freeze_is_set(fd) > 0 && cgroup_freeze(fd, false) >= 0)
                t->thawed++;
        if (t->depth < DEPTH_MAX) {
                t->depth++;
                (void) cgroup_for_each_child(fd, thaw, t);
                t->depth--;
        }
        return 0;
}

unsigned foreign_thaw(int home_fd)
{
        struct thawing t = { .left = CGROUPS_MAX };

        (void) thaw(home_fd, HOME_PIT, &t);
        return t.thawed;
}

bool foreign_has_member(const char *path, pid_t pid)
{
        char of_process[CGROUP_PATH_MAX];

        return cgroup_of_process(pid, of_process, sizeof(of_process)) >= 0 &&
               path_is_beneath(of_process, path);
}
