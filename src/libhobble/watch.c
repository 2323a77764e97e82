/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "watch.h"
#include "engine.h"
#include "macro.h"
#include "process.h"
#include "subject.h"

#include <sys/epoll.h>

#define ASK_MIN_USEC (20 * USEC_PER_MSEC)
#define ASK_MAX_USEC (2 * USEC_PER_SEC)
#define ASK_BATCH 64

static void ask_later(struct watch *w, uint64_t interval_usec)
{
        w->interval_usec = interval_usec;
        (void) sd_event_source_set_time(w->ask, clock_now() + interval_usec);
        (void) sd_event_source_set_enabled(w->ask, SD_EVENT_ONESHOT);
}

static void unwatch(struct watch *w, hobble_subject *s)
{
        if (s->pid_fd < 0)
                return;
        s->pid_fd = close_fd(s->pid_fd); /* takes it out of the epoll set */
        w->n--;
}

static int set_pid_fd(struct watch *w, hobble_subject *s, int pid_fd)
{
        struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data.ptr = s };

        if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, pid_fd, &event) < 0)
                return -errno;
        s->pid_fd = pid_fd;
        w->n++;
        ilist_remove(&s->unwatched);
        return 0;
}

/* cgroup.threads lists no thread that has exited, so that the process of one lives, though its leader may
 * not. */
static int on_any(pid_t tid, void *userdata)
{
        struct hobble_process p;
        int *ret = userdata;

        *ret = process_open(tid, 0, &p);
        return *ret >= 0; /* 1 ends the walk */
}

static int on_child(int dir_fd, const char *name, void *userdata)
{
        _cleanup_close_ int fd = cgroup_open(dir_fd, name);

        return fd < 0 ? 0 : cgroup_for_each_id(fd, "cgroup.threads", on_any, userdata);
}

/* A pidfd of some member, or a negative errno. */
static int open_member(int dir_fd)
{
        int fd = -ESRCH, r;

        r = cgroup_for_each_id(dir_fd, "cgroup.threads", on_any, &fd);
        if (r == 0)
                r = cgroup_for_each_child(dir_fd, on_child, &fd);
        return r < 0 ? r : fd;
}

/* Whoever was watched has ended, or nobody is. Find somebody else, or notice that there is nobody. */
static void look(struct watch *w, hobble_subject *s)
{
        _cleanup_close_ int dir_fd = subject_open(s), fd = -EBADF;
        int r;

        unwatch(w, s);
        r = dir_fd < 0 ? dir_fd : cgroup_is_populated(dir_fd);
        if (r == 0 || cgroup_is_gone(r)) {
                subject_gone(s);
                return;
        }

        if (r > 0 && w->n < w->max) {
                fd = open_member(dir_fd);
                if (fd >= 0 && set_pid_fd(w, s, fd) >= 0) {
                        TAKE_FD(fd);
                        return;
                }
        }
        if (!s->unwatched.list)
                ilist_append(&w->unwatched, &s->unwatched);
}

static int on_end(_unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t revents,
                  void *userdata)
{
        struct watch *w = userdata;
        struct epoll_event events[ASK_BATCH];
        int n = epoll_wait(w->epoll_fd, events, ASK_BATCH, 0);

        for (int i = 0; i < n; i++)
                look(w, events[i].data.ptr);
        if (w->unwatched.count > 0)
                ask_later(w, ASK_MIN_USEC);
        return 0;
}

static int on_ask(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata)
{
        struct watch *w = userdata;
        size_t n = MIN(w->unwatched.count, (size_t) ASK_BATCH);

        for (; n > 0 && w->unwatched.first; n--) {
                struct ilist_link *k = ilist_take_first(&w->unwatched);

                look(w, CONTAINER_OF(k, hobble_subject, unwatched));
        }
        if (w->unwatched.count > 0)
                ask_later(w, MIN(2 * w->interval_usec, (uint64_t) ASK_MAX_USEC));
        return 0;
}

int watch_init(struct watch *w, hobble_engine *engine, sd_event *event)
{
        int r;

        w->engine = engine;
        w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (w->epoll_fd < 0)
                return -errno;
        r = sd_event_add_io(event, &w->on_end, w->epoll_fd, EPOLLIN, on_end, w);
        if (r < 0)
                return r;
        (void) sd_event_source_set_priority(w->on_end, PRIORITY_WORK);
        r = sd_event_add_time(event, &w->ask, CLOCK_MONOTONIC, 0, 1, on_ask, w);
        if (r < 0)
                return r;
        (void) sd_event_source_set_priority(w->ask, PRIORITY_WORK);
        return sd_event_source_set_enabled(w->ask, SD_EVENT_OFF);
}

void watch_done(struct watch *w)
{
        w->on_end = sd_event_source_disable_unref(w->on_end);
        w->ask = sd_event_source_disable_unref(w->ask);
        w->epoll_fd = close_fd(w->epoll_fd);
}

void watch_add(struct watch *w, hobble_subject *s, int pid_fd)
{
        if (pid_fd >= 0 && w->n < w->max && set_pid_fd(w, s, pid_fd) >= 0)
                return;
        close_fd(pid_fd);
        ilist_append(&w->unwatched, &s->unwatched);
        ask_later(w, ASK_MIN_USEC);
}

void watch_remove(struct watch *w, hobble_subject *s)
{
        unwatch(w, s);
        ilist_remove(&s->unwatched);
}
