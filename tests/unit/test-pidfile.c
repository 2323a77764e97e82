/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The parser of pid files, fed in every way, and the binding of numbers to processes. */

#include <stdio.h>
#include <string.h>

#include "binding.h"
#include "macro.h"
#include "pidfile.h"
#include "unit.h"

/* What came out, as text: "12 34 !3:abc" are two pids and a bad value in line 3; "~" says that a value was
 * cut. */
struct outcome {
        char text[512];
        size_t used;
        size_t pids, faults;
};

static void outcome_pid(pid_t pid, void *userdata)
{
        struct outcome *o = userdata;

        o->pids++;
        if (o->used < sizeof(o->text))
                o->used += (size_t) snprintf(o->text + o->used, sizeof(o->text) - o->used, "%s%d",
                                             o->used ? " " : "", (int) pid);
}

static void outcome_fault(const struct pidfile_fault *fault, void *userdata)
{
        struct outcome *o = userdata;

        assert_true(fault->size <= PIDFILE_VALUE_MAX);
        o->faults++;
        if (o->used >= sizeof(o->text))
                return;
        o->used += (size_t) snprintf(o->text + o->used, sizeof(o->text) - o->used,
                                     "%s!%lu:", o->used ? " " : "", fault->line);
        for (size_t i = 0; i < fault->size && o->used + 1 < sizeof(o->text); i++)
                o->text[o->used++] = fault->value[i] ? fault->value[i] : '0';
        if (o->used + 2 < sizeof(o->text)) {
                if (fault->cut)
                        o->text[o->used++] = '~';
                if (!fault->value)
                        o->text[o->used++] = '*';
                o->text[o->used] = '\0';
        }
}

static const struct pidfile_handler handler = { .pid = outcome_pid, .fault = outcome_fault };

static const struct row {
        const char *text;
        size_t size; /* 0: strlen */
        const char *expected;
        const char *rest; /* what an unterminated last line adds; NULL: there is none */
} rows[] = {
        { "", 0, "", NULL },
        { "\n\n", 0, "", NULL },
        { "12\n", 0, "12", NULL },
        { "12", 0, "", "12" },
        { "12\n34", 0, "12", "12 34" },
        { "12\n34 ", 0, "12", "12 34" },
        { "12 34\t56\r\n78\r\n", 0, "12 34 56 78", NULL },
        { "1 2", 0, "", "1 2" },
        { "# 12\n34 # 56\n#78", 0, "34", NULL },
        { "12#34\n", 0, "12", NULL },
        { "12a\n34\n", 0, "!1:12a 34", NULL },
        { "12 x 34\n56\n", 0, "!1:x 56", NULL },
        { "x y\n", 0, "!1:x", NULL },
        { "-5\n+5\n0\n00\n1.5\n0x10\n", 0, "!1:-5 !2:+5 !3:0 !4:00 !5:1.5 !6:0x10", NULL },
        { "0012\n", 0, "12", NULL },
        { "4194304\n4194305\n", 0, "4194304 !2:4194305", NULL },
        { "99999999999999999999999999\n", 0, "!1:99999999999999999999999999", NULL },
        { "000000000000000000000000000000000000000000000000012\n", 0,
          "!1:000000000000000000000000000000000000000000000000~", NULL },
        { "5\0006\n7\n", 6, "!1:506 7", NULL },
        { "12\r34\r", 0, "", "12 34" },
        { "12a", 0, "", "!1:12a" },
        { "x # 12", 0, "", "!1:x" },
        { "1\n\n\nx\n", 0, "1 !4:x", NULL },
};

/* Feed the row in pieces that end at the two places, and compare. */
static void row_check(const struct row *row, size_t a, size_t b)
{
        size_t size = row->size ? row->size : strlen(row->text);
        struct pidfile_parser p;
        struct outcome o = { 0 };

        pidfile_parser_init(&p, &handler, &o);
        assert_int_equal(pidfile_parser_feed(&p, row->text, a), 0);
        assert_int_equal(pidfile_parser_feed(&p, row->text + a, b - a), 0);
        assert_int_equal(pidfile_parser_feed(&p, row->text + b, size - b), 0);
        assert_string_equal(o.text, row->expected);

        assert_int_equal(pidfile_parser_pending(&p), row->rest != NULL);
        assert_int_equal(pidfile_parser_finish(&p), 0);
        assert_string_equal(o.text, row->rest ? row->rest : row->expected);
        pidfile_parser_done(&p);
}

