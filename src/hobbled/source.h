/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A source: a line that says who is to be hobbled. It follows what its value names from the loop, and tells
 * which processes that are; cgroups that are hobbled in place it adds to the tarpit itself.
 *
 * There are several kinds, each a file of its own behind the table of functions in source-kind.h. A source
 * may have sources of its own (each match of Cgroup=, each line of Exec='s output); that shows outside only
 * in that a subject's userdata may be such a one. */

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "hobble.h"
#include "message.h"

/* The longest stretch that anything but the duty cycle's own clock may work in a row. */
#define CLOCK_SLICE_USEC (1 * USEC_PER_MSEC)

/* Numbers that were bound before are looked at again for at most a twentieth of the time: after a slice of it
 * comes a pause of so many. */
#define VERIFY_PAUSE 19U

struct source;
struct census;
struct units;

enum source_kind {
        SOURCE_PATH,    /* of the command line: a file of pids, a directory with one, a cgroup */
        SOURCE_PIDFILE, /* a file of pids */
        SOURCE_CGROUP,  /* the path of a cgroup, v1 or v2; a glob */
        SOURCE_UNIT, /* a systemd unit's name, a glob; or the path of a cgroup in the hierarchy: the processes
                      * that belong there or beneath */
        SOURCE_USER, /* a user's name or id, or %GROUP */
        SOURCE_COMMAND, /* a glob for the command name or, with a leading slash, for the executable's path */
        SOURCE_EXEC,    /* a command line that prints pids, units, cgroups and @users */
        SOURCE_KIND_MAX,
};

/* What sources need of their surroundings; outlives them. One for each tarpit. */
struct source_host {
        sd_event *event;
        hobble_engine *engine;
        hobble_tarpit *tarpit;
        uint64_t check_usec;
        struct census *census;           /* of all tarpits; kinds from SOURCE_CGROUP on need it */
        struct units *units;             /* likewise */
        void (*changed)(void *userdata); /* source_for_each() has something else to say than before */
        /* Why a cgroup must not be frozen in place, as a clause; NULL: it may be. NULL itself: each may be.
         */
        const char *(*refuse_cgroup)(hobble_tarpit *tarpit, int dir_fd, void *userdata);
        void *userdata;
};

/* Returns 0 to go on; else that is returned to the caller. */
typedef int (*source_process_fn)(pid_t pid, uint64_t start_time, void *userdata);
typedef int (*source_cgroup_fn)(const char *path, void *userdata);

/* Begin with it; the work is done from the loop. Returns 0, -EINVAL where the value makes no sense (said), or
 * another negative errno. */
int source_new(struct source **ret, const struct source_host *host, enum source_kind kind, const char *value);

/* Forget it; releases nobody. NULL is fine. Returns NULL. */
struct source *source_free(struct source *s);

/* "User=mallory", for people: safe to show. Of SOURCE_PATH the path. */
const char *source_text(const struct source *s);

/* Whether it was made of these. */
bool source_is(const struct source *s, enum source_kind kind, const char *value);

/* Whether it looks for processes that have something in common, and names none by its pid. */
bool source_is_census(const struct source *s);

/* Where the trees that it names want to be placed, where the tarpit leaves it open. */
enum hobble_placement source_placement(const struct source *s);

/* The one that was made with source_new(), of which it is a part. */
const struct source *source_top(const struct source *s);

/* Look again, changed or not. */
void source_reread(struct source *s);

/* From now on it names nobody, and what it hobbles in place is released. It may be freed when
 * source_is_over(), which is told by source_event(), or at once. */
void source_end(struct source *s);
bool source_is_over(const struct source *s);

/* Call fn for each process that it names. */
int source_for_each(const struct source *s, source_process_fn fn, void *userdata);

/* Call fn for the path of each cgroup that it names to be hobbled in place, hobbled or not. */
int source_for_each_cgroup(const struct source *s, source_cgroup_fn fn, void *userdata);

/* A process that was named has ended. */
void source_process_ended(struct source *s, pid_t pid, uint64_t start_time);

/* An event of a subject whose userdata is this source. */
void source_event(struct source *s, const struct hobble_event *event);

/* All subjects are void. */
void source_void(struct source *s);
