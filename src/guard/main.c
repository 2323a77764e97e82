/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* hobble-guard: thaws and restores everything when an engine dies or hangs.
 *
 *         hobble-guard INSTANCE PRIORITY           a stand-alone guard; the engine starts it
 *         hobble-guard --service SOCKET PRIORITY   the main process of hobble-pit.service
 *         hobble-guard --clean PRIORITY            its ExecStopPost=
 *
 * A stand-alone guard inherits a socket to the engine, the root of the hierarchy and the engine's home
 * (guard.h), whose lock it thereby holds as well: no other engine of that name begins before it is done. It
 * lives in a leaf cgroup and a session of its own, so that what ends the engine's does not take it along; at
 * the end it moves itself home and removes the instance's directories. */

#include "guard.h"
#include "macro.h"
#include "rescue.h"
#include "service.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

static int usage(void)
{
        fputs("hobble-guard is started by hobbled or by systemd; it is not called by people.\n", stderr);
        return 2;
}

static int parse_priority(const char *text, int *ret)
{
        uint64_t priority;

        if (parse_u64(text, &priority) < 0 || priority > 99)
                return -EINVAL;
        *ret = (int) priority;
        return 0;
}

static int enter_leaf(void)
{
        _cleanup_close_ int leaf_fd = cgroup_make(HOME_FD, HOME_GUARD);

        return leaf_fd < 0 ? leaf_fd : cgroup_attach(leaf_fd, getpid());
}

static void go_home(const struct guard *g, const char *origin)
{
        _cleanup_close_ int fd = cgroup_open(ROOT_FD, origin);

        if (fd < 0 || cgroup_attach(fd, getpid()) < 0)
                (void) cgroup_attach(ROOT_FD, getpid());
        home_remove(g->instance, HOME_FD);
}

static int run_alone(const char *instance, int priority)
{
        struct guard g = { .instance = instance };
        char origin[CGROUP_PATH_MAX];
        int k;

        guard_set_up_process(priority);
        /* What the engine's process had open is not for us. */
        (void) close_range(HOME_FD + 1, ~0U, 0);
        guard_reserve_pulse();
        if (cgroup_of_process(getpid(), origin, sizeof(origin)) < 0)
                strcpy(origin, "/");
        k = enter_leaf();
        if (k < 0) {
                fprintf(stderr, "hobble-guard: instance %s: cannot move into a cgroup of its own: %s\n",
                        instance, strerror(-k));
                return 1;
        }

        /* From now on there is nobody to tell, and no pipe of the caller's may be kept open. */
        if (dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
                close(STDERR_FILENO);
        (void) guard_watch(&g, 0);

        guard_rescue_all(&g, 600);
        go_home(&g, origin);
        return 0;
}

int main(int argc, char *argv[])
{
        int priority;

        if (argc < 3 || parse_priority(argv[argc - 1], &priority) < 0)
                return usage();
        if (argc == 4 && strcmp(argv[1], "--service") == 0)
                return service_run(argv[2], priority);
        if (argc == 3 && strcmp(argv[1], "--clean") == 0)
                return service_clean(priority);
        if (argc == 3 && name_is_valid(argv[1]))
                return run_alone(argv[1], priority);
        return usage();
}
