/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "planner.h"

#include <math.h>

#include "planner-internal.h"

#define THAWED_MIN (1 * USEC_PER_MSEC)
#define THAWED_MAX (10 * USEC_PER_SEC)
#define FROZEN_MAX (60 * USEC_PER_SEC)
#define CPUS_MAX 65536U

/* So many of those frozen last are remembered: a few windows' worth. */
#define SETTLED_PER_CPU 8

static int check(const struct planner_config *c)
{
        if (c->thawed_usec < THAWED_MIN || c->thawed_usec > THAWED_MAX || c->frozen_usec > FROZEN_MAX)
                return -EINVAL;
        return c->cpus >= 1 && c->cpus <= CPUS_MAX ? 0 : -EINVAL;
}

/* The clock never runs backwards, and no arithmetic has to think of it. */
static void set_now(struct planner *p, uint64_t now_usec)
{
        p->now_usec = MAX(p->now_usec, now_usec);
}

static const struct allowance *total_allowance(const struct planner *p)
{
        return p->config.freeze_idle ? &p->each : &p->whole;
}

static void put_config(struct planner *p, const struct planner_config *config)
{
        p->config = *config;
        allowance_init(&p->each, config->frozen_usec, config->thawed_usec, 1);
        allowance_init(&p->whole, config->frozen_usec, config->thawed_usec, config->cpus);
}

int planner_new(struct planner **ret, const struct planner_config *config, uint64_t now_usec)
{
        struct planner *p;
        int r;

        r = check(config);
        if (r < 0)
                return r;
        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        put_config(p, config);
        p->now_usec = p->looked_usec = now_usec;
        p->watched_usec = p->explained_usec = p->stirred_usec = now_usec;
        balance_init(&p->balance, total_allowance(p), now_usec);
        *ret = p;
        return 0;
}

struct planner *planner_free(struct planner *p)
{
        if (!p)
                return NULL;
        heap_done(&p->ripening);
        heap_done(&p->waiting);
        free(p);
        return NULL;
}

/* Bring the frozen in line with another duty cycle. */
static void requeue_frozen(struct planner *p)
{
        struct ilist frozen = { 0 };
        struct planner_subject *s;
        struct heap_node *n;

        while ((n = heap_first(&p->waiting)) || (n = heap_first(&p->ripening))) {
                s = subject_of_node(n);
                heap_remove(n);
                ilist_remove(&s->link);
                ilist_append(&frozen, &s->link);
        }
        while ((s = subject_of_link(ilist_take_first(&frozen))))
                planner_enqueue_frozen(p, s);
}

/* Nobody was read in the meantime. */
static void forget_samples(struct planner *p)
{
        struct ilist *lists[] = { &p->active, &p->active_outside, &p->idle, &p->idle_outside };
        struct planner_subject *s;

        while ((s = subject_of_link(p->in_turn.first)))
                planner_thaw_one(p, s, PLANNER_ACTIVE);
        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                for (struct ilist_link *k = lists[i]->first; k; k = k->next)
                        subject_of_link(k)->fresh = true;
        p->total_known = false;
        p->unexplained_usec = 0;
}

int planner_configure(struct planner *p, const struct planner_config *config, uint64_t now_usec)
{
        bool other_balance = config->freeze_idle != p->config.freeze_idle;
        bool blind = other_balance || !planner_freezes(p);
        int r;

        r = check(config);
        if (r < 0)
                return r;
        set_now(p, now_usec);
        balance_earn(&p->balance, total_allowance(p), p->now_usec);
        for (size_t i = 0; i < p->ripening.count; i++)
                balance_earn(&subject_of_node(p->ripening.nodes[i])->balance, &p->each, p->now_usec);
        for (size_t i = 0; i < p->waiting.count; i++)
                balance_earn(&subject_of_node(p->waiting.nodes[i])->balance, &p->each, p->now_usec);
        put_config(p, config);
        requeue_frozen(p);
        if (other_balance)
                balance_init(&p->balance, total_allowance(p), p->now_usec);
        if (blind)
                forget_samples(p);
        p->looked_usec = p->now_usec;
        p->window_end_usec = MIN(p->window_end_usec, p->now_usec);
        p->next_start_usec = 0;
        planner_stir(p, NULL);
        return 0;
}

