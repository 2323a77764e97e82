/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "guard.h"
#include "file.h"
#include "macro.h"
#include "rescue.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

int guard_rescue(const struct guard *g, bool keep_marks, uint64_t limit_usec)
{
        struct rescue r = { .root_fd = ROOT_FD, .instance = g->instance, .keep_marks = keep_marks };
        int k = rescue_all(&r, HOME_FD, limit_usec);

        return k < 0 ? k : r.left > 0;
}

void guard_rescue_all(const struct guard *g, unsigned rounds)
{
        const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };

        while (guard_rescue(g, false, ROUNDS_USEC) > 0 && rounds-- > 1)
                (void) nanosleep(&pause, NULL);
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
                (void) guard_rescue(g, false, ROUNDS_USEC);
        if (pulse_revive(p, clock_now()) == PULSE_ALIVE)
                (void) send(SOCKET_FD, &ready, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        else
                tell_retired(g);
}

/* Returns the reason to end, or -1. */
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
                return errno == EAGAIN || errno == EINTR ? -1 : GUARD_ENGINE_GONE;
        c = CMSG_FIRSTHDR(&m);
        if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
                memcpy(&fd, CMSG_DATA(c), sizeof(fd));

        switch (n == 0 ? 0 : message) {
        case 0:
                return GUARD_ENGINE_GONE;
        case PULSE_REGISTER:
                if (g->stopping)
                        return GUARD_ENGINE_KNOWS;
                if (fd >= 0)
                        register_engine(g, fd);
                break;
        case PULSE_ARM:
        case PULSE_DISARM:
                g->armed = message == PULSE_ARM;
                g->look_usec = clock_now() + PULSE_LOOK_USEC;
                break;
        }
        return -1;
}

static void look(struct guard *g)
{
        uint64_t now = clock_now();
        bool late = now > g->look_usec + PULSE_LOOK_USEC;

        /* When this process itself did not run for long (a stopped machine), the engine did not either: one
         * more look. */
        g->look_usec = now + PULSE_LOOK_USEC;
        if (late && pulse_look(g->pulse) == PULSE_ALIVE)
                return;
        if (pulse_fence_hung(g->pulse, now))
                (void) guard_rescue(g, true, PULSE_LOOK_USEC);
        else
                g->look_usec = pulse_next_look(g->pulse, now);
}

/* How long to sleep, in milliseconds; -1: until something comes. */
static int time_left(const struct guard *g, uint64_t end_usec)
{
        uint64_t now = clock_now(), next = end_usec ?: USEC_INFINITY;

        if (g->armed && g->pulse)
                next = MIN(next, g->look_usec);
        if (next == USEC_INFINITY)
                return -1;
        return next > now ? (int) ((next - now + 999) / 1000) : 0;
}

/* One engine at a time. */
static void refuse(void)
{
        close_fd(accept4(LISTEN_FD, NULL, NULL, SOCK_CLOEXEC));
}

enum guard_end guard_watch(struct guard *g, uint64_t end_usec)
{
        for (;;) {
                struct pollfd p[] = {
                        { .fd = SOCKET_FD, .events = POLLIN },
                        { .fd = g->service ? LISTEN_FD : -1, .events = POLLIN },
                        { .fd = g->service && !g->stopping ? SIGNAL_FD : -1, .events = POLLIN },
                };
                int n = poll(p, ELEMENTSOF(p), time_left(g, end_usec)), end = -1;

                if (n < 0 && errno != EINTR)
                        return GUARD_ENGINE_GONE;
                if (n < 0) {
                        tell_retired(g);
                        g->look_usec = MIN(g->look_usec, clock_now() + PULSE_LOOK_USEC);
                        continue;
                }
                /* Looks come when there is nothing left to read, so that a long rescue keeps no message
                 * waiting. */
                if (p[0].revents)
                        end = receive(g);
                else if (p[2].revents)
                        end = GUARD_TOLD_TO_STOP;
                else if (p[1].revents)
                        refuse();
                else if (end_usec && clock_now() >= end_usec)
                        end = GUARD_ENGINE_SILENT;
                else if (n == 0 && g->armed && g->pulse)
                        look(g);
                if (end >= 0)
                        return (enum guard_end) end;
        }
}

void guard_reserve_pulse(void)
{
        (void) dup3(ROOT_FD, PULSE_FD, O_CLOEXEC);
}

void guard_forget(struct guard *g)
{
        (void) close(SOCKET_FD);
        guard_reserve_pulse();
        g->pulse = pulse_free(g->pulse);
        g->armed = false;
}

void guard_set_up_process(int priority)
{
        static const int ignored[] = { SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGPIPE,
                                       SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR2 };
        const struct sigaction wake = { .sa_handler = on_signal };
        const struct sched_param param = { .sched_priority = priority };

        for (size_t i = 0; i < ELEMENTSOF(ignored); i++)
                (void) signal(ignored[i], SIG_IGN);
        (void) sigaction(SIGUSR1, &wake, NULL);

        /* None of these is worth ending for. */
        if (priority > 0)
                (void) sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param);
        (void) file_write_at(AT_FDCWD, "/proc/self/oom_score_adj", "-900");
        (void) mlockall(MCL_CURRENT | MCL_ONFAULT);
}
