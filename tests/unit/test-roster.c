/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The roster against a model of a host: a forest of processes, and subjects that take their time to be
 * released. */

#include <stdio.h>
#include <string.h>

#include "macro.h"
#include "roster.h"
#include "unit.h"

#define PROCESSES 64

enum phase { NOT_HOBBLED, HOBBLED, LEAVING };

struct process {
        pid_t parent;
        uint64_t start_time;
        bool alive, named;
        unsigned rank;    /* of the tarpit that names it */
        enum phase phase; /* as the root of a subject */
        pid_t member_of;  /* root of the subject that it is in, 0: none */
        uint64_t root_start;
};

struct world {
        struct process p[PROCESSES]; /* by pid; 1 is init, 0 nobody */
        uint64_t ticks;
        uint64_t seed;
        bool blind; /* nothing is known of memberships */
        unsigned ranks;
        unsigned lookups, subjects;
        struct roster *roster;
};

static unsigned world_random(struct world *w, unsigned n)
{
        w->seed = w->seed * 6364136223846793005ULL + 1442695040888963407ULL;
        return (unsigned) (w->seed >> 33) % n;
}

static int world_lookup(pid_t pid, struct lineage_fact *ret, void *userdata)
{
        struct world *w = userdata;

        w->lookups++;
        assert_in_range(pid, 1, PROCESSES - 1);
        if (!w->p[pid].alive)
                return -ESRCH;
        *ret = (struct lineage_fact){ .parent = w->p[pid].parent, .start_time = w->p[pid].start_time };
        return 0;
}

static struct roster_entry *world_member(pid_t pid, void *userdata)
{
        struct world *w = userdata;

        return w->blind || !w->p[pid].member_of
                       ? NULL
                       : roster_find(w->roster, w->p[pid].member_of, w->p[pid].root_start);
}

static const struct roster_handler world_handler = { .look = world_lookup, .member = world_member };

static void world_init(struct world *w, uint64_t seed)
{
        *w = (struct world){ .seed = seed, .ticks = 10 };
        w->p[1] = (struct process){ .alive = true, .start_time = 1 };
        assert_int_equal(roster_new(&w->roster, &world_handler, w), 0);
}

static void world_done(struct world *w)
{
        w->roster = roster_free(w->roster);
}

static void world_fork(struct world *w, pid_t pid, pid_t parent)
{
        assert_false(w->p[pid].alive);
        assert_int_equal(w->p[pid].phase, NOT_HOBBLED);
        w->p[pid] = (struct process){
                .parent = parent,
                .start_time = w->ticks,
                .alive = true,
                .member_of = w->p[parent].member_of,
                .root_start = w->p[parent].root_start,
        };
}

static bool world_descends(const struct world *w, pid_t pid, pid_t ancestor)
{
        for (; pid > 0; pid = w->p[pid].parent) {
                if (pid == ancestor)
                        return true;
        }
        return false;
}

/* Whether it is in the subject of a live root within that tree: passed over. */
static bool world_is_apart(const struct world *w, pid_t pid, pid_t root)
{
        pid_t other = w->p[pid].member_of;

        return other > 0 && other != root && w->p[other].alive && w->p[other].phase != NOT_HOBBLED &&
               w->p[other].start_time == w->p[pid].root_start && world_descends(w, other, root);
}

/* Whoever is in no subject joins; a root that is gone may have left members behind. */
static void world_add(struct world *w, pid_t root)
{
        for (pid_t pid = 2; pid < PROCESSES; pid++) {
                if (w->p[pid].alive && world_descends(w, pid, root) && !world_is_apart(w, pid, root)) {
                        w->p[pid].member_of = root;
                        w->p[pid].root_start = w->p[root].start_time;
                }
        }
        w->p[root].phase = HOBBLED;
        w->subjects++;
}

static bool world_is_member(const struct world *w, pid_t pid, const struct roster_entry *root)
{
        return w->p[pid].alive && w->p[pid].member_of == root->pid &&
               w->p[pid].root_start == root->start_time;
}

