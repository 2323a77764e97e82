/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "planner-internal.h"

/* The kernel counts the time of who runs by its ticks: mostly every 4 ms. */
#define TICK_USEC (4 * USEC_PER_MSEC)

/* Reads cost about 7 us each, and a look is not to take longer than half of a window. */
#define READS_MAX 512U
#define READS_OUTSIDE 32U
#define READS_OUTSIDE_IDLE 8U /* kept free for those not seen running lately */

/* Idle members are searched in proportion to what ran unseen, so that the search costs less than what it is
 * for. */
#define HUNT_MIN 16U
#define HUNT_PER_MSEC 64U

/* A freeze takes effect some time after it was written, and nobody tells when. Who runs one thread cannot
 * have used more than it ran; so it is charged in full, up to that part of a window more than it is known to
 * have run. */
#define SLACK_PART 8

/* Less than that part of a CPU is nobody running. */
#define NOISE (1.0 / 128)

/* So much may stay unexplained. */
static int64_t tolerance(const struct planner *p)
{
        return (int64_t) (p->config.thawed_usec / 20);
}

static double mean_weight(const struct planner *p, uint64_t elapsed_usec, uint64_t age_usec)
{
        uint64_t period = p->each.period_usec, span = MIN(MAX(age_usec, period), RATE_PERIODS * period);

        return elapsed_usec >= span ? 1 : (double) elapsed_usec / (double) span;
}

/* A newcomer's rate is the mean since it came (not less than a period ago), else a crowd that comes at once
 * would look modest for seconds. */
void planner_note_rate(const struct planner *p, struct planner_subject *s, uint64_t used_usec,
                       uint64_t elapsed_usec)
{
        if (elapsed_usec > 0)
                s->rate += mean_weight(p, elapsed_usec, p->now_usec - s->added_usec) *
                           ((double) used_usec / (double) elapsed_usec - s->rate);
}

void planner_watch_begin(struct planner *p, uint64_t grown_usec)
{
        p->unexplained_usec += (int64_t) grown_usec - (int64_t) MIN(p->lag_usec, grown_usec);
        p->growth_usec += grown_usec - MIN(p->lag_usec, grown_usec);
        p->lag_usec = 0;
        p->excess = false;
        p->passed_over = false;
        p->hunting = false;
        p->reads_left = READS_MAX;
        p->outside_left = READS_OUTSIDE;
        p->active_outside_left = p->active_outside.count;
        p->idle_outside_left = p->idle_outside.count;
}

/* The active are not enough: see how many of the idle to look at. */
static void begin_hunt(struct planner *p)
{
        double elapsed = (double) (p->now_usec - p->watched_usec);
        double excess = (double) p->growth_usec - p->background * elapsed;
        double reads = HUNT_MIN;

        if (excess > NOISE * elapsed) {
                p->excess = true;
                reads += excess * HUNT_PER_MSEC / (double) USEC_PER_MSEC;
        }
        p->hunting = true;
        p->hunt_left = (unsigned) MIN(reads, (double) READS_MAX);
        p->idle_left = p->idle.count;
}

static struct planner_subject *next_inside(struct planner *p)
{
        struct planner_subject *s = subject_of_link(p->active.first);

        /* What a member used last before its freeze is counted only when it stops, up to a tick of the
         * scheduler later. */
        if (p->unexplained_usec > tolerance(p) && p->settled.count > 0 && p->active.count + p->idle.count > 0)
                return subject_of_link(p->settled.first);
        if (s && (s->waits || p->unexplained_usec > tolerance(p)))
                return s;
        if (p->unexplained_usec <= tolerance(p))
                return NULL;
        if (!p->hunting)
                begin_hunt(p);
        if (p->idle_left == 0 || p->hunt_left == 0)
                return NULL;
        p->idle_left--;
        p->hunt_left--;
        p->walked++;
        return subject_of_link(p->idle.first);
}

