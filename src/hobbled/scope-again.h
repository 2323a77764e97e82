/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A systemd scope ends when its last process is moved out of it, so what was hobbled elsewhere finds it gone
 * on its way home. Have systemd make it again then, of the same name and with what came from it: over the
 * system bus, without waiting for an answer. Those of the system's manager only, as there is no way to the
 * others'. */

#include <stdbool.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

#include "hobble.h"
#include "units.h"

struct scope_again;

/* What became of strays. Valid during the call. */
struct scope_again_result {
        const char *tarpit, *subject, *source; /* as they were called; source may be NULL */
        pid_t pid;                             /* of the subject */
        const char *text;                      /* a clause that says where they went */
};

typedef void (*scope_again_handler)(const struct scope_again_result *result, void *userdata);

/* units and event have to live as long. Returns 0 or -ENOMEM. */
int scope_again_new(struct scope_again **ret, sd_event *event, struct units *units,
                    scope_again_handler handler, void *userdata);

/* Nobody is told any more. NULL is fine. Returns NULL. */
struct scope_again *scope_again_free(struct scope_again *a);

/* Take an event STRAYED. The handler is told once: at once where there is no scope to be made, else when
 * systemd has answered, or has not for long. */
void scope_again_take(struct scope_again *a, const struct hobble_event *event, const char *source);

/* Whether the process is among those that systemd is about to move. */
bool scope_again_has(const struct scope_again *a, pid_t pid);