static void test_rows(void **state)
{
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                size_t size = rows[i].size ? rows[i].size : strlen(rows[i].text);

                for (size_t a = 0; a <= size; a++) {
                        for (size_t b = a; b <= size; b++)
                                row_check(rows + i, a, b);
                }
        }
}

/* 100 MB of garbage: the memory that is used stays small, and it takes no time to speak of. */
static void test_garbage(void **state)
{
        static char random[65536], letters[65536], numbers[65536], lines[65536];
        static const char *const kinds[] = { random, letters, numbers, lines };
        uint64_t seed = 1;

        (void) state;
        for (size_t i = 0; i < sizeof(random); i++) {
                seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
                random[i] = (char) (seed >> 56);
                letters[i] = 'x';
                numbers[i] = i % 2 ? ' ' : '7';
                lines[i] = i % 2 ? '\n' : '-';
        }

        for (size_t kind = 0; kind < ELEMENTSOF(kinds); kind++) {
                struct pidfile_parser p;
                struct outcome o = { 0 };

                pidfile_parser_init(&p, &handler, &o);
                for (size_t i = 0; i < 400; i++)
                        assert_int_equal(pidfile_parser_feed(&p, kinds[kind], sizeof(random)), 0);
                assert_int_equal(pidfile_parser_finish(&p), 0);
                assert_true(o.faults > 0);
                assert_true(o.pids <= 1000);
                assert_true(p.n_allocated <= PIDFILE_LINE_MAX);
                pidfile_parser_done(&p);
        }
}

static void test_crowded_line(void **state)
{
        struct pidfile_parser p;
        struct outcome o = { 0 };

        (void) state;
        pidfile_parser_init(&p, &handler, &o);
        for (unsigned i = 0; i < PIDFILE_LINE_MAX; i++)
                assert_int_equal(pidfile_parser_feed(&p, "7 ", 2), 0);
        assert_int_equal(pidfile_parser_feed(&p, "\n", 1), 0);
        assert_int_equal(o.pids, PIDFILE_LINE_MAX);
        assert_int_equal(o.faults, 0);

        o = (struct outcome){ 0 };
        for (unsigned i = 0; i <= PIDFILE_LINE_MAX; i++)
                assert_int_equal(pidfile_parser_feed(&p, "7 ", 2), 0);
        assert_int_equal(pidfile_parser_feed(&p, "\n5\n", 3), 0);
        assert_string_equal(o.text, "!2:* 5");
        pidfile_parser_done(&p);
}

/* -- Bindings ---------------------------------------------------------------------------------- */

struct host {
        struct binding_fact facts[16]; /* by number; pid 0: none */
        unsigned looks;
        char said[256];
};

static int host_look(pid_t number, uint64_t known, struct binding_fact *ret, void *userdata)
{
        struct host *host = userdata;

        host->looks++;
        if (host->facts[number].pid == 0)
                return -ESRCH;
        *ret = host->facts[number];
        if (known > 0 && known == ret->start_time)
                ret->refusal = NULL;
        return 0;
}

static void host_change(const struct binding *binding, enum binding_state before,
                        const struct binding_fact *fact, void *userdata)
{
        struct host *host = userdata;
        size_t used = strlen(host->said);

        (void) before;
        assert_int_equal(fact == NULL, binding->state == BINDING_DEAD);
        snprintf(host->said + used, sizeof(host->said) - used, " %d:%c", (int) binding->number,
                 "nbdlr"[binding->state]);
}

static const struct binding_handler binding_handler = { .look = host_look, .change = host_change };

