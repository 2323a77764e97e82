/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The guard of one engine: it watches the word of the heartbeat (pulse.h), and thaws and restores everything
 * when the engine dies or hangs. libc only; nothing is allocated. */

#include <stdbool.h>
#include <stdint.h>

#include "cgroup.h"
#include "clock.h"
#include "pulse.h"

/* What is open under a fixed number. A stand-alone guard inherits the first three. */
enum {
        SOCKET_FD = 3, /* to the engine */
        ROOT_FD = 4,   /* the root of the cgroup v2 hierarchy */
        HOME_FD = 5,   /* holds the lock */
        PULSE_FD = PULSE_GUARD_FD,
        LISTEN_FD = 7, /* a service: where engines connect */
        SIGNAL_FD = 8, /* a service: SIGTERM */
        FIXED_FD_MAX = SIGNAL_FD,
};

/* P1 of the design: all is home within a second, and 0.1 ms more a process. What still cannot be moved then
 * is tried again after a pause. */
#define ROUNDS_USEC USEC_PER_SEC

struct guard {
        const char *instance;
        bool service;
        bool stopping; /* no engine is let freeze any more */
        pulse *pulse;  /* NULL until an engine has registered */
        bool armed;
        uint64_t look_usec; /* when to look at the word next */
};

enum guard_end {
        GUARD_ENGINE_GONE,   /* end of file */
        GUARD_TOLD_TO_STOP,  /* a service: SIGTERM */
        GUARD_ENGINE_KNOWS,  /* stopping: it has found itself fenced, and registered */
        GUARD_ENGINE_SILENT, /* stopping: and it does not say so */
};

/* Signals, priority, memory: what every guard does first. */
void guard_set_up_process(int priority);

/* Keep the number of the word's descriptor free of anything else: what comes over the socket is closed again
 * under the number that it got, and must not get that one. */
void guard_reserve_pulse(void);

/* Rescue once, for at most limit_usec. Returns whether something is left, or a negative errno. */
int guard_rescue(const struct guard *g, bool keep_marks, uint64_t limit_usec);

/* Rescue until nothing is left, with pauses, at most so many times. */
void guard_rescue_all(const struct guard *g, unsigned rounds);

/* Serve the engine at SOCKET_FD; a service refuses others meanwhile. Stopping, for at most end_usec
 * (CLOCK_MONOTONIC; 0: no end). */
enum guard_end guard_watch(struct guard *g, uint64_t end_usec);

/* Forget the engine and its word. */
void guard_forget(struct guard *g);
