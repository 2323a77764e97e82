/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* src/libhobble/tree against a simulated host, in which processes fork, exit, are reparented and daemonise
 * between any two calls, and within the walk over a process's children. */

#include "unit.h"

#include "macro.h"
#include "tree.h"

#include <errno.h>
#include <string.h>

#define SLOTS 512   /* processes and threads at a time, with the dead ones whose pid was not used again */
#define PID_MAX 500 /* small, so that pids are used again soon */
#define INIT 0      /* slot of the process that adopts */
#define ROOT 1

struct proc {
        pid_t pid, tid2; /* tid2: of a second thread, 0: it has none */
        struct proc *parent;
        bool second; /* forked by its parent's second thread */
        bool alive;
        bool headless; /* the leader has exited, the second thread goes on */
        bool reaper;   /* adopts its orphaned descendants */
        bool in;       /* a member */
        bool ours;     /* a descendant of the root, or it */
        bool gathered; /* named by a walk before it was in */
        bool late;     /* forked since the admission began */
        bool refused;  /* could not be attached */
        bool omitted;  /* the last walk that should have named it did not */
};

struct sim {
        struct proc procs[SLOTS];
        size_t n;
        size_t in_order[SLOTS], n_in; /* members, as they came in */
        struct proc *by_pid[PID_MAX]; /* and by the second thread's id */
        pid_t last_pid;
        uint64_t random;

        unsigned restless;   /* events after each call, on average, in tenths */
        unsigned fork_share; /* of 100 events */
        size_t limit;        /* processes alive at a time */
        size_t alive;
        bool orphans_leave; /* what is reparented may leave the tree */
        unsigned fails;     /* one in so many attaches fails; 0: none does */
        unsigned omits;     /* one in so many names is left out where a sibling ends meanwhile; 0: none is */

        uint64_t now, cost;
        uint64_t end;   /* of the step */
        unsigned walks; /* begun after it */
        bool frozen;
        unsigned freezes, thaws;
        unsigned calls;
        int root_error;
};

/* -- The host's processes ---------------------------------------------------------------------- */

static unsigned roll(struct sim *s, unsigned n)
{
        s->random ^= s->random << 13;
        s->random ^= s->random >> 7;
        s->random ^= s->random << 17;
        return (unsigned) (s->random >> 33) % n;
}

static pid_t new_pid(struct sim *s, struct proc *p)
{
        do
                s->last_pid = s->last_pid + 1 < PID_MAX ? s->last_pid + 1 : 2;
        while (s->by_pid[s->last_pid]);
        s->by_pid[s->last_pid] = p;
        return s->last_pid;
}

static void come_in(struct sim *s, struct proc *p)
{
        assert_false(p->in);
        p->in = true;
        s->in_order[s->n_in++] = (size_t) (p - s->procs);
}

/* A slot of which nothing is remembered any more; NULL where the host is full. */
static struct proc *free_slot(struct sim *s)
{
        if (s->n < SLOTS)
                return s->procs + s->n++;
        for (size_t i = ROOT + 1; i < SLOTS; i++)
                if (!s->procs[i].alive)
                        return s->procs + i;
        return NULL;
}

static struct proc *add_proc(struct sim *s, struct proc *parent, bool second)
{
        struct proc *p = s->alive < s->limit ? free_slot(s) : NULL;

        if (!p)
                return NULL;
        *p = (struct proc){ .pid = new_pid(s, p), .parent = parent, .second = second, .alive = true };
        s->alive++;
        if (!parent)
                return p;
        p->ours = parent->ours;
        if (parent->in)
                come_in(s, p);
        return p;
}

static struct proc *adopter_of(struct sim *s, const struct proc *p)
{
        for (struct proc *a = p->parent; a; a = a->parent)
                if (a->alive && a->reaper)
                        return a;
        return s->procs + INIT;
}

static void leave_members(struct sim *s, const struct proc *p)
{
        size_t k = 0;

        for (size_t i = 0; i < s->n_in; i++)
                if (s->in_order[i] != (size_t) (p - s->procs))
                        s->in_order[k++] = s->in_order[i];
        s->n_in = k;
}

static void end_proc(struct sim *s, struct proc *p)
{
        struct proc *adopter = adopter_of(s, p);

        p->alive = false;
        s->alive--;
        if (p->in)
                leave_members(s, p);
        s->by_pid[p->pid] = NULL;
        if (p->tid2)
                s->by_pid[p->tid2] = NULL;
        for (size_t i = 0; i < s->n; i++) {
                if (s->procs[i].alive && s->procs[i].parent == p) {
                        s->procs[i].parent = adopter;
                        s->procs[i].second = adopter->headless;
                }
        }
}

