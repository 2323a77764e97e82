/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* /org/hobbled1/tarpit/NAME */

#include "bus-internal.h"
#include "bus-sender.h"
#include "source.h"

#include <string.h>

char *bus_tarpit_path(const char *name)
{
        char *path = NULL;

        return sd_bus_path_encode(BUS_PATH_TARPIT, name, &path) < 0 ? NULL : path;
}

/* The tarpit of a path; NULL: there is none. */
static struct tarpit *find(const struct bus *b, const char *path)
{
        _cleanup_free_ char *name = NULL;

        if (sd_bus_path_decode(path, BUS_PATH_TARPIT, &name) <= 0)
                return NULL;
        return control_find_tarpit(b->manager, name);
}

/* -- Methods ----------------------------------------------------------------------------------- */

/* The tarpit of the message, which may be gone since it came. */
static struct tarpit *find_for(struct bus_peer *p, sd_bus_message *m, sd_bus_error *error)
{
        struct tarpit *t = find(p->bus, sd_bus_message_get_path(m));

        if (!t)
                (void) sd_bus_error_set(error, CONTROL_ERROR_NO_SUCH_TARPIT, "There is no such tarpit");
        return t;
}

static int act_pause(struct bus_peer *p, sd_bus_message *m, struct control_caller *caller,
                     sd_bus_error *error)
{
        bool pause = strcmp(sd_bus_message_get_member(m), "Pause") == 0;
        struct tarpit *t = find_for(p, m, error);
        int r;

        if (!t)
                return -ENOENT;
        r = sd_bus_message_read(m, "t", &caller->flags);
        if (r >= 0)
                r = bus_check_flags(caller->flags, error);
        if (r >= 0)
                r = control_pause(p->bus->manager, caller, t->name, pause, error);
        return r < 0 ? r : sd_bus_reply_method_return(m, "");
}

static int act_set(struct bus_peer *p, sd_bus_message *m, struct control_caller *caller, sd_bus_error *error)
{
        struct bus_assignments assignments;
        struct tarpit *t = find_for(p, m, error);
        int r;

        if (!t)
                return -ENOENT;
        r = bus_read_assignments(m, &assignments, error);
        if (r >= 0)
                r = sd_bus_message_read(m, "t", &caller->flags);
        if (r >= 0)
                r = bus_check_flags(caller->flags, error);
        if (r >= 0)
                r = control_set(p->bus->manager, caller, t->name, assignments.of, error);
        return r < 0 ? r : sd_bus_reply_method_return(m, "");
}

static int act_release_all(struct bus_peer *p, sd_bus_message *m, struct control_caller *caller,
                           sd_bus_error *error)
{
        struct tarpit *t = find_for(p, m, error);
        unsigned n;
        int r;

        if (!t)
                return -ENOENT;
        r = sd_bus_message_read(m, "t", &caller->flags);
        if (r >= 0)
                r = bus_check_flags(caller->flags, error);
        if (r >= 0)
                r = control_release_all(p->bus->manager, caller, t->name, &n, error);
        return r < 0 ? r : sd_bus_reply_method_return(m, "u", n);
}

static int method_privileged(sd_bus_message *m, _unused_ void *userdata, sd_bus_error *error)
{
        struct bus_peer *p = bus_peer_current(sd_bus_message_get_bus(m));
        const char *member = sd_bus_message_get_member(m);

        if (strcmp(member, "ReleaseAll") == 0)
                return bus_privileged(p, m, BUS_PRIVILEGE_RELEASE, act_release_all, error);
        return bus_privileged(p, m, BUS_PRIVILEGE_CONFIGURE, strcmp(member, "Set") == 0 ? act_set : act_pause,
                              error);
}

/* -- Properties -------------------------------------------------------------------------------- */

