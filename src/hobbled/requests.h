/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What was asked for by hand: that somebody be hobbled, or be let go although a source names them, or that a
 * tarpit pause. Requests outlive a reload; persistent ones are kept in a file. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

#include "hobble.h"

#define REQUESTS_MAX 1024U /* that somebody be hobbled; as many others fit in beside them */
#define REQUEST_WHAT_MAX 1024U

enum request_verb {
        REQUEST_HOBBLE,
        REQUEST_RELEASE,
        REQUEST_PAUSE,
        REQUEST_VERB_MAX,
};

enum request_kind {
        REQUEST_PID,    /* the tree of a process: "4711" */
        REQUEST_UNIT,   /* a systemd unit's name, a glob */
        REQUEST_CGROUP, /* the path of a cgroup directory, a glob */
        REQUEST_USER,   /* "@mallory", "@1000", "@%students" */
        REQUEST_TARPIT, /* its name; REQUEST_RELEASE: all who are in it at that moment */
};

struct userset;

struct request {
        unsigned id; /* from 1 */
        enum request_verb verb;
        enum request_kind kind;
        char *what;          /* as it was asked for */
        char *tarpit;        /* REQUEST_HOBBLE and REQUEST_PAUSE; else NULL */
        pid_t pid;           /* REQUEST_PID */
        uint64_t start_time; /* of that process; REQUEST_TARPIT: of the newest that is concerned */
        uint64_t since_usec, until_usec; /* CLOCK_REALTIME; until 0: no end */
        uid_t uid;                       /* who asked */
        bool force, persistent;

        uint64_t ends_usec;    /* until_usec in CLOCK_BOOTTIME; UINT64_MAX: no end */
        struct userset *users; /* REQUEST_USER */
        char *source;          /* how it is called where it names a process */
};

struct requests;

/* "hobble", "release", "pause". */
const char *request_verb_name(enum request_verb verb);

/* Which kind a text is. -EINVAL: none. */
int request_kind_of(const char *what, enum request_kind *ret);

/* file: of persistent ones, which is read if it is there; NULL: none is kept. ended: one came to its end by
 * itself; it is called from the loop, and the request is valid for the call only. Returns 0 or a negative
 * errno. */
int requests_new(struct requests **ret, sd_event *event, const char *file,
                 void (*ended)(const struct request *request, void *userdata), void *userdata);

/* NULL is fine. Returns NULL. */
struct requests *requests_free(struct requests *r);

/* Whether there is a file for persistent ones. */
bool requests_are_kept(const struct requests *r);

/* Take a request in. Of `request` count verb, kind, what, tarpit, pid, start_time, until_usec, uid, force and
 * persistent; strings are copied. One of the same verb that means the same is replaced, and its number is
 * gone. -ENOMEM; -E2BIG: there are too many. */
int requests_add(struct requests *r, const struct request *request, const struct request **ret);

void requests_remove(struct requests *r, unsigned id);

/* Remove the one that requests_find() finds. Returns whether there was one. */
bool requests_forget(struct requests *r, enum request_verb verb, enum request_kind kind, const char *what,
                     pid_t pid, uint64_t start_time);

/* In the order of their numbers: the first above id; NULL: none. */
const struct request *requests_next(const struct requests *r, unsigned id);

/* The one that says just this; NULL: there is none. pid and start_time count where the kind is REQUEST_PID.
 */
const struct request *requests_find(const struct requests *r, enum request_verb verb, enum request_kind kind,
                                    const char *what, pid_t pid, uint64_t start_time);

unsigned requests_count(const struct requests *r);

/* Whether it concerns the process, which is in the cgroup `home` of the hierarchy. It need not have been
 * taken in. */
bool request_concerns(const struct request *request, const struct hobble_process *process, const char *home);

/* The same for the cgroup of this path in the hierarchy, which is hobbled in place. */
bool request_concerns_cgroup(const struct request *request, const char *path);

/* The newest request of this verb that concerns the process, whose cgroup in the hierarchy is `home`: it
 * names the process, one of its ancestors, its user, its unit, its cgroup or the tarpit. tarpit: only one for
 * that tarpit; NULL: whichever. forced: only one that was forced. NULL: there is none. */
const struct request *requests_match(const struct requests *r, enum request_verb verb, const char *tarpit,
                                     bool forced, const struct hobble_process *process, const char *home);

/* The same for a cgroup that is hobbled in place: one that names it, by its path in the hierarchy. */
const struct request *requests_match_cgroup(const struct requests *r, enum request_verb verb,
                                            const char *tarpit, bool forced, const char *path);