/* The leader exits, and its children are the other thread's. */
static void end_leader(struct sim *s, struct proc *p)
{
        p->headless = true;
        for (size_t i = 0; i < s->n; i++)
                if (s->procs[i].alive && s->procs[i].parent == p)
                        s->procs[i].second = true;
}

static bool may_end(struct sim *s, const struct proc *p)
{
        size_t slot = (size_t) (p - s->procs);

        if (slot <= ROOT)
                return false;
        if (s->orphans_leave || !p->ours || adopter_of(s, p)->ours)
                return true;
        /* Nobody is to leave the tree: only leaves end. */
        for (size_t i = 0; i < s->n; i++)
                if (s->procs[i].alive && s->procs[i].parent == p)
                        return false;
        return true;
}

static void something_happens(struct sim *s, bool admission)
{
        struct proc *p = s->procs + roll(s, (unsigned) s->n);
        unsigned what = roll(s, 100);

        if (!p->alive || (p->in && s->frozen))
                return;
        if (what < s->fork_share) {
                struct proc *child = add_proc(s, p, p->headless || (p->tid2 && roll(s, 2)));

                if (child) {
                        child->late = admission;
                        child->reaper = roll(s, 10) == 0;
                }
        } else if (what < s->fork_share + 6) {
                if (!p->tid2 && !p->headless && s->alive < s->limit)
                        p->tid2 = new_pid(s, p);
        } else if (what < s->fork_share + 8) {
                if (p->tid2 && !p->headless && p != s->procs + INIT)
                        end_leader(s, p);
        } else if (may_end(s, p)) {
                end_proc(s, p);
        }
}

/* The tree asks for something. */
static void asked(struct sim *s)
{
        s->calls++;
        s->walks += s->now >= s->end;
}

/* Time passes. Returns whether something ended. */
static bool live(struct sim *s)
{
        size_t before = s->alive;
        bool ended = false;

        s->now += 1 + roll(s, (unsigned) (2 * s->cost));
        for (unsigned n = s->restless ? roll(s, 2 * s->restless) / 10 : 0; n > 0; n--) {
                something_happens(s, true);
                ended |= s->alive < before;
                before = s->alive;
        }
        return ended;
}

/* -- The host's functions ---------------------------------------------------------------------- */

enum thread { ANY, LEADER, SECOND };

static int walk(struct sim *s, struct proc *p, enum thread thread, int (*fn)(pid_t, void *),
                void *fn_userdata)
{
        pid_t pid = p->pid;
        bool ended = false;
        int r;

        for (size_t i = 0; i < SLOTS && s->by_pid[pid] == p; i++) {
                struct proc *child = s->procs + i;

                if (i >= s->n || !child->alive || child->parent != p || (thread == LEADER && child->second) ||
                    (thread == SECOND && !child->second))
                        continue;
                child->omitted = ended && s->omits && roll(s, s->omits) == 0;
                if (child->omitted)
                        continue;
                child->gathered |= !child->in;
                r = fn(child->pid, fn_userdata);
                if (r != 0)
                        return r;
                ended = live(s);
        }
        return 0;
}

static int children(pid_t pid, int (*fn)(pid_t, void *), void *fn_userdata, void *userdata)
{
        struct sim *s = userdata;
        struct proc *p = s->by_pid[pid];

        asked(s);
        live(s);
        return p && p->alive ? walk(s, p, ANY, fn, fn_userdata) : -ESRCH;
}

static int member_children(pid_t tid, int (*fn)(pid_t, void *), void *fn_userdata, void *userdata)
{
        struct sim *s = userdata;
        struct proc *p = s->by_pid[tid];

        asked(s);
        /* Who has the id now may be somebody else. */
        return p && p->in ? walk(s, p, tid == p->pid ? LEADER : SECOND, fn, fn_userdata) : -ESRCH;
}

static int members(int (*fn)(pid_t, void *), void *fn_userdata, void *userdata)
{
        struct sim *s = userdata;
        int r = 0;

        asked(s);
        live(s);
        for (size_t i = 0; i < s->n_in && r == 0; i++) {
                const struct proc *p = s->procs + s->in_order[i];

                if (!p->headless)
                        r = fn(p->pid, fn_userdata);
                if (p->tid2 && r == 0)
                        r = fn(p->tid2, fn_userdata);
        }
        return r;
}

