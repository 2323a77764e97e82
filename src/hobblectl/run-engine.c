/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The engine of `hobblectl run`: hobbles the command's tree until it is empty. It outlives the front where it
 * has to, and holds nothing that the caller could wait for: no terminal, no pipe, no directory. */

#include "hierarchy-text.h"
#include "message.h"
#include "run-scope.h"
#include "run.h"
#include "verb.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <syslog.h>

#define STOPPED_LOOK_USEC (500 * USEC_PER_MSEC)
#define RT_PRIORITY 90

struct run {
        const struct run_target *target;
        int link;     /* -EBADF: the front is gone */
        int front_fd; /* pidfd */
        sd_event *event;
        sd_event_source *stopped;
        hobble_engine *engine;
        hobble_tarpit *tarpit;
        bool admitted, guarded, told; /* told: the front knows that both are true */
        bool ended;                   /* the last message was sent */
};

static void tell(struct run *run, enum link_kind kind, const char *text)
{
        if (run->ended)
                return;
        run->ended = kind == LINK_FAILED || kind == LINK_UNHOBBLED || kind == LINK_EMPTY;
        if (link_send(run->link, kind, text) == 0)
                return;

        /* Nobody is there to be told: leave it where an administrator finds it. */
        if (kind == LINK_WARNING)
                syslog(LOG_WARNING, "%s: %s", hobble_engine_instance(run->engine), text);
        else if (kind == LINK_UNHOBBLED)
                syslog(LOG_WARNING, "%s: goes on unhobbled: %s", hobble_engine_instance(run->engine), text);
}

/* The front stops itself when the command is stopped. Whoever continues or kills the command alone does not
 * know of the front, which cannot look by itself: have it go on, too. */
static void wake_front(struct run *run)
{
        struct hobble_process command, front;

        if (hobble_process_read(run->target->pid, &command) == 0 && strchr("Tt", command.state))
                return;
        if (hobble_process_read(run->target->front, &front) == 0 && front.state == 'T')
                (void) pidfd_send_signal(run->front_fd, SIGCONT, NULL, 0);
}

/* End the loop, with the last message to the front. */
static void end(struct run *run, enum link_kind kind, const char *text)
{
        /* Until the front has been told to go, the end of the tree is no success either. */
        tell(run, run->told ? kind : LINK_FAILED, text ? text : "it has ended");
        wake_front(run);
        (void) sd_event_exit(run->event, 0);
}

static const char *start_error(int error, char *buf, size_t size)
{
        const char *reason = hierarchy_failure(error);

        if (reason)
                return reason;
        switch (error) {
        case -ENOENT:
                return "hobble-guard was not found, neither beside hobblectl nor where it is installed";
        case -EBUSY:
                return "a live instance of the same name is in the way";
        default:
                (void) snprintf(buf, size, "the engine could not be started: %s", strerror(-error));
                return buf;
        }
}

static const char *add_error(int error, char *buf, size_t size)
{
        switch (error) {
        case -ESRCH:
                return "it has ended";
        case -EBUSY:
                return "another instance of hobbled has it already";
        case -EPERM:
                return "it must not be hobbled";
        default:
                (void) snprintf(buf, size, "its tree could not be admitted: %s", strerror(-error));
                return buf;
        }
}

static int add(struct run *run)
{
        hobble_subject *subject;

        return hobble_tarpit_add_tree(run->tarpit, run->target->pid, run->target->start_time,
                                      run->target->scope ? HOBBLE_PLACEMENT_SUBTREE : HOBBLE_PLACEMENT_AUTO,
                                      NULL, &subject);
}

static void add_again(struct run *run)
{
        char text[256];
        int r = add(run);

        if (r < 0 && r != -EEXIST)
                end(run, LINK_UNHOBBLED, add_error(r, text, sizeof(text)));
}

static void failed(struct run *run, const struct hobble_event *event)
{
        char text[256];

        if (event->text)
                (void) snprintf(text, sizeof(text), "it %s", event->text);
        else
                (void) add_error(event->error, text, sizeof(text));
        end(run, LINK_UNHOBBLED, text);
}

static void on_event(_unused_ hobble_engine *engine, const struct hobble_event *event, void *userdata)
{
        struct run *run = userdata;
        char text[256];

        switch (event->kind) {
        case HOBBLE_EVENT_ADMITTED:
                run->admitted = true;
                break;
        case HOBBLE_EVENT_GUARD_READY:
                run->guarded = true;
                break;
        case HOBBLE_EVENT_GONE:
                end(run, LINK_EMPTY, NULL);
                break;
        case HOBBLE_EVENT_FAILED:
                failed(run, event);
                break;
        case HOBBLE_EVENT_FENCED:
                add_again(run);
                break;
        case HOBBLE_EVENT_RETIRED:
                end(run, LINK_UNHOBBLED, "a rescue of live instances released it");
                break;
        case HOBBLE_EVENT_OUTRANKED:
                (void) snprintf(text, sizeof(text), "process %d %s", event->pid,
                                event->text ? event->text
                                            : "has a higher real-time priority than the engine");
                tell(run, LINK_WARNING, text);
                break;
        case HOBBLE_EVENT_STRAYED:
        case HOBBLE_EVENT_DEGRADED:
                tell(run, LINK_WARNING, event->text);
                break;
        default:
                break; /* what mends itself, and `hobblectl list` shows meanwhile */
        }

        if (run->admitted && run->guarded && !run->told) {
                run->told = true;
                tell(run, LINK_ADMITTED, NULL);
        }
}

