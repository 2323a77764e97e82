/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "overview.h"
#include "macro.h"

#include <string.h>

static const struct client_property properties[] = {
        { "Version", "s", offsetof(struct overview, version) },
        { "Instance", "s", offsetof(struct overview, instance) },
        { "PID", "u", offsetof(struct overview, pid) },
        { "Guarded", "b", offsetof(struct overview, guarded) },
        { "ConfigurationErrors", "u", offsetof(struct overview, errors) },
        { "ConfigurationOutdated", "b", offsetof(struct overview, outdated) },
        { "SinceUSec", "t", offsetof(struct overview, since_usec) },
        { "Tarpits", "u", offsetof(struct overview, tarpits) },
        { "Subjects", "u", offsetof(struct overview, subjects) },
        { "Requests", "u", offsetof(struct overview, requests) },
        { "Looks", "t", offsetof(struct overview, looks) },
        { "Samples", "t", offsetof(struct overview, samples) },
        { "Freezes", "t", offsetof(struct overview, freezes) },
        { "Thaws", "t", offsetof(struct overview, thaws) },
        { "Windows", "t", offsetof(struct overview, windows) },
        { "WindowsSkipped", "t", offsetof(struct overview, windows_skipped) },
        { "LateMaxUSec", "t", offsetof(struct overview, late_max_usec) },
        { "Attached", "t", offsetof(struct overview, attached) },
        { "Descriptors", "u", offsetof(struct overview, descriptors) },
        { "EventsLost", "t", offsetof(struct overview, events_lost) },
        { 0 },
};

const struct overview_counter overview_counters[] = {
        { "looks", "Wake-ups of the clocks of tarpits", offsetof(struct overview, looks) },
        { "samples", "Readings of CPU time", offsetof(struct overview, samples) },
        { "freezes", "Times that a subject was frozen", offsetof(struct overview, freezes) },
        { "thaws", "Times that a subject was thawed", offsetof(struct overview, thaws) },
        { "windows", "Thawed windows", offsetof(struct overview, windows) },
        { "windows_skipped", "Thawed windows that were left out",
          offsetof(struct overview, windows_skipped) },
        { "attached", "Processes that were moved into a tarpit", offsetof(struct overview, attached) },
        { "events_lost", "Events that nobody was told", offsetof(struct overview, events_lost) },
        { 0 },
};

uint64_t overview_count(const struct overview *overview, const struct overview_counter *counter)
{
        uint64_t n;

        memcpy(&n, (const char *) overview + counter->offset, sizeof(n));
        return n;
}

int overview_get(struct client *client, struct overview *overview)
{
        return client_get_properties(client, NULL, NULL, properties, overview);
}

void overview_done(struct overview *overview)
{
        client_free_properties(properties, overview);
        *overview = (struct overview){ 0 };
}
