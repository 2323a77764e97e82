/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "journal.h"
#include "clock.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

/* What sd_journal_sendv() and the formatting of a snapshot need, several times over. Only what is touched is
 * ever locked in memory. */
#define STACK_SIZE (256U * 1024U)

#define ALIGN8(n) (((n) + 7) & ~(size_t) 7)

struct record {
        uint32_t room; /* to the next one, this head included; a multiple of 8 */
        uint32_t size; /* SKIP: the rest of the ring's end */
        char data[];
};

#define SKIP UINT32_MAX

struct journal {
        journal_writer writer;
        void *userdata;
        pthread_t thread;
        sem_t ready;              /* posted for each record, and for the end */
        atomic_size_t head, tail; /* bytes ever put, and ever taken */
        atomic_uint lost;
        atomic_bool ending;
        char *ring;
};

static struct record *journal_at(const struct journal *j, size_t position)
{
        return (struct record *) (void *) (j->ring + position % JOURNAL_RING_SIZE);
}

/* Write the next record. Returns whether there was one. */
static bool journal_take(struct journal *j)
{
        size_t tail = atomic_load_explicit(&j->tail, memory_order_relaxed);
        const struct record *record;

        for (;;) {
                if (tail == atomic_load_explicit(&j->head, memory_order_acquire))
                        return false;
                record = journal_at(j, tail);
                if (record->size != SKIP)
                        break;
                tail += record->room;
        }
        if (j->writer(record->data, record->size, 0, j->userdata) < 0)
                atomic_fetch_add(&j->lost, 1);
        atomic_store_explicit(&j->tail, tail + record->room, memory_order_release);
        return true;
}

static bool journal_is_empty(struct journal *j)
{
        return atomic_load(&j->head) == atomic_load(&j->tail);
}

/* Where the loss cannot be told either, it is told after the next record. */
static void journal_tell_loss(struct journal *j)
{
        unsigned lost = atomic_exchange(&j->lost, 0);

        if (lost > 0 && j->writer(NULL, 0, lost, j->userdata) < 0)
                atomic_fetch_add(&j->lost, lost);
}

static void *journal_thread(void *userdata)
{
        struct journal *j = userdata;

        for (;;) {
                while (sem_wait(&j->ready) < 0)
                        ;
                if (!journal_take(j) && atomic_load(&j->ending))
                        return NULL;
                if (journal_is_empty(j))
                        journal_tell_loss(j);
        }
}

static int journal_start(struct journal *j)
{
        const struct sched_param param = { .sched_priority = 0 };
        pthread_attr_t attr;
        sigset_t all;
        int r;

        (void) sigfillset(&all);
        r = pthread_attr_init(&attr);
        if (r != 0)
                return -r;
        r = pthread_attr_setstacksize(&attr, STACK_SIZE);
        if (r == 0)
                r = pthread_attr_setsigmask_np(&attr, &all);
        if (r == 0)
                r = pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
        if (r == 0)
                r = pthread_attr_setschedpolicy(&attr, SCHED_OTHER);
        if (r == 0)
                r = pthread_attr_setschedparam(&attr, &param);
        if (r == 0)
                r = pthread_create(&j->thread, &attr, journal_thread, j);
        (void) pthread_attr_destroy(&attr);
        return -r;
}

static void journal_destroy(struct journal *j)
{
        (void) sem_destroy(&j->ready);
        free(j->ring);
        free(j);
}

int journal_new(struct journal **ret, journal_writer writer, void *userdata)
{
        struct journal *j = calloc(1, sizeof(*j));
        int r;

        if (!j)
                return -ENOMEM;
        j->writer = writer;
        j->userdata = userdata;
        (void) sem_init(&j->ready, 0, 0);
        j->ring = malloc(JOURNAL_RING_SIZE);
        r = j->ring ? journal_start(j) : -ENOMEM;
        if (r < 0) {
                journal_destroy(j);
                return r;
        }
        *ret = j;
        return 0;
}

struct journal *journal_free(struct journal *j, uint64_t wait_usec)
{
        uint64_t until = clock_now() + wait_usec;
        const struct timespec ts = { .tv_sec = (time_t) (until / USEC_PER_SEC),
                                     .tv_nsec = (long) (until % USEC_PER_SEC * NSEC_PER_USEC) };

        if (!j)
                return NULL;
        atomic_store(&j->ending, true);
        (void) sem_post(&j->ready);
        if (pthread_clockjoin_np(j->thread, NULL, CLOCK_MONOTONIC, &ts) == 0)
                journal_destroy(j);
        else
                (void) pthread_detach(j->thread);
        return NULL;
}

int journal_put(struct journal *j, const void *data, size_t size)
{
        size_t head = atomic_load_explicit(&j->head, memory_order_relaxed);
        size_t free_room = JOURNAL_RING_SIZE - (head - atomic_load_explicit(&j->tail, memory_order_acquire));
        size_t to_end = JOURNAL_RING_SIZE - head % JOURNAL_RING_SIZE;
        size_t room = ALIGN8(sizeof(struct record) + size);
        size_t skip = to_end < room ? to_end : 0;
        struct record *record;

        if (size > JOURNAL_RECORD_MAX || skip + room > free_room) {
                atomic_fetch_add(&j->lost, 1);
                return -ENOBUFS;
        }
        if (skip > 0) {
                *journal_at(j, head) = (struct record){ .room = (uint32_t) skip, .size = SKIP };
                head += skip;
        }
        record = journal_at(j, head);
        record->room = (uint32_t) room;
        record->size = (uint32_t) size;
        memcpy(record->data, data, size);
        atomic_store_explicit(&j->head, head + room, memory_order_release);
        (void) sem_post(&j->ready);
        return 0;
}
