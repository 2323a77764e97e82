/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the service manager tells of its units, over the system bus: that one started or stopped, and which
 * cgroup is whose. Nothing here waits for an answer. Where there is no bus nothing is told, and a unit is
 * known by the names of cgroups alone. */

#include <stdbool.h>
#include <stddef.h>

#include <systemd/sd-bus.h>

struct units;
struct units_listener;

struct units_handler {
        /* A unit came, or a job of it has ended. result is the job's, or NULL. */
        void (*news)(const char *unit, const char *result, void *userdata);

        /* The answer to units_ask_cgroup(): the path in the hierarchy; "" where it has none; NULL: there is
         * no such unit now. */
        void (*cgroup)(const char *path, void *userdata);
};

/* bus may be NULL; it is referred to. Returns 0 or a negative errno. */
int units_new(struct units **ret, sd_bus *bus);

/* Use another connection from now on, and ask anew what was asked; NULL: there is none at this moment.
 * Returns 0 or a negative errno, after which less is told than could be. */
int units_set_bus(struct units *u, sd_bus *bus);

/* All listeners have left. NULL is fine. Returns NULL. */
struct units *units_free(struct units *u);

/* NULL: there is none. */
sd_bus *units_bus(const struct units *u);

/* Returns 0 or -ENOMEM. */
int units_listen(struct units_listener **ret, struct units *u, const struct units_handler *handler,
                 void *userdata);

/* NULL is fine. Returns NULL. */
struct units_listener *units_listener_free(struct units_listener *listener);

/* Ask for the cgroup of the unit, which may be called by an alias; an earlier question is forgotten. Returns
 * 0, -ENOTCONN (it is asked when there is a connection) or another negative errno. */
int units_ask_cgroup(struct units_listener *listener, const char *unit);

/* -- Names ------------------------------------------------------------------------------------- */

/* Whether the size bytes at name are called like a unit that has a cgroup. */
bool unit_name_has_cgroup(const char *name, size_t size);

/* Whether a component of the cgroup path is called like a unit that pattern, a glob, means. */
bool unit_pattern_matches_path(const char *pattern, const char *path);

/* Whether the component, of size bytes, is that of a unit that pattern means. */
bool unit_pattern_matches(const char *pattern, const char *component, size_t size);
