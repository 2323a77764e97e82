/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Cgroups that are hobbled where they are. Others may freeze them too: inotify tells of every write to
 * cgroup.freeze, our own among them, so events are drained after each write of ours, and whatever comes then
 * is someone else's. What they freeze is theirs to thaw: meanwhile the mark is away, so that no rescue thaws
 * it, and the planner leaves it alone. Some read the state, freeze, and in the end write back what they read,
 * which may have been our freeze: so reads are heard of as well. */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "hobble.h"
#include "ilist.h"

struct in_place {
        struct ilist_link link; /* in the watch's list, while it is watched */
        hobble_subject *subject;
        int dir_fd;
        int freeze_fd; /* its cgroup.freeze */
        int watch;     /* inotify watch descriptor, -1: none */
        bool held;     /* someone else froze it */
        bool doubtful; /* held, but the freeze may be our own: the mark stays, and it is thawed in the end */
        bool frozen;   /* as we last wrote it */
        uint64_t written_usec;
        uint64_t base_usec; /* CPU time at the admission; a tree's cgroup is new then */

        /* Of others: what tells who gives our own freeze back. */
        bool wrote;             /* they did, and have not closed it since */
        unsigned closes;        /* held by someone who had read our freeze: after so many it is given back */
        bool hears_reads;       /* reads are told of */
        uint64_t saw_ours_usec; /* when it was last read, while we had it frozen; 0: while we had not */
        uint64_t looked_in;     /* in_place_watch.drains when we last read it ourselves */
        char path[];            /* in the hierarchy */
};

struct in_place_watch {
        hobble_engine *engine;
        int inotify_fd; /* -EBADF: until there is one to watch */
        sd_event_source *on_write;
        uint64_t drains;      /* how often all events were read */
        struct ilist watched; /* of in_place.link */
};

/* The subject's cgroup: dir_fd, which becomes the object's, at path. Returns 0, -ENOMEM, or the error of an
 * open. */
int in_place_new(struct in_place **ret, hobble_subject *s, int dir_fd, const char *path);
struct in_place *in_place_free(struct in_place *p);

/* Look who has it frozen, mark it unless it is held, and watch. Returns 0 or a negative errno. */
int in_place_begin(struct in_place_watch *w, hobble_subject *s);

/* Thaw it, unless it is held, take the mark away and stop watching. */
void in_place_end(struct in_place_watch *w, hobble_subject *s);

/* The guard has rescued it: stop watching, and leave it as it is. */
void in_place_forget(struct in_place_watch *w, hobble_subject *s);

/* Freeze or thaw. What others wrote before is noticed first. Returns 0, -EBUSY: held by someone else;
 * -ENODEV: gone. */
int in_place_write(struct in_place_watch *w, hobble_subject *s, bool freeze);

void in_place_watch_done(struct in_place_watch *w);