static int attach(pid_t pid, bool gathered, void *userdata)
{
        struct sim *s = userdata;
        struct proc *p;

        if (gathered) {
                asked(s);
                live(s);
        }
        p = s->by_pid[pid]; /* what a sweep has found is put in at once: nobody else has its pid so soon */
        if (!gathered)
                live(s);
        /* Who has the pid now may be somebody else than was gathered: those who are younger are left out. */
        if (!p || s->by_pid[pid] != p || p->in || (gathered && p->late))
                return 0;
        if (p == s->procs + ROOT && s->root_error)
                return s->root_error;
        if (s->fails && p != s->procs + ROOT && roll(s, s->fails) == 0) {
                p->refused = true;
                return -EPERM;
        }
        assert_true(p->ours);
        /* Parents come first. */
        assert_true(p == s->procs + ROOT || !p->parent->ours || p->parent->in || p->parent->refused);
        come_in(s, p);
        return 1;
}

static int freeze(bool freeze, void *userdata)
{
        struct sim *s = userdata;

        assert_true(freeze != s->frozen);
        s->frozen = freeze;
        if (freeze)
                s->freezes++;
        else
                s->thaws++;
        live(s);
        return 0;
}

static uint64_t now(void *userdata)
{
        const struct sim *s = userdata;

        return s->now;
}

static const struct tree_host host = {
        .children = children,
        .member_children = member_children,
        .members = members,
        .attach = attach,
        .freeze = freeze,
        .now = now,
};

/* -- Runs -------------------------------------------------------------------------------------- */

static bool descends(const struct sim *s, const struct proc *p)
{
        while (p && p != s->procs + ROOT)
                p = p->parent;
        return p;
}

/* A host with a root and a random forest below and beside it, of about n processes. */
static struct sim *new_sim(uint64_t seed, size_t n)
{
        struct sim *s = test_calloc(1, sizeof(*s));

        s->random = seed * 0x9e3779b97f4a7c15ULL | 1;
        s->limit = 150;
        s->cost = 10;
        s->fork_share = 70;
        s->last_pid = 1;
        add_proc(s, NULL, false)->reaper = true;
        add_proc(s, s->procs + INIT, false)->ours = true;
        for (unsigned i = 0; s->alive < n && i < 100 * n; i++)
                something_happens(s, false);
        /* What was reparented before is not in the tree. */
        for (size_t i = 0; i < s->n; i++)
                s->procs[i].ours = s->procs[i].alive && descends(s, s->procs + i);
        return s;
}

/* Whether nobody is missing: who was named is in, and so is every child of a member. */
static void check_complete(const struct sim *s, uint64_t seed)
{
        for (size_t i = ROOT; i < s->n; i++) {
                const struct proc *p = s->procs + i;

                if (!p->alive || p->omitted)
                        continue;
                if (p->in && !p->ours)
                        fail_msg("seed %llu: %d is in, a stranger", (unsigned long long) seed, p->pid);
                if (!p->in && p->ours && ((p->gathered && !p->late) || p->parent->in))
                        fail_msg("seed %llu: %d is missing", (unsigned long long) seed, p->pid);
        }
        assert_false(s->frozen);
        assert_int_equal(s->freezes, s->thaws);
}

/* Take the root's tree in, in slices. Returns what the last step returned. */
static int admit(struct sim *s, uint64_t slice, unsigned *ret_attached)
{
        unsigned before;
        struct tree t;
        int r;

        tree_init(&t, &host, s, s->procs[ROOT].pid);
        do {
                uint64_t deadline = s->now + slice;

                before = s->calls;
                r = tree_step(&t, deadline);
                assert_true(s->calls > before || r <= 0 || t.phase != TREE_DONE);
                assert_true(s->calls < 1000000);
        } while (r > 0);
        if (ret_attached)
                *ret_attached = t.attached;
        tree_done(&t);
        return r;
}

static unsigned count_in(const struct sim *s)
{
        return (unsigned) s->n_in;
}

/* -- Tests ------------------------------------------------------------------------------------- */

static void still(void **state)
{
        (void) state;
        for (uint64_t seed = 1; seed <= 100; seed++) {
                struct sim *s = new_sim(seed, 1 + seed);
                unsigned attached, ours = 0;

                s->restless = 0;
                for (size_t i = 0; i < s->n; i++)
                        ours += s->procs[i].ours;
                assert_int_equal(admit(s, 50, &attached), 0);
                check_complete(s, seed);
                /* All of it, each once, and without a freeze. */
                assert_int_equal(attached, ours);
                assert_int_equal(count_in(s), ours);
                assert_int_equal(s->freezes, 0);
                test_free(s);
        }
}

