/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "late-freeze.h"
#include "engine.h"
#include "file.h"
#include "subject.h"
#include "tarpit.h"

#include <fcntl.h>
#include <sys/epoll.h>

static bool has_taken_effect(int events_fd)
{
        char text[CGROUP_TEXT_MAX];
        uint64_t frozen;

        return file_read(events_fd, text, sizeof(text)) < 0 ||
               cgroup_parse_key(text, "frozen", &frozen) < 0 || frozen != 0;
}

void late_freeze_end(hobble_subject *s, uint64_t now_usec)
{
        uint64_t since = TAKE(s->late.since_usec, 0);

        if (since == 0)
                return;
        (void) sd_event_source_set_enabled(s->late.source, SD_EVENT_OFF);
        if (now_usec <= since)
                return;
        file_wait_froze(&s->files, now_usec - since, now_usec);
        planner_ran_on(s->tarpit->planner, &s->plan, now_usec - since, now_usec);
}

static int on_events(sd_event_source *source, int fd, _unused_ uint32_t revents, void *userdata)
{
        hobble_subject *s = userdata;

        if (has_taken_effect(fd)) {
                late_freeze_end(s, clock_now());
                tarpit_set_clock(s->tarpit);
        }
        return s->late.since_usec != 0 ? sd_event_source_set_enabled(source, SD_EVENT_ONESHOT) : 0;
}

static int add_source(hobble_subject *s)
{
        _cleanup_close_ int fd = subject_open_control(s, "cgroup.events");
        int r;

        if (fd < 0)
                return fd;
        r = sd_event_add_io(s->tarpit->engine->event, &s->late.source, fd, EPOLLPRI, on_events, s);
        if (r < 0)
                return r;
        TAKE_FD(fd);
        (void) sd_event_source_set_io_fd_own(s->late.source, true);
        return sd_event_source_set_priority(s->late.source, PRIORITY_WORK);
}

void late_freeze_begin(hobble_subject *s, uint64_t now_usec)
{
        int fd;

        if (!s->late.source && add_source(s) < 0)
                return;
        /* What is read is not reported any more: only a later change is. */
        fd = sd_event_source_get_io_fd(s->late.source);
        if (!has_taken_effect(fd) && sd_event_source_set_enabled(s->late.source, SD_EVENT_ONESHOT) >= 0)
                s->late.since_usec = now_usec;
}

void late_freeze_done(struct late_freeze *l)
{
        l->source = sd_event_source_disable_unref(l->source);
        l->since_usec = 0;
}
