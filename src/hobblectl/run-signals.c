/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "run.h"

#include <sys/signalfd.h>

/* The front waits for its child and stops itself, whatever the caller ignores. */
static const int needed[] = { SIGCHLD, SIGTSTP, SIGTTIN, SIGTTOU };

/* Those a process sends itself by a fault: blocked, they would kill it without a trace. */
static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS };

int signals_take(struct caller_signals *ret)
{
        struct caller_signals caller;
        sigset_t all;
        int fd;

        sigfillset(&all);
        for (size_t i = 0; i < ELEMENTSOF(faults); i++)
                sigdelset(&all, faults[i]);
        if (sigprocmask(SIG_BLOCK, &all, &caller.mask) < 0)
                return -errno;

        sigemptyset(&caller.ignored);
        for (size_t i = 0; i < ELEMENTSOF(needed); i++) {
                if (signal(needed[i], SIG_DFL) == SIG_IGN)
                        sigaddset(&caller.ignored, needed[i]);
        }

        fd = signalfd(-1, &all, SFD_NONBLOCK | SFD_CLOEXEC);
        if (fd < 0)
                return -errno;

        *ret = caller;
        return fd;
}

void signals_give_back(const struct caller_signals *caller)
{
        for (size_t i = 0; i < ELEMENTSOF(needed); i++) {
                if (sigismember(&caller->ignored, needed[i]))
                        (void) signal(needed[i], SIG_IGN);
        }
        (void) sigprocmask(SIG_SETMASK, &caller->mask, NULL);
}

void signals_reset(void)
{
        sigset_t none;

        for (int i = 1; i <= SIGRTMAX; i++) {
                (void) signal(i, SIG_IGN); /* forgets what is pending: that was meant for the front */
                (void) signal(i, SIG_DFL); /* both fail for SIGKILL and SIGSTOP, which need neither */
        }
        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
}

void signals_stop_self(int signal)
{
        sigset_t set, before;

        sigemptyset(&set);
        sigaddset(&set, signal);
        (void) raise(signal);
        (void) sigprocmask(SIG_UNBLOCK, &set,
                           &before); /* SIGSTOP has taken effect already, the others do here */
        (void) sigprocmask(SIG_SETMASK, &before, NULL);
}
