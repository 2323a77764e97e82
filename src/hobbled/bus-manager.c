/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* /org/hobbled1: what can be asked for, and the table of the interface. */

#include "bus-internal.h"
#include "bus-list.h"
#include "bus-sender.h"
#include "bus-signal.h"

#include <stdio.h>
#include <string.h>

/* -- Methods that change something: each reads its message once it is permitted ----------------- */

static int act_hobble(struct bus_peer *p, sd_bus_message *m, struct control_caller *caller,
                      sd_bus_error *error)
{
        const char *what, *tarpit;
        uint64_t for_usec;
        unsigned id;
        char text[16];
        int r;

        r = sd_bus_message_read(m, "sstt", &what, &tarpit, &for_usec, &caller->flags);
        if (r >= 0)
                r = bus_check_flags(caller->flags, error);
        if (r >= 0)
                r = bus_check_what(what, error);
        if (r >= 0)
                r = control_hobble(p->bus->manager, caller, what, tarpit, for_usec, &id, error);
        if (r < 0)
                return r;
        snprintf(text, sizeof(text), "%u", id);
        return sd_bus_reply_method_return(m, "s", text);
}

static int act_release(struct bus_peer *p, sd_bus_message *m, struct control_caller *caller,
                       sd_bus_error *error)
{
        const char *what, *tarpit;
        uint64_t for_usec;
        unsigned n;
        int r;

        r = sd_bus_message_read(m, "sstt", &what, &tarpit, &for_usec, &caller->flags);
        if (r >= 0)
                r = bus_check_flags(caller->flags, error);
        if (r >= 0)
                r = bus_check_what(what, error);
        if (r >= 0 && *tarpit)
                r = sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "The tarpit has to be \"\"");
        if (r >= 0)
                r = control_release(p->bus->manager, caller, what, for_usec, &n, error);
        return r < 0 ? r : sd_bus_reply_method_return(m, "u", n);
}

static int act_release_all(struct bus_peer *p, sd_bus_message *m, struct control_caller *caller,
                           sd_bus_error *error)
{
        unsigned n;
        int r;

        r = sd_bus_message_read(m, "t", &caller->flags);
        if (r >= 0)
                r = bus_check_flags(caller->flags, error);
        if (r >= 0)
                r = control_release_all(p->bus->manager, caller, NULL, &n, error);
        return r < 0 ? r : sd_bus_reply_method_return(m, "u", n);
}

static int act_pause(struct bus_peer *p, sd_bus_message *m, struct control_caller *caller,
                     sd_bus_error *error)
{
        bool pause = strcmp(sd_bus_message_get_member(m), "Pause") == 0;
        const char *tarpit;
        int r;

        r = sd_bus_message_read(m, "st", &tarpit, &caller->flags);
        if (r >= 0)
                r = bus_check_flags(caller->flags, error);
        if (r >= 0)
                r = control_pause(p->bus->manager, caller, tarpit, pause, error);
        return r < 0 ? r : sd_bus_reply_method_return(m, "");
}

static int act_set(struct bus_peer *p, sd_bus_message *m, struct control_caller *caller, sd_bus_error *error)
{
        struct bus_assignments assignments;
        const char *tarpit;
        int r;

        r = sd_bus_message_read(m, "s", &tarpit);
        if (r >= 0)
                r = bus_read_assignments(m, &assignments, error);
        if (r >= 0)
                r = sd_bus_message_read(m, "t", &caller->flags);
        if (r >= 0)
                r = bus_check_flags(caller->flags, error);
        if (r >= 0)
                r = control_set(p->bus->manager, caller, tarpit, assignments.of, error);
        return r < 0 ? r : sd_bus_reply_method_return(m, "");
}

static int act_reload(struct bus_peer *p, sd_bus_message *m, _unused_ struct control_caller *caller,
                      sd_bus_error *error)
{
        int r = control_reload(p->bus->manager, error);

        return r < 0 ? r : sd_bus_reply_method_return(m, "");
}

static int method_privileged(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        static const struct {
                const char *member;
                enum bus_privilege privilege;
                bus_action action;
        } rows[] = {
                { "Hobble", BUS_PRIVILEGE_HOBBLE, act_hobble },
                { "Release", BUS_PRIVILEGE_RELEASE, act_release },
                { "ReleaseAll", BUS_PRIVILEGE_RELEASE, act_release_all },
                { "Pause", BUS_PRIVILEGE_CONFIGURE, act_pause },
                { "Resume", BUS_PRIVILEGE_CONFIGURE, act_pause },
                { "Set", BUS_PRIVILEGE_CONFIGURE, act_set },
                { "Reload", BUS_PRIVILEGE_CONFIGURE, act_reload },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                if (strcmp(rows[i].member, sd_bus_message_get_member(m)) == 0)
                        return bus_privileged(userdata, m, rows[i].privilege, rows[i].action, error);
        }
        return -ENOSYS;
}

