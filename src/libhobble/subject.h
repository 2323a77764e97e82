/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One hobbled cgroup, from the wish to hobble it to the end of its handle. */

#include <stdbool.h>
#include <stdint.h>

#include "cgroup.h"
#include "events.h"
#include "fdcache.h"
#include "file-wait.h"
#include "frozen-time.h"
#include "hobble.h"
#include "ilist.h"
#include "late-freeze.h"
#include "pathindex.h"
#include "planner.h"

struct admission;
struct release;
struct in_place;

enum subject_state {
        SUBJECT_ADMITTING, /* waiting for it, or in the middle */
        SUBJECT_LIVE,      /* the planner has it */
        SUBJECT_RELEASING,
        SUBJECT_ENDED, /* only the event that says so is left */
};

struct hobble_subject {
        struct planner_subject plan;
        hobble_tarpit *tarpit;
        uint64_t start_time;
        void *userdata;
        enum subject_state state;
        pid_t pid;                       /* root of the tree, 0 in place */
        enum hobble_placement placement; /* of a tree, as asked for */
        char name[24];  /* of its directory in the tarpit, which is a stand-in where it lies outside */
        bool stopped;   /* frozen by itself, not with its tarpit */
        bool asked;     /* whether it waits, since it last ran */
        int pid_fd;     /* watch's */
        int end_error;  /* what the release that goes on came from, 0: it was asked for */
        char *end_text; /* likewise: what the caller's filter said; NULL: nothing */
        char *nest;     /* a tree: path of its nested directory, NULL: it is in the pit */

        struct ilist_link in_tarpit;
        union {
                struct ilist_link work;      /* the worker's, while it comes or goes */
                struct ilist_link unwatched; /* watch's, while it is live */
        };
        struct fdslot freeze, usage, pressure;
        uint64_t pressure_usec; /* as last read from io.pressure */
        uint64_t wait_usec;     /* what it was seen waiting, from any zero */
        struct file_wait files;
        struct late_freeze late;

        struct pathindex_node
                place;             /* in the engine's index, from before its first member is in to its end */
        uint64_t since_usec;       /* CLOCK_REALTIME of the admission, 0: it has not begun */
        struct frozen_time frozen; /* by us */

        struct in_place *in_place;   /* NULL: a tree */
        struct admission *admission; /* while it lasts */
        struct release *release;     /* likewise */
        struct event_node end;
};

/* Whether its cgroup lies outside of the tarpit's directory. */
static inline bool subject_is_outside(const hobble_subject *s)
{
        return s->in_place || s->nest;
}

/* A subject that waits for its admission. Returns 0 or -ENOMEM. */
int subject_new(hobble_subject **ret, hobble_tarpit *tarpit, void *userdata);
hobble_subject *subject_free(hobble_subject *s);

/* The caller never saw it. */
void subject_discard(hobble_subject *s);

/* The events of its engine, of one subject. */
void subject_tell(hobble_subject *s, struct hobble_event event);

/* It ends: planner, watch and worker forget it; the event, RELEASED, GONE or FAILED, is the last of it. */
void subject_end(hobble_subject *s, struct hobble_event event);

/* The cgroup is in order: the planner has it from now on. */
void subject_go_live(hobble_subject *s, unsigned processes, int pid_fd);

/* Its cgroup is empty, or was removed by someone else. */
void subject_gone(hobble_subject *s);

/* Freeze or thaw, where the guard allows it. Returns 0; -EPERM: not allowed at this moment (it is thawed);
 * -EBUSY: held by someone else; -ENODEV, -ENOENT: gone. now_usec: of the look that decided it. */
int subject_freeze(hobble_subject *s, bool freeze, uint64_t now_usec);

/* Whether it is frozen, by itself or with its tarpit, has changed: note the time. */
void subject_note_frozen(hobble_subject *s, uint64_t now_usec);

/* It is hobbled at this path from now on. Returns 0 or -ENOMEM. */
int subject_set_place(hobble_subject *s, const char *path);

/* Read its counters. -ENODEV, -ENOENT: gone. */
int subject_sample(hobble_subject *s, struct planner_sample *ret);

/* How much of its cgroup's CPU time it has used since its admission. */
uint64_t subject_used(const hobble_subject *s, uint64_t cpu_usec);

/* Read its CPU time, without a change to what is kept open for the clock. */
int subject_read_usage(const hobble_subject *s, uint64_t *ret_usec);

/* Open its directory: in the tarpit, where it is nested, or the stand-in of a cgroup in place. */
int subject_open(const hobble_subject *s);

/* Open a file in its cgroup, also in place, to read it. Returns a descriptor or a negative errno. */
int subject_open_control(const hobble_subject *s, const char *file);

/* Remove its directory with what is beneath, empty of processes, and its stand-in. Returns 0 or a negative
 * errno. */
int subject_remove_directory(hobble_subject *s);
