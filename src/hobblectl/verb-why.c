/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* hobblectl why: whether a process is hobbled, by what, and since when; or why it is not. */

#include "cells.h"
#include "client.h"
#include "container.h"
#include "entries.h"
#include "json.h"
#include "macro.h"
#include "message.h"
#include "options.h"
#include "processes.h"
#include "status.h"
#include "terminal.h"
#include "text.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

struct why {
        struct client *client; /* NULL: none runs */
        struct terminal terminal;
        bool as_json, begun;
        struct json json;
        struct entries entries; /* without a client */
        struct processes processes;
};

static void why_done(struct why *why)
{
        (void) client_free(why->client);
        entries_done(&why->entries);
        processes_done(&why->processes);
}

static void print_text(struct why *why, const char *text)
{
        _cleanup_free_ char *sentence = shown_sentence(text);

        if (why->begun)
                (void) putchar('\n');
        why->begun = true;
        print_wrapped(&why->terminal, sentence ?: "", 0);
}

/* -- Of the daemon ----------------------------------------------------------------------------- */

struct facts {
        uint32_t pid;
        bool hobbled;
        uint64_t start_time, since_usec, cpu_usec, frozen_usec, until_usec;
        int64_t balance_usec, tarpit_balance_usec;
        char *command, *verdict, *tarpit, *subject, *source, *state, *cgroup, *container, *reason;
};

static const struct client_property properties[] = {
        { "PID", "u", offsetof(struct facts, pid) },
        { "StartTime", "t", offsetof(struct facts, start_time) },
        { "Command", "s", offsetof(struct facts, command) },
        { "Hobbled", "b", offsetof(struct facts, hobbled) },
        { "Verdict", "s", offsetof(struct facts, verdict) },
        { "Tarpit", "s", offsetof(struct facts, tarpit) },
        { "Subject", "s", offsetof(struct facts, subject) },
        { "Source", "s", offsetof(struct facts, source) },
        { "SinceUSec", "t", offsetof(struct facts, since_usec) },
        { "State", "s", offsetof(struct facts, state) },
        { "BalanceUSec", "x", offsetof(struct facts, balance_usec) },
        { "TarpitBalanceUSec", "x", offsetof(struct facts, tarpit_balance_usec) },
        { "CPUUSec", "t", offsetof(struct facts, cpu_usec) },
        { "FrozenUSec", "t", offsetof(struct facts, frozen_usec) },
        { "UntilUSec", "t", offsetof(struct facts, until_usec) },
        { "ControlGroup", "s", offsetof(struct facts, cgroup) },
        { "Container", "s", offsetof(struct facts, container) },
        { "Reason", "s", offsetof(struct facts, reason) },
        { 0 },
};

static bool has(uint64_t seen, size_t offset)
{
        for (size_t i = 0; properties[i].name; i++) {
                if (properties[i].offset == offset)
                        return seen & UINT64_C(1) << i;
        }
        return false;
}

static void json_seconds(struct json *json, const char *key, double usec, bool known)
{
        if (known)
                json_double(json, key, usec / 1e6);
        else
                json_null(json, key);
}

static void print_json(struct json *json, const struct facts *f, uint64_t seen, const char *text)
{
        json_open(json, NULL, '{');
        json_number(json, "pid", f->pid);
        json_text(json, "command", f->command);
        json_bool(json, "hobbled", f->hobbled);
        json_text(json, "verdict", f->verdict);
        json_text(json, "tarpit", f->tarpit);
        json_text(json, "subject", f->subject);
        json_text(json, "source", f->source);
        json_text(json, "state", f->state);
        json_text(json, "cgroup", f->cgroup);
        json_text(json, "container", f->container);
        json_time(json, "since", f->since_usec);
        json_time(json, "until", f->until_usec);
        json_seconds(json, "cpu", (double) f->cpu_usec, has(seen, offsetof(struct facts, cpu_usec)));
        json_seconds(json, "frozen", (double) f->frozen_usec, has(seen, offsetof(struct facts, frozen_usec)));
        json_seconds(json, "balance", (double) f->balance_usec,
                     has(seen, offsetof(struct facts, balance_usec)));
        json_seconds(json, "tarpit_balance", (double) f->tarpit_balance_usec,
                     has(seen, offsetof(struct facts, tarpit_balance_usec)));
        if (f->reason)
                json_sentence(json, "reason", f->reason);
        else
                json_null(json, "reason");
        json_sentence(json, "text", text);
        json_close(json);
}