int planner_add(struct planner *p, struct planner_subject *s, const struct planner_sample *base, bool outside,
                uint64_t now_usec)
{
        int r;

        r = heap_reserve(&p->ripening, p->n_subjects + 1);
        if (r < 0)
                return r;
        r = heap_reserve(&p->waiting, p->n_subjects + 1);
        if (r < 0)
                return r;
        set_now(p, now_usec);
        *s = (struct planner_subject){
                .seen = { base->cpu_usec, base->wait_usec },
                .served_usec = p->turn_usec,
                .added_usec = p->now_usec,
                .ran_usec = p->now_usec,
                .state = PLANNER_ACTIVE,
                .outside = outside,
        };
        balance_init(&s->balance, &p->each, p->now_usec);
        ilist_append(outside ? &p->active_outside : &p->active, &s->link);
        if (p->n_subjects++ == 0)
                p->at_large = true;
        planner_stir(p, NULL);
        return 0;
}

/* Out of whatever it is in. */
static void detach(struct planner *p, struct planner_subject *s)
{
        if (p->asked == s)
                p->asked = NULL;
        ilist_remove(&s->link);
        heap_remove(&s->node);
        planner_unstir(p, s, true);
}

void planner_remove(struct planner *p, struct planner_subject *s, uint64_t now_usec)
{
        set_now(p, now_usec);
        detach(p, s);
        p->n_subjects--;
        if (s->held)
                p->n_held--;
}

void planner_hold(struct planner *p, struct planner_subject *s, bool held, uint64_t now_usec)
{
        if (s->held == held)
                return;
        set_now(p, now_usec);
        detach(p, s);
        s->held = held;
        s->frozen = false;
        if (held) {
                p->n_held++;
                return;
        }
        p->n_held--;
        s->fresh = true;
        planner_stir(p, NULL);
        planner_thaw_one(p, s, PLANNER_ACTIVE);
}

void planner_ran_on(struct planner *p, struct planner_subject *s, uint64_t wait_usec, uint64_t now_usec)
{
        if (s->held)
                return;
        set_now(p, now_usec);
        balance_charge(&s->balance, &p->each, p->now_usec, wait_usec);
        s->served_usec += wait_usec;
        if (s->state != PLANNER_FROZEN)
                return;
        heap_remove(&s->node);
        planner_enqueue_frozen(p, s);
}

void planner_thawed_all(struct planner *p, uint64_t now_usec)
{
        struct heap_node *n;

        set_now(p, now_usec);
        while ((n = heap_first(&p->waiting)) || (n = heap_first(&p->ripening)))
                planner_thaw_one(p, subject_of_node(n), PLANNER_ACTIVE);
        p->all_frozen = false;
        p->at_large = true;
        planner_stir(p, NULL);
}

/* Those frozen in a look, which took so long to freeze. */
static void settle(struct planner *p, uint32_t late_usec)
{
        struct planner_subject *s;

        while ((s = subject_of_link(ilist_take_first(&p->settling)))) {
                s->extra_usec = late_usec;
                ilist_append(&p->settled, &s->link);
        }
        while (p->settled.count > (size_t) SETTLED_PER_CPU * p->config.cpus)
                (void) ilist_take_first(&p->settled);
}

/* What the look before asked for and the caller did not fetch was not done. */
static void drop_leftovers(struct planner *p)
{
        struct planner_subject *s;

        planner_pass_over(p);
        while ((s = subject_of_link(ilist_take_first(&p->freezing)))) {
                s->state = PLANNER_ACTIVE;
                ilist_prepend(s->outside ? &p->active_outside : &p->active, &s->link);
        }
        settle(p, 0);
        p->thaws_left = 0;
        p->all_pending = false;
}

static void begin_plain(struct planner *p, uint64_t now_usec)
{
        bool due = planner_due_start(p) <= now_usec;
        bool spared = p->all_frozen || p->at_large || now_usec < p->now_usec;
        uint64_t thawed_usec = spared ? 0 : now_usec - p->balance.since_usec;

        set_now(p, now_usec);
        p->looked_usec = p->now_usec;
        p->at_large = false;
        p->reading = false;
        p->opening = due;
        if (p->config.freeze_idle)
                balance_charge(&p->balance, &p->each, p->now_usec, thawed_usec);
}

