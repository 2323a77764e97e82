/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A source that is a file of pids: reads it, in pieces that hold nobody up, and binds its numbers to
 * processes.
 *
 * Numbers that come count as soon as a reading has come to its end. Numbers that go, and those of a last line
 * without an end, count when the file has stayed as it is for SOURCE_SETTLE_USEC: a file that is just being
 * written anew releases nobody. Where it never stays, a number goes when it has not been seen for CheckSec.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "macro.h"
#include "message.h"
#include "probe.h"
#include "source.h"

#define SOURCE_SETTLE_USEC (20 * USEC_PER_MSEC)

struct source_pidfile;

/* host and topic have to live as long. Returns 0 or -ENOMEM. */
int source_pidfile_new(struct source_pidfile **ret, const struct source_host *host, struct topic *topic);

/* NULL is fine. Returns NULL. */
struct source_pidfile *source_pidfile_free(struct source_pidfile *p);

/* Begin to read; a reading that is under way is given up. Where force is false, a file that has not changed
 * since it was read is not read again. Problems go to the topic. */
void source_pidfile_read(struct source_pidfile *p, const struct probe *probe, bool force);

/* Whether a reading is under way that has not come to the end of the file. */
bool source_pidfile_is_reading(const struct source_pidfile *p);

/* When source_pidfile_work() has to be called (CLOCK_MONOTONIC); 0: at once, USEC_INFINITY: never. */
uint64_t source_pidfile_deadline(const struct source_pidfile *p);

/* Do what is due, for CLOCK_SLICE_USEC at most. Returns whether the file has to be looked at anew. */
bool source_pidfile_work(struct source_pidfile *p, uint64_t now);

/* It names nobody any more. Returns how many numbers it named. */
size_t source_pidfile_clear(struct source_pidfile *p);

/* How many numbers it names. */
size_t source_pidfile_count(const struct source_pidfile *p);

int source_pidfile_for_each(const struct source_pidfile *p,
                            int (*fn)(pid_t pid, uint64_t start_time, void *userdata), void *userdata);

void source_pidfile_process_ended(struct source_pidfile *p, pid_t pid, uint64_t start_time);
