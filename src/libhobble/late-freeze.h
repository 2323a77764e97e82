/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A freeze that has to wait: a thread in a call to a file server is not frozen before the answer has come.
 * Until then it keeps the server as busy as ever, so that is charged. Without it, who makes one long call
 * after the other would have one in each window, however long they are.
 *
 * The kernel tells of changes at most every 10 ms, so that the answer may have come some milliseconds before:
 * these are charged as well. */

#include <stdint.h>
#include <systemd/sd-event.h>

#include "hobble.h"

/* A zeroed one is at rest. */
struct late_freeze {
        sd_event_source *source; /* of cgroup.events */
        uint64_t since_usec;     /* of the freeze that has yet to take effect, 0: none */
};

/* The subject was written to be frozen at now_usec, with a thread in a call. */
void late_freeze_begin(hobble_subject *s, uint64_t now_usec);

/* It is thawed, whether or not it was frozen by then. */
void late_freeze_end(hobble_subject *s, uint64_t now_usec);

void late_freeze_done(struct late_freeze *l);
