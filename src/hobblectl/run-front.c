/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The front of `hobblectl run`: what the caller sees, waits for, and sends signals to. */

#include "message.h"
#include "run.h"
#include "verb.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

/* An engine that has not answered by then never will: starting one takes milliseconds. */
#define START_MAX_SEC 10

struct front {
        struct caller_signals caller;
        char **argv;
        char name[SHOWN_MAX]; /* of the command, for messages */
        char scope[4096];     /* path of our scope, "": as root there is none */
        pid_t command, engine;
        int go;      /* one byte through this and the command starts; closed, it ends instead */
        int link;    /* to the engine, -EBADF when it has ended */
        int signals; /* signalfd */
        bool started, ended;
        int status; /* when ended: of the command; before that: what becomes of us if it never starts */
};

/* -- The command ------------------------------------------------------------------------------- */

static void exec_command(struct front *front, int go)
{
        ssize_t n;
        char byte;

        do
                n = read(go, &byte, 1);
        while (n < 0 && errno == EINTR);

        signals_give_back(&front->caller);
        if (n != 1)
                _exit(STATUS_RUN_FAILED); /* the front will say, or is dead */

        (void) execvp(front->argv[0], front->argv);
        n = errno == ENOENT ? STATUS_RUN_NOT_FOUND : STATUS_RUN_CANNOT_EXECUTE;
        complain("cannot run '%s': %m", front->name);
        _exit((int) n);
}

static int start_command(struct front *front)
{
        int go[2];

        if (pipe2(go, O_CLOEXEC) < 0)
                return -errno;

        front->command = fork();
        if (front->command == 0) {
                (void) close(go[1]);
                exec_command(front, go[0]);
        }

        front->go = go[1];
        (void) close_fd(go[0]);
        return front->command < 0 ? -errno : 0;
}

static void let_go(struct front *front)
{
        front->started = write(front->go, "", 1) == 1;
        front->go = close_fd(front->go);
}

/* The command never starts: its process ends, if need be by a signal that is pending. */
static void cancel(struct front *front)
{
        front->go = close_fd(front->go);
}

static void command_ended(struct front *front, const siginfo_t *si)
{
        front->ended = true;
        if (si->si_code != CLD_EXITED)
                front->status = STATUS_RUN_SIGNALED + si->si_status;
        else if (front->started)
                front->status = si->si_status;
}

static bool was_continued(const struct front *front)
{
        siginfo_t si = { 0 };

        return waitid(P_PID, (id_t) front->command, &si, WCONTINUED | WNOHANG) == 0 && si.si_pid > 0;
}

/* Look what became of the command. */
static void watch_command(struct front *front)
{
        siginfo_t si;

        while (!front->ended) {
                si.si_pid = 0;
                if (waitid(P_PID, (id_t) front->command, &si, WEXITED | WSTOPPED | WNOHANG) < 0) {
                        if (errno == EINTR)
                                continue;
                        complain("lost sight of '%s': %m", front->name);
                        front->ended = true;
                        front->status = STATUS_RUN_FAILED;
                        return;
                }
                if (si.si_pid == 0)
                        return;
                if (si.si_code != CLD_STOPPED) {
                        command_ended(front, &si);
                        return;
                }

                if (was_continued(front))
                        continue;
                /* So that our caller's job control sees it. The engine goes on. */
                (void) link_send(front->link, LINK_STOPPED, NULL);
                signals_stop_self(si.si_status);
                (void) link_send(front->link, LINK_CONTINUED, NULL);
        }
}

/* -- Signals ----------------------------------------------------------------------------------- */

/* Whether the kernel sent it to our process group for the terminal, so that the command has had it. */
static bool sent_by_terminal(const struct signalfd_siginfo *si)
{
        if (si->ssi_code != SI_KERNEL)
                return false;

        switch (si->ssi_signo) {
        case SIGINT:
        case SIGQUIT:
        case SIGTSTP:
        case SIGTTIN:
        case SIGTTOU:
        case SIGWINCH:
                return true;
        case SIGHUP: /* goes to the leader of the session first, and only to it */
                return getsid(0) != getpid();
        default: /* such as the alarm that a caller set before it became us */
                return false;
        }
}

/* Before the command has started it is all the same to it what ends us. */
static void consider_cancelling(struct front *front, int signal)
{
        struct sigaction now;

        if (front->started ||
            (signal != SIGINT && signal != SIGTERM && signal != SIGHUP && signal != SIGQUIT))
                return;
        if (sigaction(signal, NULL, &now) < 0 || now.sa_handler == SIG_IGN ||
            sigismember(&front->caller.mask, signal))
                return; /* the caller wants it to have no effect */

        cancel(front);
        front->status = STATUS_RUN_SIGNALED + signal;
}

static void pass_on(struct front *front, const struct signalfd_siginfo *si)
{
        int signal = (int) si->ssi_signo;
        pid_t sender = (pid_t) si->ssi_pid;

        if (signal == SIGCHLD)
                return;
        consider_cancelling(front, signal);
        if (sent_by_terminal(si) || (si->ssi_code <= 0 && (sender == front->command || sender == getpid())))
                return; /* it has had it, or sent it */
        if (signal == SIGCONT && was_continued(front))
                return;

        if (si->ssi_code == SI_QUEUE)
                (void) sigqueue(front->command, signal,
                                (union sigval){ .sival_ptr = (void *) (uintptr_t) si->ssi_ptr });
        else
                (void) kill(front->command, signal);
}

