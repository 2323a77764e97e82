/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* src/hobbled/journal: the queue never waits, keeps the order, and counts what it drops. */

#include "unit.h"

#include "journal.h"
#include "macro.h"

#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

/* What the writer saw; looked at when the thread has ended. */
struct seen {
        sem_t gate;     /* each record waits for it, where gated */
        sem_t finished; /* posted for each record */
        bool gated;
        unsigned n, lost, wrong, next;
        int fail; /* what the writer returns, once */
        size_t last_size;
        bool signals_open;
};

static void seen_init(struct seen *seen, bool gated)
{
        *seen = (struct seen){ .gated = gated };
        assert_int_equal(sem_init(&seen->gate, 0, 0), 0);
        assert_int_equal(sem_init(&seen->finished, 0, 0), 0);
}

/* Records begin with their number, and the rest is its low byte. Runs in the thread: no assertion in here. */
static int write_record(const void *record, size_t size, unsigned lost, void *userdata)
{
        struct seen *seen = userdata;
        const unsigned char *p = record;
        unsigned number;
        sigset_t set;

        if (!record) {
                seen->lost += lost;
                return 0;
        }
        while (seen->gated && sem_wait(&seen->gate) < 0)
                ;
        memcpy(&number, p, sizeof(number));
        if ((uintptr_t) record % 8 != 0 || number < seen->next)
                seen->wrong++;
        for (size_t i = sizeof(number); i < size; i++) {
                if (p[i] != (unsigned char) number)
                        seen->wrong++;
        }
        seen->next = number + 1;
        seen->n++;
        seen->last_size = size;
        (void) pthread_sigmask(SIG_SETMASK, NULL, &set);
        seen->signals_open |= !sigismember(&set, SIGTERM) || !sigismember(&set, SIGALRM);
        (void) sem_post(&seen->finished);
        return TAKE(seen->fail, 0);
}

static int put(struct journal *j, unsigned number, size_t size)
{
        static unsigned char record[JOURNAL_RECORD_MAX + 1];

        memset(record, (int) (number & 0xff), size);
        memcpy(record, &number, sizeof(number));
        return journal_put(j, record, size);
}

static void records_arrive_whole_and_in_order(void **state)
{
        struct seen seen;
        struct journal *j;

        seen_init(&seen, false);
        assert_int_equal(journal_new(&j, write_record, &seen), 0);
        /* Many times around the ring, with sizes that end everywhere. */
        for (unsigned i = 0; i < 3000; i++) {
                while (put(j, i, 4 + i * 37 % 3000) < 0)
                        assert_int_equal(sem_wait(&seen.finished), 0);
        }
        assert_null(journal_free(j, 60 * USEC_PER_SEC));
        assert_int_equal(seen.n, 3000);
        assert_int_equal(seen.wrong, 0);
        assert_false(seen.signals_open);
}

static void a_full_ring_drops_and_counts(void **state)
{
        unsigned kept = 0, dropped = 0;
        struct seen seen;
        struct journal *j;

        /* The writer hangs: no put may wait for it, or this test does not end. */
        seen_init(&seen, true);
        assert_int_equal(journal_new(&j, write_record, &seen), 0);
        for (unsigned i = 0; i < 2000; i++) {
                if (put(j, i, 1000) == 0)
                        kept++;
                else
                        dropped++;
        }
        assert_in_range(kept, JOURNAL_RING_SIZE / 1100, JOURNAL_RING_SIZE / 1000);
        assert_int_equal(kept + dropped, 2000);

        for (unsigned i = 0; i < kept; i++)
                assert_int_equal(sem_post(&seen.gate), 0);
        assert_null(journal_free(j, 60 * USEC_PER_SEC));
        assert_int_equal(seen.n, kept);
        assert_int_equal(seen.lost, dropped);
        assert_int_equal(seen.wrong, 0);
}

static void the_end_does_not_wait_for_ever(void **state)
{
        /* Both outlive this function: the thread is left behind. */
        static struct seen seen;
        static struct journal *j;

        seen_init(&seen, true);
        assert_int_equal(journal_new(&j, write_record, &seen), 0);
        assert_int_equal(put(j, 1, 100), 0);
        assert_null(journal_free(j, 10 * USEC_PER_MSEC));
        assert_int_equal(seen.n, 0);
        /* Let it go, so that it is not there any more when its memory is looked at. */
        assert_int_equal(sem_post(&seen.gate), 0);
        assert_int_equal(sem_wait(&seen.finished), 0);
        assert_null(journal_free(NULL, 0));
}

static void what_cannot_be_written_is_lost(void **state)
{
        struct seen seen;
        struct journal *j;

        seen_init(&seen, false);
        seen.fail = -EIO;
        assert_int_equal(journal_new(&j, write_record, &seen), 0);
        assert_int_equal(put(j, 1, JOURNAL_RECORD_MAX + 1), -ENOBUFS);
        assert_int_equal(put(j, 2, JOURNAL_RECORD_MAX), 0);
        assert_int_equal(put(j, 3, 4), 0);
        assert_null(journal_free(j, 60 * USEC_PER_SEC));
        assert_int_equal(seen.n, 2);
        assert_int_equal(seen.last_size, 4);
        assert_int_equal(seen.lost, 2);
}

UNIT_MAIN(cmocka_unit_test(records_arrive_whole_and_in_order), cmocka_unit_test(a_full_ring_drops_and_counts),
          cmocka_unit_test(the_end_does_not_wait_for_ever), cmocka_unit_test(what_cannot_be_written_is_lost))