static int get_setting(_unused_ sd_bus *handle, _unused_ const char *path, _unused_ const char *interface,
                       const char *property, sd_bus_message *reply, void *userdata,
                       _unused_ sd_bus_error *error)
{
        static const char *const placements[HOBBLE_PLACEMENT_MAX] = {
                [HOBBLE_PLACEMENT_AUTO] = "auto",
                [HOBBLE_PLACEMENT_SUBTREE] = "subtree",
                [HOBBLE_PLACEMENT_NESTED] = "nested",
        };
        const struct tarpit *t = userdata;
        char text[1024];

        if (strcmp(property, "Name") == 0)
                return sd_bus_message_append(reply, "s", t->name);
        if (strcmp(property, "Description") == 0)
                return sd_bus_message_append(reply, "s", bus_text(t->description, text, sizeof(text)));
        if (strcmp(property, "Placement") == 0)
                return sd_bus_message_append(reply, "s", placements[t->placement]);
        if (strcmp(property, "FreezeIdle") == 0)
                return sd_bus_message_append(reply, "b", t->duty.freeze_idle);
        if (strcmp(property, "Paused") == 0)
                return sd_bus_message_append(reply, "b", t->paused);
        return sd_bus_message_append(reply, "b", t->configured);
}

static int get_number(_unused_ sd_bus *handle, _unused_ const char *path, _unused_ const char *interface,
                      const char *property, sd_bus_message *reply, void *userdata,
                      _unused_ sd_bus_error *error)
{
        const struct tarpit *t = userdata;
        const struct {
                const char *name;
                uint64_t value;
        } rows[] = {
                { "FrozenUSec", t->duty.frozen_usec },   { "ThawedUSec", t->duty.thawed_usec },
                { "CheckUSec", t->host.check_usec },     { "CPUQuotaPerMillion", t->limits.cpu_quota_ppm },
                { "CPUWeight", t->limits.cpu_weight },   { "IOWeight", t->limits.io_weight },
                { "MemoryHigh", t->limits.memory_high }, { "MemoryMax", t->limits.memory_max },
                { "TasksMax", t->limits.tasks_max },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                if (strcmp(rows[i].name, property) == 0)
                        return sd_bus_message_append(reply, "t", rows[i].value);
        }
        return -ENOENT;
}

static int get_status(_unused_ sd_bus *handle, _unused_ const char *path, _unused_ const char *interface,
                      const char *property, sd_bus_message *reply, void *userdata,
                      _unused_ sd_bus_error *error)
{
        const struct tarpit *t = userdata;
        struct hobble_tarpit_status status = { 0 };

        if (strcmp(property, "Subjects") == 0)
                return sd_bus_message_append(reply, "u", hobble_tarpit_subjects(t->host.tarpit));
        (void) hobble_tarpit_status(t->host.tarpit, &status);
        if (strcmp(property, "CPUUSec") == 0)
                return sd_bus_message_append(reply, "t", status.cpu_usec);
        return sd_bus_message_append(reply, "x", status.balance_usec);
}

/* There may be as many sources as somebody writes; the first of them are told. */
static int get_sources(_unused_ sd_bus *handle, _unused_ const char *path, _unused_ const char *interface,
                       _unused_ const char *property, sd_bus_message *reply, void *userdata,
                       _unused_ sd_bus_error *error)
{
        const struct tarpit *t = userdata;
        char text[1024];
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0 && i < MIN(t->n_sources, (size_t) BUS_NODES_MAX); i++)
                r = sd_bus_message_append(reply, "s",
                                          bus_text(source_text(t->sources[i]), text, sizeof(text)));
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* -- The table --------------------------------------------------------------------------------- */

