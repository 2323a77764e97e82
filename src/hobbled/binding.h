/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The numbers that a source names, each bound to the process that had that number when it was looked at.
 *
 * A pid says who was meant only for as long as that process lives. So a number is bound to a process, pid and
 * start time, once, and stays bound to it until what names it has changed: whoever gets the number later was
 * not meant.
 *
 * Nothing here looks at a process itself: facts come in through a lookup function. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum binding_state {
        BINDING_NEW,     /* not looked at yet */
        BINDING_BOUND,   /* to a process that may be hobbled */
        BINDING_DEAD,    /* no process had the number */
        BINDING_LATE,    /* the process that has it started after the number was written */
        BINDING_REFUSED, /* a process that must not be hobbled */
};

struct binding {
        pid_t number;        /* as named: of a process, or of a thread */
        pid_t pid;           /* of the process, 0 for none */
        uint64_t start_time; /* clock ticks since boot */
        uint64_t seen_usec;  /* when it was last seen to be named */
        enum binding_state state;
        bool verify; /* look again whether it is still the same process */
};

/* What the lookup function says of a number. */
struct binding_fact {
        pid_t pid; /* of the process that the thread belongs to */
        uint64_t start_time;
        uint64_t start_usec; /* the same in CLOCK_REALTIME */
        const char *refusal; /* why it must not be hobbled, or NULL; static */
        char comm[64];
};

struct binding_handler {
        /* Returns 0, or -ESRCH where there is no such process; other errors count as that, too. known is the
         * start time of a process of which the refusal is known to be NULL, or 0. */
        int (*look)(pid_t number, uint64_t known, struct binding_fact *ret, void *userdata);

        /* A number came to another state than it had, or to another process; fact is NULL for BINDING_DEAD.
         */
        void (*change)(const struct binding *binding, enum binding_state before,
                       const struct binding_fact *fact, void *userdata);
};

struct bindings {
        struct binding *items; /* by number */
        size_t n;
        size_t n_new, n_verify; /* still to be looked at */
        size_t cursor_new, cursor_verify;
        uint64_t written_usec; /* CLOCK_REALTIME when the numbers were written, 0: not known */
};

enum bindings_flags {
        BINDINGS_KEEP = 1 << 0,   /* numbers that are no longer named stay; else they go */
        BINDINGS_VERIFY = 1 << 1, /* those that are still named were named anew */
        BINDINGS_RETRY = 1 << 2,  /* the dead ones among those that are still named were */
};

/* The clock of a system's files may be this much coarser than that of its processes. */
#define BINDINGS_SLACK_USEC 1000000ULL

void bindings_done(struct bindings *b);

/* Take in what is named at the time now. numbers are in ascending order, each once. Returns 1 where a number
 * came or went, 0 where none did, or -ENOMEM. */
int bindings_merge(struct bindings *b, const pid_t *numbers, size_t n, unsigned flags, uint64_t now);

/* Let go of those that were last seen before the time given. Returns whether there were any. */
bool bindings_expire(struct bindings *b, uint64_t before);

/* When the least recently seen one was seen; UINT64_MAX where all were seen at `now` or later. */
uint64_t bindings_oldest(const struct bindings *b, uint64_t now);

/* Look at one number: new ones first. Returns whether there was one; sets *ret_changed where its outcome is
 * another than before, and leaves it alone otherwise. */
bool bindings_step(struct bindings *b, const struct binding_handler *handler, void *userdata,
                   bool *ret_changed);

/* The process has ended: look again at who has its number. Returns whether that was bound to it. */
bool bindings_suspect(struct bindings *b, pid_t pid, uint64_t start_time);

/* Call fn for each process that a number is bound to. fn returns 0 to go on, else that is returned. */
int bindings_for_each(const struct bindings *b, int (*fn)(pid_t pid, uint64_t start_time, void *userdata),
                      void *userdata);
