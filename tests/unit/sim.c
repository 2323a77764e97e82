/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim.h"

#undef NDEBUG
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "macro.h"

/* How unevenly a CPU may be shared. */
#define SLICE_USEC (3 * USEC_PER_MSEC)

uint64_t sim_seed(void)
{
        const char *e = getenv("SIM_SEED");

        return e ? strtoull(e, NULL, 0) : 1;
}

/* splitmix64 */
static uint64_t next_random(uint64_t *state)
{
        uint64_t z = *state += 0x9e3779b97f4a7c15;

        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
}

uint64_t sim_random(struct sim *s, uint64_t below)
{
        return next_random(&s->random) % below;
}

void sim_init(struct sim *s, const struct planner_config *config, uint64_t seed)
{
        *s = (struct sim){ .config = *config, .random = seed, .step_usec = 500 };
        /* somewhere within a period, as in life */
        s->now_usec = 1000 * USEC_PER_SEC + sim_random(s, USEC_PER_SEC);
        s->look_usec = USEC_INFINITY;
        assert(planner_new(&s->planner, config, s->now_usec) == 0);
}

void sim_done(struct sim *s)
{
        planner_free(s->planner);
        for (size_t i = 0; i < s->n; i++)
                free(s->subjects[i]);
        free(s->subjects);
        free(s->queue);
}

static void arm(struct sim *s)
{
        uint64_t deadline = planner_deadline(s->planner), delay = 0;

        if (deadline == USEC_INFINITY) {
                s->look_usec = deadline;
                return;
        }
        if (s->delay_usec > 0)
                delay = sim_random(s, s->delay_usec + 1);
        if (s->late_one_in > 0 && sim_random(s, s->late_one_in) == 0)
                delay = s->late_usec;
        s->look_usec = MAX(deadline, s->now_usec) + delay;
}

size_t sim_add(struct sim *s, const struct sim_load *load)
{
        struct sim_subject *x = calloc(1, sizeof(*x));

        assert(x);
        if (s->n == s->room) {
                s->room = s->room ? 2 * s->room : 64;
                s->subjects = reallocarray(s->subjects, s->room, sizeof(*s->subjects));
                assert(s->subjects);
        }
        x->load = *load;
        x->load.threads = MAX(load->threads, 1U);
        x->present = true;
        x->next_usec = s->now_usec + (load->every_usec ? sim_random(s, load->every_usec) : 0);
        x->stretch_usec = load->work_usec;
        assert(planner_add(s->planner, &x->planner, &(struct planner_sample){ 0 }, load->outside,
                           s->now_usec) == 0);
        s->subjects[s->n] = x;
        arm(s);
        return s->n++;
}

void sim_add_many(struct sim *s, size_t n, const struct sim_load *load)
{
        while (n-- > 0)
                sim_add(s, load);
}

void sim_remove(struct sim *s, size_t i)
{
        struct sim_subject *x = s->subjects[i];

        if (!x->present)
                return;
        planner_remove(s->planner, &x->planner, s->now_usec);
        if (!x->load.outside)
                s->gone_usec += x->cpu_usec;
        x->present = false;
        arm(s);
}

static uint64_t total(const struct sim *s)
{
        uint64_t sum = s->gone_usec;

        for (size_t i = 0; i < s->n; i++)
                if (s->subjects[i]->present && !s->subjects[i]->load.outside)
                        sum += s->subjects[i]->cpu_usec;
        return sum;
}

static void set_frozen(struct sim *s, struct sim_subject *x, bool frozen)
{
        assert(x->frozen != frozen || x->freezing_usec > 0);
        if (frozen) {
                x->freezes++;
                x->cut_short = true;
        }
        if (frozen && s->act_usec > 0)
                x->freezing_usec = s->now_usec + s->act_usec;
        else
                x->freezing_usec = 0;
        x->frozen = frozen && s->act_usec == 0;
}

static void look(struct sim *s)
{
        struct planner_subject *p;
        struct planner_action action;

        planner_begin(s->planner, s->now_usec, total(s));
        while ((p = planner_next_sample(s->planner))) {
                const struct sim_subject *x = (const struct sim_subject *) p;

                planner_put_sample(
                        s->planner, p,
                        &(struct planner_sample){ .cpu_usec = x->cpu_usec, .wait_usec = x->wait_usec });
        }
        planner_decide(s->planner);
        while (planner_next_action(s->planner, &action)) {
                if (action.verb == PLANNER_FREEZE || action.verb == PLANNER_THAW) {
                        set_frozen(s, (struct sim_subject *) action.subject, action.verb == PLANNER_FREEZE);
                        continue;
                }
                for (size_t i = 0; i < s->n; i++)
                        s->subjects[i]->frozen = action.verb == PLANNER_FREEZE_ALL;
        }
        planner_acted(s->planner, s->now_usec + s->act_usec);
        arm(s);
}

/* How many threads of it want to run in the step that begins now. */
static unsigned wants(struct sim *s, struct sim_subject *x)
{
        const struct sim_load *l = &x->load;

        switch (l->kind) {
        case SIM_SLEEPER:
                return 0;
        case SIM_BUSY:
                return l->threads;
        case SIM_LIGHT:
                while (s->now_usec >= x->next_usec) {
                        x->work_usec += l->work_usec;
                        x->next_usec += l->every_usec / 2 + sim_random(s, l->every_usec);
                }
                return x->work_usec > 0 ? l->threads : 0;
        case SIM_GAME:
                return (s->now_usec + l->every_usec - l->phase_usec) % l->every_usec < l->work_usec
                               ? l->threads
                               : 0;
        case SIM_ADAPTIVE:
                if (s->now_usec >= x->next_usec && x->work_usec == 0) {
                        x->stretch_usec = x->cut_short ? MAX(x->stretch_usec * 7 / 10, s->step_usec)
                                                       : x->stretch_usec * 11 / 10;
                        x->work_usec = x->stretch_usec;
                        x->cut_short = false;
                        x->next_usec = s->now_usec + l->every_usec / 2 + sim_random(s, l->every_usec);
                }
                return x->work_usec > 0 ? l->threads : 0;
        case SIM_WAITER:
                return 0;
        }
        return 0;
}

