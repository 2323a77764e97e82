/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* User=: all processes whose effective user it is. */

#include "source-census.h"
#include "userset.h"

#include <string.h>

/* Most look-ups take less: the first round then finds everybody. */
#define FIRST_WAIT_USEC (2 * USEC_PER_MSEC)

/* Others take a moment: so many rounds follow soon on one that did not know whom to look for. */
#define HURRIES_MAX 20U

struct source_user {
        struct source_census census;
        struct userset *users;
        bool pending; /* who it is was not known in the last round */
        unsigned hurries;
};

#define SELF(ptr) CONTAINER_OF(ptr, struct source_user, census.source)

static bool source_user_match(struct census_fact *f, struct source_census *census)
{
        const struct source_user *s = SELF(&census->source);

        return userset_has(s->users, census_uid(f));
}

/* Follow the look-ups. */
static void source_user_round(struct source_census *census)
{
        struct source_user *s = SELF(&census->source);
        struct topic *topic = &census->source.topic;
        enum userset_state state;
        int error;

        state = userset_refresh(s->users, 0, &error);
        if (s->pending && s->hurries++ < HURRIES_MAX)
                census_hurry(census->source.host->census);
        s->pending = state == USERSET_PENDING;
        switch (state) {
        case USERSET_PENDING:
                break;
        case USERSET_UNKNOWN:
                topic_problem(topic, MESSAGE_NOTICE, "there is no such %s; waiting for it",
                              *census->source.value == '%' ? "group" : "user");
                break;
        case USERSET_FAILED:
                topic_problem(topic, MESSAGE_WARNING, "cannot be looked up: %s; trying again",
                              strerror(-error));
                break;
        case USERSET_KNOWN:
                topic_solved(topic, "is there now");
                break;
        }
}

static int source_user_init(struct source *source)
{
        struct source_user *s = SELF(source);
        int r;

        s->census.match = source_user_match;
        s->census.round = source_user_round;
        r = userset_new(&s->users, source->value);
        if (r == -EINVAL)
                topic_say(&source->topic, MESSAGE_ERROR,
                          "is neither a user's name nor an id nor %%GROUP; nothing is hobbled for it");
        if (r >= 0)
                r = source_census_init(&s->census);
        if (r < 0)
                return r;
        s->pending = userset_refresh(s->users, FIRST_WAIT_USEC, NULL) == USERSET_PENDING;
        return 0;
}

static void source_user_done(struct source *source)
{
        struct source_user *s = SELF(source);

        source_census_done(&s->census);
        s->users = userset_free(s->users);
}

static void source_user_reread(struct source *source)
{
        struct source_user *s = SELF(source);

        userset_expire(s->users);
        (void) userset_refresh(s->users, FIRST_WAIT_USEC, NULL);
        source_census_reread(source);
}

const struct source_ops source_user_ops = {
        .size = sizeof(struct source_user),
        .init = source_user_init,
        .done = source_user_done,
        .reread = source_user_reread,
        .for_each = source_census_for_each,
        .process_ended = source_census_process_ended,
        .end = source_census_end,
};
