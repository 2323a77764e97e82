/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What bus-sender.c (who the callers are) and bus-polkit.c (what they may) share. */

#include <stdbool.h>
#include <stdint.h>

#include "bus-sender.h"

#define BUS_SENDERS_MAX 256U

/* Calls that wait for an answer about their sender, in all and of one user. */
#define BUS_CHECKS_MAX 64U
#define BUS_CHECKS_USER_MAX 16U

/* How long polkit's answer counts. */
#define BUS_ANSWER_USEC (30 * USEC_PER_SEC)

/* A name on the bus, which is never given twice. */
struct bus_sender {
        char name[64];
        uid_t uid; /* BUS_UID_UNKNOWN: not known (yet) */
        pid_t pid;
        bool failed;         /* it cannot be known */
        sd_bus_slot *lookup; /* that asks for it */
        uint64_t used_usec;
        uint64_t permitted_usec[BUS_PRIVILEGE_MAX]; /* until when */
};

/* A call that waits until it is known who its sender is, and what polkit says. */
struct bus_check {
        struct bus_check *next;
        struct bus_peer *peer;
        sd_bus_message *message;
        enum bus_privilege privilege;
        bus_action action;
        struct control_caller caller;
        sd_bus_slot *slot; /* polkit is asked; NULL: the bus is */
};

struct bus_senders {
        struct bus_sender of[BUS_SENDERS_MAX];
        unsigned n;
        struct bus_check *checks;
};

struct bus_sender *bus_sender_find(struct bus_senders *s, const char *name);

/* NULL: it has no name that makes sense. */
struct bus_sender *bus_sender_of(struct bus_peer *p, sd_bus_message *m);

void bus_check_free(struct bus_senders *s, struct bus_check *check);

/* It is known who that is, or that it cannot be known. */
void bus_checks_go_on(struct bus_peer *p, const char *name);
