/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "units.h"
#include "macro.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#define MANAGER "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER_INTERFACE MANAGER ".Manager"

struct units_listener {
        struct units *units;
        struct units_listener *next;
        const struct units_handler *handler; /* NULL: to be freed */
        void *userdata;
        char *unit;          /* whose cgroup is asked for */
        sd_bus_slot *answer; /* that is waited for */
};

struct units {
        sd_bus *bus;
        sd_bus_slot *slots[4];
        struct units_listener *listeners;
        bool telling; /* those that are freed meanwhile stay in the list */
};

/* -- Signals ----------------------------------------------------------------------------------- */

/* Take out who is to be freed. */
static void units_sweep(struct units *u)
{
        for (struct units_listener **p = &u->listeners, *l; (l = *p);) {
                if (l->handler) {
                        p = &l->next;
                        continue;
                }
                *p = l->next;
                free(l->unit);
                free(l);
        }
}

/* A handler may free any listener, or add some. */
static void units_tell(struct units *u, const char *unit, const char *result)
{
        u->telling = true;
        for (struct units_listener *l = u->listeners; l; l = l->next) {
                if (l->handler && l->handler->news)
                        l->handler->news(unit, result, l->userdata);
        }
        u->telling = false;
        units_sweep(u);
}

static int units_on_unit(sd_bus_message *message, void *userdata, _unused_ sd_bus_error *error)
{
        const char *unit, *path;

        if (sd_bus_message_read(message, "so", &unit, &path) >= 0)
                units_tell(userdata, unit, NULL);
        return 0;
}

static int units_on_job(sd_bus_message *message, void *userdata, _unused_ sd_bus_error *error)
{
        const char *path, *unit, *result;
        uint32_t id;

        if (sd_bus_message_read(message, "uoss", &id, &path, &unit, &result) >= 0)
                units_tell(userdata, unit, result);
        return 0;
}

/* Without a subscription there are fewer signals, and a look every CheckSec. */
static int units_on_subscribed(_unused_ sd_bus_message *message, _unused_ void *userdata,
                               _unused_ sd_bus_error *error)
{
        return 0;
}

static int units_subscribe(struct units *u)
{
        int r;

        r = sd_bus_match_signal_async(u->bus, u->slots, MANAGER, MANAGER_PATH, MANAGER_INTERFACE, "UnitNew",
                                      units_on_unit, units_on_subscribed, u);
        if (r >= 0)
                r = sd_bus_match_signal_async(u->bus, u->slots + 1, MANAGER, MANAGER_PATH, MANAGER_INTERFACE,
                                              "UnitRemoved", units_on_unit, units_on_subscribed, u);
        if (r >= 0)
                r = sd_bus_match_signal_async(u->bus, u->slots + 2, MANAGER, MANAGER_PATH, MANAGER_INTERFACE,
                                              "JobRemoved", units_on_job, units_on_subscribed, u);
        if (r >= 0)
                r = sd_bus_call_method_async(u->bus, u->slots + 3, MANAGER, MANAGER_PATH, MANAGER_INTERFACE,
                                             "Subscribe", units_on_subscribed, u, "");
        return r < 0 ? r : 0;
}

/* -- Cgroups ----------------------------------------------------------------------------------- */

static int units_on_cgroup(sd_bus_message *message, void *userdata, _unused_ sd_bus_error *error)
{
        struct units_listener *l = userdata;
        const char *path = NULL;

        if (sd_bus_message_is_method_error(message, NULL) ||
            sd_bus_message_read(message, "v", "s", &path) < 0)
                path = NULL;
        l->handler->cgroup(path, l->userdata);
        return 0;
}

static const char *unit_interface(const char *unit)
{
        static const struct {
                const char *suffix, *interface;
        } rows[] = {
                { ".service", MANAGER ".Service" }, { ".scope", MANAGER ".Scope" },
                { ".slice", MANAGER ".Slice" },     { ".socket", MANAGER ".Socket" },
                { ".mount", MANAGER ".Mount" },     { ".swap", MANAGER ".Swap" },
        };
        const char *suffix = strrchr(unit, '.');

        for (size_t i = 0; suffix && i < ELEMENTSOF(rows); i++) {
                if (strcmp(suffix, rows[i].suffix) == 0)
                        return rows[i].interface;
        }
        return NULL;
}