static struct planner_subject *next_outside(struct planner *p)
{
        unsigned kept = (unsigned) MIN(p->idle_outside_left, (size_t) READS_OUTSIDE_IDLE);

        if (p->outside_left == 0)
                return NULL;
        if (p->active_outside_left > 0 && p->outside_left > kept) {
                p->active_outside_left--;
                p->outside_left--;
                return subject_of_link(p->active_outside.first);
        }
        if (p->idle_outside_left == 0)
                return NULL;
        p->idle_outside_left--;
        p->outside_left--;
        return subject_of_link(p->idle_outside.first);
}

/* Where a subject belongs that was read, or was to be read and could not be. */
void planner_put_back(struct planner *p, struct planner_subject *s)
{
        bool quiet = p->now_usec - s->ran_usec >= QUIET_USEC;

        ilist_remove(&s->link);
        if (s->state == PLANNER_FROZEN) {
                /* It may owe more now, and be ripe later. */
                heap_remove(&s->node);
                planner_enqueue_frozen(p, s);
                return;
        }
        if (s->state == PLANNER_IN_TURN) {
                ilist_append(&p->in_turn_read, &s->link);
                return;
        }
        s->state = quiet ? PLANNER_IDLE : PLANNER_ACTIVE;
        if (quiet)
                planner_unstir(p, s, false);
        if (s->ran_usec == p->now_usec)
                ilist_append(s->outside ? &p->ran_outside : &p->ran, &s->link);
        else if (s->outside)
                ilist_append(quiet ? &p->idle_outside : &p->active_outside, &s->link);
        else
                ilist_append(quiet ? &p->idle : &p->quiet, &s->link);
}

void planner_pass_over(struct planner *p)
{
        struct planner_subject *s = TAKE_PTR(p->asked);

        if (!s)
                return;
        p->passed_over = true;
        planner_put_back(p, s);
}

struct planner_subject *planner_next_sample(struct planner *p)
{
        struct planner_subject *s;

        planner_pass_over(p);
        if (!p->reading || p->reads_left == 0)
                return NULL;
        s = subject_of_link(p->in_turn.first);
        if (!s)
                s = next_inside(p);
        if (!s)
                s = next_outside(p);
        if (!s)
                return NULL;
        ilist_remove(&s->link);
        p->reads_left--;
        p->stats.samples++;
        return p->asked = s;
}

/* Until when it surely did not run. The total says so of CPU time; who waits may have done so since the last
 * read, but for the latest possible stretch of it: what was earned before is capped and does not pay for it.
 */
static uint64_t idle_until(const struct planner *p, const struct planner_subject *s, uint64_t busy_usec,
                           bool waited)
{
        uint64_t since = s->balance.since_usec, until = since;

        if (!s->outside)
                until = MAX(since, p->explained_usec);
        if (waited && busy_usec < p->now_usec - since)
                return MIN(until, p->now_usec - busy_usec);
        return waited ? since : until;
}

/* Waiting for I/O is charged to the subject and counts as served, because it keeps a disk or a file server
 * busy, and because who only waits would be the least served for ever and take every turn. It is not CPU:
 * neither the tarpit's balance nor the fair share of CPUs is concerned with it. */
static void charge(struct planner *p, struct planner_subject *s, uint64_t cpu_usec, uint64_t wait_usec)
{
        uint64_t busy = cpu_usec + MIN(wait_usec, p->now_usec), since = s->balance.since_usec;
        uint64_t from = idle_until(p, s, busy, wait_usec > 0);
        uint64_t elapsed = s->state == PLANNER_FROZEN ? s->room_usec : p->now_usec - from;
        uint64_t slack = s->parallel || wait_usec > 0 ? 0 : p->config.thawed_usec / SLACK_PART;
        uint64_t used = MIN(busy, elapsed + s->extra_usec + slack);

        planner_note_rate(p, s, cpu_usec, p->now_usec - since);
        balance_earn(&s->balance, &p->each, from);
        balance_charge(&s->balance, &p->each, p->now_usec, used);
        s->served_usec += MAX(cpu_usec, used);
        s->parallel = busy > elapsed + s->extra_usec + slack;
        s->extra_usec = 0;
        s->room_usec = elapsed > used ? (uint32_t) MIN(elapsed - used, (uint64_t) UINT32_MAX) : 0;
        s->busy = used >= elapsed / 4;
        s->stirring = used > 0 && ((int64_t) used > tolerance(p) || (double) used > NOISE * (double) elapsed);
        if (busy > 0)
                s->ran_usec = p->now_usec;
}