void planner_begin(struct planner *p, uint64_t now_usec, uint64_t total_cpu_usec)
{
        uint64_t grown =
                p->total_known && total_cpu_usec > p->total_usec ? total_cpu_usec - p->total_usec : 0;
        bool due;

        p->stats.looks++;
        drop_leftovers(p);
        p->total_usec = total_cpu_usec;
        p->blind_before = p->blind;
        p->blind = !p->total_known;
        p->total_known = true;
        if (planner_is_plain(p)) {
                begin_plain(p, now_usec);
                return;
        }
        due = planner_due_start(p) <= now_usec;
        set_now(p, now_usec);
        p->looked_usec = p->now_usec;
        balance_charge(&p->balance, &p->whole, p->now_usec, grown);
        p->opening = false;
        if (due) {
                p->next_start_usec = planner_next_start(p, p->now_usec);
                planner_ripen(p, p->next_start_usec - p->each.period_usec);
                if (p->balance.usec < -p->whole.ceiling_usec)
                        p->stats.windows_skipped++;
                else
                        p->opening = p->waiting.count > 0 && planner_window_end(p, p->now_usec) > p->now_usec;
        }
        /* A window's start comes before everything else; who is thawed is read at its end. */
        p->reading = !p->opening || p->in_turn.count > 0;
        planner_watch_begin(p, grown);
}

static void set_all(struct planner *p, bool frozen)
{
        p->all_frozen = frozen;
        p->all_pending = true;
        p->all_verb = frozen ? PLANNER_FREEZE_ALL : PLANNER_THAW_ALL;
}

static void decide_plain(struct planner *p)
{
        p->thaws_left = planner_count_frozen(p);
        if (!planner_freezes(p)) {
                if (p->all_frozen)
                        set_all(p, false);
                return;
        }
        if (!p->all_frozen) {
                if (p->now_usec >= p->window_end_usec && p->n_subjects > 0)
                        set_all(p, true);
                return;
        }
        if (!p->opening)
                return;
        p->next_start_usec = planner_next_start(p, p->now_usec);
        if (planner_window_end(p, p->now_usec) == p->now_usec)
                return;
        p->window_end_usec = planner_window_end(p, p->now_usec);
        p->stats.windows++;
        set_all(p, false);
}

void planner_decide(struct planner *p)
{
        planner_pass_over(p);
        if (planner_is_plain(p)) {
                decide_plain(p);
                return;
        }
        if (p->all_frozen)
                set_all(p, false);
        planner_pick_freezes(p);
        if (p->opening && p->waiting.count > 0)
                planner_open_window(p);
        planner_watch_end(p);
}

/* Who is next to be thawed, with freeze_idle and without a duty cycle whoever is frozen. */
static struct planner_subject *next_thaw(struct planner *p)
{
        struct heap_node *n = heap_first(&p->waiting);

        if (p->thaws_left == 0)
                return NULL;
        p->thaws_left--;
        if (!n && (planner_is_plain(p)))
                n = heap_first(&p->ripening);
        return subject_of_node(n);
}

bool planner_next_action(struct planner *p, struct planner_action *ret)
{
        struct planner_subject *s;

        if (p->all_pending) {
                p->all_pending = false;
                *ret = (struct planner_action){ .verb = p->all_verb };
                return true;
        }
        s = next_thaw(p);
        if (s) {
                planner_thaw_one(p, s, planner_is_plain(p) ? PLANNER_ACTIVE : PLANNER_IN_TURN);
                p->stats.thaws++;
                *ret = (struct planner_action){ .verb = PLANNER_THAW, .subject = s };
                return true;
        }
        s = subject_of_link(p->freezing.first);
        if (!s)
                return false;
        planner_freeze_one(p, s);
        *ret = (struct planner_action){ .verb = PLANNER_FREEZE, .subject = s };
        return true;
}

void planner_acted(struct planner *p, uint64_t now_usec)
{
        uint64_t late_usec = now_usec > p->now_usec ? MIN(now_usec - p->now_usec, (uint64_t) UINT32_MAX) : 0;

        p->lag_usec += late_usec * MIN(p->settling.count, (size_t) p->config.cpus);
        settle(p, (uint32_t) late_usec);
}

const struct planner_stats *planner_stats(const struct planner *p)
{
        return &p->stats;
}

int64_t planner_balance(const struct planner *p, uint64_t now_usec)
{
        return balance_at(&p->balance, total_allowance(p), now_usec);
}

void planner_standing(const struct planner *p, const struct planner_subject *s, uint64_t now_usec,
                      struct planner_standing *ret)
{
        *ret = (struct planner_standing){
                .balance_usec = balance_at(&s->balance, &p->each, now_usec),
                .tarpit_balance_usec = planner_balance(p, now_usec),
                .rate = s->rate,
                .fair_share =
                        p->balance.usec < 0 && !p->config.freeze_idle ? planner_fair_share(p) : INFINITY,
        };
}
