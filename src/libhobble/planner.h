/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The planner of one tarpit: who should be frozen, whose usage to read, and when to look again.
 *
 * It is pure: no system call, no clock, no descriptor. Samples and the time go in; actions, wanted samples
 * and the next deadline come out. One look is a fixed sequence:
 *
 *         planner_begin(p, now, total);
 *         while ((s = planner_next_sample(p)))
 *                 planner_put_sample(p, s, &sample);
 *         planner_decide(p);
 *         while (planner_next_action(p, &action))
 *                 carry it out;
 *         look again at planner_deadline(p);
 *
 * Times are microseconds of one monotonic clock. Windows begin at whole multiples of the period, so that
 * tarpits with the same duty cycle share their wake-ups. A late look is elapsed time like any other:
 * deadlines are computed from the grid, never from the look before, and those that have passed are skipped.
 */

#include <stdbool.h>
#include <stdint.h>

#include "balance.h"
#include "heap.h"
#include "ilist.h"

struct planner;

struct planner_config {
        uint64_t frozen_usec; /* 0: never freeze */
        uint64_t thawed_usec; /* at least 1 ms */
        unsigned cpus;        /* processors that the members may run on, at least 1 */
        bool freeze_idle;     /* freeze everyone at each edge, busy or not: no samples are wanted */
};

/* Counters since some fixed moment. One that falls starts a new life: nothing is charged for that stretch. */
struct planner_sample {
        uint64_t cpu_usec;  /* CPU time that the subject used */
        uint64_t wait_usec; /* time that it kept something else busy (I/O); counts as busy, not as CPU */
        bool suspect;       /* it lately did, and may do so again at any moment */
};

enum planner_state {
        PLANNER_IDLE,    /* thawed, not seen running lately */
        PLANNER_ACTIVE,  /* thawed, ran lately */
        PLANNER_IN_TURN, /* thawed for the window that is open */
        PLANNER_FROZEN,
};

/* The planner's part of a subject: embedded in the caller's object, private to the planner but for reading.
 */
struct planner_subject {
        struct balance balance;
        struct {
                uint64_t cpu_usec, wait_usec;
        } seen;                 /* the counters when they were last read */
        struct ilist_link link; /* in the list of its state; frozen: in that of what is to be done or read */
        struct heap_node node;  /* frozen: in one of the two heaps */
        uint64_t served_usec;   /* in the crowd's virtual time */
        uint64_t turn_usec;     /* frozen: when its turn is, in that time */
        uint64_t added_usec;
        uint64_t ran_usec;   /* when it was last seen to have run */
        double rate;         /* CPUs that it lately used */
        uint32_t extra_usec; /* it ran that much longer before its freeze took effect */
        uint32_t room_usec;  /* of its last stretch: how much more of it may turn out to have been used */
        enum planner_state state : 8;
        bool frozen : 1;  /* as decided: the last action said so; not set by FREEZE_ALL */
        bool held : 1;    /* someone else froze it: left alone until they thaw it */
        bool outside : 1; /* its usage is not part of the tarpit's total */
        bool fresh : 1;   /* its counters have to be read anew before anything is charged */
        bool waits : 1; /* it kept something else busy when last read, or may: the CPU total does not tell */
        bool busy : 1;  /* it used a good part of the last stretch */
        bool stirring : 1; /* it used enough of it to be looked at again soon */
        bool stirs : 1;    /* it did, and was left thawed */
        bool parallel : 1; /* it lately used more CPU time than passed */
};

enum planner_verb {
        PLANNER_FREEZE,     /* one subject */
        PLANNER_THAW,       /* one subject */
        PLANNER_FREEZE_ALL, /* freeze_idle: the whole tarpit at once */
        PLANNER_THAW_ALL,
};

struct planner_action {
        enum planner_verb verb;
        struct planner_subject *subject; /* NULL for the two _ALL verbs */
};

