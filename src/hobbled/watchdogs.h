/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* systemd kills a service that does not say often enough that it lives (WatchdogSec=), and one that is frozen
 * says nothing. PID 1 is asked for the watchdogs of the services that are hobbled, without waiting for an
 * answer, so that people can be warned. */

#include <stdint.h>

#include "hobble.h"
#include "units.h"

struct watchdogs;

/* A watchdog that is short for the tarpit that its service is hobbled in. text is a clause. */
typedef void (*watchdogs_handler)(const char *tarpit, const char *unit, const char *text, void *userdata);

/* units has to live as long. Returns 0 or -ENOMEM. */
int watchdogs_new(struct watchdogs **ret, struct units *units, watchdogs_handler handler, void *userdata);

/* NULL is fine. Returns NULL. */
struct watchdogs *watchdogs_free(struct watchdogs *w);

/* A process of the unit is hobbled in the tarpit. Whom that concerns is told once for each unit, and PID 1 is
 * asked anew only where the duty cycle is longer than before. What is no service is passed over. */
void watchdogs_look(struct watchdogs *w, const char *unit, const char *tarpit,
                    const struct hobble_duty *duty);

/* Tell, and ask, again from now on. */
void watchdogs_forget(struct watchdogs *w);
