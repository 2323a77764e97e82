/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* hobble-guard INSTANCE PRIORITY: thaws and restores everything when the engine that started it dies or
 * hangs.
 *
 * It inherits a socket to the engine (3), the root of the cgroup v2 hierarchy (4) and the engine's home (5),
 * whose lock it thereby holds as well: no other engine of that name begins before it is done. The word of the
 * heartbeat comes over the socket (pulse.h). It links libc only, allocates nothing, and looks at the word
 * only while the engine has something to rescue. It lives in a leaf cgroup and a session of its own, so that
 * what ends the engine's does not take it along; at the end it moves itself home and removes the instance's
 * directories. */

#include "cgroup.h"
#include "clock.h"
#include "file.h"
#include "macro.h"
#include "pulse.h"
#include "rescue.h"
#include "text.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

enum {
        SOCKET_FD = 3,
        ROOT_FD = 4,
        HOME_FD = 5,
        PULSE_FD = PULSE_GUARD_FD,
};

/* P1 of the design: all is home within a second, and 0.1 ms more a process. What still cannot be moved then
 * is tried again after a pause. */
#define ROUNDS_USEC USEC_PER_SEC

struct guard {
        const char *instance;
        char origin[CGROUP_PATH_MAX]; /* the guard's own */
        pulse *pulse;                 /* NULL until an engine has registered */
        bool armed;
        uint64_t look_usec; /* when to look at the word next */
};

static int rescue(const struct guard *g, bool keep_marks, uint64_t limit_usec)
{
        struct rescue r = { .root_fd = ROOT_FD, .instance = g->instance, .keep_marks = keep_marks };
        int k = rescue_all(&r, HOME_FD, limit_usec);

        return k < 0 ? k : r.left > 0;
}

/* Whoever retires the word sends SIGUSR1, because nobody looks at it while there is nothing to rescue. */
static void on_signal(_unused_ int sig)
{
}

