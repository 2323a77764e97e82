/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Admissions and releases, in slices that delay no edge.
 *
 * Attaching a process can block for 10 to 30 ms (the kernel waits for an RCU grace period); afterwards, for
 * some time, it takes microseconds. So the work is done in slices: one begins where it fits before the next
 * edge, by what attaching took lately, else when the window after that edge is over. */

#include <systemd/sd-event.h>

#include "hobble.h"
#include "ilist.h"

struct worker {
        hobble_engine *engine;
        struct ilist queue;   /* of subject.work */
        struct ilist waiting; /* of subject.work: asked again after a pause */
        sd_event_source *now, *later, *pause;
        uint64_t attach_usec; /* what an attach takes: the worst of late, fading */
};

int worker_init(struct worker *w, hobble_engine *engine, sd_event *event);
void worker_done(struct worker *w);

/* Put the subject's admission or release at the end of the queue, where it is not in it yet. */
void worker_enqueue(struct worker *w, hobble_subject *s);

/* The same after a pause of some milliseconds. */
void worker_enqueue_later(struct worker *w, hobble_subject *s);

void worker_remove(struct worker *w, hobble_subject *s);

/* An attach took so long. */
void worker_learn(struct worker *w, uint64_t usec);
