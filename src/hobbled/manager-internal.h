/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What manager.c (the engine, the tarpits, the configuration) and manager-round.c (who is hobbled where)
 * share. */

#include "announce.h"
#include "census.h"
#include "config.h"
#include "exempt.h"
#include "manager.h"
#include "message.h"
#include "roster.h"
#include "status.h"
#include "tarpit.h"
#include "units.h"

/* A part of a hobbled tree that an admission left where it was, because it belongs to another unit: a subject
 * of its own, for as long as the other one is there. */
struct part {
        pid_t pid, parent_pid;
        uint64_t start_time, parent_start;
};

struct manager {
        sd_event *event;
        sd_bus *bus; /* NULL: there is none */
        hobble_engine *engine;
        struct manager_options options;
        struct config *config; /* NULL: none is read */
        struct exempt *exempt;
        struct census *census;
        struct units *units;
        struct status *status;

        struct tarpit **tarpits; /* the severest first */
        size_t n_tarpits;
        struct roster *roster;
        struct part *parts;
        size_t n_parts;
        char **texts; /* of sources */
        size_t n_texts;
        struct topic topic; /* what concerns all tarpits */

        sd_event_source *work, *retry, *summary;
        bool began;    /* with the tarpits: there is a guard, or there was */
        bool guarded;  /* there is one */
        bool outdated; /* the configuration was changed, but has errors: the one before is in force */
        bool in_doubt; /* somebody may have been taken for exempt who is not */
        bool changed;  /* a round is due */
        bool resolving;
};

/* -- manager-round.c --------------------------------------------------------------------------- */

/* Both return 0 or a negative errno. */
int manager_init_rounds(struct manager *m);
void manager_done_rounds(struct manager *m);

/* Another round is due. userdata is the manager. */
void manager_changed(void *userdata);

/* What happened to a tree. */
void manager_on_tree_event(struct manager *m, struct tarpit *t, const struct hobble_event *event);

/* All subjects are void: admit anew. */
void manager_void(struct manager *m);

/* -- manager.c --------------------------------------------------------------------------------- */

/* Why the process is exempt in the tarpit, which may be NULL; NULL: it is not. See exempt_reason(). */
const char *manager_exempt_reason(struct manager *m, const struct tarpit *t,
                                  const struct hobble_process *process, const char *home);

/* Try again, after CheckSec=, what cannot be hobbled now. */
void manager_retry_later(struct manager *m);

/* The daemon's tarpit of an engine's; NULL: none. */
struct tarpit *manager_find_tarpit(const struct manager *m, const hobble_tarpit *handle);