/* Who may do what is found out here, not by sd-bus. */
#define ANYBODY SD_BUS_VTABLE_UNPRIVILEGED
#define CONST SD_BUS_VTABLE_PROPERTY_CONST
#define EMITS_CHANGE SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),

        SD_BUS_METHOD_WITH_ARGS("Pause", SD_BUS_ARGS("t", flags), SD_BUS_NO_RESULT, method_privileged,
                                ANYBODY),
        SD_BUS_METHOD_WITH_ARGS("Resume", SD_BUS_ARGS("t", flags), SD_BUS_NO_RESULT, method_privileged,
                                ANYBODY),
        SD_BUS_METHOD_WITH_ARGS("Set", SD_BUS_ARGS("as", assignments, "t", flags), SD_BUS_NO_RESULT,
                                method_privileged, ANYBODY),
        SD_BUS_METHOD_WITH_ARGS("ReleaseAll", SD_BUS_ARGS("t", flags), SD_BUS_RESULT("u", released),
                                method_privileged, ANYBODY),

        SD_BUS_PROPERTY("Name", "s", get_setting, 0, CONST),
        SD_BUS_PROPERTY("Description", "s", get_setting, 0, EMITS_CHANGE),
        SD_BUS_PROPERTY("FrozenUSec", "t", get_number, 0, EMITS_CHANGE),
        SD_BUS_PROPERTY("ThawedUSec", "t", get_number, 0, EMITS_CHANGE),
        SD_BUS_PROPERTY("FreezeIdle", "b", get_setting, 0, EMITS_CHANGE),
        SD_BUS_PROPERTY("Placement", "s", get_setting, 0, EMITS_CHANGE),
        SD_BUS_PROPERTY("CheckUSec", "t", get_number, 0, EMITS_CHANGE),
        SD_BUS_PROPERTY("Paused", "b", get_setting, 0, EMITS_CHANGE),
        SD_BUS_PROPERTY("Configured", "b", get_setting, 0, EMITS_CHANGE),
        SD_BUS_PROPERTY("Sources", "as", get_sources, 0, EMITS_CHANGE),
        SD_BUS_PROPERTY("CPUQuotaPerMillion", "t", get_number, 0, EMITS_CHANGE),
        SD_BUS_PROPERTY("CPUWeight", "t", get_number, 0, EMITS_CHANGE),
        SD_BUS_PROPERTY("IOWeight", "t", get_number, 0, EMITS_CHANGE),
        SD_BUS_PROPERTY("MemoryHigh", "t", get_number, 0, EMITS_CHANGE),
        SD_BUS_PROPERTY("MemoryMax", "t", get_number, 0, EMITS_CHANGE),
        SD_BUS_PROPERTY("TasksMax", "t", get_number, 0, EMITS_CHANGE),
        SD_BUS_PROPERTY("Subjects", "u", get_status, 0, 0),
        SD_BUS_PROPERTY("CPUUSec", "t", get_status, 0, 0),
        SD_BUS_PROPERTY("BalanceUSec", "x", get_status, 0, 0),

        SD_BUS_VTABLE_END,
};

static int on_find(_unused_ sd_bus *handle, const char *path, _unused_ const char *interface, void *userdata,
                   void **ret_found, _unused_ sd_bus_error *error)
{
        const struct bus_peer *p = userdata;

        *ret_found = find(p->bus, path);
        return *ret_found != NULL;
}

static int on_enumerate(_unused_ sd_bus *handle, _unused_ const char *prefix, void *userdata,
                        char ***ret_nodes, _unused_ sd_bus_error *error)
{
        const struct bus_peer *p = userdata;
        struct tarpit *const *tarpits;
        size_t n;
        char **nodes;

        tarpits = control_tarpits(p->bus->manager, &n);
        n = MIN(n, (size_t) BUS_NODES_MAX);
        nodes = calloc(n + 1, sizeof(*nodes));
        if (!nodes)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                nodes[i] = bus_tarpit_path(tarpits[i]->name);
                if (!nodes[i]) {
                        bus_nodes_free(nodes);
                        return -ENOMEM;
                }
        }
        *ret_nodes = nodes;
        return 0;
}

int bus_tarpit_register(struct bus_peer *p)
{
        int r = sd_bus_add_fallback_vtable(p->handle, NULL, BUS_PATH_TARPIT, BUS_INTERFACE_TARPIT, vtable,
                                           on_find, p);

        return r < 0 ? r : sd_bus_add_node_enumerator(p->handle, NULL, BUS_PATH_TARPIT, on_enumerate, p);
}