static void handle_signals(struct front *front)
{
        struct signalfd_siginfo si;

        /* The command stays ours, so its pid its own, until watch_command() has seen its end. */
        while (read(front->signals, &si, sizeof(si)) == sizeof(si))
                pass_on(front, &si);
        watch_command(front);
        if (front->engine > 0 && waitpid(front->engine, NULL, WNOHANG) == front->engine)
                front->engine = 0;
}

/* -- The engine -------------------------------------------------------------------------------- */

static int start_engine(struct front *front, const struct hobble_duty *duty)
{
        struct run_target target = { .pid = front->command, .front = getpid(), .duty = duty };
        struct hobble_process process;
        int link[2], r;

        r = hobble_process_read(front->command, &process);
        if (r < 0)
                return r;
        target.start_time = process.start_time;
        target.scope = front->scope[0] ? front->scope : NULL;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link) < 0)
                return -errno;
        front->engine = fork();
        if (front->engine == 0) {
                (void) close(link[0]);
                _exit(run_engine(&target, link[1]));
        }

        front->link = link[0];
        (void) close_fd(link[1]);
        return front->engine < 0 ? -errno : 0;
}

static void not_started(struct front *front, const char *why)
{
        if (front->go >= 0) /* else someone cancelled it, and knows why */
                complain("'%s' was not started, as it cannot be hobbled: %s", front->name, why);
        cancel(front);
}

static void goes_on_unhobbled(struct front *front, const char *why)
{
        watch_command(front);
        if (!front->ended)
                complain("'%s' (process %d) goes on unhobbled: %s", front->name, front->command, why);
}

static void handle_message(struct front *front, const struct link_message *message)
{
        switch (message->kind) {
        case LINK_ADMITTED:
                if (front->go >= 0)
                        let_go(front);
                break;
        case LINK_WARNING:
                complain("%s", message->text);
                break;
        case LINK_FAILED:
                not_started(front, message->text);
                front->link = close_fd(front->link);
                break;
        case LINK_UNHOBBLED:
                goes_on_unhobbled(front, message->text);
                front->link = close_fd(front->link);
                break;
        case LINK_EMPTY:
                front->link = close_fd(front->link);
                break;
        default:
                break;
        }
}

static void handle_link(struct front *front)
{
        while (front->link >= 0) {
                struct link_message message;
                int r = link_receive(front->link, &message);

                if (r == -EAGAIN || r == -EINTR)
                        return;
                if (r > 0) {
                        handle_message(front, &message);
                        continue;
                }

                front->link = close_fd(front->link);
                if (front->started)
                        goes_on_unhobbled(front, "its engine ended unexpectedly");
                else
                        not_started(front, "its engine ended unexpectedly");
        }
}

/* -- Together ---------------------------------------------------------------------------------- */

/* A descriptor of ours must not take the place of a standard one that the caller closed: what we say on
 * "standard error" would go there. The command finds it closed again. */
static void reserve_standard(void)
{
        int fd;

        do
                fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        while (fd >= 0 && fd <= STDERR_FILENO);
        (void) close_fd(fd);
}

static int milliseconds_until(const struct timespec *deadline)
{
        struct timespec now;
        int64_t left;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        left = (int64_t) (deadline->tv_sec - now.tv_sec) * 1000 + (deadline->tv_nsec - now.tv_nsec) / 1000000;
        return left > 0 ? (int) left : 0;
}

static void attend(struct front *front)
{
        struct timespec deadline;

        (void) clock_gettime(CLOCK_MONOTONIC, &deadline);
        deadline.tv_sec += START_MAX_SEC;

        while (!front->ended) {
                struct pollfd fds[] = { { front->signals, POLLIN, 0 }, { front->link, POLLIN, 0 } };
                bool starting = front->go >= 0;
                int n = poll(fds, ELEMENTSOF(fds), starting ? milliseconds_until(&deadline) : -1);

                if (n == 0 && starting) {
                        not_started(front, "its engine does not answer");
                        front->link = close_fd(front->link);
                }
                handle_signals(front);
                handle_link(front);
        }
}

int run_front(const struct hobble_duty *duty, char *argv[])
{
        struct front front = {
                .argv = argv,
                .go = -EBADF,
                .link = -EBADF,
                .status = STATUS_RUN_FAILED,
        };
        int r;

        reserve_standard();
        (void) shown(argv[0], front.name);
        if (geteuid() != 0 && scope_enter(front.name, front.scope, sizeof(front.scope)) < 0)
                return front.status;

        r = front.signals = signals_take(&front.caller);
        if (r >= 0)
                r = start_command(&front);
        if (r >= 0)
                r = start_engine(&front, duty);
        if (r < 0) {
                complain("'%s' was not started: %s", front.name, strerror(-r));
                cancel(&front);
        }

        if (front.command > 0)
                attend(&front);
        return front.status;
}
