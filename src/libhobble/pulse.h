/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The heartbeat: one word that an engine and its guard share, and the few bytes that they say to each other.
 *
 * The word holds a state and the time of the engine's last beat, so that a beat costs the engine nothing.
 * Only the guard fences a living engine, by compare-and-swap of the very word that it found too old, so a
 * beat in between wins. Who finds the word fenced must not freeze:
 *
 *         look at the word - write cgroup.freeze - look again, and thaw at once where it is fenced
 *
 * One freeze can be under way when the guard fences. To a subject of the pit it does nothing (its directory
 * is gone: ENODEV); in place it takes effect until the second look; so the guard keeps the marks in place and
 * rescues again until the engine has registered or is gone. tests/model/fence.pml proves the protocol.
 *
 * A new guard of a living engine takes over where the last one ended: the word is the engine's, and only
 * where it is fenced does registering begin with a rescue.
 *
 * A guard that is a service of its own outlives its engines and may be stopped before them. Stopped, it
 * fences the word and rescues; whoever loses such a guard treats the word as fenced, as the unit's end
 * rescues too.
 *
 * Messages are single bytes on a SOCK_SEQPACKET socket; REGISTER carries the word's descriptor. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum pulse_state {
        PULSE_NONE,    /* no engine has registered */
        PULSE_ALIVE,   /* the engine may freeze */
        PULSE_FENCED,  /* it must not: it was taken for hung, and rescued; it may register again */
        PULSE_RETIRED, /* it must not, for good: an administrator took everything away */
};

enum pulse_message {
        PULSE_REGISTER = 'R', /* engine: here is the word; say READY. SCM_RIGHTS: 1 descriptor */
        PULSE_ARM = 'A',      /* engine: from now on there is something to rescue */
        PULSE_DISARM = 'D',   /* engine: there is nothing to rescue */
        PULSE_READY = 'Y',    /* guard: registered, the word is alive */
        PULSE_LOOK = 'L',     /* guard: the word was retired, or fenced because the guard ends */
};

/* A guard keeps the word's descriptor at this number, so that hobble_rescue() can retire a live engine. */
#define PULSE_GUARD_FD 6

/* Beats older than this count as a hang. Armed, the guard looks a grace after the last one will be that old
 * or, where the word is not alive, so often. */
#define PULSE_HANG_USEC 500000ULL
#define PULSE_GRACE_USEC 100000ULL
#define PULSE_LOOK_USEC 200000ULL

typedef struct pulse {
        _Atomic uint64_t word; /* microseconds of CLOCK_MONOTONIC * 4 + enum pulse_state */
} pulse;

static inline enum pulse_state pulse_state_of(uint64_t word)
{
        return (enum pulse_state)(word & 3);
}

static inline uint64_t pulse_time_of(uint64_t word)
{
        return word >> 2;
}

/* Make the word in memory that can be shared. Returns a descriptor, and the word mapped. */
int pulse_new(pulse **ret);

/* Map the word of a descriptor that came from elsewhere; nothing that its sender does to the file can hurt.
 * -EINVAL: it is not what pulse_new() makes. */
int pulse_open(int fd, pulse **ret);

/* Unmap. Returns NULL; NULL is fine. */
pulse *pulse_free(pulse *p);

/* Say "alive at now". Returns the state: where it is not PULSE_ALIVE nothing was said. */
enum pulse_state pulse_beat(pulse *p, uint64_t now_usec);

/* The state at this moment. */
enum pulse_state pulse_look(const pulse *p);

/* Alive from now on, whatever it was but retired. Returns the new state. */
enum pulse_state pulse_revive(pulse *p, uint64_t now_usec);

/* When the guard looks next, as seen at now. */
uint64_t pulse_next_look(const pulse *p, uint64_t now_usec);

/* Fence an engine whose last beat is older than PULSE_HANG_USEC. Returns whether it is fenced now. */
bool pulse_fence_hung(pulse *p, uint64_t now_usec);

/* Fence an engine that is alive, in time or not. */
void pulse_fence(pulse *p);

/* Never alive again. */
void pulse_retire(pulse *p);
