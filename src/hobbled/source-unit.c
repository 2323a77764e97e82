/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Unit=: all processes whose cgroup is, or lies beneath, that of a unit with this name. They are placed in
 * children of it, and what tells that they belong to it is where they come from. */

#include "source-census.h"
#include "units.h"
#include "whereabouts.h"

#include <string.h>

struct source_unit {
        struct source_census census;
        struct units_listener *listener;
        char *path; /* of the unit's cgroup, where it is known otherwise than by its name; or NULL */
        char *last; /* the cgroup that was looked at last: the next process is often in it, too */
        bool last_matches;
};

#define SELF(ptr) CONTAINER_OF(ptr, struct source_unit, census.source)

static bool source_unit_match(struct census_fact *f, struct source_census *census)
{
        struct source_unit *s = SELF(&census->source);
        const char *home = census_home(f);

        if (s->last && strcmp(s->last, home) == 0)
                return s->last_matches;

        free(s->last);
        s->last = strdup(home);
        s->last_matches =
                (s->path && whereabouts_is_beneath(home, s->path)) ||
                (*census->source.value != '/' && unit_pattern_matches_path(census->source.value, home));
        return s->last_matches;
}

static void source_unit_ask(struct source_unit *s)
{
        const char *value = s->census.source.value;

        if (*value != '/' && !strpbrk(value, "*?["))
                (void) units_ask_cgroup(s->listener, value);
}

static void source_unit_round(struct source_census *census)
{
        if (census->members.bindings.n > 0)
                topic_solved(&census->source.topic, "is there now");
        else
                topic_problem(&census->source.topic, MESSAGE_NOTICE,
                              "no such unit with a process; waiting for one");
}

static void source_unit_on_news(const char *unit, _unused_ const char *result, void *userdata)
{
        struct source_unit *s = userdata;
        const char *value = s->census.source.value;

        if (s->census.source.ending || *value == '/')
                return;
        if (unit_pattern_matches(value, unit, strlen(unit))) {
                source_unit_ask(s);
                census_hurry(s->census.source.host->census);
        }
}

static void source_unit_on_cgroup(const char *path, void *userdata)
{
        struct source_unit *s = userdata;

        if (s->census.source.ending || !path || strlen(path) < 2)
                return;
        if (s->path && strcmp(s->path, path) == 0)
                return;
        free(s->path);
        s->path = strdup(path);
        s->last = (free(s->last), NULL);
        census_hurry(s->census.source.host->census);
}

static const struct units_handler units_handler = {
        .news = source_unit_on_news,
        .cgroup = source_unit_on_cgroup,
};

static int source_unit_init(struct source *source)
{
        struct source_unit *s = SELF(source);
        int r;

        s->census.match = source_unit_match;
        s->census.round = source_unit_round;
        if (*source->value == '/') {
                s->path = strdup(source->value);
                if (!s->path)
                        return -ENOMEM;
        }
        r = source_census_init(&s->census);
        if (r >= 0)
                r = units_listen(&s->listener, source->host->units, &units_handler, s);
        if (r >= 0)
                source_unit_ask(s);
        return r;
}

static void source_unit_done(struct source *source)
{
        struct source_unit *s = SELF(source);

        s->listener = units_listener_free(s->listener);
        source_census_done(&s->census);
        free(s->path);
        free(s->last);
}

static void source_unit_reread(struct source *source)
{
        source_unit_ask(SELF(source));
        source_census_reread(source);
}

static enum hobble_placement source_unit_placement(_unused_ const struct source *source)
{
        return HOBBLE_PLACEMENT_NESTED;
}

const struct source_ops source_unit_ops = {
        .size = sizeof(struct source_unit),
        .init = source_unit_init,
        .done = source_unit_done,
        .reread = source_unit_reread,
        .for_each = source_census_for_each,
        .process_ended = source_census_process_ended,
        .end = source_census_end,
        .placement = source_unit_placement,
};