struct planner_stats {
        uint64_t looks;
        uint64_t samples;
        uint64_t freezes, thaws; /* actions for one subject */
        uint64_t windows;        /* that thawed someone, or everyone */
        uint64_t windows_skipped;
};

/* Where a subject stands, to explain a decision. */
struct planner_standing {
        int64_t balance_usec;
        int64_t tarpit_balance_usec;
        double rate;       /* CPUs that it used, over about twenty periods */
        double fair_share; /* CPUs; INFINITY while there is enough for everyone */
};

/* Returns 0, -EINVAL for a configuration out of bounds, -ENOMEM. */
int planner_new(struct planner **ret, const struct planner_config *config, uint64_t now_usec);

/* Returns NULL. The subjects are the caller's. */
struct planner *planner_free(struct planner *p);

/* Put another configuration in force; balances are kept. What it undoes is in the actions of the next look,
 * which is due at once. Returns 0, or -EINVAL and nothing is changed. */
int planner_configure(struct planner *p, const struct planner_config *config, uint64_t now_usec);

/* Take in a thawed subject, whose memory stays the caller's and must not move until it is removed. base: its
 * counters now. outside: its usage is not part of the tarpit's total. Returns 0 or -ENOMEM. */
int planner_add(struct planner *p, struct planner_subject *s, const struct planner_sample *base, bool outside,
                uint64_t now_usec);

/* Forget a subject in whatever state, also in the middle of a look. No action names it any more. */
void planner_remove(struct planner *p, struct planner_subject *s, uint64_t now_usec);

/* Someone else froze the subject (held), or thawed what they had frozen: it counts as thawed then. Meanwhile
 * there are no samples, charges and actions for it. */
void planner_hold(struct planner *p, struct planner_subject *s, bool held, uint64_t now_usec);

/* The caller thawed everything by itself. What others hold stays held. */
void planner_thawed_all(struct planner *p, uint64_t now_usec);

/* Begin a look. total_cpu_usec: the CPU time of all members but those outside, from any zero. */
void planner_begin(struct planner *p, uint64_t now_usec, uint64_t total_cpu_usec);

/* Whose counters to read next, or NULL: enough. Who cannot be read is passed over: ask for the next, or
 * remove it. */
struct planner_subject *planner_next_sample(struct planner *p);

/* The counters of the one that planner_next_sample() named last. */
void planner_put_sample(struct planner *p, struct planner_subject *s, const struct planner_sample *sample);

void planner_decide(struct planner *p);

/* Returns whether there is another action. Each counts as carried out; what could not be (the subject is
 * gone) is to be removed. */
bool planner_next_action(struct planner *p, struct planner_action *ret);

/* A freeze of the subject took so long to take effect that it kept something else busy for so much longer:
 * that is charged. */
void planner_ran_on(struct planner *p, struct planner_subject *s, uint64_t wait_usec, uint64_t now_usec);

/* All actions of this look are done, at now. Optional: what ran on because the freezing took its time is
 * charged. */
void planner_acted(struct planner *p, uint64_t now_usec);

/* When to look again, absolute. UINT64_MAX: never, unless something is added or configured. */
uint64_t planner_deadline(const struct planner *p);

/* Whether a window starts or ends then, at which somebody is thawed or frozen; else it is but a look. */
bool planner_deadline_is_edge(const struct planner *p);

/* The next start or end of a window after now, for work that must not delay one. UINT64_MAX when nobody is
 * ever frozen. */
uint64_t planner_next_edge(const struct planner *p, uint64_t now_usec);
bool planner_in_window(const struct planner *p, uint64_t now_usec);

const struct planner_stats *planner_stats(const struct planner *p);
int64_t planner_balance(const struct planner *p, uint64_t now_usec); /* of the tarpit as a whole */
void planner_standing(const struct planner *p, const struct planner_subject *s, uint64_t now_usec,
                      struct planner_standing *ret);