static int ask(struct why *why, uint32_t pid)
{
        sd_bus_message *reply = NULL;
        struct facts facts = { .pid = pid };
        const char *text, *odd = "Explain";
        uint64_t seen = 0;
        int r, status;

        status = client_call(why->client, NULL, NULL, "Explain", &reply, "a{sv}s", "u", pid);
        if (status != STATUS_DONE)
                return status;
        r = client_read_properties(reply, properties, &facts, &seen, &odd);
        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &text);
        if (r < 0)
                status = client_odd_reply(why->client, odd);
        else if (why->as_json)
                print_json(&why->json, &facts, seen, text);
        else
                print_text(why, text);
        client_free_properties(properties, &facts);
        sd_bus_message_unref(reply);
        return status;
}

/* -- Of the cgroup tree ------------------------------------------------------------------------ */

static const struct hobble_entry *find_entry(const struct entries *entries, const char *cgroup)
{
        for (size_t i = 0; i < entries->n; i++) {
                size_t n = strlen(entries->items[i].cgroup);

                if (n > 1 && strncmp(cgroup, entries->items[i].cgroup, n) == 0 &&
                    (cgroup[n] == '\0' || cgroup[n] == '/'))
                        return &entries->items[i];
        }
        return NULL;
}

/* As far as it can be told: who is not root cannot see where a hobbled process came from. "" for none. */
static void read_container(const struct process *process, char container[static CONTAINER_MAX])
{
        char home[4096] = "";

        (void) hobble_process_home(process->pid, home, sizeof(home));
        (void) container_of_cgroup(home, container);
}

/* "(sh) in container nspawn:web" */
static void describe_process(const struct process *process, const char *container, char *buf, size_t size)
{
        char command[SHOWN_MAX], text[SHOWN_MAX];

        (void) snprintf(buf, size, "(%s)%s%s", shown(process->comm ?: "", command),
                        *container ? " in container " : "", shown(container, text));
}

static void describe(const struct process *process, const char *container, const struct hobble_entry *entry,
                     char *buf, size_t size)
{
        char whom[2 * SHOWN_MAX], tarpit[SHOWN_MAX], subject[SHOWN_MAX], instance[SHOWN_MAX], since[64];

        describe_process(process, container, whom, sizeof(whom));
        if (!entry) {
                (void) snprintf(
                        buf, size,
                        "Process %d %s is not hobbled. So the cgroup tree shows; hobbled, which would "
                        "tell why not, is not running.",
                        process->pid, whom);
                return;
        }
        (void) local_time(entry->since_usec, since, sizeof(since));
        (void) snprintf(buf, size,
                        "Process %d %s is hobbled in tarpit %s, as %s %s, by the instance %s%s%s%s. So the "
                        "cgroup tree shows; hobbled, which would tell why, is not running.",
                        process->pid, whom, shown(entry->tarpit, tarpit),
                        *entry->subject == '/' ? "one of" : "one of the tree of",
                        shown(entry->subject, subject), shown(entry->instance, instance),
                        entry->alive ? "" : ", which is dead (see \"hobblectl rescue\")",
                        *since ? ", since " : "", since);
}

static void print_entry_json(struct json *json, const struct process *process, const char *container,
                             const struct hobble_entry *entry, const char *text)
{
        json_open(json, NULL, '{');
        json_number(json, "pid", (uint64_t) process->pid);
        json_text(json, "command", process->comm);
        json_bool(json, "hobbled", entry);
        json_null(json, "verdict");
        json_text(json, "tarpit", entry ? entry->tarpit : NULL);
        json_text(json, "subject", entry ? entry->subject : NULL);
        json_text(json, "state", entry ? entry_state(entry) : NULL);
        json_text(json, "cgroup", process->cgroup);
        json_text(json, "container", *container ? container : NULL);
        json_time(json, "since", entry ? entry->since_usec : 0);
        json_text(json, "instance", entry ? entry->instance : NULL);
        json_sentence(json, "text", text);
        json_close(json);
}

