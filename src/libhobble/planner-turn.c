/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "planner-internal.h"

/* A window thaws so many frozen subjects for each CPU: more could not run in it anyway, and would only be
 * shared out by chance. */
#define TURNS_PER_CPU 2

/* Who is thawed is found ripe for a window by its start, not by a later look at it. */
void planner_ripen(struct planner *p, uint64_t start_usec)
{
        struct heap_node *n;

        while ((n = heap_first(&p->ripening)) && n->key <= start_usec) {
                heap_remove(n);
                heap_push(&p->waiting, n, subject_of_node(n)->turn_usec);
        }
}

void planner_open_window(struct planner *p)
{
        p->stats.windows++;
        p->window_end_usec = planner_window_end(p, p->now_usec);
        p->thaws_left = MIN(p->waiting.count, (size_t) TURNS_PER_CPU * p->config.cpus);
        p->turn_usec = MAX(p->turn_usec, heap_first(&p->waiting)->key);
}

void planner_enqueue_frozen(struct planner *p, struct planner_subject *s)
{
        uint64_t ripe_usec = balance_reaches(&s->balance, &p->each, planner_ripe_level(p));

        if (ripe_usec <= p->now_usec)
                heap_push(&p->waiting, &s->node, s->turn_usec);
        else
                heap_push(&p->ripening, &s->node, ripe_usec);
}

/* When its next turn is, in the crowd's virtual time. Turns go round, each worth what a member of a crowd
 * gets of a window on average, so that nobody waits for more than a round because chance gave it more or less
 * this time: only who is a window ahead of its turns (it has many threads, or the scheduler prefers it) is
 * put back. Nobody saves turns by staying away, nor loses them by what it used before it came: that, its own
 * balance makes it pay. */
static void set_turn(const struct planner *p, struct planner_subject *s, bool had_turn)
{
        uint64_t window = p->config.thawed_usec, crowd = p->turn_usec;

        s->served_usec = MAX(s->served_usec, crowd - MIN(crowd, window));
        if (!had_turn)
                s->served_usec = MIN(s->served_usec, crowd + window);
        s->turn_usec = MAX(crowd + window / TURNS_PER_CPU, s->served_usec - MIN(s->served_usec, window));
}

void planner_freeze_one(struct planner *p, struct planner_subject *s)
{
        ilist_remove(&s->link);
        balance_earn(&s->balance, &p->each, p->now_usec);
        set_turn(p, s, s->state == PLANNER_IN_TURN);
        s->state = PLANNER_FROZEN;
        s->frozen = true;
        planner_unstir(p, s, true);
        planner_enqueue_frozen(p, s);
        ilist_append(&p->settling, &s->link);
        p->stats.freezes++;
}

void planner_thaw_one(struct planner *p, struct planner_subject *s, enum planner_state state)
{
        ilist_remove(&s->link);
        heap_remove(&s->node);
        planner_note_rate(p, s, 0, p->now_usec - MIN(p->now_usec, s->balance.since_usec));
        balance_earn(&s->balance, &p->each, p->now_usec);
        s->frozen = false;
        s->state = state;
        s->ran_usec = p->now_usec;
        if (state == PLANNER_IN_TURN) {
                ilist_append(&p->in_turn, &s->link);
                return;
        }
        ilist_prepend(s->outside ? &p->active_outside : &p->active, &s->link);
}

static void add_wants(const struct ilist *l, double level, double *sum, size_t *n)
{
        for (struct ilist_link *k = l->first; k; k = k->next) {
                const struct planner_subject *s = subject_of_link(k);

                if (s->rate <= level) {
                        *sum += s->rate;
                        (*n)++;
                }
        }
}

/* The max-min level: the one at which the sum of min(what each wants, the level) is what the tarpit may have.
 * A frozen subject wants everything, another what it lately used. Raising the level from an equal share by
 * what the modest leave ends after a few rounds: each takes at least one more of them in. */
double planner_fair_share(const struct planner *p)
{
        const struct ilist *lists[] = { &p->active,         &p->ran,         &p->quiet,  &p->in_turn_read,
                                        &p->active_outside, &p->ran_outside, &p->in_turn };
        double may = (double) p->config.thawed_usec * p->config.cpus / (double) p->each.period_usec,
               level = 0;
        size_t n = planner_count_frozen(p), modest, before = SIZE_MAX;

        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                n += lists[i]->count;
        for (modest = 0; modest != before;) {
                double used = 0;

                before = modest;
                if (n == 0 || modest >= n)
                        return INFINITY;
                modest = 0;
                for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                        add_wants(lists[i], level, &used, &modest);
                if (modest >= n)
                        return INFINITY;
                level = MAX(level, (may - used) / (double) (n - modest));
        }
        return level;
}

/* Of those that were read: who owes, or, while the tarpit owes, used more than the fair share. Who had a turn
 * and made use of it is of the crowd, whatever its mean over many turns is. */
static bool is_to_freeze(const struct planner *p, const struct planner_subject *s, double fair_share)
{
        if (balance_at(&s->balance, &p->each, p->now_usec) < 0)
                return true;
        if (s->ran_usec != p->now_usec || isinf(fair_share))
                return false;
        return s->rate > fair_share || (s->state == PLANNER_IN_TURN && s->busy);
}

static bool pick(struct planner *p, struct planner_subject *s, double fair_share)
{
        if (!is_to_freeze(p, s, fair_share)) {
                if (s->ran_usec == p->now_usec && s->stirring)
                        planner_stir(p, s);
                return false;
        }
        ilist_remove(&s->link);
        ilist_append(&p->freezing, &s->link);
        return true;
}

static void pick_of(struct planner *p, struct ilist *l, double fair_share)
{
        struct ilist_link *next;

        for (struct ilist_link *k = l->first; k; k = next) {
                next = k->next;
                pick(p, subject_of_link(k), fair_share);
        }
}

/* Who is not frozen again may just not have come to run, on a busy host: it is looked at again soon. */
static void end_turns(struct planner *p, struct ilist *l, double fair_share)
{
        struct planner_subject *s;

        while ((s = subject_of_link(l->first))) {
                if (pick(p, s, fair_share))
                        continue;
                s->state = PLANNER_ACTIVE;
                planner_stir(p, s);
                planner_put_back(p, s);
        }
}

/* Whom to freeze. Windows that are open keep their members; one that opens now ends the one before. */
void planner_pick_freezes(struct planner *p)
{
        double fair_share = INFINITY;

        if (!p->reading)
                return;
        if (p->balance.usec < 0)
                fair_share = planner_fair_share(p);
        pick_of(p, &p->ran, fair_share);
        pick_of(p, &p->ran_outside, fair_share);
        if (p->now_usec < p->window_end_usec)
                return;
        end_turns(p, &p->in_turn_read, fair_share);
        end_turns(p, &p->in_turn, fair_share);
}