/* Look at all that is to be looked at, and compare what became of them. */
static void assert_steps(struct bindings *b, struct host *host, const char *said)
{
        bool changed = false;

        host->said[0] = '\0';
        while (bindings_step(b, &binding_handler, host, &changed))
                ;
        assert_string_equal(host->said, said);
        assert_int_equal(changed, *said != '\0');
        assert_int_equal(b->n_new, 0);
        assert_int_equal(b->n_verify, 0);
}

static void test_bindings(void **state)
{
        struct bindings b = { 0 };
        struct host host = { .facts = {
                                     [1] = { .pid = 1, .start_time = 1, .refusal = "is PID 1" },
                                     [3] = { .pid = 3, .start_time = 30, .start_usec = 300000 },
                                     [4] = { .pid = 3, .start_time = 30, .start_usec = 300000 },
                                     [5] = { .pid = 5, .start_time = 500, .start_usec = 5000000 },
                             } };

        (void) state;
        b.written_usec = 3000000;
        assert_int_equal(bindings_merge(&b, (pid_t[]){ 1, 2, 3, 4, 5 }, 5, 0, 10), 1);
        assert_steps(&b, &host, " 1:r 2:d 3:b 4:b 5:l");
        assert_int_equal(b.items[3].pid, 3);

        /* What names them has not changed: nobody is looked at again. */
        host.looks = 0;
        assert_int_equal(bindings_merge(&b, (pid_t[]){ 1, 2, 3, 4, 5 }, 5, 0, 20), 0);
        host.facts[2] = (struct binding_fact){ .pid = 2, .start_time = 20 };
        host.facts[3] = (struct binding_fact){ .pid = 3, .start_time = 900, .start_usec = 9000000 };
        assert_steps(&b, &host, "");
        assert_int_equal(host.looks, 0);
        assert_int_equal(b.items[2].start_time, 30);

        /* It has: each is bound anew. */
        b.written_usec = 9500000;
        assert_int_equal(bindings_merge(&b, (pid_t[]){ 2, 3, 5, 6 }, 4, BINDINGS_VERIFY, 30), 1);
        assert_int_equal(b.n_new, 1);
        assert_steps(&b, &host, " 6:d 2:b 3:b 5:b");
        assert_int_equal(b.items[1].start_time, 900);
        assert_int_equal(b.n, 4);
        bindings_done(&b);
}

static void test_bindings_kept(void **state)
{
        struct bindings b = { 0 };
        struct host host = { .facts = {
                                     [2] = { .pid = 2, .start_time = 20 },
                                     [3] = { .pid = 3, .start_time = 30 },
                             } };

        (void) state;
        assert_int_equal(bindings_merge(&b, (pid_t[]){ 2, 3 }, 2, 0, 10), 1);
        assert_steps(&b, &host, " 2:b 3:b");

        /* A reading that may be a part only takes nobody away, until they have not been seen for a while. */
        assert_int_equal(bindings_merge(&b, (pid_t[]){ 3 }, 1, BINDINGS_KEEP, 20), 0);
        assert_int_equal(b.n, 2);
        assert_int_equal(bindings_oldest(&b, 20), 10);
        assert_false(bindings_expire(&b, 10));
        assert_true(bindings_expire(&b, 11));
        assert_int_equal(b.n, 1);
        assert_true(bindings_oldest(&b, 20) == UINT64_MAX);

        /* An ended process is looked at again, and so is a number that is named by the kernel itself. */
        host.facts[3].pid = 0;
        assert_false(bindings_suspect(&b, 3, 31));
        assert_true(bindings_suspect(&b, 3, 30));
        assert_steps(&b, &host, " 3:d");
        host.facts[3] = (struct binding_fact){ .pid = 3, .start_time = 40 };
        assert_int_equal(bindings_merge(&b, (pid_t[]){ 3 }, 1, BINDINGS_RETRY, 30), 0);
        assert_steps(&b, &host, " 3:b");
        assert_int_equal(bindings_merge(&b, NULL, 0, 0, 40), 1);
        assert_int_equal(b.n, 0);
        bindings_done(&b);
}

UNIT_MAIN(cmocka_unit_test(test_rows), cmocka_unit_test(test_garbage), cmocka_unit_test(test_crowded_line),
          cmocka_unit_test(test_bindings), cmocka_unit_test(test_bindings_kept))
