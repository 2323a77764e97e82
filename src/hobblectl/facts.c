/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "facts.h"
#include "macro.h"

static const struct client_property of_tarpit[] = {
        { "Name", "s", offsetof(struct tarpit_facts, name) },
        { "Description", "s", offsetof(struct tarpit_facts, description) },
        { "Placement", "s", offsetof(struct tarpit_facts, placement) },
        { "Sources", "as", offsetof(struct tarpit_facts, sources) },
        { "FrozenUSec", "t", offsetof(struct tarpit_facts, frozen_usec) },
        { "ThawedUSec", "t", offsetof(struct tarpit_facts, thawed_usec) },
        { "CheckUSec", "t", offsetof(struct tarpit_facts, check_usec) },
        { "CPUUSec", "t", offsetof(struct tarpit_facts, cpu_usec) },
        { "BalanceUSec", "x", offsetof(struct tarpit_facts, balance_usec) },
        { "FreezeIdle", "b", offsetof(struct tarpit_facts, freeze_idle) },
        { "Paused", "b", offsetof(struct tarpit_facts, paused) },
        { "Configured", "b", offsetof(struct tarpit_facts, configured) },
        { "Subjects", "u", offsetof(struct tarpit_facts, subjects) },
        { "CPUQuotaPerMillion", "t", offsetof(struct tarpit_facts, cpu_quota_ppm) },
        { "CPUWeight", "t", offsetof(struct tarpit_facts, cpu_weight) },
        { "IOWeight", "t", offsetof(struct tarpit_facts, io_weight) },
        { "MemoryHigh", "t", offsetof(struct tarpit_facts, memory_high) },
        { "MemoryMax", "t", offsetof(struct tarpit_facts, memory_max) },
        { "TasksMax", "t", offsetof(struct tarpit_facts, tasks_max) },
        { 0 },
};

static const struct client_property of_subject[] = {
        { "Id", "u", offsetof(struct subject_facts, id) },
        { "Name", "s", offsetof(struct subject_facts, name) },
        { "Tarpit", "(so)", offsetof(struct subject_facts, tarpit) },
        { "PID", "u", offsetof(struct subject_facts, pid) },
        { "StartTime", "t", offsetof(struct subject_facts, start_time) },
        { "UID", "u", offsetof(struct subject_facts, uid) },
        { "Command", "s", offsetof(struct subject_facts, command) },
        { "State", "s", offsetof(struct subject_facts, state) },
        { "ControlGroup", "s", offsetof(struct subject_facts, cgroup) },
        { "Container", "s", offsetof(struct subject_facts, container) },
        { "Source", "s", offsetof(struct subject_facts, source) },
        { "Requested", "b", offsetof(struct subject_facts, requested) },
        { "SinceUSec", "t", offsetof(struct subject_facts, since_usec) },
        { "UntilUSec", "t", offsetof(struct subject_facts, until_usec) },
        { "CPUUSec", "t", offsetof(struct subject_facts, cpu_usec) },
        { "FrozenUSec", "t", offsetof(struct subject_facts, frozen_usec) },
        { "BalanceUSec", "x", offsetof(struct subject_facts, balance_usec) },
        { "Rate", "d", offsetof(struct subject_facts, rate) },
        { "FairShare", "d", offsetof(struct subject_facts, fair_share) },
        { 0 },
};

int tarpit_facts_get(struct client *client, const char *path, struct tarpit_facts *facts)
{
        return client_get_properties(client, path, CLIENT_TARPIT, of_tarpit, facts);
}

void tarpit_facts_done(struct tarpit_facts *facts)
{
        client_free_properties(of_tarpit, facts);
        *facts = (struct tarpit_facts){ 0 };
}

int subject_facts_get(struct client *client, const char *path, struct subject_facts *facts)
{
        return client_get_properties(client, path, CLIENT_SUBJECT, of_subject, facts);
}

void subject_facts_done(struct subject_facts *facts)
{
        client_free_properties(of_subject, facts);
        *facts = (struct subject_facts){ 0 };
}
