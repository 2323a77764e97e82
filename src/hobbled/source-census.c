/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "source-census.h"

#define SELF(ptr) CONTAINER_OF(ptr, struct source_census, source)

static bool source_census_match(struct census_fact *f, void *userdata)
{
        struct source_census *s = userdata;

        return s->match(f, s);
}

static void source_census_taken(const pid_t *numbers, size_t n, void *userdata)
{
        struct source_census *s = userdata;

        /* For lack of memory it stays as it is until the next round. */
        (void) members_take(&s->members, numbers, n, MEMBERS_SEEN);
        if (s->round)
                s->round(s);
}

static const struct census_handler census_handler = {
        .match = source_census_match,
        .taken = source_census_taken,
};

static bool source_census_is_meant(pid_t pid, void *userdata)
{
        const struct source_census *s = userdata;

        return s->seat && census_ask(s->seat, pid);
}

int source_census_init(struct source_census *s)
{
        const struct source_host *host = s->source.host;
        int r;

        r = members_init(&s->members, host, &s->source.topic, source_census_is_meant, s);
        return r < 0 ? r : census_join(&s->seat, host->census, host->check_usec, &census_handler, s);
}

void source_census_done(struct source_census *s)
{
        s->seat = census_leave(s->seat);
        members_done(&s->members);
}

void source_census_reread(struct source *source)
{
        census_hurry(source->host->census);
}

int source_census_for_each(const struct source *source, source_process_fn fn, void *userdata)
{
        const struct source_census *s = SELF(source);

        return members_for_each(&s->members, fn, userdata);
}

void source_census_process_ended(struct source *source, pid_t pid, uint64_t start_time)
{
        members_process_ended(&SELF(source)->members, pid, start_time);
}

void source_census_end(struct source *source)
{
        struct source_census *s = SELF(source);

        s->seat = census_leave(s->seat);
        members_clear(&s->members);
}
