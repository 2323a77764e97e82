/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A queue of records and the thread that writes them to the journal.
 *
 * A send to journald waits while journald is slow or stopped, and the loop with the duty cycle's clock must
 * not. So the loop puts a record into a ring, without a lock that the thread could hold, and goes on; where
 * the ring is full the record is dropped and counted. */

#include <stddef.h>
#include <stdint.h>

#define JOURNAL_RING_SIZE (256U * 1024U)
#define JOURNAL_RECORD_MAX (16U * 1024U)

struct journal;

/* Called in the thread. record is aligned to 8 bytes and valid during the call. record NULL: all that was put
 * so far is written, and `lost` records before it were dropped. Returns 0 or a negative errno, which counts
 * as a lost record. */
typedef int (*journal_writer)(const void *record, size_t size, unsigned lost, void *userdata);

/* Start the thread, at ordinary priority and with all signals blocked. Returns 0 or a negative errno. */
int journal_new(struct journal **ret, journal_writer writer, void *userdata);

/* End the thread when it has written everything, or has not for wait_usec; what is left is then lost, and the
 * memory, which the thread still uses, stays allocated. NULL is fine. Returns NULL. */
struct journal *journal_free(struct journal *j, uint64_t wait_usec);

/* Put a record of at most JOURNAL_RECORD_MAX bytes; it is copied. Never waits. Returns 0, or -ENOBUFS where
 * it was dropped. Called from one thread only. */
int journal_put(struct journal *j, const void *record, size_t size);
