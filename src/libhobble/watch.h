/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Notices when the last process of a subject has ended, without asking: a pidfd of one member each, in one
 * epoll set. When that member ends another is chosen, or the cgroup is empty. Subjects for which there is no
 * descriptor to spare, or whose members are just dying, are asked in turn. */

#include <systemd/sd-event.h>

#include "hobble.h"
#include "ilist.h"

struct watch {
        hobble_engine *engine;
        int epoll_fd;
        sd_event_source *on_end, *ask;
        size_t n, max;          /* pidfds open, and as many as may be */
        struct ilist unwatched; /* of subject.unwatched */
        uint64_t interval_usec; /* between two rounds of asking */
};

int watch_init(struct watch *w, hobble_engine *engine, sd_event *event);
void watch_done(struct watch *w);

/* Begin with a subject whose root is pid_fd, which becomes the watch's, or -EBADF: any member. */
void watch_add(struct watch *w, hobble_subject *s, int pid_fd);

void watch_remove(struct watch *w, hobble_subject *s);
