/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "service.h"
#include "controllers.h"
#include "guard.h"
#include "macro.h"
#include "rescue.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>

/* Where systemd runs an ExecStopPost= of a delegated unit, beneath the unit's own cgroup. */
#define CONTROL_LEAF "/.control"

/* Whoever rescues by hand holds the lock for a while; one that does not let go is a live guard. */
#define PATIENCE_USEC (6 * USEC_PER_SEC)

/* How long a stopping guard waits for its engine to have seen that. */
#define FAREWELL_USEC (500 * USEC_PER_MSEC)

#define ROUNDS_MAX 10

static _printf_(1, 2) int fail(const char *format, ...)
{
        va_list args;

        fputs("hobble-guard: ", stderr);
        va_start(args, format);
        (void) vfprintf(stderr, format, args);
        va_end(args);
        fputc('\n', stderr);
        return 1;
}

/* sd_notify(3), without its library. */
static void notify(const char *text)
{
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        size_t n = path ? strlen(path) : 0;
        _cleanup_close_ int fd = -EBADF;

        if (n == 0 || n >= sizeof(address.sun_path))
                return;
        memcpy(address.sun_path, path, n);
        if (address.sun_path[0] == '@')
                address.sun_path[0] = '\0';
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd >= 0)
                (void) sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *) &address,
                              (socklen_t) (offsetof(struct sockaddr_un, sun_path) + n));
}

/* -- The home ---------------------------------------------------------------------------------- */

static int take_number(int fd, int number)
{
        int r;

        if (fd < 0 || fd == number)
                return fd;
        r = dup3(fd, number, O_CLOEXEC) < 0 ? -errno : number;
        close_fd(fd);
        return r;
}

static int open_root(void)
{
        static const char *const mounts[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };

        for (size_t i = 0; i < ELEMENTSOF(mounts); i++) {
                int fd = open(mounts[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                struct statfs sfs;

                if (fd >= 0 && fstatfs(fd, &sfs) == 0 && sfs.f_type == CGROUP2_SUPER_MAGIC)
                        return fd;
                close_fd(fd);
        }
        return -ENOENT;
}

/* The cgroup of the unit that this process is of: "/a/b.service". */
static int unit_path(char path[static CGROUP_PATH_MAX])
{
        int r = cgroup_of_process(getpid(), path, CGROUP_PATH_MAX);
        size_t n;

        if (r < 0)
                return r;
        n = strlen(path);
        if (n > strlen(CONTROL_LEAF) && strcmp(path + n - strlen(CONTROL_LEAF), CONTROL_LEAF) == 0)
                path[n - strlen(CONTROL_LEAF)] = '\0';
        return path[1] ? 0 : -ENXIO;
}

static int lock_home(void)
{
        const struct timespec pause = { .tv_nsec = 5 * 1000 * 1000 };
        uint64_t end = clock_now() + PATIENCE_USEC;

        while (flock(HOME_FD, LOCK_EX | LOCK_NB) < 0) {
                if (errno != EWOULDBLOCK && errno != EINTR)
                        return -errno;
                if (clock_now() >= end)
                        return -EBUSY;
                (void) nanosleep(&pause, NULL);
        }
        return 0;
}

/* Whatever was inherited; nothing that is opened later may get a number that is spoken for. */
static int claim_numbers(void)
{
        (void) close_range(SOCKET_FD, ~0U, 0);
        for (int fd = SOCKET_FD; fd <= FIXED_FD_MAX; fd++)
                if (open("/dev/null", O_RDWR | O_CLOEXEC) < 0)
                        return -errno;
        return 0;
}

static int catch_sigterm(void)
{
        sigset_t set;

        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGTERM);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        (void) signal(SIGTERM, SIG_DFL);
        return take_number(signalfd(-1, &set, SFD_CLOEXEC), SIGNAL_FD);
}

/* Open root and home under their numbers. Returns 0, or 1 after a message. */
static int open_home(void)
{
        char path[CGROUP_PATH_MAX];
        int r;

        r = take_number(open_root(), ROOT_FD);
        if (r < 0)
                return fail("there is no cgroup v2 hierarchy at /sys/fs/cgroup or /sys/fs/cgroup/unified");
        guard_reserve_pulse();
        r = unit_path(path);
        if (r < 0)
                return fail("this has to run in the cgroup of a unit of its own: %s", strerror(-r));
        r = take_number(cgroup_open(ROOT_FD, path), HOME_FD);
        if (r < 0)
                return fail("cannot open the unit's cgroup %s: %s", path, strerror(-r));
        if (!cgroup_is_ours(HOME_FD))
                return fail("the unit's cgroup %s belongs to another user", path);
        r = lock_home();
        return r < 0 ? fail("cannot lock the unit's cgroup %s: %s", path, strerror(-r)) : 0;
}

/* Members of the home would keep it from having controllers for the pit. */
static int settle(const struct guard *g)
{
        _cleanup_close_ int leaf_fd = cgroup_make(HOME_FD, HOME_GUARD), pit_fd = -EBADF;
        int r = leaf_fd;

        if (r >= 0)
                r = cgroup_attach(leaf_fd, getpid());
        if (r >= 0)
                r = cgroup_mark_set(HOME_FD, CGROUP_MARK_INSTANCE, g->instance);
        if (r >= 0) {
                /* What an earlier life left. */
                guard_rescue_all(g, ROUNDS_MAX);
                pit_fd = cgroup_make(HOME_FD, HOME_PIT);
                r = pit_fd;
        }
        return r < 0 ? r : 0;
}

static int listen_at(const char *path)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -EBADF;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        (void) unlink(path);
        (void) umask(0177);
        /* The backlog is for those that come while an engine's remains are rescued. */
        if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, 8) < 0)
                return -errno;
        return take_number(TAKE_FD(fd), LISTEN_FD);
}

