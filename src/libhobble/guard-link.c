/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "guard-link.h"
#include "clock.h"
#include "macro.h"
#include "rescue.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#define RETRY_MIN_USEC (100 * USEC_PER_MSEC)
#define RETRY_MAX_USEC (5 * USEC_PER_SEC)

/* A service that is being restarted is to be found again soon, and looking for it costs little. */
#define CONNECT_MIN_USEC (25 * USEC_PER_MSEC)
#define CONNECT_MAX_USEC (500 * USEC_PER_MSEC)

/* Where the engine keeps its end of the socket, or as high as its limit allows. */
#define SOCKET_FD_HIGH 4000

/* What the guard finds open (guard.c). */
enum {
        GUARD_SOCKET_FD = 3,
        GUARD_ROOT_FD = 4,
        GUARD_HOME_FD = 5,
};

int guard_link_init(struct guard_link *g)
{
        int r;

        g->pid_fd = g->socket = -EBADF;
        r = pulse_new(&g->pulse);
        if (r < 0)
                return r;
        g->pulse_fd = r;
        return 0;
}

/* End a guard that is of no use any more, before its socket closes: it would take that for our death. A
 * service rescues what we have, which is what we take for granted then. */
static void dismiss(struct guard_link *g)
{
        g->ready = g->answered = false;
        g->guard_exit = sd_event_source_disable_unref(g->guard_exit);
        if (g->pid > 0) {
                (void) kill(g->pid, SIGKILL);
                (void) waitpid(g->pid, NULL, 0);
        }
        g->pid = 0;
        g->pid_fd = close_fd(g->pid_fd);
        g->peer = 0;
        g->guard_says = sd_event_source_disable_unref(g->guard_says);
        g->socket = close_fd(g->socket);
        if (g->socket_path)
                g->home_fd = close_fd(g->home_fd);
}

static int say(struct guard_link *g, enum pulse_message message, int fd)
{
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = { 0 };
        char byte = (char) message;
        struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (fd >= 0) {
                m.msg_control = &control;
                m.msg_controllen = sizeof(control);
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(fd));
                memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        }
        return sendmsg(g->socket, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static void report(struct guard_link *g, int error)
{
        if (g->socket_path && error && error == g->told)
                return;
        g->told = error;
        g->handler(g, GUARD_LOST, error, g->userdata);
}

static int on_retry(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata)
{
        struct guard_link *g = userdata;
        int r = guard_link_start(g);

        if (r < 0)
                report(g, r);
        return 0;
}

/* Another guard at once, where the last one had been fit. */
static void schedule_retry(struct guard_link *g)
{
        uint64_t least = g->socket_path ? CONNECT_MIN_USEC : RETRY_MIN_USEC;
        uint64_t most = g->socket_path ? CONNECT_MAX_USEC : RETRY_MAX_USEC, wait = 0;

        if (g->failures > 0)
                wait = g->failures < 6 ? MIN(least << g->failures, most) : most;
        g->retry = sd_event_source_disable_unref(g->retry);
        (void) sd_event_add_time_relative(g->event, &g->retry, CLOCK_MONOTONIC, wait, 1, on_retry, g);
}

void guard_link_lose(struct guard_link *g)
{
        bool refused = g->socket_path && !g->answered;

        if (!g->ready)
                g->failures++;
        /* A service that is gone has rescued everything, or its unit's end or next life does. */
        if (g->socket_path && g->answered)
                pulse_fence(g->pulse);
        dismiss(g);
        schedule_retry(g);
        report(g, refused ? -EBUSY : 0);
}

static int on_message(_unused_ sd_event_source *s, int fd, _unused_ uint32_t revents, void *userdata)
{
        struct guard_link *g = userdata;
        char message;
        ssize_t n = recv(fd, &message, 1, MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n != 1) {
                guard_link_lose(g);
                return 0;
        }
        if (message == PULSE_READY) {
                g->ready = g->answered = true;
                g->failures = 0;
                g->handler(g, GUARD_READY, 0, g->userdata);
        } else if (message == PULSE_LOOK) {
                g->handler(g, GUARD_SAYS_LOOK, 0, g->userdata);
        }
        return 0;
}

static int on_guard_exit(_unused_ sd_event_source *s, _unused_ int fd, _unused_ uint32_t revents,
                         void *userdata)
{
        guard_link_lose(userdata);
        return 0;
}

/* In the child the descriptors get their numbers; to be in nobody's way they come from higher up. */
static int spawn(struct guard_link *g, int socket_fd)
{
        _cleanup_close_ int high_socket = fcntl(socket_fd, F_DUPFD_CLOEXEC, 10);
        _cleanup_close_ int high_root = fcntl(g->root_fd, F_DUPFD_CLOEXEC, 10);
        _cleanup_close_ int high_home = fcntl(g->home_fd, F_DUPFD_CLOEXEC, 10);
        char priority[16];
        char *argv[] = { (char *) "hobble-guard", (char *) g->instance, priority, NULL };
        char *envp[] = { NULL };
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attr;
        sigset_t set;
        int r;

        if (high_socket < 0 || high_root < 0 || high_home < 0)
                return -errno;
        snprintf(priority, sizeof(priority), "%d", g->priority);

        (void) posix_spawn_file_actions_init(&actions);
        (void) posix_spawnattr_init(&attr);
        (void) posix_spawn_file_actions_adddup2(&actions, high_socket, GUARD_SOCKET_FD);
        (void) posix_spawn_file_actions_adddup2(&actions, high_root, GUARD_ROOT_FD);
        (void) posix_spawn_file_actions_adddup2(&actions, high_home, GUARD_HOME_FD);
        (void) posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
        (void) posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO);
        (void) posix_spawnattr_setflags(&attr,
                                        POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        (void) sigemptyset(&set);
        (void) posix_spawnattr_setsigmask(&attr, &set);
        (void) sigfillset(&set);
        (void) posix_spawnattr_setsigdefault(&attr, &set);

        r = posix_spawn(&g->pid, g->path, &actions, &attr, argv, envp);

        (void) posix_spawnattr_destroy(&attr);
        (void) posix_spawn_file_actions_destroy(&actions);
        return -r;
}

/* When a process ends, the kernel lets go of its descriptors from the highest number down, and at an inotify
 * descriptor it waits for a kernel thread of ordinary priority: hundreds of milliseconds on a busy host. The
 * guard is to hear of our end before that. */
static int move_high(int fd)
{
        struct rlimit limit;
        int high = -1;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > 0)
                high = fcntl(fd, F_DUPFD_CLOEXEC, (int) MIN(limit.rlim_cur - 1, (rlim_t) SOCKET_FD_HIGH));
        if (high < 0)
                return fd;
        close_fd(fd);
        return high;
}