static int on_stopped_timer(sd_event_source *source, _unused_ uint64_t usec, void *userdata)
{
        wake_front(userdata);
        (void) sd_event_source_set_time_relative(source, STOPPED_LOOK_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_link(sd_event_source *source, int fd, _unused_ uint32_t events, void *userdata)
{
        struct run *run = userdata;
        struct link_message message;
        int r = link_receive(fd, &message);

        if (r == -EAGAIN || r == -EINTR)
                return 0;
        if (r <= 0) {
                /* The front is gone. Before it said go, so is the command, and with it our work. */
                (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
                run->link = close_fd(run->link);
                return sd_event_source_set_enabled(run->stopped, SD_EVENT_OFF);
        }
        if (message.kind != LINK_STOPPED)
                return sd_event_source_set_enabled(run->stopped, SD_EVENT_OFF);
        (void) sd_event_source_set_time_relative(run->stopped, STOPPED_LOOK_USEC);
        return sd_event_source_set_enabled(run->stopped, SD_EVENT_ONESHOT);
}

static int on_signal(_unused_ sd_event_source *source, _unused_ const struct signalfd_siginfo *si,
                     void *userdata)
{
        end(userdata, LINK_UNHOBBLED, "its engine was told to end");
        return 0;
}

/* Let go of all that belongs to the caller, but for the link. */
static int detach(int *link_fd)
{
        int null_fd, fd;

        fd = fcntl(*link_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (fd < 0 || null_fd < 0)
                return -errno;
        for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++) {
                /* dup2() of a descriptor onto itself would leave it to be closed by an exec. */
                if (null_fd == i ? fcntl(i, F_SETFD, 0) < 0 : dup2(null_fd, i) < 0)
                        return -errno;
        }
        *link_fd = fd;

        if (fd > STDERR_FILENO + 1)
                (void) close_range(STDERR_FILENO + 1, (unsigned) fd - 1, 0);
        (void) close_range((unsigned) fd + 1, ~0U, 0);
        (void) chdir("/");
        return 0;
}

static int prepare_loop(struct run *run)
{
        static const int ends[] = { SIGTERM, SIGINT };
        sigset_t set;
        int r;

        sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(ends); i++)
                sigaddset(&set, ends[i]);
        (void) sigprocmask(SIG_BLOCK, &set, NULL);
        (void) signal(SIGHUP, SIG_IGN); /* no terminal of ours can hang up */

        r = sd_event_new(&run->event);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                r = sd_event_add_signal(run->event, NULL, ends[i], on_signal, run);
                if (r < 0)
                        return r;
        }
        r = sd_event_add_io(run->event, NULL, run->link, EPOLLIN, on_link, run);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(run->event, &run->stopped, CLOCK_MONOTONIC, STOPPED_LOOK_USEC, 0,
                                       on_stopped_timer, run);
        return r < 0 ? r : sd_event_source_set_enabled(run->stopped, SD_EVENT_OFF);
}

/* What this user may have: 0 for none, and the guard goes one above the engine. */
static int rt_priority(const struct run *run)
{
        struct rlimit limit;

        if (!run->target->scope)
                return RT_PRIORITY;
        if (getrlimit(RLIMIT_RTPRIO, &limit) < 0 || limit.rlim_cur < 2)
                return 0;
        return (int) MIN(limit.rlim_cur - 1, (rlim_t) RT_PRIORITY);
}

static int start(struct run *run)
{
        struct hobble_options options = {
                .size = sizeof(options),
                .parent = run->target->scope,
                .rt_priority = rt_priority(run),
                .handler = on_event,
                .userdata = run,
        };
        char instance[64], text[512];
        int r;

        (void) snprintf(instance, sizeof(instance), RUN_INSTANCE_PREFIX "%d", run->target->front);
        options.instance = instance;

        r = prepare_loop(run);
        if (r >= 0)
                r = hobble_engine_new(&run->engine, run->event, &options);
        if (r >= 0)
                r = hobble_tarpit_new(&run->tarpit, run->engine, "run", run->target->duty);
        if (r < 0) {
                tell(run, LINK_FAILED, start_error(r, text, sizeof(text)));
                return r;
        }

        r = add(run);
        if (r < 0)
                tell(run, LINK_FAILED, add_error(r, text, sizeof(text)));
        return r;
}

int run_engine(const struct run_target *target, int link_fd)
{
        struct run run = { .target = target, .link = link_fd, .front_fd = -EBADF };
        int r;

        (void) setsid(); /* from here on no terminal reaches it */
        signals_reset();
        r = detach(&run.link);
        if (r < 0) {
                tell(&run, LINK_FAILED, strerror(-r));
                return STATUS_FAILED;
        }
        (void) prctl(PR_SET_NAME, "hobble-engine");
        openlog("hobblectl", LOG_PID, LOG_DAEMON);

        run.front_fd = pidfd_open(target->front, 0);
        r = start(&run);
        if (r >= 0)
                r = sd_event_loop(run.event);
        if (r < 0) /* no effect where the end was told already */
                tell(&run, LINK_UNHOBBLED, strerror(-r));

        run.engine = hobble_engine_free(run.engine);
        run.stopped = sd_event_source_unref(run.stopped);
        run.event = sd_event_unref(run.event);
        run.front_fd = close_fd(run.front_fd);
        run.link = close_fd(run.link);
        return r < 0 ? STATUS_FAILED : STATUS_DONE;
}
