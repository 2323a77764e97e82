/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What manager.c (the engine, the tarpits, the configuration) and manager-round.c (who is hobbled where)
 * share. */

#include "announce.h"
#include "bus.h"
#include "census.h"
#include "config.h"
#include "exempt.h"
#include "manager.h"
#include "message.h"
#include "requests.h"
#include "roster.h"
#include "scope-again.h"
#include "status.h"
#include "subjects.h"
#include "tarpit.h"
#include "units.h"
#include "watchdogs.h"

/* A part of a hobbled tree that an admission left where it was, because it belongs to another unit: a subject
 * of its own, for as long as the other one is there. */
struct part {
        pid_t pid, parent_pid;
        uint64_t start_time, parent_start;
};

struct manager {
        sd_event *event;
        struct bus *bus;
        hobble_engine *engine;
        struct manager_options options;
        struct config *config; /* NULL: none is read */
        struct exempt *exempt;
        struct census *census;
        struct units *units;
        struct scope_again *scope_again;
        struct watchdogs *watchdogs;
        struct status *status;

        struct tarpit **tarpits; /* the severest first */
        size_t n_tarpits;
        struct roster *roster;
        struct subjects subjects; /* that are hobbled */
        struct requests *requests;
        struct part *parts;
        size_t n_parts;
        char **texts; /* of sources */
        size_t n_texts;
        struct topic topic; /* what concerns all tarpits */

        sd_event_source *work, *retry, *patrol, *summary;
        bool began;    /* with the tarpits: there is a guard, or there was */
        bool guarded;  /* there is one */
        bool outdated; /* the configuration was changed, but has errors: the one before is in force */
        bool in_doubt; /* somebody may have been taken for exempt who is not */
        bool changed;  /* a round is due */
        bool resolving;
        uint64_t since_usec; /* CLOCK_REALTIME of the start */
        unsigned swept;      /* number of the request that was looked at last whether it still makes sense */
        char reason[512];    /* of manager_exempt_reason() */
};

/* -- manager-round.c --------------------------------------------------------------------------- */

/* After the units. Both return 0 or a negative errno. */
int manager_init_rounds(struct manager *m);
void manager_done_rounds(struct manager *m);

/* Another round is due. userdata is the manager. */
void manager_changed(void *userdata);

/* What names the tree of the subject, or NULL. */
const char *manager_tree_source(const struct manager *m, const hobble_subject *subject);

/* What happened to a tree. */
void manager_on_tree_event(struct manager *m, struct tarpit *t, const struct hobble_event *event);

/* All subjects are void: admit anew. */
void manager_void(struct manager *m);

/* CheckSec=, the shortest of all tarpits; USEC_INFINITY: there is none. */
uint64_t manager_check_usec(const struct manager *m);

/* -- manager-patrol.c -------------------------------------------------------------------------- */

/* Both return 0 or a negative errno. */
int manager_init_patrol(struct manager *m);
void manager_done_patrol(struct manager *m);

/* There may be somebody to look after. */
void manager_patrol(struct manager *m);

/* -- manager-requests.c ------------------------------------------------------------------------ */

/* Both return 0 or a negative errno. */
int manager_init_requests(struct manager *m);
void manager_done_requests(struct manager *m);

/* Requests, or the tarpits that there are, have changed: follow them. */
void manager_settle_requests(struct manager *m);

/* Whether a request keeps the tarpit, although it is not configured. */
bool manager_is_requested(const struct manager *m, const char *tarpit);

/* Put the processes that requests for the tarpit name. Returns 0 or -ENOMEM. */
int manager_put_requests(struct manager *m, struct tarpit *t);

/* Forget some of the requests whose process has ended. */
void manager_sweep_requests(struct manager *m);

/* A process has ended, and nothing of its tree is left. */
void manager_request_process_ended(struct manager *m, pid_t pid, uint64_t start_time);

/* Why who was let go by hand is not hobbled, or NULL. */
const char *manager_release_reason(struct manager *m, const struct tarpit *t,
                                   const struct hobble_process *process, const char *home);
const char *manager_cgroup_release_reason(struct manager *m, const struct tarpit *t, const char *path);

/* How a source is called in the tarpit: its own text, or that of the request which it follows. NULL: out of
 * memory. Lives as long as the manager. */
const char *manager_source_text(struct manager *m, const struct tarpit *t, const struct source *s);

/* -- manager.c --------------------------------------------------------------------------------- */

/* Whether the configuration in force has a tarpit of that name, which can be used. */
bool manager_is_configured(const struct manager *m, const char *name);

/* What the built-in list and [Exempt] say of a process, or of a cgroup in place, leaving out whom requests
 * let go. t may be NULL; see exempt_reason() and exempt_cgroup_reason(). */
const char *manager_rule_reason(struct manager *m, const struct tarpit *t,
                                const struct hobble_process *process, const char *home, bool force);
const char *manager_cgroup_rule_reason(struct manager *m, const struct tarpit *t, const char *path,
                                       bool force);

/* Why the process is exempt in the tarpit, which may be NULL; NULL: it is not. See exempt_reason(). */
const char *manager_exempt_reason(struct manager *m, const struct tarpit *t,
                                  const struct hobble_process *process, const char *home);

/* Try again, after CheckSec=, what cannot be hobbled now. */
void manager_retry_later(struct manager *m);

/* Make a tarpit, or give the one of that name other settings. */
void manager_set_tarpit(struct manager *m, const struct tarpit_settings *settings, bool named);

/* A tarpit came, or has another duty. */
void manager_rank_tarpits(struct manager *m);

/* NULL: there is none of that name. */
struct tarpit *manager_find_by_name(const struct manager *m, const char *name);

/* The daemon's tarpit of an engine's; NULL: none. */
struct tarpit *manager_find_tarpit(const struct manager *m, const hobble_tarpit *handle);