static void enqueue(struct sim *s, size_t *count, size_t i, unsigned threads)
{
        if (*count + threads > s->queue_room) {
                s->queue_room = 2 * (*count + threads);
                s->queue = reallocarray(s->queue, s->queue_room, sizeof(*s->queue));
                assert(s->queue);
        }
        while (threads-- > 0)
                s->queue[(*count)++] = (unsigned) i;
}

static void run_one(struct sim_subject *x, uint64_t usec)
{
        x->cpu_usec += usec;
        x->virtual_usec += usec / x->load.threads;
        if (x->work_usec > 0)
                x->work_usec -= MIN(usec, x->work_usec);
}

/* Of those that queue, the one that ran least since it came, give or take a slice. */
static size_t pick(struct sim *s, size_t count)
{
        uint64_t least = UINT64_MAX;
        size_t best = 0;

        for (size_t k = 0; k < count; k++) {
                const struct sim_subject *x = s->subjects[s->queue[k]];
                uint64_t v = x->virtual_usec + sim_random(s, SLICE_USEC);

                if (v < least) {
                        least = v;
                        best = k;
                }
        }
        return best;
}

/* Let those in the queue run, one on each CPU that the others leave. */
static void run_queue(struct sim *s, size_t count, uint64_t usec)
{
        uint64_t least = UINT64_MAX;
        size_t left = count;

        for (size_t k = 0; k < count; k++) {
                struct sim_subject *x = s->subjects[s->queue[k]];

                if (x->idle)
                        x->virtual_usec = MAX(x->virtual_usec, s->virtual_usec);
                x->idle = false;
                least = MIN(least, x->virtual_usec);
        }
        if (count > 0)
                s->virtual_usec = MAX(s->virtual_usec, least);
        for (size_t i = 0; i < s->config.cpus && left > 0; i++) {
                size_t k;

                if (s->others_percent > 0 && sim_random(s, 100) < s->others_percent)
                        continue;
                k = count <= s->config.cpus ? left - 1 : pick(s, left);
                run_one(s->subjects[s->queue[k]], usec);
                s->queue[k] = s->queue[--left];
        }
}

static void step(struct sim *s, uint64_t usec)
{
        size_t count = 0;

        for (size_t i = 0; i < s->n; i++) {
                struct sim_subject *x = s->subjects[i];
                unsigned threads;

                if (!x->present || x->load.kind == SIM_SLEEPER)
                        continue;
                if (x->freezing_usec > 0 && s->now_usec >= x->freezing_usec) {
                        x->freezing_usec = 0;
                        x->frozen = true;
                }
                if (x->load.kind == SIM_WAITER && !x->frozen) {
                        x->wait_usec += usec;
                        x->cpu_usec += usec / 100;
                }
                threads = x->frozen ? 0 : wants(s, x);
                x->idle = x->idle || threads == 0;
                enqueue(s, &count, i, threads);
        }
        run_queue(s, count, usec);
        s->now_usec += usec;
}

void sim_run(struct sim *s, uint64_t usec)
{
        uint64_t end = s->now_usec + usec;

        while (s->now_usec < end) {
                uint64_t until = MIN(end, s->now_usec + s->step_usec);

                if (s->look_usec <= s->now_usec)
                        look(s);
                else
                        step(s, MIN(until, s->look_usec) - s->now_usec);
        }
}

static uint64_t used(const struct sim_subject *x)
{
        return x->cpu_usec + x->wait_usec;
}

void sim_mark(struct sim *s)
{
        for (size_t i = 0; i < s->n; i++) {
                s->subjects[i]->marked_usec = used(s->subjects[i]);
                s->subjects[i]->marked_freezes = s->subjects[i]->freezes;
        }
        s->marked_looks = planner_stats(s->planner)->looks;
}

uint64_t sim_used(const struct sim *s, size_t from, size_t to)
{
        uint64_t sum = 0;

        for (size_t i = from; i < to; i++)
                sum += used(s->subjects[i]) - s->subjects[i]->marked_usec;
        return sum;
}

uint64_t sim_least(const struct sim *s, size_t from, size_t to)
{
        uint64_t least = UINT64_MAX;

        for (size_t i = from; i < to; i++)
                least = MIN(least, used(s->subjects[i]) - s->subjects[i]->marked_usec);
        return least;
}

uint64_t sim_most(const struct sim *s, size_t from, size_t to)
{
        uint64_t most = 0;

        for (size_t i = from; i < to; i++)
                most = MAX(most, used(s->subjects[i]) - s->subjects[i]->marked_usec);
        return most;
}

uint64_t sim_freezes(const struct sim *s, size_t from, size_t to)
{
        uint64_t sum = 0;

        for (size_t i = from; i < to; i++)
                sum += s->subjects[i]->freezes - s->subjects[i]->marked_freezes;
        return sum;
}

uint64_t sim_looks(const struct sim *s)
{
        return planner_stats(s->planner)->looks - s->marked_looks;
}
