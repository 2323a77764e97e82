/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the daemon's answers say, read off the messages. Each returns 0 or a negative errno, -EBADMSG or
 * -ENXIO where the message is of another form. */

#include "top-view.h"

#include <systemd/sd-bus.h>

struct top_tarpits {
        char **names; /* not escaped */
        bool *paused;
        size_t n, allocated;
};

void top_tarpits_done(struct top_tarpits *tarpits);
unsigned top_tarpits_paused(const struct top_tarpits *tarpits);

/* Of Properties.GetAll of the manager: version, instance, guarded, errors. */
int top_header_from_message(struct top_header *header, sd_bus_message *m);

/* Of ListTarpits; what was in tarpits goes. */
int top_tarpits_from_message(struct top_tarpits *tarpits, sd_bus_message *m);

/* Of ListSubjects. instance: whose they are, escaped. */
int top_rows_from_message(struct top_rows *rows, sd_bus_message *m, const struct top_tarpits *tarpits,
                          const char *instance);
