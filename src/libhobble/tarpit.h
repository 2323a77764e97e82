/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A tarpit: subjects, their clock, and what the planner decides carried out. */

#include <stdint.h>
#include <systemd/sd-event.h>

#include "hobble.h"
#include "ilist.h"
#include "planner.h"

struct hobble_tarpit {
        hobble_engine *engine;
        struct ilist_link in_engine;
        char name[65];
        struct hobble_duty duty;
        struct hobble_limits limits; /* as wanted */
        struct planner *planner;
        struct ilist subjects; /* of subject.in_tarpit, in whatever state but ended */
        sd_event_source *clock;
        int dir_fd;
        int freeze_fd, usage_fd;
        unsigned probes_left; /* for waits for file systems, in this look */
        bool ended;           /* being freed: no event names it */
        bool stopped;         /* all of its directory is frozen */
        uint64_t seen_usec;   /* CPU time of its directory when the clock last looked */
        uint64_t past_usec; /* CPU time of directories that it had before, and of subjects outside that ended
                             */
};

/* Set the clock to the planner's deadline: after whatever changed it from outside of a look. */
void tarpit_set_clock(hobble_tarpit *t);

/* Thaw everybody, and tell the planner. */
void tarpit_thaw_all(hobble_tarpit *t);

/* The guard rescues everything: all subjects end. */
void tarpit_forget_all(hobble_tarpit *t);

/* Make and open its directory again, after a rescue has removed it. Returns 0 or a negative errno. */
int tarpit_open_directory(hobble_tarpit *t);

/* Free it as it is. */
void tarpit_drop(hobble_tarpit *t);
