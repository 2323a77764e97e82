/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How often a user may call. Root may always. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define BUS_UID_UNKNOWN ((uid_t) -1)

/* Calls that are answered. */
#define BUS_CALLS_BURST 200U
#define BUS_CALLS_PER_SEC 100U

/* Messages that are read at all: above that the rest waits in the socket, where it costs nothing. */
#define BUS_READS_BURST 400U
#define BUS_READS_PER_SEC 1000U

#define BUS_USERS_MAX 128U

/* The time at which all of a user's tokens would be back. */
struct bus_user {
        uid_t uid;
        uint64_t calls_usec, reads_usec;
};

struct bus_limits {
        struct bus_user users[BUS_USERS_MAX];
        unsigned n;
};

/* Whether this call of a user is to be answered. BUS_UID_UNKNOWN is a user like any other. */
bool bus_limits_call(struct bus_limits *l, uid_t uid);

/* 0 where a message of the user is to be read now, else the CLOCK_MONOTONIC time at which one is. */
uint64_t bus_limits_read(struct bus_limits *l, uid_t uid);
