/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* /org/hobbled1/subject/ID */

#include "bus-internal.h"
#include "bus-sender.h"
#include "container.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

char *bus_subject_path(unsigned id)
{
        char *path = NULL, text[16];

        snprintf(text, sizeof(text), "%u", id);
        return sd_bus_path_encode(BUS_PATH_SUBJECT, text, &path) < 0 ? NULL : path;
}

/* The number in a path; 0: there is none. */
static unsigned number_of(const char *path)
{
        _cleanup_free_ char *text = NULL;
        uint64_t id;

        if (sd_bus_path_decode(path, BUS_PATH_SUBJECT, &text) <= 0 || parse_u64(text, &id) < 0 ||
            id > UINT32_MAX)
                return 0;
        return (unsigned) id;
}

/* -- Methods ----------------------------------------------------------------------------------- */

static int act_release(struct bus_peer *p, sd_bus_message *m, struct control_caller *caller,
                       sd_bus_error *error)
{
        uint64_t for_usec;
        int r;

        r = sd_bus_message_read(m, "tt", &for_usec, &caller->flags);
        if (r >= 0)
                r = bus_check_flags(caller->flags, error);
        if (r >= 0)
                r = control_release_subject(p->bus->manager, caller, number_of(sd_bus_message_get_path(m)),
                                            for_usec, error);
        return r < 0 ? r : sd_bus_reply_method_return(m, "");
}

static int method_release(sd_bus_message *m, _unused_ void *userdata, sd_bus_error *error)
{
        return bus_privileged(bus_peer_current(sd_bus_message_get_bus(m)), m, BUS_PRIVILEGE_RELEASE,
                              act_release, error);
}

/* -- Properties -------------------------------------------------------------------------------- */

static int get_tarpit(_unused_ sd_bus *handle, _unused_ const char *path, _unused_ const char *interface,
                      _unused_ const char *property, sd_bus_message *reply, void *userdata,
                      _unused_ sd_bus_error *error)
{
        const struct subjects_item *item = userdata;
        _cleanup_free_ char *tarpit = bus_tarpit_path(item->tarpit->name);

        return tarpit ? sd_bus_message_append(reply, "(so)", item->tarpit->name, tarpit) : -ENOMEM;
}

static int get_text(_unused_ sd_bus *handle, _unused_ const char *path, _unused_ const char *interface,
                    const char *property, sd_bus_message *reply, void *userdata, _unused_ sd_bus_error *error)
{
        const struct subjects_item *item = userdata;
        char raw[4096] = "", text[sizeof(raw)];
        const char *value = raw;

        if (strcmp(property, "Name") == 0)
                value = hobble_subject_name(item->handle);
        else if (strcmp(property, "Source") == 0)
                value = item->source ? item->source : "";
        else
                (void) hobble_subject_path(item->handle, raw, sizeof(raw));
        return sd_bus_message_append(reply, "s", bus_text(value, text, sizeof(text)));
}

/* Told by where the root came from or, where that has ended, a member. */
static int get_container(_unused_ sd_bus *handle, _unused_ const char *path, _unused_ const char *interface,
                         _unused_ const char *property, sd_bus_message *reply, void *userdata,
                         _unused_ sd_bus_error *error)
{
        const struct subjects_item *item = userdata;
        char home[4096] = "", container[CONTAINER_MAX], text[2 * CONTAINER_MAX];
        pid_t pid = hobble_subject_pid(item->handle);

        if (pid == 0)
                (void) container_of_cgroup(hobble_subject_name(item->handle), container);
        else {
                (void) hobble_subject_member(item->handle, &pid);
                (void) hobble_engine_home_of(hobble_tarpit_engine(hobble_subject_tarpit(item->handle)), pid,
                                             home, sizeof(home));
                (void) container_of_cgroup(home, container);
        }
        return sd_bus_message_append(reply, "s", bus_text(container, text, sizeof(text)));
}

static int get_process(_unused_ sd_bus *handle, _unused_ const char *path, _unused_ const char *interface,
                       const char *property, sd_bus_message *reply, void *userdata,
                       _unused_ sd_bus_error *error)
{
        const struct subjects_item *item = userdata;
        struct bus_process process;

        if (strcmp(property, "Id") == 0)
                return sd_bus_message_append(reply, "u", item->id);
        if (strcmp(property, "PID") == 0)
                return sd_bus_message_append(reply, "u", (uint32_t) hobble_subject_pid(item->handle));
        if (strcmp(property, "StartTime") == 0)
                return sd_bus_message_append(reply, "t", hobble_subject_start_time(item->handle));
        bus_process_read(hobble_subject_pid(item->handle), &process);
        if (strcmp(property, "UID") == 0)
                return sd_bus_message_append(reply, "u", (uint32_t) process.uid);
        return sd_bus_message_append(reply, "s", process.command);
}

static int get_request(sd_bus *handle, _unused_ const char *path, _unused_ const char *interface,
                       const char *property, sd_bus_message *reply, void *userdata,
                       _unused_ sd_bus_error *error)
{
        const struct bus_peer *p = bus_peer_current(handle);
        bool requested;
        uint64_t until = bus_until_usec(p->bus->manager, userdata, &requested);

        if (strcmp(property, "Requested") == 0)
                return sd_bus_message_append(reply, "b", requested);
        return sd_bus_message_append(reply, "t", until);
}

