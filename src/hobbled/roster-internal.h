/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What roster.c (entries, and what is to be done about them) and roster-round.c (who is wanted) share. */

#include "pidmap.h"
#include "roster.h"

enum stage {
        STAGE_NAMES,
        STAGE_RELEASES,
        STAGE_DONE,
};

struct list {
        struct roster_entry **items;
        size_t n, n_allocated;
};

struct roster {
        const struct roster_handler *handler;
        struct pidmap entries;
        struct lineage lineage;
        struct list names;    /* of this round */
        struct list releases; /* entries that are to be released */
        struct list adds;     /* entries that are to be added */
        unsigned round;
        bool resolved;  /* the present round came to its end */
        bool carried;   /* so did the one before: what it found holds */
        bool reviewing; /* those that are hobbled are to be reviewed */
        size_t cursor_review;
        bool reclaimed;        /* somebody is wanted by another tarpit than in the round before */
        uint64_t newest_start; /* of the processes that are new in this round, the earliest start */
        unsigned rank_min, rank_max;
        enum stage stage;
        size_t cursor, cursor_release, cursor_add, cursor_patrol;
};

/* Whether it has, or is just losing, a subject of its own. */
static inline bool entry_is_hobbled(const struct roster_entry *entry)
{
        return entry->state == ROSTER_ADDED || entry->state == ROSTER_DROPPING ||
               entry->state == ROSTER_RELEASING;
}

/* The one that has the subject which the entry belongs to. */
static inline struct roster_entry *entry_root(struct roster_entry *entry)
{
        while (entry->up)
                entry = entry->up;
        return entry;
}

/* No tree has to wait for this one any more. */
void roster_unblock(struct roster *r, struct roster_entry *entry);

/* No tree has to wait until this one is added. */
void roster_unblock_ahead(struct roster *r, struct roster_entry *entry);