/* -- Properties -------------------------------------------------------------------------------- */

static int get_instance(_unused_ sd_bus *handle, _unused_ const char *path, _unused_ const char *interface,
                        const char *property, sd_bus_message *reply, void *userdata,
                        _unused_ sd_bus_error *error)
{
        const struct bus_peer *p = userdata;
        struct control_overview overview;

        control_overview(p->bus->manager, &overview);
        if (strcmp(property, "Version") == 0)
                return sd_bus_message_append(reply, "s", HOBBLED_VERSION);
        if (strcmp(property, "Instance") == 0)
                return sd_bus_message_append(reply, "s", overview.instance);
        if (strcmp(property, "Guarded") == 0)
                return sd_bus_message_append(reply, "b", overview.guarded);
        if (strcmp(property, "ConfigurationOutdated") == 0)
                return sd_bus_message_append(reply, "b", overview.outdated);
        return -ENOENT;
}

static int get_number(_unused_ sd_bus *handle, _unused_ const char *path, _unused_ const char *interface,
                      const char *property, sd_bus_message *reply, void *userdata,
                      _unused_ sd_bus_error *error)
{
        const struct bus_peer *p = userdata;
        const struct manager *m = p->bus->manager;
        struct control_overview o;
        size_t n_tarpits;

        control_overview(m, &o);
        if (strcmp(property, "Late") == 0)
                return sd_bus_message_append_array(reply, 't', o.stats.late, sizeof(o.stats.late));
        (void) control_tarpits(m, &n_tarpits);
        const struct {
                const char *name;
                const char *type;
                uint64_t value;
        } rows[] = {
                { "PID", "u", (uint64_t) getpid() },
                { "ConfigurationErrors", "u", o.config_errors },
                { "SinceUSec", "t", o.since_usec },
                { "Tarpits", "u", n_tarpits },
                { "Subjects", "u", control_subjects(m)->n },
                { "Requests", "u", requests_count(control_requests(m)) },
                { "Looks", "t", o.stats.looks },
                { "Samples", "t", o.stats.samples },
                { "Freezes", "t", o.stats.freezes },
                { "Thaws", "t", o.stats.thaws },
                { "Windows", "t", o.stats.windows },
                { "WindowsSkipped", "t", o.stats.skipped },
                { "LateMaxUSec", "t", o.stats.late_max_usec },
                { "Attached", "t", o.stats.attached },
                { "Descriptors", "u", o.stats.descriptors },
                { "EventsLost", "t", bus_signals_lost(p->bus->signals) },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                if (strcmp(rows[i].name, property) != 0)
                        continue;
                if (*rows[i].type == 'u')
                        return sd_bus_message_append(reply, "u", (uint32_t) rows[i].value);
                return sd_bus_message_append(reply, "t", rows[i].value);
        }
        return -ENOENT;
}

/* -- The table --------------------------------------------------------------------------------- */

