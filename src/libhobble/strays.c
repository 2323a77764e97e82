/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "strays.h"
#include "cgroup.h"
#include "engine.h"
#include "macro.h"
#include "placement.h"
#include "subject.h"
#include "tarpit.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

/* Whether what came from the one and what came from the other is told of together. */
static bool is_same(const char *a, const char *b)
{
        if (!a || !b)
                return a == b;
        return strcmp(a, b) == 0 || (placement_unit(a) > 0 && placement_same_unit(a, b));
}

static struct stray *find(struct strays *s, const char *origin)
{
        struct stray *grown, *new;

        for (size_t i = 0; i < s->n; i++) {
                if (is_same(s->of[i].origin, origin))
                        return s->of + i;
        }
        grown = reallocarray(s->of, s->n + 1, sizeof(*grown));
        if (!grown)
                return NULL;
        s->of = grown;
        new = grown + s->n;
        *new = (struct stray){ .origin = origin ? strdup(origin) : NULL };
        if (origin && !new->origin)
                return NULL;
        s->n++;
        return new;
}

void strays_add(struct strays *s, int dir_fd, const char *where, pid_t id)
{
        char origin[CGROUP_PATH_MAX];
        bool known = cgroup_mark_get(dir_fd, CGROUP_MARK_ORIGIN, origin, sizeof(origin)) > 0;
        struct stray *stray = find(s, known ? origin : NULL);
        struct hobble_process p;
        pid_t *grown;

        if (!stray)
                return;
        if (!stray->where || strcmp(stray->where, where) != 0) {
                free(stray->where);
                stray->where = strdup(where);
        }
        grown = reallocarray(stray->pids, stray->n + 1, sizeof(*grown));
        if (!grown)
                return;
        stray->pids = grown;
        grown[stray->n++] = hobble_process_read(id, &p) >= 0 ? p.pid : id;
}

static void tell(const struct stray *stray, hobble_subject *subject)
{
        char origin[CGROUP_PATH_MAX], where[CGROUP_PATH_MAX], text[2 * CGROUP_PATH_MAX + 128];
        const char *from = stray->origin ?: "/", *to = stray->where ?: "/";
        _cleanup_close_ int fd = cgroup_open(subject->tarpit->engine->root_fd, from);

        snprintf(text, sizeof(text), "the origin %s %s; %zu process%s moved to %s",
                 escape_text(from, strlen(from), origin, sizeof(origin)),
                 !stray->origin ? "is not known"
                 : fd >= 0      ? "takes no processes any more"
                                : "is gone",
                 stray->n, stray->n == 1 ? "" : "es", escape_text(to, strlen(to), where, sizeof(where)));
        subject_tell(subject, (struct hobble_event){
                                      .kind = HOBBLE_EVENT_STRAYED,
                                      .pid = subject->pid,
                                      .text = text,
                                      .origin = stray->origin,
                                      .strays = stray->pids,
                                      .n_strays = stray->n,
                              });
}

void strays_tell(const struct strays *s, hobble_subject *subject)
{
        for (size_t i = 0; i < s->n; i++)
                tell(s->of + i, subject);
}

void strays_done(struct strays *s)
{
        for (size_t i = 0; i < s->n; i++) {
                free(s->of[i].origin);
                free(s->of[i].where);
                free(s->of[i].pids);
        }
        free(s->of);
        *s = (struct strays){ 0 };
}