/* -- Serving ----------------------------------------------------------------------------------- */

/* Returns 1 with the next engine at SOCKET_FD, 0 at SIGTERM. */
static int wait_for_engine(void)
{
        for (;;) {
                struct pollfd p[] = {
                        { .fd = SIGNAL_FD, .events = POLLIN },
                        { .fd = LISTEN_FD, .events = POLLIN },
                };
                int fd;

                if (poll(p, ELEMENTSOF(p), -1) < 0)
                        continue;
                if (p[0].revents)
                        return 0;
                fd = accept4(LISTEN_FD, NULL, NULL, SOCK_CLOEXEC);
                if (fd >= 0 && take_number(fd, SOCKET_FD) >= 0)
                        return 1;
        }
}

/* Let the engine freeze nothing more, and bring everything home. It is told, and forgets its subjects; one
 * freeze that it may have under way does it in then, so the marks in place are kept until it has answered. */
static void farewell(struct guard *g)
{
        const char message = PULSE_LOOK;

        notify("STOPPING=1\nSTATUS=Bringing everything home.");
        g->stopping = true;
        if (g->pulse) {
                pulse_fence(g->pulse);
                (void) send(SOCKET_FD, &message, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
                (void) guard_rescue(g, true, ROUNDS_USEC);
                g->armed = false;
                (void) guard_watch(g, clock_now() + FAREWELL_USEC);
        }
        guard_rescue_all(g, ROUNDS_MAX);
}

static void serve(struct guard *g)
{
        notify("READY=1\nSTATUS=Waiting for hobbled.");
        while (wait_for_engine() > 0) {
                notify("STATUS=Watching hobbled.");
                if (guard_watch(g, 0) == GUARD_TOLD_TO_STOP) {
                        farewell(g);
                        return;
                }
                guard_forget(g);
                guard_rescue_all(g, ROUNDS_MAX);
                notify("STATUS=Waiting for hobbled.");
        }
        farewell(g);
}

static void leave_as_found(void)
{
        _cleanup_close_ int pit_fd = cgroup_open(HOME_FD, HOME_PIT);

        if (pit_fd >= 0)
                (void) controllers_disable_all(pit_fd);
        (void) controllers_disable_all(HOME_FD);
        home_remove(HOME_SERVICE, HOME_FD);
}

int service_run(const char *path, int priority)
{
        struct guard g = { .instance = HOME_SERVICE, .service = true };
        int r;

        guard_set_up_process(priority);
        r = claim_numbers();
        if (r >= 0)
                r = catch_sigterm();
        if (r < 0)
                return fail("cannot start: %s", strerror(-r));
        if (open_home() != 0)
                return 1;
        r = settle(&g);
        if (r < 0)
                return fail("cannot make the pit in the unit's cgroup: %s", strerror(-r));
        r = listen_at(path);
        if (r < 0)
                return fail("cannot listen at %s: %s", path, strerror(-r));

        serve(&g);
        (void) unlink(path);
        leave_as_found();
        return 0;
}

int service_clean(int priority)
{
        struct guard g = { .instance = HOME_SERVICE };

        guard_set_up_process(priority);
        if (claim_numbers() < 0 || open_home() != 0)
                return 1;
        guard_rescue_all(&g, ROUNDS_MAX);
        leave_as_found();
        return 0;
}