static int units_on_path(sd_bus_message *message, void *userdata, _unused_ sd_bus_error *error)
{
        struct units_listener *l = userdata;
        const char *path;
        int r;

        if (sd_bus_message_is_method_error(message, NULL) || sd_bus_message_read(message, "o", &path) < 0) {
                l->handler->cgroup(NULL, l->userdata);
                return 0;
        }
        l->answer = sd_bus_slot_unref(l->answer);
        r = sd_bus_call_method_async(l->units->bus, &l->answer, MANAGER, path,
                                     "org.freedesktop.DBus.Properties", "Get", units_on_cgroup, l, "ss",
                                     unit_interface(l->unit), "ControlGroup");
        if (r < 0)
                l->handler->cgroup(NULL, l->userdata);
        return 0;
}

static int units_ask(struct units_listener *l)
{
        l->answer = sd_bus_slot_unref(l->answer);
        return sd_bus_call_method_async(l->units->bus, &l->answer, MANAGER, MANAGER_PATH, MANAGER_INTERFACE,
                                        "GetUnit", units_on_path, l, "s", l->unit);
}

int units_ask_cgroup(struct units_listener *l, const char *unit)
{
        char *copy;

        if (!unit_interface(unit))
                return -EINVAL;
        copy = strdup(unit);
        if (!copy)
                return -ENOMEM;
        free(l->unit);
        l->unit = copy;
        return l->units->bus ? units_ask(l) : -ENOTCONN;
}

/* -- Life -------------------------------------------------------------------------------------- */

static void units_leave_bus(struct units *u)
{
        for (size_t i = 0; i < ELEMENTSOF(u->slots); i++)
                u->slots[i] = sd_bus_slot_unref(u->slots[i]);
        for (struct units_listener *l = u->listeners; l; l = l->next)
                l->answer = sd_bus_slot_unref(l->answer);
        u->bus = sd_bus_unref(u->bus);
}

/* What was asked before is asked again: meanwhile a unit may have come, and an answer may be lost. */
int units_set_bus(struct units *u, sd_bus *bus)
{
        int r;

        if (bus == u->bus)
                return 0;
        units_leave_bus(u);
        if (!bus)
                return 0;
        u->bus = sd_bus_ref(bus);
        r = units_subscribe(u);
        for (struct units_listener *l = u->listeners; r >= 0 && l; l = l->next) {
                if (l->handler && l->unit)
                        r = units_ask(l);
        }
        return r < 0 ? r : 0;
}

int units_new(struct units **ret, sd_bus *bus)
{
        struct units *u = calloc(1, sizeof(*u));
        int r;

        if (!u)
                return -ENOMEM;
        r = units_set_bus(u, bus);
        if (r < 0) {
                units_free(u);
                return r;
        }
        *ret = u;
        return 0;
}

struct units *units_free(struct units *u)
{
        if (!u)
                return NULL;
        units_leave_bus(u);
        free(u);
        return NULL;
}

sd_bus *units_bus(const struct units *u)
{
        return u->bus;
}

int units_listen(struct units_listener **ret, struct units *u, const struct units_handler *handler,
                 void *userdata)
{
        struct units_listener *l = calloc(1, sizeof(*l));

        if (!l)
                return -ENOMEM;
        *l = (struct units_listener){
                .units = u, .next = u->listeners, .handler = handler, .userdata = userdata
        };
        u->listeners = l;
        *ret = l;
        return 0;
}

struct units_listener *units_listener_free(struct units_listener *l)
{
        if (!l)
                return NULL;
        l->answer = sd_bus_slot_unref(l->answer);
        l->handler = NULL;
        if (!l->units->telling)
                units_sweep(l->units);
        return NULL;
}

/* -- Names ------------------------------------------------------------------------------------- */

bool unit_name_has_cgroup(const char *name, size_t size)
{
        char copy[256];

        if (size >= sizeof(copy))
                return false;
        snprintf(copy, sizeof(copy), "%.*s", (int) size, name);
        return unit_interface(copy) && *copy != '.';
}

bool unit_pattern_matches(const char *pattern, const char *component, size_t size)
{
        char name[256];

        if (size >= sizeof(name) || !unit_name_has_cgroup(component, size))
                return false;
        snprintf(name, sizeof(name), "%.*s", (int) size, component);

        /* A unit's name may contain backslashes; and systemd puts a "_" before one that is called like a file
         * of the cgroup file system. */
        return fnmatch(pattern, name, FNM_NOESCAPE) == 0 ||
               (*name == '_' && fnmatch(pattern, name + 1, FNM_NOESCAPE) == 0);
}

bool unit_pattern_matches_path(const char *pattern, const char *path)
{
        size_t size;

        for (path += strspn(path, "/"); *path; path += size, path += strspn(path, "/")) {
                size = strcspn(path, "/");
                if (unit_pattern_matches(pattern, path, size))
                        return true;
        }
        return false;
}
