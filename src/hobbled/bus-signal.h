/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Signals: they wait in a bounded queue, and are sent in slices, after everything else. */

struct bus;
struct bus_signals;

struct bus_signals *bus_signals_new(struct bus *b);
struct bus_signals *bus_signals_free(struct bus_signals *s);

/* How many did not fit into the queue. */
unsigned long long bus_signals_lost(const struct bus_signals *s);