static bool world_subject_is_empty(const struct world *w, const struct roster_entry *root)
{
        for (pid_t pid = 2; pid < PROCESSES; pid++) {
                if (world_is_member(w, pid, root))
                        return false;
        }
        return true;
}

static void world_release(struct world *w, const struct roster_entry *root)
{
        for (pid_t pid = 2; pid < PROCESSES; pid++) {
                if (world_is_member(w, pid, root))
                        w->p[pid].member_of = 0;
        }
        w->p[root->pid].phase = NOT_HOBBLED;
        w->subjects--;
}

static void *world_tarpit(const struct world *w, pid_t pid)
{
        return (void *) (w->p + w->p[pid].rank);
}

/* No subject may be added while one around it is there, nor one within it but in a severer tarpit. */
static void assert_alone(const struct world *w, pid_t root)
{
        assert_int_equal(w->p[root].phase, NOT_HOBBLED);
        for (pid_t pid = 2; pid < PROCESSES; pid++) {
                if (w->p[pid].phase == NOT_HOBBLED || !w->p[pid].alive)
                        continue;
                if (world_descends(w, pid, root))
                        assert_true(w->p[pid].rank < w->p[root].rank && w->p[pid].phase == HOBBLED);
                /* The tree around it may be on its way home, but without it. */
                if (w->ranks > 1)
                        assert_int_not_equal(w->p[root].member_of, pid);
                else
                        assert_false(world_descends(w, root, pid));
        }
}

/* Returns whether another round is due. */
static bool world_act(struct world *w)
{
        bool due = false;
        struct roster_action action;

        while (roster_next(w->roster, &action)) {
                struct roster_entry *entry = action.entry;
                struct process *p = w->p + entry->pid;

                if (action.verb == ROSTER_RELEASE) {
                        assert_int_equal(p->phase, HOBBLED);
                        assert_ptr_equal(entry->subject, entry);
                        p->phase = LEAVING;
                } else if (!p->alive || p->start_time != entry->start_time) {
                        due |= entry->members > 0;
                        roster_ended(w->roster, entry);
                } else {
                        assert_alone(w, entry->pid);
                        world_add(w, entry->pid);
                        assert_ptr_equal(entry->claim.tarpit, world_tarpit(w, entry->pid));
                        roster_added(w->roster, entry, entry);
                        roster_admitted(w->roster, entry);
                        due |= entry->members > 0;
                }
        }
        return due;
}

/* A severer tarpit's name counts, and the others' are put as well now and then. */
static void world_put(struct world *w, pid_t pid)
{
        struct roster_claim claim = { .rank = w->p[pid].rank, .tarpit = world_tarpit(w, pid) };

        assert_int_equal(roster_put(w->roster, pid, w->p[pid].start_time, &claim), 0);
        if (pid % 3)
                return;
        claim = (struct roster_claim){ .rank = w->p[pid].rank + 1 };
        assert_int_equal(roster_put(w->roster, pid, w->p[pid].start_time, &claim), 0);
}

static void world_round(struct world *w, unsigned lookups)
{
        int k;

        roster_begin(w->roster);
        for (pid_t pid = 2; pid < PROCESSES; pid++) {
                if (w->p[pid].named)
                        world_put(w, pid);
        }
        while ((k = roster_resolve(w->roster, lookups)) > 0)
                ;
        assert_int_equal(k, 0);
}

/* The engine's side: releases come to their end (each with a chance of one in n), subjects without members
 * too. Returns whether another round is due. */
static bool world_events(struct world *w, unsigned n)
{
        bool due = false;

        for (pid_t pid = 2; pid < PROCESSES; pid++) {
                struct roster_entry *entry;

                if (w->p[pid].phase == NOT_HOBBLED)
                        continue;
                entry = roster_find(w->roster, pid, w->p[pid].start_time);
                assert_non_null(entry);
                if (world_subject_is_empty(w, entry)) {
                        w->p[pid].phase = NOT_HOBBLED;
                        w->subjects--;
                        due |= entry->members > 0;
                        roster_ended(w->roster, entry);
                } else if (w->p[pid].phase == LEAVING && world_random(w, n) == 0) {
                        world_release(w, entry);
                        roster_released(w->roster, entry);
                }
        }
        return due;
}

