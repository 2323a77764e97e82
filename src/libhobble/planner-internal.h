/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The planner behind its door, for the files that make it up:
 *
 *         planner         members, configuration, the sequence of a look
 *         planner-clock   windows, ticks, deadlines
 *         planner-watch   whose counters to read, and what they tell
 *         planner-turn    who is frozen, and whose turn it is to be thawed */

#include "macro.h"
#include "planner.h"

/* Usage is averaged over that many periods. */
#define RATE_PERIODS 20

/* Who was not seen running for that long is not among the first to be read. */
#define QUIET_USEC (500 * USEC_PER_MSEC)

struct planner {
        struct planner_config config;
        uint64_t now_usec; /* of the look that is under way, else of the last call */
        struct planner_stats stats;

        /* the tarpit as a whole */
        struct allowance each, whole;
        struct balance balance; /* of whole; with freeze_idle of each, and charged for being thawed */
        uint64_t total_usec;    /* CPU time of all but those outside */
        bool total_known;
        bool all_frozen; /* with freeze_idle */
        bool at_large;   /* nobody was hobbled since the last look: that is not to be paid for */

        /* members; what is not in a list is frozen, held, or being read */
        size_t n_subjects, n_held;
        struct ilist in_turn, in_turn_read;
        struct ilist active, idle;                 /* inside */
        struct ilist ran, quiet;                   /* inside, read in this look */
        struct ilist active_outside, idle_outside; /* the least recently read first */
        struct ilist ran_outside;                  /* read in this look */
        struct heap ripening;                      /* frozen, by the time from which they may be thawed */
        struct heap waiting;                       /* frozen, may be thawed, by how much they were served */
        uint64_t turn_usec;                        /* virtual time of the crowd: whose turn it is */

        /* what the total grew without its being seen in a member */
        int64_t unexplained_usec;
        double background;       /* CPUs; what is unexplained all the time */
        uint64_t explained_usec; /* when it was last next to nothing: idle members did not run until then */
        uint64_t watched_usec;   /* the last look that could read */
        size_t walked;           /* idle members read since it was last explained */
        uint64_t stirred_usec;   /* when someone last ran who was not frozen for it */
        size_t n_stirring;       /* members that did, and still are thawed */
        uint64_t calm_usec;      /* what stirred_usec was before the first of them */

        /* windows */
        uint64_t looked_usec;     /* the last look: an edge since then is due still */
        uint64_t next_start_usec; /* no window opens before */
        uint64_t window_end_usec; /* of the last one opened */

        /* this look */
        struct planner_subject *asked;
        bool blind;           /* the total was not known before */
        bool blind_before;    /* ... in the look before */
        bool reading;         /* samples are wanted */
        bool opening;         /* a window */
        uint64_t growth_usec; /* unexplained, of this stretch alone */
        bool passed_over;     /* someone could not be read */
        bool hunting;         /* idle members are being read */
        bool excess;          /* more than the background */
        unsigned reads_left, hunt_left, outside_left;
        size_t active_outside_left, idle_left, idle_outside_left;
        uint64_t lag_usec; /* what ran on in the last look while read or until frozen, all CPUs */

        /* actions */
        enum planner_verb all_verb;
        bool all_pending;
        size_t thaws_left;
        struct ilist freezing, settling; /* to be frozen; frozen in this look */
        struct ilist settled;            /* frozen lately: what they used last is not counted yet */
};

static inline struct planner_subject *subject_of_link(struct ilist_link *k)
{
        return k ? CONTAINER_OF(k, struct planner_subject, link) : NULL;
}

static inline struct planner_subject *subject_of_node(struct heap_node *n)
{
        return n ? CONTAINER_OF(n, struct planner_subject, node) : NULL;
}

static inline bool planner_freezes(const struct planner *p)
{
        return p->config.frozen_usec > 0;
}

/* Nobody is frozen for itself: everyone at once, or nobody at all. */
static inline bool planner_is_plain(const struct planner *p)
{
        return p->config.freeze_idle || !planner_freezes(p);
}

static inline size_t planner_count_frozen(const struct planner *p)
{
        return p->ripening.count + p->waiting.count;
}

static inline size_t planner_count_thawed(const struct planner *p)
{
        return p->n_subjects - p->n_held - planner_count_frozen(p);
}

/* A frozen subject may be thawed again once it owes less than half a window: with nothing owed it would miss
 * every second window by a hair. */
static inline int64_t planner_ripe_level(const struct planner *p)
{
        return 1 - (int64_t) (p->config.thawed_usec / 2);
}

/* planner-clock */
void planner_stir(struct planner *p, struct planner_subject *s);
void planner_unstir(struct planner *p, struct planner_subject *s, bool frozen);
uint64_t planner_due_start(const struct planner *p);
uint64_t planner_next_start(const struct planner *p, uint64_t now_usec);
uint64_t planner_window_end(const struct planner *p, uint64_t now_usec);

/* planner-watch */
void planner_watch_begin(struct planner *p, uint64_t grown_usec);
void planner_pass_over(struct planner *p);
void planner_watch_end(struct planner *p);
void planner_note_rate(const struct planner *p, struct planner_subject *s, uint64_t used_usec,
                       uint64_t elapsed_usec);
void planner_put_back(struct planner *p, struct planner_subject *s);

/* planner-turn */
void planner_ripen(struct planner *p, uint64_t start_usec);
void planner_open_window(struct planner *p);
void planner_pick_freezes(struct planner *p);
void planner_freeze_one(struct planner *p, struct planner_subject *s);
void planner_thaw_one(struct planner *p, struct planner_subject *s, enum planner_state state);
void planner_enqueue_frozen(struct planner *p, struct planner_subject *s);
double planner_fair_share(const struct planner *p);