/* Who may do what is found out here, not by sd-bus. */
#define ANYBODY SD_BUS_VTABLE_UNPRIVILEGED
#define CONST SD_BUS_VTABLE_PROPERTY_CONST
#define EMITS_CHANGE SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),

        SD_BUS_METHOD_WITH_ARGS("Hobble", SD_BUS_ARGS("s", what, "s", tarpit, "t", for_usec, "t", flags),
                                SD_BUS_RESULT("s", request), method_privileged, ANYBODY),
        SD_BUS_METHOD_WITH_ARGS("Release", SD_BUS_ARGS("s", what, "s", tarpit, "t", for_usec, "t", flags),
                                SD_BUS_RESULT("u", released), method_privileged, ANYBODY),
        SD_BUS_METHOD_WITH_ARGS("ReleaseAll", SD_BUS_ARGS("t", flags), SD_BUS_RESULT("u", released),
                                method_privileged, ANYBODY),
        SD_BUS_METHOD_WITH_ARGS("Pause", SD_BUS_ARGS("s", tarpit, "t", flags), SD_BUS_NO_RESULT,
                                method_privileged, ANYBODY),
        SD_BUS_METHOD_WITH_ARGS("Resume", SD_BUS_ARGS("s", tarpit, "t", flags), SD_BUS_NO_RESULT,
                                method_privileged, ANYBODY),
        SD_BUS_METHOD_WITH_ARGS("Set", SD_BUS_ARGS("s", tarpit, "as", assignments, "t", flags),
                                SD_BUS_NO_RESULT, method_privileged, ANYBODY),
        SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_privileged, ANYBODY),
        SD_BUS_METHOD_WITH_ARGS("Preview", SD_BUS_ARGS("s", what, "s", tarpit, "t", flags),
                                SD_BUS_RESULT("a(ussss)", processes), bus_list_preview, ANYBODY),
        SD_BUS_METHOD_WITH_ARGS("Explain", SD_BUS_ARGS("u", pid), SD_BUS_RESULT("a{sv}", facts, "s", text),
                                bus_list_explain, ANYBODY),
        SD_BUS_METHOD_WITH_ARGS("ListTarpits", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ssttbbuo)", tarpits),
                                bus_list_tarpits, ANYBODY),
        SD_BUS_METHOD_WITH_ARGS("ListSubjects", SD_BUS_ARGS("s", tarpit),
                                SD_BUS_RESULT("a(usssuusttttxso)", subjects), bus_list_subjects, ANYBODY),
        SD_BUS_METHOD_WITH_ARGS("ListRequests", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ssssttsb)", requests),
                                bus_list_requests, ANYBODY),
        SD_BUS_METHOD_WITH_ARGS("GetTarpit", SD_BUS_ARGS("s", name), SD_BUS_RESULT("o", tarpit),
                                bus_list_get_tarpit, ANYBODY),
        SD_BUS_METHOD_WITH_ARGS("GetSubject", SD_BUS_ARGS("s", what), SD_BUS_RESULT("o", subject),
                                bus_list_get_subject, ANYBODY),
        SD_BUS_METHOD_WITH_ARGS("GetSubjectByPID", SD_BUS_ARGS("u", pid), SD_BUS_RESULT("o", subject),
                                bus_list_get_subject_by_pid, ANYBODY),

        SD_BUS_PROPERTY("Version", "s", get_instance, 0, CONST),
        SD_BUS_PROPERTY("Instance", "s", get_instance, 0, CONST),
        SD_BUS_PROPERTY("PID", "u", get_number, 0, CONST),
        SD_BUS_PROPERTY("Guarded", "b", get_instance, 0, EMITS_CHANGE),
        SD_BUS_PROPERTY("ConfigurationErrors", "u", get_number, 0, EMITS_CHANGE),
        SD_BUS_PROPERTY("ConfigurationOutdated", "b", get_instance, 0, EMITS_CHANGE),
        SD_BUS_PROPERTY("SinceUSec", "t", get_number, 0, CONST),
        SD_BUS_PROPERTY("Tarpits", "u", get_number, 0, EMITS_CHANGE),
        SD_BUS_PROPERTY("Subjects", "u", get_number, 0, EMITS_CHANGE),
        SD_BUS_PROPERTY("Requests", "u", get_number, 0, EMITS_CHANGE),
        SD_BUS_PROPERTY("Looks", "t", get_number, 0, 0),
        SD_BUS_PROPERTY("Samples", "t", get_number, 0, 0),
        SD_BUS_PROPERTY("Freezes", "t", get_number, 0, 0),
        SD_BUS_PROPERTY("Thaws", "t", get_number, 0, 0),
        SD_BUS_PROPERTY("Windows", "t", get_number, 0, 0),
        SD_BUS_PROPERTY("WindowsSkipped", "t", get_number, 0, 0),
        SD_BUS_PROPERTY("LateMaxUSec", "t", get_number, 0, 0),
        SD_BUS_PROPERTY("Late", "at", get_number, 0, 0),
        SD_BUS_PROPERTY("Attached", "t", get_number, 0, 0),
        SD_BUS_PROPERTY("Descriptors", "u", get_number, 0, 0),
        SD_BUS_PROPERTY("EventsLost", "t", get_number, 0, 0),

        SD_BUS_SIGNAL_WITH_ARGS("Event",
                                SD_BUS_ARGS("t", realtime_usec, "s", kind, "s", tarpit, "s", subject, "u",
                                            pid, "s", source, "s", text),
                                0),
        SD_BUS_SIGNAL_WITH_ARGS("TarpitNew", SD_BUS_ARGS("s", name, "o", tarpit), 0),
        SD_BUS_SIGNAL_WITH_ARGS("TarpitRemoved", SD_BUS_ARGS("s", name, "o", tarpit), 0),
        SD_BUS_SIGNAL_WITH_ARGS("SubjectNew", SD_BUS_ARGS("u", id, "o", subject), 0),
        SD_BUS_SIGNAL_WITH_ARGS("SubjectRemoved", SD_BUS_ARGS("u", id, "o", subject), 0),

        SD_BUS_VTABLE_END,
};

int bus_manager_register(struct bus_peer *p)
{
        return sd_bus_add_object_vtable(p->handle, NULL, BUS_PATH, BUS_INTERFACE_MANAGER, vtable, p);
}