/* Said before it is born, it hears of us and of what there is to rescue even if we end or hang right after.
 */
static int say_first(struct guard_link *g)
{
        int r = guard_link_register(g);

        return r >= 0 && g->armed ? say(g, PULSE_ARM, -1) : r;
}

static int start_child(struct guard_link *g)
{
        int pair[2], r;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        g->socket = move_high(pair[0]);
        r = say_first(g);
        if (r >= 0)
                r = spawn(g, pair[1]);
        close_fd(pair[1]);
        if (r < 0) {
                g->pid = 0;
                return r;
        }

        g->pid_fd = pidfd_open(g->pid, 0);
        if (g->pid_fd < 0)
                return -errno;
        return sd_event_add_io(g->event, &g->guard_exit, g->pid_fd, EPOLLIN, on_guard_exit, g);
}

/* The service's home is the cgroup above the leaf that its guard lives in. */
static int find_home(struct guard_link *g)
{
        _cleanup_close_ int fd = -EBADF;
        char *slash;
        int r;

        r = cgroup_of_process(g->peer, g->home_path, sizeof(g->home_path));
        if (r < 0)
                return r;
        slash = strrchr(g->home_path, '/');
        if (strcmp(slash, "/" HOME_GUARD) != 0)
                return -EPROTO;
        *slash = '\0';
        fd = cgroup_open(g->root_fd, g->home_path);
        if (fd < 0)
                return fd;
        if (!home_is_one(fd, g->instance))
                return -EPERM;
        g->home_fd = TAKE_FD(fd);
        return 0;
}

static int connect_to_service(struct guard_link *g)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct ucred peer;
        socklen_t size = sizeof(peer);
        int fd;

        if (strlen(g->socket_path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, g->socket_path);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        g->socket = move_high(fd);
        if (connect(g->socket, (struct sockaddr *) &address, sizeof(address)) < 0 ||
            getsockopt(g->socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return -errno;
        g->peer = peer.pid;
        return 0;
}

static int start_service(struct guard_link *g)
{
        int r;

        r = connect_to_service(g);
        if (r >= 0)
                r = find_home(g);
        if (r >= 0)
                r = say_first(g);
        /* It has hung up before it was told anything, as it does when it has another engine. */
        return r == -EPIPE ? -EBUSY : r;
}

static int start(struct guard_link *g)
{
        int r = g->socket_path ? start_service(g) : start_child(g);

        if (r >= 0)
                r = sd_event_add_io(g->event, &g->guard_says, g->socket, EPOLLIN, on_message, g);
        return r;
}

int guard_link_start(struct guard_link *g)
{
        int r;

        dismiss(g);
        r = start(g);
        if (r < 0) {
                g->failures++;
                dismiss(g);
                schedule_retry(g);
        }
        return r;
}

int guard_link_register(struct guard_link *g)
{
        g->ready = false;
        return say(g, PULSE_REGISTER, g->pulse_fd);
}

void guard_link_arm(struct guard_link *g, bool arm)
{
        if (g->armed == arm)
                return;
        g->armed = arm;
        (void) guard_link_beat(g);
        /* Also before it is ready: it reads this after what it is told to register. */
        if (g->socket >= 0 && say(g, arm ? PULSE_ARM : PULSE_DISARM, -1) < 0)
                guard_link_lose(g);
}

enum pulse_state guard_link_beat(struct guard_link *g)
{
        return pulse_beat(g->pulse, clock_now());
}

bool guard_link_allows(const struct guard_link *g)
{
        return g->ready && pulse_look(g->pulse) == PULSE_ALIVE;
}

void guard_link_done(struct guard_link *g, uint64_t limit_usec)
{
        struct pollfd p = { .fd = g->pid_fd, .events = POLLIN };

        g->retry = sd_event_source_disable_unref(g->retry);
        g->guard_exit = sd_event_source_disable_unref(g->guard_exit);
        g->guard_says = sd_event_source_disable_unref(g->guard_says);
        g->socket = close_fd(g->socket);
        if (g->pid > 0 && poll(&p, 1, (int) (limit_usec / USEC_PER_MSEC)) > 0)
                (void) waitpid(g->pid, NULL, WNOHANG);
        if (g->socket_path)
                g->home_fd = close_fd(g->home_fd);
        g->pid_fd = close_fd(g->pid_fd);
        g->pulse_fd = close_fd(g->pulse_fd);
        g->pulse = pulse_free(g->pulse);
}
