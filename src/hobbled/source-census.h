/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What those kinds of sources have in common that ask each process of the system whether it is meant. */

#include "census.h"
#include "members.h"
#include "source-kind.h"

/* The beginning of such a kind's own structure. */
struct source_census {
        struct source source;
        bool (*match)(struct census_fact *f, struct source_census *s);
        void (*round)(struct source_census *s); /* after each round; may be NULL */
        struct members members;
        struct census_seat *seat;
};

/* For the kind's init(), with match and round set. Returns 0 or a negative errno. */
int source_census_init(struct source_census *s);

/* For the kind's done(). */
void source_census_done(struct source_census *s);

/* For the kind's table, as they are. */
void source_census_reread(struct source *source);
int source_census_for_each(const struct source *source, source_process_fn fn, void *userdata);
void source_census_process_ended(struct source *source, pid_t pid, uint64_t start_time);
void source_census_end(struct source *source);
