/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tarpit.h"
#include "macro.h"
#include "message.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

static const enum source_kind kinds[] = {
        [CONFIG_PIDFILE] = SOURCE_PIDFILE, [CONFIG_CGROUP] = SOURCE_CGROUP,   [CONFIG_UNIT] = SOURCE_UNIT,
        [CONFIG_USER] = SOURCE_USER,       [CONFIG_COMMAND] = SOURCE_COMMAND, [CONFIG_EXEC] = SOURCE_EXEC,
};

_Static_assert(ELEMENTSOF(kinds) == CONFIG_SOURCE_MAX, "a kind of source for each key");

struct tarpit_settings tarpit_settings_of(const struct config_tarpit *config)
{
        return (struct tarpit_settings){
                .name = config->name,
                .description = config->description,
                .duty = config->duty,
                .placement = config->placement,
                .check_usec = config->check_usec,
                .limits = config->limits,
                .exempt = &config->exempt,
                .sources = config->sources,
        };
}

/* -- Sources ----------------------------------------------------------------------------------- */

/* A source as it is wanted; taken: it is there. */
struct wish {
        enum source_kind kind;
        const char *value;
        bool taken;
};

static size_t count_wishes(const struct tarpit_settings *settings)
{
        size_t n = settings->n_paths;

        for (size_t i = 0; settings->sources && i < CONFIG_SOURCE_MAX; i++)
                n += settings->sources[i].n;
        return n;
}

/* Those that say the same twice come once. */
static size_t add_wish(struct wish *wishes, size_t n, enum source_kind kind, const char *value)
{
        for (size_t i = 0; i < n; i++) {
                if (wishes[i].kind == kind && strcmp(wishes[i].value, value) == 0)
                        return n;
        }
        wishes[n] = (struct wish){ .kind = kind, .value = value };
        return n + 1;
}

static size_t make_wishes(const struct tarpit_settings *settings, struct wish *wishes)
{
        size_t n = 0;

        for (size_t i = 0; i < settings->n_paths; i++)
                n = add_wish(wishes, n, SOURCE_PATH, settings->paths[i]);
        for (size_t i = 0; settings->sources && i < CONFIG_SOURCE_MAX; i++) {
                for (size_t k = 0; k < settings->sources[i].n; k++)
                        n = add_wish(wishes, n, kinds[i], settings->sources[i].items[k].value);
        }
        return n;
}

static bool take_wish(struct wish *wishes, size_t n, const struct source *s)
{
        for (size_t i = 0; i < n; i++) {
                if (!wishes[i].taken && source_is(s, wishes[i].kind, wishes[i].value)) {
                        wishes[i].taken = true;
                        return true;
                }
        }
        return false;
}

/* Room for n more. */
static int grow(struct source ***sources, size_t n)
{
        struct source **grown = reallocarray(*sources, MAX(n, (size_t) 1), sizeof(**sources));

        if (!grown)
                return -ENOMEM;
        *sources = grown;
        return 0;
}

/* End those that are not wished for. There is room for them in `ending`. */
static void end_sources(struct tarpit *t, struct wish *wishes, size_t n_wishes)
{
        size_t n = 0;

        for (size_t i = 0; i < t->n_sources; i++) {
                struct source *s = t->sources[i];

                if (take_wish(wishes, n_wishes, s)) {
                        t->sources[n++] = s;
                        continue;
                }
                source_end(s);
                t->ending[t->n_ending++] = s;
        }
        t->n_sources = n;
}

static int set_sources(struct tarpit *t, const struct tarpit_settings *settings)
{
        size_t n = count_wishes(settings);
        _cleanup_free_ struct wish *wishes = calloc(MAX(n, (size_t) 1), sizeof(*wishes));

        if (!wishes || grow(&t->sources, t->n_sources + n) < 0 ||
            grow(&t->ending, t->n_ending + t->n_sources) < 0)
                return -ENOMEM;
        n = make_wishes(settings, wishes);
        end_sources(t, wishes, n);

        for (size_t i = 0; i < n; i++) {
                struct source *s;
                int r;

                if (wishes[i].taken)
                        continue;
                r = source_new(&s, &t->host, wishes[i].kind, wishes[i].value);
                if (r == -ENOMEM)
                        return r;
                if (r >= 0)
                        t->sources[t->n_sources++] = s;
        }
        tarpit_sweep(t);
        return 0;
}