static void world_calm(struct world *w)
{
        world_round(w, 1 + world_random(w, 5));
        for (unsigned i = 0; i < 50; i++) {
                bool due;

                due = world_act(w);
                due |= world_events(w, 1);
                if (due)
                        world_round(w, 64);
        }
        assert_false(world_act(w));
}

static bool world_is_top(const struct world *w, pid_t pid)
{
        if (!w->p[pid].named || !w->p[pid].alive)
                return false;
        for (pid_t up = w->p[pid].parent; up > 0; up = w->p[up].parent) {
                if (w->p[up].named && w->p[up].rank <= w->p[pid].rank)
                        return false;
        }
        return true;
}

/* Without exits each is in the subject of the nearest top-level process above it. */
static void assert_in_order(const struct world *w)
{
        for (pid_t pid = 2; pid < PROCESSES; pid++) {
                pid_t up = pid;

                assert_int_equal(w->p[pid].phase == HOBBLED, world_is_top(w, pid));
                while (up > 1 && !world_is_top(w, up))
                        up = w->p[up].parent;
                if (w->p[pid].alive)
                        assert_int_equal(w->p[pid].member_of, up > 1 ? up : 0);
                if (w->p[pid].phase == HOBBLED)
                        assert_ptr_equal(roster_find(w->roster, pid, w->p[pid].start_time)->tarpit,
                                         world_tarpit(w, pid));
        }
}

/* Whoever ends leaves its children to init. */
static void world_exit(struct world *w, pid_t pid)
{
        w->p[pid].alive = false;
        w->p[pid].member_of = 0;
        for (pid_t child = 2; child < PROCESSES; child++) {
                if (w->p[child].parent == pid)
                        w->p[child].parent = 1;
        }
}

static void world_change(struct world *w, bool exits)
{
        pid_t pid = 2 + (pid_t) world_random(w, PROCESSES - 2), parent;

        w->ticks += world_random(w, 3);
        if (!w->p[pid].alive) {
                parent = 1 + (pid_t) world_random(w, PROCESSES - 1);
                if (w->p[parent].alive && w->p[pid].phase == NOT_HOBBLED && !w->p[pid].named)
                        world_fork(w, pid, parent);
                else
                        w->p[pid].named = false;
        } else if (exits && world_random(w, 6) == 0)
                world_exit(w, pid);
        else {
                w->p[pid].named = world_random(w, 3) == 0;
                w->p[pid].rank = w->ranks > 1 && w->p[pid].named ? world_random(w, w->ranks) : w->p[pid].rank;
        }
}

static void test_top_level(void **state)
{
        (void) state;

        /* Without exits, exactly the top-level ones are hobbled. */
        for (uint64_t seed = 1; seed <= 300; seed++) {
                struct world w;

                world_init(&w, seed);
                w.blind = seed % 2;
                w.ranks = w.blind ? 1 : 1 + (unsigned) (seed / 2) % 4;
                for (unsigned step = 0; step < 60; step++) {
                        for (unsigned i = 0, n = 1 + world_random(&w, 20); i < n; i++)
                                world_change(&w, false);
                        world_round(&w, 1 + world_random(&w, 100));
                        (void) world_act(&w);
                        (void) world_events(&w, 3);
                        (void) world_act(&w);
                        if (world_random(&w, 4) > 0)
                                continue;

                        world_calm(&w);
                        assert_in_order(&w);
                }
                world_done(&w);
        }
}

