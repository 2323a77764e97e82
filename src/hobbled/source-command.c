/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Command=: all processes that are called so, or run this executable. */

#include "command-pattern.h"
#include "source-census.h"

struct source_command {
        struct source_census census;
        bool by_path;
};

#define SELF(ptr) CONTAINER_OF(ptr, struct source_command, census.source)

static bool source_command_match(struct census_fact *f, struct source_census *census)
{
        const char *pattern = census->source.value;

        return SELF(&census->source)->by_path ? command_pattern_matches_path(pattern, census_exe(f))
                                              : command_pattern_matches(pattern, census_comm(f));
}

static int source_command_init(struct source *source)
{
        struct source_command *s = SELF(source);

        s->census.match = source_command_match;
        s->by_path = command_pattern_is_path(source->value);
        return source_census_init(&s->census);
}

static void source_command_done(struct source *source)
{
        source_census_done(&SELF(source)->census);
}

const struct source_ops source_command_ops = {
        .size = sizeof(struct source_command),
        .init = source_command_init,
        .done = source_command_done,
        .reread = source_census_reread,
        .for_each = source_census_for_each,
        .process_ended = source_census_process_ended,
        .end = source_census_end,
};