static void restless(void **state)
{
        (void) state;
        for (uint64_t seed = 1; seed <= 400; seed++) {
                struct sim *s = new_sim(seed, 1 + seed % 60);

                s->restless = 1 + (unsigned) seed % 30;
                s->fork_share = 30 + (unsigned) seed % 40;
                s->orphans_leave = seed % 2;
                s->omits = seed % 3 ? 0 : 4;
                assert_int_equal(admit(s, seed % 7 ? 20 * (seed % 7) : UINT64_MAX / 2, NULL), 0);
                check_complete(s, seed);
                test_free(s);
        }
}

/* Each process forks as fast as it can, up to a limit: the members are frozen in the end, and it ends. */
static void fork_bomb(void **state)
{
        unsigned frozen = 0;

        (void) state;
        for (uint64_t seed = 1; seed <= 100; seed++) {
                struct sim *s = new_sim(seed, 20);

                s->restless = 100 + 4 * (unsigned) seed;
                s->fork_share = 80;
                assert_int_equal(admit(s, 100, NULL), 0);
                check_complete(s, seed);
                assert_true(s->calls < 50000);
                frozen += s->freezes > 0;
                test_free(s);
        }
        assert_true(frozen > 20);
}

/* A step ends at its deadline, but for the one call that it is in, and gets on by at least one. */
static void deadline(void **state)
{
        (void) state;
        for (uint64_t seed = 1; seed <= 100; seed++) {
                struct sim *s = new_sim(seed, 100);
                struct tree t;
                int r;

                s->restless = (unsigned) seed % 10;
                tree_init(&t, &host, s, s->procs[ROOT].pid);
                do {
                        uint64_t end = s->now + 100 * (seed % 5);

                        s->walks = 0;
                        s->end = end;
                        r = tree_step(&t, end);
                        assert_true(s->walks <= 1);
                } while (r > 0);
                assert_int_equal(r, 0);
                tree_done(&t);
                check_complete(s, seed);
                test_free(s);
        }
}

/* The root cannot be had: nobody is in. */
static void no_root(void **state)
{
        (void) state;
        for (uint64_t seed = 1; seed <= 50; seed++) {
                struct sim *s = new_sim(seed, 30);

                s->restless = 5;
                s->root_error = seed % 2 ? -EBUSY : 0;
                if (!s->root_error)
                        end_proc(s, s->procs + ROOT);
                assert_int_equal(admit(s, 50, NULL), s->root_error ?: -ESRCH);
                assert_int_equal(s->n_in, 0);
                assert_int_equal(s->freezes, 0);
                test_free(s);
        }
}

/* Single ones that cannot be attached are left out, with no harm to the others. */
static void left_out(void **state)
{
        (void) state;
        for (uint64_t seed = 1; seed <= 200; seed++) {
                struct sim *s = new_sim(seed, 60);

                s->restless = (unsigned) seed % 20;
                s->fails = 5;
                assert_int_equal(admit(s, 50, NULL), 0);
                assert_int_equal(s->freezes, s->thaws);
                for (size_t i = ROOT; i < s->n; i++)
                        if (s->procs[i].alive && s->procs[i].ours && !s->procs[i].refused &&
                            s->procs[i].parent->in)
                                assert_true(s->procs[i].in);
                test_free(s);
        }
}

/* Given up in the middle, nothing stays frozen. */
static void given_up(void **state)
{
        unsigned frozen = 0;

        (void) state;
        for (uint64_t seed = 1; seed <= 100; seed++) {
                struct sim *s = new_sim(seed, 20);
                struct tree t;

                s->restless = 300;
                s->fork_share = 80;
                tree_init(&t, &host, s, s->procs[ROOT].pid);
                while (!s->frozen && tree_step(&t, s->now) > 0)
                        ;
                frozen += s->frozen;
                tree_done(&t);
                assert_false(s->frozen);
                test_free(s);
        }
        assert_true(frozen > 0);
}

UNIT_MAIN(cmocka_unit_test(still), cmocka_unit_test(restless), cmocka_unit_test(fork_bomb),
          cmocka_unit_test(deadline), cmocka_unit_test(no_root), cmocka_unit_test(left_out),
          cmocka_unit_test(given_up))