static void test_exits(void **state)
{
        (void) state;

        /* With exits, each named process is in a subject, and each subject has a named process in it. */
        for (uint64_t seed = 1; seed <= 300; seed++) {
                struct world w;

                world_init(&w, seed);
                w.ranks = 1 + (unsigned) seed % 4;
                for (unsigned step = 0; step < 60; step++) {
                        for (unsigned i = 0, n = 1 + world_random(&w, 20); i < n; i++)
                                world_change(&w, true);
                        world_round(&w, 1 + world_random(&w, 100));
                        (void) world_act(&w);
                        (void) world_events(&w, 3);
                        if (world_random(&w, 4) > 0)
                                continue;

                        world_calm(&w);
                        for (pid_t pid = 2; pid < PROCESSES; pid++) {
                                struct roster_entry *entry;
                                bool named = false;

                                if (w.p[pid].alive && w.p[pid].named)
                                        assert_int_not_equal(w.p[pid].member_of, 0);
                                assert_int_not_equal(w.p[pid].phase, LEAVING);
                                if (w.p[pid].phase != HOBBLED)
                                        continue;
                                entry = roster_find(w.roster, pid, w.p[pid].start_time);
                                assert_non_null(entry);
                                for (pid_t member = 2; member < PROCESSES; member++)
                                        named |= w.p[member].named && world_is_member(&w, member, entry);
                                assert_true(named || w.p[pid].named);
                        }
                }
                world_done(&w);
        }
}

static void test_void(void **state)
{
        (void) state;

        /* All subjects are void at a random moment: what is wanted is added again. */
        for (uint64_t seed = 1; seed <= 100; seed++) {
                struct world w;

                world_init(&w, seed);
                w.ranks = 1 + (unsigned) seed % 4;
                for (unsigned step = 0; step < 40; step++) {
                        for (unsigned i = 0, n = 1 + world_random(&w, 20); i < n; i++)
                                world_change(&w, false);
                        world_round(&w, 8);
                        (void) world_act(&w);
                        (void) world_events(&w, 3);
                        if (world_random(&w, 4) == 0) {
                                for (pid_t pid = 2; pid < PROCESSES; pid++) {
                                        w.p[pid].phase = NOT_HOBBLED;
                                        w.p[pid].member_of = 0;
                                }
                                roster_void(w.roster);
                                (void) world_act(&w);
                                world_round(&w, 8);
                        }
                }
                world_calm(&w);
                for (pid_t pid = 2; pid < PROCESSES; pid++)
                        assert_int_equal(w.p[pid].phase == HOBBLED, world_is_top(&w, pid));
                world_done(&w);
        }
}

/* init - 2 - 3 - 4, and 5 */
static void world_small(struct world *w)
{
        world_init(w, 1);
        for (pid_t pid = 2; pid <= 5; pid++) {
                w->ticks++;
                world_fork(w, pid, pid == 5 ? 1 : pid - 1);
        }
        w->ticks++;
}

static void test_parent_named_later(void **state)
{
        struct world w;

        (void) state;
        world_small(&w);
        w.p[4].named = true;
        world_calm(&w);
        assert_int_equal(w.p[4].phase, HOBBLED);

        /* The part is released first, and only then the whole is added. */
        w.p[2].named = true;
        world_round(&w, 1);
        (void) world_act(&w);
        assert_int_equal(w.p[4].phase, LEAVING);
        assert_int_equal(w.p[2].phase, NOT_HOBBLED);
        (void) world_events(&w, 1);
        (void) world_act(&w);
        assert_int_equal(w.p[2].phase, HOBBLED);

        /* And the other way round. */
        w.p[2].named = false;
        world_round(&w, 1);
        (void) world_act(&w);
        assert_int_equal(w.p[2].phase, LEAVING);
        assert_int_equal(w.p[4].phase, NOT_HOBBLED);
        (void) world_events(&w, 1);
        (void) world_act(&w);
        assert_int_equal(w.p[4].phase, HOBBLED);
        world_done(&w);
}

static void test_refused_and_failed(void **state)
{
        struct roster_action action;
        struct world w;

        (void) state;
        world_small(&w);
        w.p[2].named = w.p[3].named = w.p[5].named = true;
        world_round(&w, 8);

        /* What is refused for good leaves its place to those that it stood for. */
        assert_true(roster_next(w.roster, &action));
        assert_int_equal(action.entry->pid, 2);
        assert_int_equal(action.entry->members, 1);
        assert_true(roster_failed(w.roster, action.entry, -EPERM, true));

        /* What has failed comes again after roster_retry(), and the same error is no news. */
        assert_true(roster_next(w.roster, &action));
        assert_int_equal(action.entry->pid, 5);
        assert_true(roster_failed(w.roster, action.entry, -EBUSY, false));
        assert_false(roster_next(w.roster, &action));
        assert_true(roster_retry(w.roster));
        assert_true(roster_next(w.roster, &action));
        assert_int_equal(action.entry->pid, 5);
        assert_false(roster_failed(w.roster, action.entry, -EBUSY, false));
        assert_false(roster_next(w.roster, &action));

        world_round(&w, 8);
        (void) world_act(&w);
        assert_int_equal(w.p[2].phase, NOT_HOBBLED);
        assert_int_equal(w.p[3].phase, HOBBLED);
        assert_int_equal(w.p[5].phase, NOT_HOBBLED);
        world_done(&w);
}

