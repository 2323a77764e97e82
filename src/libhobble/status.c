/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How subjects and tarpits stand at this moment. */

#include "cgroup.h"
#include "clock.h"
#include "engine.h"
#include "macro.h"
#include "process.h"
#include "subject.h"
#include "tarpit.h"

#include <math.h>
#include <string.h>

static enum hobble_state state_of(const hobble_subject *s)
{
        if (s->in_place && s->in_place->held)
                return HOBBLE_HELD;
        /* What is above a subject outside of the home is not ours: a unit that its manager has frozen. */
        if (subject_is_outside(s) && s->place.path &&
            cgroup_is_frozen_above(s->tarpit->engine->root_fd, s->place.path))
                return HOBBLE_HELD;
        return frozen_time_runs(&s->frozen) ? HOBBLE_FROZEN : HOBBLE_THAWED;
}

_public_ int hobble_subject_status(const hobble_subject *s, struct hobble_subject_status *ret)
{
        struct hobble_subject_status status = {
                .state = state_of(s),
                .admitting = s->state == SUBJECT_ADMITTING,
                .releasing = s->state == SUBJECT_RELEASING || s->state == SUBJECT_ENDED,
                .nested = s->nest,
                .in_place = s->in_place,
                .since_usec = s->since_usec,
                .frozen_usec = frozen_time_at(&s->frozen, clock_now()),
                .fair_share = INFINITY,
        };
        uint64_t cpu_usec = s->plan.seen.cpu_usec;

        if (s->state == SUBJECT_LIVE) {
                struct planner_standing standing;
                int r = subject_read_usage(s, &cpu_usec);

                if (r < 0 && !cgroup_is_gone(r))
                        return r;
                planner_standing(s->tarpit->planner, &s->plan, clock_now(), &standing);
                status.balance_usec = standing.balance_usec;
                status.tarpit_balance_usec = standing.tarpit_balance_usec;
                status.rate = standing.rate;
                status.fair_share = standing.fair_share;
        }
        status.cpu_usec = subject_used(s, cpu_usec);
        *ret = status;
        return 0;
}

_public_ int hobble_subject_path(const hobble_subject *s, char *buf, size_t size)
{
        if (!s->place.path)
                return -ENOENT;
        if (strlen(s->place.path) >= size)
                return -ENAMETOOLONG;
        strcpy(buf, s->place.path);
        return 0;
}

static int first_id(pid_t id, void *userdata)
{
        *(pid_t *) userdata = id;
        return 1;
}

_public_ int hobble_subject_member(const hobble_subject *s, pid_t *ret)
{
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!s->place.path)
                return -ENOENT;
        fd = cgroup_open(s->tarpit->engine->root_fd, s->place.path);
        if (fd < 0)
                return fd;
        r = cgroup_for_each_id(fd, "cgroup.procs", first_id, ret);
        return r == 0 ? -ENOENT : MIN(r, 0);
}

_public_ int hobble_engine_subject_of(const hobble_engine *e, pid_t pid, hobble_subject **ret)
{
        struct pathindex_node *node;
        char path[CGROUP_PATH_MAX];
        struct hobble_process p;
        int r;

        r = hobble_process_read(pid, &p);
        if (r >= 0)
                r = process_cgroup(&p, path, sizeof(path));
        if (r < 0)
                return r;
        node = pathindex_find(&e->places, path);
        if (!node)
                return -ENOENT;
        *ret = CONTAINER_OF(node, hobble_subject, place);
        return 0;
}

_public_ int hobble_tarpit_status(const hobble_tarpit *t, struct hobble_tarpit_status *ret)
{
        const struct planner_stats *stats = planner_stats(t->planner);
        struct hobble_tarpit_status status = {
                .balance_usec = planner_balance(t->planner, clock_now()),
                .subjects = (unsigned) t->subjects.count,
                .windows = stats->windows,
                .windows_skipped = stats->windows_skipped,
        };
        uint64_t inside_usec = t->seen_usec;

        if (t->usage_fd >= 0)
                (void) cgroup_read_usage(t->usage_fd, &inside_usec);
        status.cpu_usec = t->past_usec + inside_usec;

        for (const struct ilist_link *k = t->subjects.first; k; k = k->next) {
                const hobble_subject *s = CONTAINER_OF(k, const hobble_subject, in_tarpit);
                uint64_t cpu_usec = s->plan.seen.cpu_usec;

                if (s->state != SUBJECT_LIVE || !subject_is_outside(s))
                        continue;
                /* Elsewhere the planner has read it within a period or so. */
                if (t->duty.freeze_idle)
                        (void) subject_read_usage(s, &cpu_usec);
                status.cpu_usec += subject_used(s, cpu_usec);
        }
        *ret = status;
        return 0;
}
