/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "planner-internal.h"

/* Between windows the next look is a tick away: a window's length while somebody runs, more when nobody did
 * for a while, for it is the wake-ups that cost. */
#define TICK_MIN (10 * USEC_PER_MSEC)
#define TICK_CALM (50 * USEC_PER_MSEC)
#define TICK_REST (250 * USEC_PER_MSEC)
#define CALM_AFTER QUIET_USEC
#define REST_AFTER (10 * USEC_PER_SEC)

static uint64_t period(const struct planner *p)
{
        return p->each.period_usec;
}

static uint64_t next_multiple(uint64_t usec, uint64_t step)
{
        return (usec / step + 1) * step;
}

static uint64_t multiple_at_or_after(uint64_t usec, uint64_t step)
{
        return usec % step == 0 ? usec : next_multiple(usec, step);
}

/* The next window's start at which someone can be thawed, as things stand. */
uint64_t planner_due_start(const struct planner *p)
{
        uint64_t from = MAX(p->looked_usec, p->next_start_usec);
        int64_t level = p->config.freeze_idle ? planner_ripe_level(p) : -p->whole.ceiling_usec;
        const struct allowance *a = p->config.freeze_idle ? &p->each : &p->whole;
        uint64_t affordable = balance_reaches(&p->balance, a, level);

        if (!planner_freezes(p))
                return USEC_INFINITY;
        if (p->config.freeze_idle) {
                if (!p->all_frozen)
                        return USEC_INFINITY;
        } else if (p->waiting.count == 0) {
                if (p->ripening.count == 0)
                        return USEC_INFINITY;
                from = MAX(from, heap_first(&p->ripening)->key);
        }
        return multiple_at_or_after(MAX(from, affordable), period(p));
}

/* When a window that is opened now ends: with the grid, or, where a late look left less than half of it, a
 * window's length from now, because a host that is always late would starve everyone otherwise. Returns now
 * if that would run into the next start. */
uint64_t planner_window_end(const struct planner *p, uint64_t now_usec)
{
        uint64_t start = now_usec / period(p) * period(p), end = start + p->config.thawed_usec;

        if (end >= now_usec + p->config.thawed_usec / 2)
                return end;
        return now_usec + p->config.thawed_usec <= start + period(p) ? now_usec + p->config.thawed_usec
                                                                     : now_usec;
}

uint64_t planner_next_start(const struct planner *p, uint64_t now_usec)
{
        return next_multiple(now_usec, period(p));
}

bool planner_in_window(const struct planner *p, uint64_t now_usec)
{
        return now_usec % period(p) < p->config.thawed_usec || now_usec < p->window_end_usec;
}

uint64_t planner_next_edge(const struct planner *p, uint64_t now_usec)
{
        uint64_t start = now_usec / period(p) * period(p), edge;

        if (!planner_freezes(p))
                return USEC_INFINITY;
        edge = now_usec < start + p->config.thawed_usec ? start + p->config.thawed_usec : start + period(p);
        return p->window_end_usec > now_usec ? MIN(edge, p->window_end_usec) : edge;
}

/* Someone (a member or, NULL, who knows) runs and is left thawed: the next looks come soon. */
void planner_stir(struct planner *p, struct planner_subject *s)
{
        if (!s)
                p->calm_usec = p->now_usec;
        else if (!s->stirs && p->n_stirring++ == 0)
                p->calm_usec = p->stirred_usec;
        if (s)
                s->stirs = true;
        p->stirred_usec = p->now_usec;
}

/* It stirs no more. Once the last one that did is frozen, it is as calm as before they came: else a crowd of
 * which now and then one is not frozen at its window's end would never be at rest. */
void planner_unstir(struct planner *p, struct planner_subject *s, bool frozen)
{
        if (!s->stirs)
                return;
        s->stirs = false;
        if (--p->n_stirring == 0 && frozen)
                p->stirred_usec = p->calm_usec;
}

/* The next look at those who are thawed. Calm ticks lie on multiples of the clock, so that those of all
 * tarpits coincide; where a window is coming up before, it will do. */
static uint64_t next_tick(const struct planner *p, uint64_t start_usec)
{
        uint64_t tick = MAX(p->config.thawed_usec, TICK_MIN), rest = MAX(tick, TICK_REST);
        uint64_t start = p->now_usec / period(p) * period(p), calm_usec = p->now_usec - p->stirred_usec;

        if (calm_usec < CALM_AFTER)
                return MIN(start + next_multiple(p->now_usec - start, tick), start + period(p));
        if (calm_usec < REST_AFTER)
                return next_multiple(p->now_usec, MAX(tick, TICK_CALM));
        if (start_usec - p->now_usec <= rest)
                return start_usec;
        return planner_count_frozen(p) > 0 ? p->now_usec + rest : next_multiple(p->now_usec, rest);
}

static uint64_t deadline_of_all(const struct planner *p)
{
        if (p->all_frozen)
                return planner_due_start(p);
        return MAX(p->looked_usec, p->window_end_usec);
}

uint64_t planner_deadline(const struct planner *p)
{
        uint64_t start = planner_due_start(p), deadline = start;

        if (p->n_subjects == 0)
                return USEC_INFINITY;
        if (planner_is_plain(p)) {
                /* what another configuration left frozen */
                if (planner_count_frozen(p) > 0 || (p->all_frozen && !planner_freezes(p)))
                        return p->now_usec;
                return planner_freezes(p) ? deadline_of_all(p) : USEC_INFINITY;
        }
        if (p->all_frozen)
                return p->now_usec;
        if (p->in_turn.count > 0)
                return MAX(p->looked_usec, p->window_end_usec);
        if (planner_count_thawed(p) > 0)
                deadline = MIN(deadline, next_tick(p, start));
        return deadline;
}

bool planner_deadline_is_edge(const struct planner *p)
{
        if (p->in_turn.count > 0 || (planner_is_plain(p) && planner_freezes(p)))
                return true;
        return !planner_is_plain(p) && planner_deadline(p) == planner_due_start(p);
}