static int look(struct why *why, uint32_t pid)
{
        const struct process *process = processes_find(&why->processes, (pid_t) pid);
        const struct hobble_entry *entry;
        char container[CONTAINER_MAX], text[2048];

        if (!process) {
                complain("there is no process %u", pid);
                return STATUS_NO_SUCH;
        }
        entry = process->cgroup ? find_entry(&why->entries, process->cgroup) : NULL;
        read_container(process, container);
        describe(process, container, entry, text, sizeof(text));
        if (why->as_json)
                print_entry_json(&why->json, process, container, entry, text);
        else
                print_text(why, text);
        return STATUS_DONE;
}

/* -- The verb ---------------------------------------------------------------------------------- */

/* Returns 0 or an exit status after a message. */
static int prepare(struct why *why, const char *socket)
{
        int r = client_try(&why->client, socket);

        if (r == -ETIMEDOUT)
                return client_no_answer();
        if (r >= 0) {
                (void) client_loud(why->client);
                return STATUS_DONE;
        }
        if (r != -ENOENT || socket)
                return client_new(&why->client, socket); /* says why not */
        r = entries_read(&why->entries);
        if (r >= 0)
                r = processes_read(&why->processes);
        return r < 0 ? entries_failed(r) : STATUS_DONE;
}

static int check_pids(const struct verb *verb, char *argv[])
{
        char text[SHOWN_MAX];
        uint64_t pid;

        if (!*argv) {
                complain("why: no PID is given");
                return usage_error(verb);
        }
        for (; *argv; argv++) {
                if (parse_u64(*argv, &pid) == 0 && pid > 0 && pid <= INT_MAX)
                        continue;
                complain("why: '%s' is no PID", shown(*argv, text));
                return usage_error(verb);
        }
        return STATUS_DONE;
}

static int print_all(struct why *why, char *argv[])
{
        int status = STATUS_DONE;

        if (why->as_json)
                json_open(&why->json, NULL, '[');
        for (; *argv; argv++) {
                uint32_t pid = (uint32_t) strtoul(*argv, NULL, 10);
                int one = why->client ? ask(why, pid) : look(why, pid);

                if (status == STATUS_DONE)
                        status = one;
        }
        if (why->as_json)
                json_close(&why->json);
        return finish_output() < 0 && status == STATUS_DONE ? STATUS_FAILED : status;
}

static int why_main(const struct verb *verb, int argc, char *argv[])
{
        _cleanup_(why_done) struct why why = { 0 };
        struct option_reader reader;
        const char *socket = NULL;
        bool no_pager = false;
        int r;

        options_begin(&reader, verb, argc, argv);
        while ((r = options_next(&reader)) > 0) {
                if (r == CLIENT_SOCKET)
                        socket = reader.value;
                why.as_json = why.as_json || r == 'J';
                no_pager = no_pager || r == TERMINAL_NO_PAGER;
        }
        if (r < 0)
                return reader.status;

        r = check_pids(verb, argv + optind);
        if (r == STATUS_DONE)
                r = prepare(&why, socket);
        if (r != STATUS_DONE)
                return r;
        terminal_open(&why.terminal, !no_pager);
        r = print_all(&why, argv + optind);
        terminal_close(&why.terminal);
        return r;
}

static const struct option_row options[] = {
        { 'J', "json", NULL, "Print JSON", OPTION_WORDS_NONE },
        TERMINAL_OPTIONS,
        CLIENT_OPTIONS,
        { 0 },
};

const struct verb verb_why = {
        .name = "why",
        .arguments = "PID…",
        .summary = "Say why a process is hobbled, or why it is not",
        .options = options,
        .words = WORDS_PIDS,
        .arguments_max = -1,
        .usage_status = STATUS_USAGE,
        .main = why_main,
};