static void tell_retired(const struct guard *g)
{
        const char message = PULSE_LOOK;

        if (g->pulse && pulse_look(g->pulse) == PULSE_RETIRED)
                (void) send(SOCKET_FD, &message, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The engine is fit: take away what a hang may have left, and let it freeze. A new one has done so itself,
 * and one that is alive has only lost its guard, and goes on. */
static void register_engine(struct guard *g, int pulse_fd)
{
        const char ready = PULSE_READY;
        pulse *p;

        if (pulse_open(pulse_fd, &p) < 0)
                return;
        /* Kept where an administrator's rescue finds it. */
        (void) dup3(pulse_fd, PULSE_FD, O_CLOEXEC);
        (void) pulse_free(g->pulse);
        g->pulse = p;
        g->armed = false;

        if (pulse_look(p) == PULSE_FENCED || pulse_look(p) == PULSE_RETIRED)
                (void) rescue(g, false, ROUNDS_USEC);
        if (pulse_revive(p, clock_now()) == PULSE_ALIVE)
                (void) send(SOCKET_FD, &ready, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        else
                tell_retired(g);
}

/* Returns 0 at the end of file, else 1. */
static int receive(struct guard *g)
{
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control;
        char message = 0;
        struct iovec iov = { .iov_base = &message, .iov_len = 1 };
        struct msghdr m = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
        };
        _cleanup_close_ int fd = -EBADF;
        const struct cmsghdr *c;
        ssize_t n;

        n = recvmsg(SOCKET_FD, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR;
        c = CMSG_FIRSTHDR(&m);
        if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
                memcpy(&fd, CMSG_DATA(c), sizeof(fd));

        switch (n == 0 ? 0 : message) {
        case 0:
                return 0;
        case PULSE_REGISTER:
                if (fd >= 0)
                        register_engine(g, fd);
                break;
        case PULSE_ARM:
        case PULSE_DISARM:
                g->armed = message == PULSE_ARM;
                g->look_usec = clock_now() + PULSE_LOOK_USEC;
                break;
        }
        return 1;
}

static void look(struct guard *g)
{
        uint64_t now = clock_now();
        bool late = now > g->look_usec + PULSE_LOOK_USEC;

        g->look_usec = now + PULSE_LOOK_USEC;
        /* When this process itself did not run for long (a stopped machine), the engine did not either: one
         * more look. */
        if (late && pulse_look(g->pulse) == PULSE_ALIVE)
                return;
        if (pulse_fence_hung(g->pulse, now))
                (void) rescue(g, true, PULSE_LOOK_USEC);
}

/* The loop, until the engine has closed its end. */
static void watch(struct guard *g)
{
        for (;;) {
                struct pollfd p = { .fd = SOCKET_FD, .events = POLLIN };
                int wait_msec = -1, n;

                if (g->armed && g->pulse) {
                        uint64_t now = clock_now();

                        wait_msec = g->look_usec > now ? (int) ((g->look_usec - now + 999) / 1000) : 0;
                }
                n = poll(&p, 1, wait_msec);
                if (n < 0 && errno != EINTR)
                        return;
                if (n < 0)
                        tell_retired(g);
                /* Looks come when there is nothing left to read, so that a long rescue keeps no message
                 * waiting. */
                if (n > 0 && receive(g) == 0)
                        return;
                if (n == 0)
                        look(g);
        }
}

static int set_up(struct guard *g, int priority)
{
        static const int ignored[] = { SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGPIPE,
                                       SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR2 };
        const struct sigaction wake = { .sa_handler = on_signal };
        const struct sched_param param = { .sched_priority = priority };
        _cleanup_close_ int leaf_fd = -EBADF;

        for (size_t i = 0; i < ELEMENTSOF(ignored); i++)
                (void) signal(ignored[i], SIG_IGN);
        (void) sigaction(SIGUSR1, &wake, NULL);

        /* None of these is worth ending for. */
        if (priority > 0)
                (void) sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param);
        (void) file_write_at(AT_FDCWD, "/proc/self/oom_score_adj", "-900");
        (void) mlockall(MCL_CURRENT | MCL_ONFAULT);

        /* What the engine's process had open is not for us. PULSE_FD is taken from now on: what comes over
         * the socket is closed again under the number that it got, and must not get that one. */
        (void) close_range(HOME_FD + 1, ~0U, 0);
        (void) dup3(ROOT_FD, PULSE_FD, O_CLOEXEC);
        if (cgroup_of_process(getpid(), g->origin, sizeof(g->origin)) < 0)
                strcpy(g->origin, "/");
        leaf_fd = cgroup_make(HOME_FD, HOME_GUARD);
        return leaf_fd < 0 ? leaf_fd : cgroup_attach(leaf_fd, getpid());
}

static void go_home(const struct guard *g)
{
        _cleanup_close_ int fd = cgroup_open(ROOT_FD, g->origin);

        if (fd < 0 || cgroup_attach(fd, getpid()) < 0)
                (void) cgroup_attach(ROOT_FD, getpid());
        home_remove(ROOT_FD, g->instance, HOME_FD);
}

int main(int argc, char *argv[])
{
        const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };
        struct guard g = { 0 };
        uint64_t priority;
        int k;

        if (argc != 3 || !name_is_valid(argv[1]) || parse_u64(argv[2], &priority) < 0 || priority > 99) {
                fputs("hobble-guard is started by hobbled; it is not called by people.\n", stderr);
                return 2;
        }
        g.instance = argv[1];
        k = set_up(&g, (int) priority);
        if (k < 0) {
                fprintf(stderr, "hobble-guard: instance %s: cannot move into a cgroup of its own: %s\n",
                        g.instance, strerror(-k));
                return 1;
        }

        /* From now on there is nobody to tell, and no pipe of the caller's may be kept open. */
        if (dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
                close(STDERR_FILENO);
        watch(&g);

        for (unsigned rounds = 0; rescue(&g, false, ROUNDS_USEC) > 0 && rounds < 600; rounds++)
                (void) nanosleep(&pause, NULL);
        go_home(&g);
        return 0;
}