static void test_reused_pid(void **state)
{
        struct roster_action action;
        struct world w;

        (void) state;
        world_small(&w);
        w.p[5].named = true;
        world_calm(&w);
        assert_int_equal(w.p[5].phase, HOBBLED);

        /* The number passes to another process, and is named again: first the old one goes, then the new one
         * comes. */
        w.p[5].start_time += 100;
        w.p[5].member_of = 0;
        world_round(&w, 8);
        assert_true(roster_next(w.roster, &action));
        assert_int_equal(action.verb, ROSTER_RELEASE);
        assert_int_equal(action.entry->start_time, w.p[5].start_time - 100);
        roster_ended(w.roster, action.entry);
        assert_true(roster_next(w.roster, &action));
        assert_int_equal(action.verb, ROSTER_ADD);
        assert_int_equal(action.entry->start_time, w.p[5].start_time);
        world_done(&w);
}

static void test_lookups(void **state)
{
        unsigned before;
        struct world w;

        (void) state;
        world_init(&w, 7);
        for (pid_t pid = 2; pid < PROCESSES - 1; pid++) {
                w.ticks++;
                world_fork(&w, pid, 1);
                w.p[pid].named = true;
        }
        world_calm(&w);
        assert_int_equal(w.subjects, PROCESSES - 3);

        /* A younger one is no reason to look at all the others. */
        w.ticks++;
        world_fork(&w, PROCESSES - 1, 1);
        w.p[PROCESSES - 1].named = true;
        before = w.lookups;
        world_round(&w, 64);
        assert_in_range(w.lookups - before, 1, 2);
        (void) world_act(&w);
        assert_int_equal(w.subjects, PROCESSES - 2);
        world_done(&w);
}

/* A chain of any depth, and parents that form a ring. */
static int deep_lookup(pid_t pid, struct lineage_fact *ret, void *userdata)
{
        bool ring = userdata != NULL;

        *ret = (struct lineage_fact){ .parent = pid > 1 ? pid - 1 : ring ? 50000 : 0, .start_time = 1 };
        return 0;
}

static struct roster_entry *deep_member(pid_t pid, void *userdata)
{
        (void) pid;
        (void) userdata;
        return NULL;
}

static void test_depth(void **state)
{
        static const struct roster_handler handler = { .look = deep_lookup, .member = deep_member };

        (void) state;
        for (unsigned ring = 0; ring < 2; ring++) {
                struct roster_action action;
                struct roster *r;
                unsigned n = 0;
                int k;

                assert_int_equal(roster_new(&r, &handler, ring ? &n : NULL), 0);
                roster_begin(r);
                for (pid_t pid = 2; pid <= 50000; pid += 7)
                        assert_int_equal(roster_put(r, pid, 1, &(struct roster_claim){ 0 }), 0);
                while ((k = roster_resolve(r, 64)) > 0)
                        ;
                assert_int_equal(k, 0);
                for (; roster_next(r, &action); n++)
                        roster_added(r, action.entry, NULL);
                assert_in_range(n, 1, 20);
                r = roster_free(r);
        }
}

UNIT_MAIN(cmocka_unit_test(test_top_level), cmocka_unit_test(test_exits), cmocka_unit_test(test_void),
          cmocka_unit_test(test_parent_named_later), cmocka_unit_test(test_refused_and_failed),
          cmocka_unit_test(test_reused_pid), cmocka_unit_test(test_lookups), cmocka_unit_test(test_depth))
