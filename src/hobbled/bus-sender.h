/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who the callers on the system bus are, and what polkit lets them do.
 *
 * The bus is asked for the user of a name once, and polkit for a permission that is needed; while it is not
 * known the call waits, and nothing else does. */

#include <systemd/sd-bus.h>

#include "control.h"

struct bus;
struct bus_peer;
struct bus_senders;

/* The polkit actions. */
enum bus_privilege {
        BUS_PRIVILEGE_HOBBLE,
        BUS_PRIVILEGE_RELEASE,
        BUS_PRIVILEGE_CONFIGURE,
        BUS_PRIVILEGE_MAX,
};

/* What a permitted call does: read the message from its beginning, and reply. Returns 0 or positive, or a
 * negative errno. */
typedef int (*bus_action)(struct bus_peer *p, sd_bus_message *m, struct control_caller *caller,
                          sd_bus_error *error);

struct bus_senders *bus_senders_new(void);
struct bus_senders *bus_senders_free(struct bus_senders *s);

/* All names are void, and no call waits any more. */
void bus_senders_forget(struct bus_senders *s);

/* The user who sent the message; BUS_UID_UNKNOWN: not known yet, and asked for. */
uid_t bus_sender_uid(struct bus_peer *p, sd_bus_message *m);

/* Do it now or later where the sender may, else reply with an error, or return one with the error set. */
int bus_privileged(struct bus_peer *p, sd_bus_message *m, enum bus_privilege privilege, bus_action action,
                   sd_bus_error *error);
