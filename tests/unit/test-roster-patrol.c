/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The roster where processes are moved out of their subjects: init - 2 - 3 - 4, and 5, all named. */

#include "macro.h"
#include "roster.h"
#include "unit.h"

#define LAST 5

static struct roster_entry *subject_of[LAST + 1]; /* the one in whose subject each is, NULL: none */
static unsigned lookups;

static int on_lookup(pid_t pid, struct lineage_fact *ret, void *userdata)
{
        (void) userdata;
        lookups++;
        *ret = (struct lineage_fact){ .parent = pid == LAST ? 1 : pid - 1, .start_time = (uint64_t) pid };
        return 0;
}

static struct roster_entry *on_member(pid_t pid, void *userdata)
{
        (void) userdata;
        return subject_of[pid];
}

static const struct roster_handler handler = { .look = on_lookup, .member = on_member };

static void do_round(struct roster *r)
{
        const struct roster_claim claim = { .tarpit = &lookups };

        roster_begin(r);
        for (pid_t pid = 2; pid <= LAST; pid++)
                assert_int_equal(roster_put(r, pid, (uint64_t) pid, &claim), 0);
        while (roster_resolve(r, 1) > 0)
                ;
}

static struct roster_entry *find(struct roster *r, pid_t pid)
{
        return roster_find(r, pid, (uint64_t) pid);
}

/* Add whatever is to be added, which takes all below along that are in no subject. Returns how many. */
static unsigned add_all(struct roster *r)
{
        struct roster_action action;
        unsigned n = 0;

        for (; roster_next(r, &action); n++) {
                assert_int_equal(action.verb, ROSTER_ADD);
                for (pid_t pid = action.entry->pid; pid <= (action.entry->pid == LAST ? LAST : 4); pid++)
                        subject_of[pid] = subject_of[pid] ?: action.entry;
                roster_added(r, action.entry, action.entry);
                roster_admitted(r, action.entry);
        }
        return n;
}

static struct roster *begin(void)
{
        struct roster *r;

        for (size_t i = 0; i < ELEMENTSOF(subject_of); i++)
                subject_of[i] = NULL;
        assert_int_equal(roster_new(&r, &handler, NULL), 0);
        do_round(r);
        assert_int_equal(add_all(r), 2);
        do_round(r);
        return r;
}

struct seen {
        unsigned n[LAST + 1], all;
};

static void on_look(struct roster_entry *entry, struct roster_entry *root, void *userdata)
{
        struct seen *seen = userdata;

        assert_int_equal(root->pid, entry->pid == LAST ? LAST : 2);
        seen->n[entry->pid]++;
        seen->all++;
}

static void test_each_in_turn(void **state)
{
        struct roster *r = begin();
        struct seen seen = { 0 };

        (void) state;
        for (unsigned i = 0; i < 4; i++)
                roster_patrol(r, 3, on_look, &seen);
        for (pid_t pid = 2; pid <= LAST; pid++)
                assert_int_equal(seen.n[pid], 3);

        /* Each once, however many may be looked at; none that is on its way home, and none in a round. */
        roster_patrol(r, 100, on_look, &seen);
        assert_int_equal(seen.all, 16);
        roster_expelled(r, find(r, LAST));
        roster_patrol(r, 100, on_look, &seen);
        assert_int_equal(seen.all, 19);
        roster_begin(r);
        roster_patrol(r, 100, on_look, &seen);
        assert_int_equal(seen.all, 19);
        roster_free(r);
}

static void test_a_root_is_added_again(void **state)
{
        struct roster *r = begin();

        (void) state;
        subject_of[2] = NULL;
        assert_true(roster_astray(r, find(r, 2)));
        do_round(r);
        assert_int_equal(add_all(r), 0);
        subject_of[3] = subject_of[4] = NULL;
        roster_released(r, find(r, 2));
        assert_int_equal(add_all(r), 1);
        assert_ptr_equal(subject_of[4], find(r, 2));
        roster_free(r);
}

static void test_another_gets_a_subject_of_its_own(void **state)
{
        struct roster *r = begin();
        unsigned before;

        (void) state;
        subject_of[3] = NULL;
        assert_false(roster_astray(r, find(r, 3)));
        before = lookups;
        do_round(r);
        assert_in_range(lookups - before, 1, 3); /* it and the line above it, and nobody else */
        assert_int_equal(add_all(r), 1);
        assert_ptr_equal(subject_of[3], find(r, 3));
        assert_ptr_equal(subject_of[4], find(r, 2));

        /* And keeps it, without being looked at again. */
        before = lookups;
        do_round(r);
        assert_int_equal(lookups, before);
        assert_int_equal(add_all(r), 0);
        assert_int_equal(find(r, 2)->state, ROSTER_ADDED);
        assert_int_equal(find(r, 3)->state, ROSTER_ADDED);
        roster_free(r);
}

UNIT_MAIN(cmocka_unit_test(test_each_in_turn), cmocka_unit_test(test_a_root_is_added_again),
          cmocka_unit_test(test_another_gets_a_subject_of_its_own))
