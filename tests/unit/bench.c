/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench.h"

#include "macro.h"

#include <stdio.h>
#include <string.h>

const struct planner_config usual = { .frozen_usec = 250000, .thawed_usec = 10000, .cpus = 2 };

void bench_open(struct bench *b, const struct planner_config *c)
{
        *b = (struct bench){ 0 };
        assert_int_equal(planner_new(&b->p, c, BASE), 0);
        assert_null(planner_free(NULL));
}

void bench_close(struct bench *b)
{
        b->p = planner_free(b->p);
}

void bench_add(struct bench *b, size_t from, size_t to, bool outside, uint64_t at)
{
        for (size_t i = from; i < to; i++)
                assert_int_equal(planner_add(b->p, &b->m[i].s, &b->m[i].counters, outside, BASE + at), 0);
}

void bench_use(struct bench *b, size_t i, uint64_t usec)
{
        b->m[i].counters.cpu_usec += usec;
        if (!b->m[i].s.outside)
                b->total += usec;
}

size_t bench_number(const struct bench *b, const struct planner_subject *s)
{
        return (size_t) (CONTAINER_OF(s, const struct member, s) - b->m);
}

static void say(struct bench *b, const char *word, size_t i)
{
        size_t n = strlen(b->said);

        assert_true(n + 32 < sizeof(b->said));
        snprintf(b->said + n, sizeof(b->said) - n, "%s%s%zu", n ? " " : "", word, i);
}

void bench_act(struct bench *b)
{
        static const char *const verbs[] = { "freeze", "thaw", "freeze-all", "thaw-all" };
        struct planner_action a;

        while (planner_next_action(b->p, &a)) {
                if (a.subject) {
                        say(b, verbs[a.verb], bench_number(b, a.subject));
                        assert_true(a.subject->frozen == (a.verb == PLANNER_FREEZE));
                } else {
                        assert_true(strlen(b->said) + 16 < sizeof(b->said));
                        strcat(b->said, verbs[a.verb]);
                }
        }
}

void bench_look(struct bench *b, uint64_t at)
{
        struct planner_subject *s;

        b->said[0] = '\0';
        b->reads = 0;
        planner_begin(b->p, BASE + at, b->total);
        while ((s = planner_next_sample(b->p))) {
                say(b, "read", bench_number(b, s));
                b->reads++;
                planner_put_sample(b->p, s, &b->m[bench_number(b, s)].counters);
        }
        b->total_reads += b->reads;
        planner_decide(b->p);
        bench_act(b);
        assert_false(planner_next_action(b->p, &(struct planner_action){ 0 }));
}

void bench_freeze_first(struct bench *b)
{
        bench_add(b, 0, 1, false, 0);
        assert_int_equal(planner_deadline(b->p) - BASE, 10000);
        bench_use(b, 0, 10000);
        LOOK(b, 10000, "", 20000);
        bench_use(b, 0, 10000);
        LOOK(b, 20000, "read0 freeze0", 260000);
}
