/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "source.h"
#include "source-kind.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

static const struct {
        const char *key;
        const struct source_ops *ops;
} kinds[] = {
        [SOURCE_PATH] = { NULL, &source_path_ops },
        [SOURCE_PIDFILE] = { "PIDFile", &source_path_ops },
        [SOURCE_CGROUP] = { "Cgroup", &source_glob_ops },
        [SOURCE_UNIT] = { "Unit", &source_unit_ops },
        [SOURCE_USER] = { "User", &source_user_ops },
        [SOURCE_COMMAND] = { "Command", &source_command_ops },
        [SOURCE_EXEC] = { "Exec", &source_exec_ops },
};

/* How it is called, and what its messages begin with. */
static int source_init_names(struct source *s)
{
        const char *key = kinds[s->kind].key;
        char shown[512], text[600], name[700];
        int r;

        escape_text(s->value, strlen(s->value), shown, sizeof(shown));
        snprintf(text, sizeof(text), "%s%s%s", key ?: "", key ? "=" : "", shown);
        if (!key)
                snprintf(name, sizeof(name), "source \"%s\"", shown);
        else if (s->host->tarpit)
                snprintf(name, sizeof(name), "tarpit \"%s\": %s", hobble_tarpit_name(s->host->tarpit), text);
        else
                snprintf(name, sizeof(name), "%s", text);
        s->text = strdup(text);
        r = s->text ? topic_init(&s->topic, name) : -ENOMEM;
        if (r >= 0 && s->host->tarpit)
                r = topic_set_fields(&s->topic, hobble_tarpit_name(s->host->tarpit), text);
        return r;
}

static int source_make(struct source **ret, const struct source_host *host, struct source *parent,
                       enum source_kind kind, const char *value)
{
        struct source *s = calloc(1, kinds[kind].ops->size);
        int r;

        if (!s)
                return -ENOMEM;
        s->ops = kinds[kind].ops;
        s->host = host;
        s->kind = kind;
        s->parent = parent;
        s->value = strdup(value);
        r = s->value ? source_init_names(s) : -ENOMEM;
        if (r >= 0)
                r = s->ops->init(s);
        if (r < 0) {
                source_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

int source_new(struct source **ret, const struct source_host *host, enum source_kind kind, const char *value)
{
        return source_make(ret, host, NULL, kind, value);
}

int source_new_child(struct source **ret, struct source *parent, enum source_kind kind, const char *value)
{
        return source_make(ret, parent->host, parent, kind, value);
}

struct source *source_free(struct source *s)
{
        if (!s)
                return NULL;
        s->ops->done(s);
        topic_done(&s->topic);
        free(s->text);
        free(s->value);
        free(s);
        return NULL;
}

const char *source_text(const struct source *s)
{
        return s->text;
}

bool source_is(const struct source *s, enum source_kind kind, const char *value)
{
        return s->kind == kind && strcmp(s->value, value) == 0;
}

bool source_is_census(const struct source *s)
{
        return s->kind == SOURCE_UNIT || s->kind == SOURCE_USER || s->kind == SOURCE_COMMAND;
}

enum hobble_placement source_placement(const struct source *s)
{
        return s->ops->placement ? s->ops->placement(s) : HOBBLE_PLACEMENT_AUTO;
}

const struct source *source_top(const struct source *s)
{
        while (s->parent)
                s = s->parent;
        return s;
}

void source_reread(struct source *s)
{
        if (s->ops->reread && !s->ending)
                s->ops->reread(s);
}

void source_end(struct source *s)
{
        if (s->ending)
                return;
        s->ending = true;
        if (s->ops->end)
                s->ops->end(s);
}

bool source_is_over(const struct source *s)
{
        return s->ending && (!s->ops->is_over || s->ops->is_over(s));
}

int source_for_each(const struct source *s, source_process_fn fn, void *userdata)
{
        return s->ops->for_each && !s->ending ? s->ops->for_each(s, fn, userdata) : 0;
}

int source_for_each_cgroup(const struct source *s, source_cgroup_fn fn, void *userdata)
{
        return s->ops->for_each_cgroup && !s->ending ? s->ops->for_each_cgroup(s, fn, userdata) : 0;
}

void source_process_ended(struct source *s, pid_t pid, uint64_t start_time)
{
        if (s->ops->process_ended && !s->ending)
                s->ops->process_ended(s, pid, start_time);
}

/* Tell whoever has it that it may be over; it may not be there any more then. */
static void source_tell_parent(struct source *s)
{
        struct source *parent = s->parent;

        if (!s->ending || !parent)
                return;
        parent->ops->child_over(parent);
        source_tell_parent(parent);
}

void source_event(struct source *s, const struct hobble_event *event)
{
        if (s->ops->event)
                s->ops->event(s, event);
        source_tell_parent(s);
}

void source_void(struct source *s)
{
        if (s->ops->void_all)
                s->ops->void_all(s);
}