void planner_put_sample(struct planner *p, struct planner_subject *s, const struct planner_sample *sample)
{
        bool newborn =
                s->fresh || sample->cpu_usec < s->seen.cpu_usec || sample->wait_usec < s->seen.wait_usec;
        uint64_t cpu = newborn ? 0 : sample->cpu_usec - s->seen.cpu_usec;
        uint64_t wait = newborn ? 0 : sample->wait_usec - s->seen.wait_usec;

        if (p->asked != s)
                return;
        p->asked = NULL;
        /* without a stretch there is nothing to measure against: leave it to the next look */
        if (newborn || p->now_usec > s->balance.since_usec) {
                charge(p, s, cpu, wait);
                s->waits = wait > 0 || sample->suspect;
                s->seen.cpu_usec = sample->cpu_usec;
                s->seen.wait_usec = sample->wait_usec;
                s->fresh = false;
                if (s->outside)
                        balance_charge(&p->balance, &p->whole, p->now_usec, cpu);
                else
                        p->unexplained_usec -= (int64_t) MIN(cpu, (uint64_t) INT64_MAX);
        }
        planner_put_back(p, s);
}

/* Sort the ones read behind one another, the likeliest to run first; who was not seen running for a while is
 * idle. */
static void resort(struct planner *p)
{
        struct planner_subject *s;

        ilist_append_all(&p->active, &p->quiet);
        ilist_prepend_all(&p->active, &p->ran);
        ilist_append_all(&p->active_outside, &p->ran_outside);
        ilist_prepend_all(&p->in_turn, &p->in_turn_read);
        while ((s = subject_of_link(p->active.last)) && p->now_usec - s->ran_usec >= QUIET_USEC) {
                s->state = PLANNER_IDLE;
                planner_unstir(p, s, false);
                ilist_remove(&s->link);
                ilist_append(&p->idle, &s->link);
        }
}

static void note_background(struct planner *p)
{
        uint64_t elapsed = p->now_usec - p->watched_usec;
        double left = MIN((double) MAX(p->unexplained_usec, 0), (double) p->growth_usec);

        if (elapsed > 0)
                p->background +=
                        mean_weight(p, elapsed, UINT64_MAX) * (left / (double) elapsed - p->background);
}

/* After the freezes are picked: what was learned in this look. */
void planner_watch_end(struct planner *p)
{
        bool everyone_read = !p->passed_over && p->active.count == 0 && p->walked >= p->idle.count;

        resort(p);
        if (!p->reading)
                return;
        note_background(p);
        /* More than the total grew: members went on running while they were read, and the kernel counts that
         * by ticks. The next total has it; nothing is saved up beyond that, else it would hide someone. */
        if (p->unexplained_usec < 0 && !p->blind_before)
                p->lag_usec = MIN((uint64_t) -p->unexplained_usec, TICK_USEC * p->config.cpus);
        if (p->unexplained_usec < 0 || everyone_read || p->blind)
                p->unexplained_usec = 0;
        if (p->unexplained_usec <= tolerance(p) && !p->blind) {
                p->explained_usec = p->now_usec;
                p->walked = 0;
                p->excess = false;
        }
        if (p->excess)
                planner_stir(p, NULL);
        p->watched_usec = p->now_usec;
        p->growth_usec = 0;
}