static int get_status(_unused_ sd_bus *handle, _unused_ const char *path, _unused_ const char *interface,
                      const char *property, sd_bus_message *reply, void *userdata,
                      _unused_ sd_bus_error *error)
{
        const struct subjects_item *item = userdata;
        struct hobble_subject_status status = { .fair_share = INFINITY };

        (void) hobble_subject_status(item->handle, &status);
        if (strcmp(property, "State") == 0)
                return sd_bus_message_append(reply, "s", bus_state_name(&status, item->tarpit->paused));
        if (strcmp(property, "SinceUSec") == 0)
                return sd_bus_message_append(reply, "t", status.since_usec);
        if (strcmp(property, "CPUUSec") == 0)
                return sd_bus_message_append(reply, "t", status.cpu_usec);
        if (strcmp(property, "FrozenUSec") == 0)
                return sd_bus_message_append(reply, "t", status.frozen_usec);
        if (strcmp(property, "BalanceUSec") == 0)
                return sd_bus_message_append(reply, "x", status.balance_usec);
        if (strcmp(property, "Rate") == 0)
                return sd_bus_message_append(reply, "d", status.rate);
        return sd_bus_message_append(reply, "d", status.fair_share);
}

/* -- The table --------------------------------------------------------------------------------- */

#define CONST SD_BUS_VTABLE_PROPERTY_CONST

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),

        SD_BUS_METHOD_WITH_ARGS("Release", SD_BUS_ARGS("t", for_usec, "t", flags), SD_BUS_NO_RESULT,
                                method_release, SD_BUS_VTABLE_UNPRIVILEGED),

        SD_BUS_PROPERTY("Id", "u", get_process, 0, CONST),
        SD_BUS_PROPERTY("Name", "s", get_text, 0, CONST),
        SD_BUS_PROPERTY("Tarpit", "(so)", get_tarpit, 0, CONST),
        SD_BUS_PROPERTY("PID", "u", get_process, 0, CONST),
        SD_BUS_PROPERTY("StartTime", "t", get_process, 0, CONST),
        SD_BUS_PROPERTY("UID", "u", get_process, 0, 0),
        SD_BUS_PROPERTY("Command", "s", get_process, 0, 0),
        SD_BUS_PROPERTY("State", "s", get_status, 0, 0),
        SD_BUS_PROPERTY("ControlGroup", "s", get_text, 0, 0),
        SD_BUS_PROPERTY("Container", "s", get_container, 0, 0),
        SD_BUS_PROPERTY("Source", "s", get_text, 0, 0),
        SD_BUS_PROPERTY("Requested", "b", get_request, 0, 0),
        SD_BUS_PROPERTY("SinceUSec", "t", get_status, 0, CONST),
        SD_BUS_PROPERTY("UntilUSec", "t", get_request, 0, 0),
        SD_BUS_PROPERTY("CPUUSec", "t", get_status, 0, 0),
        SD_BUS_PROPERTY("FrozenUSec", "t", get_status, 0, 0),
        SD_BUS_PROPERTY("BalanceUSec", "x", get_status, 0, 0),
        SD_BUS_PROPERTY("Rate", "d", get_status, 0, 0),
        SD_BUS_PROPERTY("FairShare", "d", get_status, 0, 0),

        SD_BUS_VTABLE_END,
};

static int on_find(_unused_ sd_bus *handle, const char *path, _unused_ const char *interface, void *userdata,
                   void **ret_found, _unused_ sd_bus_error *error)
{
        const struct bus_peer *p = userdata;

        *ret_found = (void *) subjects_find(control_subjects(p->bus->manager), number_of(path));
        return *ret_found != NULL;
}

/* The first of them: ListSubjects has all, in slices, which an introspection cannot be made of. */
static int on_enumerate(_unused_ sd_bus *handle, _unused_ const char *prefix, void *userdata,
                        char ***ret_nodes, _unused_ sd_bus_error *error)
{
        const struct bus_peer *p = userdata;
        const struct subjects_item *item = NULL;
        char **nodes = calloc(BUS_NODES_MAX + 1, sizeof(*nodes));

        if (!nodes)
                return -ENOMEM;
        for (size_t i = 0; i < BUS_NODES_MAX; i++) {
                item = subjects_next(control_subjects(p->bus->manager), item ? item->id : 0);
                if (!item)
                        break;
                nodes[i] = bus_subject_path(item->id);
                if (!nodes[i]) {
                        bus_nodes_free(nodes);
                        return -ENOMEM;
                }
        }
        *ret_nodes = nodes;
        return 0;
}

int bus_subject_register(struct bus_peer *p)
{
        int r = sd_bus_add_fallback_vtable(p->handle, NULL, BUS_PATH_SUBJECT, BUS_INTERFACE_SUBJECT, vtable,
                                           on_find, p);

        return r < 0 ? r : sd_bus_add_node_enumerator(p->handle, NULL, BUS_PATH_SUBJECT, on_enumerate, p);
}
