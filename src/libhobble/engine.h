/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The engine: one instance. What its parts share; who does what:
 *
 *         tarpit     a clock, and what the planner decides carried out
 *         subject    one hobbled cgroup
 *         worker     admissions and releases, in bounded slices that delay no edge
 *         watch      notices that a subject's last process has ended
 *         in-place   notices that others freeze or thaw a cgroup that is hobbled in place
 *         events     tells the caller */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "cgroup.h"
#include "clock.h"
#include "events.h"
#include "fdcache.h"
#include "guard-link.h"
#include "hobble.h"
#include "ilist.h"
#include "in-place.h"
#include "pathindex.h"
#include "protection.h"
#include "rescue.h"
#include "watch.h"
#include "worker.h"

/* Clocks go before everything else that is due, the rest of the engine before the caller's ordinary sources.
 */
#define PRIORITY_CLOCK (SD_EVENT_PRIORITY_IMPORTANT - 20)
#define PRIORITY_GUARD (SD_EVENT_PRIORITY_IMPORTANT - 10)
#define PRIORITY_WORK (SD_EVENT_PRIORITY_IMPORTANT)

struct hobble_engine {
        sd_event *event;
        char instance[65];
        char *guard_path;   /* NULL: the guard is a service */
        char *guard_socket; /* then its socket */
        int rt_priority;

        int root_fd;
        int home_fd; /* holds the lock; a service's is the guard link's */
        int pit_fd;
        char pit_path[CGROUP_PATH_MAX + sizeof("/" HOME_PIT)]; /* "/hobbled-INSTANCE/pit" */

        struct guard_link guard;
        struct events events;
        struct worker worker;
        struct watch watch;
        struct in_place_watch in_place;
        struct fdcache fds;
        struct protection protection;

        const char *(*filter)(hobble_tarpit *tarpit, const struct hobble_process *process, const char *home,
                              void *userdata); /* the caller's; NULL: none. Its userdata is that of events */
        unsigned nests;                        /* nested directories made: the last one's number */

        struct pathindex places; /* of hobble_subject.place */
        struct ilist tarpits;    /* of hobble_tarpit.in_engine */
        unsigned subjects;       /* in all of them */
        unsigned cpus;

        uint64_t attached;
        uint64_t late_max_usec, late[HOBBLE_LATE_MAX]; /* as in struct hobble_stats */
        bool fenced;                                   /* registering anew */
        bool bereft;                                   /* the guard's service ended */
        bool retired;                                  /* for good */
        bool outranked;                                /* told once */
};

/* May we freeze at this moment? Ask before a freeze and after it. */
bool engine_may_freeze(const hobble_engine *e);

/* Whether there is a pit to admit to: 0, or -EAGAIN while the service that has it is missing. */
int engine_may_admit(const hobble_engine *e);

/* The home as it is now, or -EBADF. */
int engine_home_fd(const hobble_engine *e);

/* Say that we are alive. Where the guard has fenced us, every subject ends (RESCUED), we register anew, and
 * false is returned. */
bool engine_beat(hobble_engine *e);

/* A subject came (1) or went (-1). */
void engine_count(hobble_engine *e, int change);
