/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From the processes that the sources name to the subjects that the tarpit should have, and what is to be
 * done about the difference.
 *
 * Only the top-level trees become subjects: a named process with a named ancestor belongs to that ancestor's
 * subject. A process that is in a subject belongs to it, whatever became of those between. A subject whose
 * root has ended goes on for as long as a named process belongs to it.
 *
 * A process may be named by several tarpits: the severest counts. Within the tree of a process that is in a
 * milder tarpit, one that a severer tarpit names has a subject of its own. It is added before the tree around
 * it, which then passes over it; a tree that is there already is released and added again.
 *
 * The roster is pure: facts about processes come in through a lookup function, and what is to be done goes
 * out through roster_next(). A round is a fixed sequence:
 *
 *         roster_begin(r);
 *         roster_put(r, pid, start_time, claim);     for each named process, duplicates are fine
 *         while (roster_resolve(r, 64) > 0)
 *                 let others work;
 *
 * Then, and whenever a release has ended, roster_next() says what to do, until it returns false. Subjects
 * that concern each other are never both there: a tree waits for the release of the trees within it, and a
 * part of a tree for that of the whole. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lineage.h"

struct roster;

enum roster_state {
        ROSTER_IDLE,    /* no subject of its own */
        ROSTER_WAITING, /* to be added */
        ROSTER_ADDED,
        ROSTER_DROPPING, /* to be released */
        ROSTER_RELEASING,
        ROSTER_FAILED,  /* to be added at the next roster_retry() */
        ROSTER_REFUSED, /* counts as not named for as long as it is named */
        ROSTER_ENDED,   /* likewise */
};

/* What a tarpit wants of a process. */
struct roster_claim {
        void *tarpit;  /* a subject of another one is released, and added to this */
        unsigned rank; /* of its tarpit: 0 is the severest */
        bool apart;    /* has a subject of its own, whatever is named above it */
        bool found;    /* for the caller's use, as are the next two: by looking around, not by a name that
                        * somebody wrote */
        uint8_t placement;
        const char *source;
};

/* A process that is named, or was. Belongs to the roster; to be read only. */
struct roster_entry {
        pid_t pid;
        enum roster_state state;
        uint64_t start_time;
        void *subject; /* what roster_added() said */
        struct roster_claim claim;
        void *tarpit;  /* that the subject is in */
        int error;     /* what roster_failed() said last, 0 once it was admitted */
        bool admitted; /* all of its tree is in */
        bool wanted;   /* should have a subject of its own */
        bool firm;     /* belongs to another's subject, which was there already when this was found out */

        struct roster_entry *up;   /* the one whose subject it belongs to, NULL: its own */
        struct roster_entry *same; /* another process that had the same pid */
        unsigned members;          /* named processes that belong to its subject, besides its own root */
        unsigned named,
                headless; /* the last round in which it was; headless: it has ended, others belong to it */
        unsigned waits;   /* releases and additions that have to end before it is added */

        pid_t before_pid; /* to be released before that one is added, 0 for none */
        pid_t after_pid;  /* to be added after that one's release, 0 for none */
        pid_t over_pid;   /* named above it, milder; 0 for none */
        pid_t ahead_pid;  /* to be added before that one, 0 for none */
        uint64_t before_start, after_start, over_start, ahead_start;
        bool inside; /* the subject of the one that after_pid tells */
        bool astray; /* moved out of the subject that it belonged to: apart ever since */
};

enum roster_verb {
        ROSTER_ADD,     /* answer with roster_added(), roster_failed() or roster_ended() */
        ROSTER_REVIEW,  /* answer with roster_expelled() where it must not be hobbled any more */
        ROSTER_RELEASE, /* answer with roster_released() or roster_ended() when it is done */
};

struct roster_action {
        enum roster_verb verb;
        struct roster_entry *entry; /* valid until the next round */
};

struct roster_handler {
        lineage_lookup look;

        /* The one in whose subject the process is at this moment; NULL: in none, or not known. */
        struct roster_entry *(*member)(pid_t pid, void *userdata);
};

/* handler has to live as long as the roster. Returns 0 or -ENOMEM. */
int roster_new(struct roster **ret, const struct roster_handler *handler, void *userdata);
struct roster *roster_free(struct roster *r);

/* Begin a round. A round that was not resolved to its end is given up. */
void roster_begin(struct roster *r);

/* Of several claims to one process the first counts, so those of the severest tarpit come first. Returns 0 or
 * -ENOMEM. */
int roster_put(struct roster *r, pid_t pid, uint64_t start_time, const struct roster_claim *claim);

/* Go on with the round, with about so many lookups at most. Returns 1 where there is more to do, 0 at the
 * end, or -ENOMEM, after which the round has to be begun again. */
int roster_resolve(struct roster *r, unsigned lookups);

bool roster_next(struct roster *r, struct roster_action *ret);

/* NULL where there is none. */
struct roster_entry *roster_find(const struct roster *r, pid_t pid, uint64_t start_time);

void roster_added(struct roster *r, struct roster_entry *entry, void *subject);

/* All of its tree is in. Where it has members, another round is due: one may have left the tree just before.
 */
void roster_admitted(struct roster *r, struct roster_entry *entry);

void roster_released(struct roster *r, struct roster_entry *entry);

/* There is no such process, or no such subject any more. Where it has members, another round is due. */
void roster_ended(struct roster *r, struct roster_entry *entry);

/* It could not be hobbled; for good (it counts as not named, so where it has members another round is due),
 * or it is tried again after roster_retry(). Returns whether this is another error than the last time. */
bool roster_failed(struct roster *r, struct roster_entry *entry, int error, bool for_good);

/* Try again what has failed. Returns whether there is anything. */
bool roster_retry(struct roster *r);

/* What was refused for good may be permitted now, and what is hobbled may not be any more. Another round is
 * due, after which each of those is to be reviewed. */
void roster_reconsider(struct roster *r);

/* Its subject is being released, and it will be tried again, as anybody is who may be hobbled. */
void roster_expelled(struct roster *r, struct roster_entry *entry);

/* Nobody tells of processes that somebody moves to another cgroup, so they are looked at in turn: look is
 * called for so many named ones at most, each once, that are in a subject as far as is known, which is
 * root's. Nobody is looked at while a round is under way. */
void roster_patrol(struct roster *r, unsigned looks,
                   void (*look)(struct roster_entry *entry, struct roster_entry *root, void *userdata),
                   void *userdata);

/* It is not in its subject, nor in another. Where that is its own, true is returned: it is being released,
 * and will be added again as it is then. Else it will have a subject of its own. Another round is due. */
bool roster_astray(struct roster *r, struct roster_entry *entry);

/* Its subject is void, as all are: roster_void() follows. Until then nothing can be done with it. */
void roster_rescued(struct roster *r, struct roster_entry *entry);

/* All subjects are void: add again what is wanted. Another round is due. */
void roster_void(struct roster *r);