void tarpit_sweep(struct tarpit *t)
{
        size_t n = 0;

        for (size_t i = 0; i < t->n_ending; i++) {
                if (source_is_over(t->ending[i]))
                        source_free(t->ending[i]);
                else
                        t->ending[n++] = t->ending[i];
        }
        t->n_ending = n;
}

int tarpit_ask(struct tarpit *t, unsigned request, enum source_kind kind, const char *value)
{
        struct tarpit_asked *grown;
        int r;

        for (size_t i = 0; i < t->n_asked; i++) {
                if (t->asked[i].request == request)
                        return 0;
        }
        grown = reallocarray(t->asked, t->n_asked + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        t->asked = grown;
        r = source_new(&grown[t->n_asked].source, &t->host, kind, value);
        if (r < 0)
                return r;
        grown[t->n_asked++].request = request;
        return 0;
}

int tarpit_unask(struct tarpit *t, unsigned request)
{
        for (size_t i = 0; i < t->n_asked; i++) {
                struct source *s = t->asked[i].source;

                if (t->asked[i].request != request)
                        continue;
                if (grow(&t->ending, t->n_ending + 1) < 0)
                        return -ENOMEM;
                t->asked[i] = t->asked[--t->n_asked];
                source_end(s);
                t->ending[t->n_ending++] = s;
                tarpit_sweep(t);
                return 0;
        }
        return 0;
}

static void for_each_source(struct tarpit *t, void (*fn)(struct source *s))
{
        for (size_t i = 0; i < t->n_sources; i++)
                fn(t->sources[i]);
        for (size_t i = 0; i < t->n_asked; i++)
                fn(t->asked[i].source);
}

void tarpit_reread(struct tarpit *t)
{
        for_each_source(t, source_reread);
}

void tarpit_void(struct tarpit *t)
{
        for_each_source(t, source_void);
        for (size_t i = 0; i < t->n_ending; i++)
                source_void(t->ending[i]);
        tarpit_sweep(t);
}

void tarpit_process_ended(struct tarpit *t, pid_t pid, uint64_t start_time)
{
        for (size_t i = 0; i < t->n_sources; i++)
                source_process_ended(t->sources[i], pid, start_time);
        for (size_t i = 0; i < t->n_asked; i++)
                source_process_ended(t->asked[i].source, pid, start_time);
}

/* -- Settings ---------------------------------------------------------------------------------- */

static void set_limits(struct tarpit *t, const struct hobble_limits *limits)
{
        const char *missing = NULL;
        int r;

        if (memcmp(&t->limits, limits, sizeof(*limits)) == 0)
                return;
        t->limits = *limits;
        r = hobble_tarpit_set_limits(t->host.tarpit, limits, &missing);
        if (r < 0)
                topic_say(&t->topic, MESSAGE_WARNING, "the limits of [Limits] cannot be set: %s",
                          strerror(-r));
        else if (missing)
                topic_say(&t->topic, MESSAGE_WARNING,
                          "[Limits] is in force without the controllers that are not available here: %s",
                          missing);
}

static void set_duty(struct tarpit *t, const struct hobble_duty *duty, bool pause)
{
        struct hobble_duty wanted = *duty;
        int r;

        if (t->duty.frozen_usec == duty->frozen_usec && t->duty.thawed_usec == duty->thawed_usec &&
            t->duty.freeze_idle == duty->freeze_idle && t->paused == pause)
                return;
        if (pause)
                wanted.frozen_usec = 0;
        r = hobble_tarpit_set_duty(t->host.tarpit, &wanted);
        if (r < 0) {
                topic_say(&t->topic, MESSAGE_ERROR, "the duty cycle cannot be changed: %s", strerror(-r));
                return;
        }
        t->duty = *duty;
        t->paused = pause;
}

void tarpit_pause(struct tarpit *t, bool pause)
{
        set_duty(t, &t->duty, pause);
}

static void set_description(struct tarpit *t, const char *description)
{
        char *copy = strdup(description ?: "");

        if (!copy)
                return;
        free(t->description);
        t->description = copy;
}

void tarpit_apply(struct tarpit *t, const struct tarpit_settings *settings)
{
        t->configured = true;
        t->placement = settings->placement;
        t->exempt = settings->exempt;
        t->host.check_usec = settings->check_usec;
        set_description(t, settings->description);
        set_duty(t, &settings->duty, t->paused);
        set_limits(t, &settings->limits);
        if (set_sources(t, settings) < 0)
                topic_say(&t->topic, MESSAGE_ERROR, "its sources cannot be followed: out of memory");
}

void tarpit_end(struct tarpit *t)
{
        const struct tarpit_settings none = {
                .description = t->description,
                .duty = t->duty,
                .placement = t->placement,
                .check_usec = t->host.check_usec,
                .limits = t->limits,
        };

        tarpit_apply(t, &none);
        while (t->n_asked > 0 && tarpit_unask(t, t->asked[0].request) >= 0)
                ;
        t->configured = false;
}

bool tarpit_is_over(struct tarpit *t)
{
        tarpit_sweep(t);
        return !t->configured && t->n_ending == 0 && hobble_tarpit_subjects(t->host.tarpit) == 0;
}

bool tarpit_is_severer(const struct tarpit *a, const struct tarpit *b)
{
        /* Thawed part of the period; both times are bounded, so that no product overflows. */
        return a->duty.thawed_usec * (b->duty.frozen_usec + b->duty.thawed_usec) <
               b->duty.thawed_usec * (a->duty.frozen_usec + a->duty.thawed_usec);
}

/* -- Life -------------------------------------------------------------------------------------- */

static int init_topic(struct tarpit *t, bool named)
{
        char shown[80];
        int r;

        snprintf(shown, sizeof(shown), "tarpit \"%s\"", t->name);
        r = topic_init(&t->topic, named ? shown : NULL);
        return r < 0 ? r : topic_set_fields(&t->topic, t->name, NULL);
}

int tarpit_new(struct tarpit **ret, const struct source_host *host, const struct tarpit_settings *settings,
               bool named)
{
        struct tarpit *t = calloc(1, sizeof(*t));
        int r;

        if (!t)
                return -ENOMEM;
        t->host = *host;
        t->host.tarpit = NULL;
        t->duty = settings->duty;
        t->limits = HOBBLE_LIMITS_NONE;
        t->name = strdup(settings->name);
        r = t->name ? init_topic(t, named) : -ENOMEM;
        if (r >= 0)
                r = hobble_tarpit_new(&t->host.tarpit, host->engine, settings->name, &settings->duty);
        if (r < 0) {
                message(MESSAGE_ERROR, "tarpit \"%s\": cannot be made: %s", settings->name, strerror(-r));
                tarpit_free(t);
                return r;
        }
        tarpit_apply(t, settings);
        *ret = t;
        return 0;
}

struct tarpit *tarpit_free(struct tarpit *t)
{
        if (!t)
                return NULL;
        t->host.tarpit = hobble_tarpit_free(t->host.tarpit);
        for (size_t i = 0; i < t->n_sources; i++)
                source_free(t->sources[i]);
        for (size_t i = 0; i < t->n_asked; i++)
                source_free(t->asked[i].source);
        for (size_t i = 0; i < t->n_ending; i++)
                source_free(t->ending[i]);
        free(t->sources);
        free(t->asked);
        free(t->description);
        free(t->ending);
        topic_done(&t->topic);
        free(t->name);
        free(t);
        return NULL;
}
