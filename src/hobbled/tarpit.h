/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One tarpit of the daemon: its settings, its sources, and the engine's tarpit that they fill. Who is hobbled
 * in it is the manager's to decide, because a process may be named by several. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "hobble.h"
#include "source.h"

/* What a tarpit is to be. */
struct tarpit_settings {
        const char *name;
        const char *description; /* NULL: none */
        struct hobble_duty duty;
        enum hobble_placement placement;
        uint64_t check_usec;
        struct hobble_limits limits;
        const struct config_exemptions *exempt; /* has to live until the next settings; NULL: none */
        const struct config_list *sources;      /* a list for each enum config_source; NULL: none */
        char *const *paths;                     /* SOURCEs of a command line */
        size_t n_paths;
};

struct tarpit_settings tarpit_settings_of(const struct config_tarpit *config);

/* A source that was asked for by hand. */
struct tarpit_asked {
        unsigned request; /* its number */
        struct source *source;
};

struct tarpit {
        char *name;
        struct source_host host; /* has the engine's handle */
        struct topic topic;      /* what is said about its subjects */
        struct hobble_duty duty;
        struct hobble_limits limits;
        enum hobble_placement placement;
        const struct config_exemptions *exempt;
        struct source **sources;
        size_t n_sources;
        struct tarpit_asked *asked;
        size_t n_asked;
        struct source **ending; /* no longer wanted, and still releasing a cgroup */
        size_t n_ending;
        char *description; /* "" where there is none */
        unsigned rank;     /* 0: the severest */
        bool configured;   /* else it ends as soon as it is empty */
        bool paused;       /* nobody is frozen */
};

/* Make it, and begin with its sources. `host` is copied; its tarpit and check_usec do not count. named: say
 * the tarpit's name in messages. Returns 0 or a negative errno, after a message. */
int tarpit_new(struct tarpit **ret, const struct source_host *host, const struct tarpit_settings *settings,
               bool named);

/* Other settings: what stays configured stays hobbled, and is not thawed for it. What could not be done is
 * said, and the rest is done. */
void tarpit_apply(struct tarpit *t, const struct tarpit_settings *settings);

/* Nobody is frozen, or the duty cycle goes on; all stay where they are. */
void tarpit_pause(struct tarpit *t, bool pause);

/* Follow what the request of that number names, too, unless that is done already. Returns 0 or a negative
 * errno. */
int tarpit_ask(struct tarpit *t, unsigned request, enum source_kind kind, const char *value);

/* Not any more; numbers of others are fine. Returns 0 or -ENOMEM. */
int tarpit_unask(struct tarpit *t, unsigned request);

/* It is not configured any more: its sources name nobody. */
void tarpit_end(struct tarpit *t);

/* Whether it has ended, and nobody is in it. */
bool tarpit_is_over(struct tarpit *t);

/* Release everybody now. NULL is fine. Returns NULL. */
struct tarpit *tarpit_free(struct tarpit *t);

/* To be called for each event that one of its sources had: forgets those that are over. */
void tarpit_sweep(struct tarpit *t);

void tarpit_reread(struct tarpit *t);
void tarpit_void(struct tarpit *t);
void tarpit_process_ended(struct tarpit *t, pid_t pid, uint64_t start_time);

/* Whether a is severer than b: its duty is lower. */
bool tarpit_is_severer(const struct tarpit *a, const struct tarpit *b);
