/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon on the bus: org.hobbled1 on the system bus, and the same objects over a socket of its own.
 *
 * Nothing here waits, and nothing that a caller does makes it work for long in a row or keep more than a
 * bounded amount: messages are handled one at a time, after everything else in the loop; long answers and
 * signals are done in slices; who calls too often gets an error, and who does not read is left behind. */

#include <stdbool.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "bus-news.h"

struct bus;
struct manager;
struct tarpit;
struct units;

struct bus_options {
        bool system;             /* connect to the system bus, and again whenever it is lost */
        bool nameless;           /* do not be org.hobbled1 there */
        const char *socket_path; /* of the socket of its own; NULL: none. Has to live as long as the bus */
        struct units *units;     /* get each connection to the system bus; NULL: none do */
};

/* That there is no system bus, or that the socket cannot be made, is said and is no error. Returns 0 or a
 * negative errno. */
int bus_new(struct bus **ret, sd_event *event, struct manager *m, const struct bus_options *options);

/* From here on, be org.hobbled1: whoever had hobbled started by a call is to meet it with its tarpits. NULL
 * is fine. */
void bus_begin(struct bus *b);

/* Before the units are freed. NULL is fine. Returns NULL. */
struct bus *bus_free(struct bus *b);

/* The connection to the system bus; NULL: there is none at this moment. */
sd_bus *bus_system(const struct bus *b);

/* -- What the others are told: of all these b may be NULL -------------------------------------- */

/* A subject got this number, or it was taken away; 0: there is none. */
void bus_subject_new(struct bus *b, unsigned id);
void bus_subject_removed(struct bus *b, unsigned id);

/* A tarpit came, went, or its settings changed. */
void bus_tarpit_new(struct bus *b, const struct tarpit *tarpit);
void bus_tarpit_removed(struct bus *b, const char *name);
void bus_tarpit_changed(struct bus *b, const struct tarpit *tarpit);

/* A number of the manager's may have changed. */
void bus_changed(struct bus *b);

void bus_event(struct bus *b, const struct bus_news *news);
