/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* hobblectl monitor: what happens, a line each, as it happens. */

#include "cells.h"
#include "client.h"
#include "json.h"
#include "macro.h"
#include "message.h"
#include "options.h"
#include "status.h"
#include "text.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { OPTION_NO_WAIT = OPTION_LONG };

#define RETRY_MSEC 500

struct monitor {
        struct client *client;
        const char *socket;
        char **tarpits; /* only these; the first is NULL: all */
        bool as_json, no_wait;
        bool gone;   /* the daemon */
        bool closed; /* whoever reads what we print */
        int status;
};

static void monitor_done(struct monitor *m)
{
        m->client = client_free(m->client);
}

/* -- Events ------------------------------------------------------------------------------------ */

struct event {
        uint64_t usec;
        const char *kind, *tarpit, *subject, *source, *text;
        uint32_t pid;
};

/* That events were lost concerns everybody. */
static bool is_wanted(const struct monitor *m, const struct event *event)
{
        if (!*m->tarpits || strcmp(event->kind, "lost") == 0)
                return true;
        for (char **name = m->tarpits; *name; name++) {
                if (strcmp(*name, event->tarpit) == 0)
                        return true;
        }
        return false;
}

static void print_json(const struct event *event)
{
        struct json json = { .one_line = true };

        json_open(&json, NULL, '{');
        json_time(&json, "time", event->usec);
        json_number(&json, "usec", event->usec);
        json_text(&json, "kind", event->kind);
        json_text(&json, "tarpit", *event->tarpit ? event->tarpit : NULL);
        json_text(&json, "subject", *event->subject ? event->subject : NULL);
        if (event->pid > 0)
                json_number(&json, "pid", event->pid);
        else
                json_null(&json, "pid");
        json_text(&json, "source", *event->source ? event->source : NULL);
        json_sentence(&json, "text", event->text);
        json_close(&json);
}

static void print_text(const struct event *event)
{
        _cleanup_free_ char *text = shown_sentence(event->text);
        char kind[SHOWN_MAX], tarpit[SHOWN_MAX], subject[SHOWN_MAX], when[32] = "-";
        time_t t = (time_t) (event->usec / USEC_PER_SEC);
        struct tm tm;

        if (localtime_r(&t, &tm))
                (void) strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
        for (char *p = text; p && *p; p++)
                *p = *p == '\n' ? ' ' : *p;
        (void) printf("%s %-10s %s %s %s\n", when, shown(event->kind, kind),
                      *event->tarpit ? shown(event->tarpit, tarpit) : "-",
                      *event->subject ? shown(event->subject, subject) : "-", text && *text ? text : "-");
}

static int on_event(sd_bus_message *message, void *userdata, _unused_ sd_bus_error *error)
{
        struct monitor *m = userdata;
        struct event event;
        int r;

        r = sd_bus_message_read(message, "tsssuss", &event.usec, &event.kind, &event.tarpit, &event.subject,
                                &event.pid, &event.source, &event.text);
        if (r < 0) {
                m->status = client_odd_reply(m->client, "Event");
                m->closed = true;
                return 0;
        }
        if (!is_wanted(m, &event))
                return 0;
        if (m->as_json)
                print_json(&event);
        else
                print_text(&event);
        if (finish_output() < 0) {
                m->status = STATUS_FAILED;
                m->closed = true;
        }
        return 0;
}

/* -- Coming and going -------------------------------------------------------------------------- */

static int on_owner_changed(sd_bus_message *message, void *userdata, _unused_ sd_bus_error *error)
{
        struct monitor *m = userdata;
        const char *name, *before, *after;

        if (sd_bus_message_read(message, "sss", &name, &before, &after) >= 0 &&
            strcmp(name, CLIENT_NAME) == 0 && !*after)
                m->gone = true;
        return 0;
}

/* Returns 0 or an exit status after a message. */
static int subscribe(struct monitor *m)
{
        sd_bus *bus = client_bus(m->client);
        int r;

        r = sd_bus_match_signal(bus, NULL, client_sender(m->client), CLIENT_PATH, CLIENT_MANAGER, "Event",
                                on_event, m);
        if (r >= 0 && client_sender(m->client))
                r = sd_bus_match_signal(bus, NULL, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                        "org.freedesktop.DBus", "NameOwnerChanged", on_owner_changed, m);
        if (r < 0) {
                complain("cannot listen to hobbled: %s", strerror(-r));
                return STATUS_FAILED;
        }

        /* On its own socket hobbled sends nothing to who has said nothing; and one that hangs is found out.
         */
        return client_call(m->client, NULL, "org.freedesktop.DBus.Peer", "Ping", NULL, "", "");
}

/* Whether nobody reads any more what we print. timeout in ms, and fd -1: none. */
static int wait_for(struct monitor *m, int fd, short events, int timeout)
{
        struct pollfd fds[] = { { .fd = STDOUT_FILENO }, { .fd = fd, .events = events } };
        int r;

        r = poll(fds, ELEMENTSOF(fds), timeout);
        if (r < 0 && errno != EINTR)
                return -errno;
        if (r > 0 && fds[0].revents & (POLLERR | POLLHUP | POLLNVAL))
                m->closed = true;
        return 0;
}

static int next_timeout(sd_bus *bus)
{
        struct timespec now;
        uint64_t usec, at;

        if (sd_bus_get_timeout(bus, &at) < 0 || at == UINT64_MAX)
                return -1;
        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        usec = (uint64_t) now.tv_sec * USEC_PER_SEC + (uint64_t) now.tv_nsec / NSEC_PER_USEC;
        return at <= usec ? 0 : (int) MIN((at - usec) / USEC_PER_MSEC + 1, 60000U);
}

/* Until the daemon goes away, or our reader does. */
static void listen_to(struct monitor *m)
{
        sd_bus *bus = client_bus(m->client);

        while (!m->gone && !m->closed) {
                int events, r = sd_bus_process(bus, NULL);

                if (r > 0)
                        continue;
                events = r < 0 ? r : sd_bus_get_events(bus);
                if (events >= 0)
                        r = wait_for(m, sd_bus_get_fd(bus), (short) events, next_timeout(bus));
                if (events < 0 || r < 0)
                        m->gone = true;
        }
}

static void wait_for_daemon(struct monitor *m)
{
        m->client = client_free(m->client);
        do
                (void) wait_for(m, -1, 0, RETRY_MSEC);
        while (!m->closed && client_try(&m->client, m->socket) < 0);
        m->gone = false;
        if (m->client)
                (void) client_loud(m->client);
}

static int run(struct monitor *m)
{
        m->status = client_new(&m->client, m->socket);
        if (m->status == STATUS_DONE)
                m->status = subscribe(m);
        if (m->status != STATUS_DONE)
                return m->status;

        for (;;) {
                listen_to(m);
                if (m->closed)
                        return m->status;
                if (m->no_wait) {
                        complain("hobbled went away");
                        return STATUS_FAILED;
                }
                complain("hobbled went away: waiting for it to come back");
                wait_for_daemon(m);
                if (m->closed)
                        return m->status;
                complain("hobbled is back");
                m->status = subscribe(m);
                if (m->status != STATUS_DONE)
                        return m->status;
        }
}

static int check_names(const struct verb *verb, char **names)
{
        char text[SHOWN_MAX];

        for (; *names; names++) {
                if (name_is_valid(*names))
                        continue;
                complain("'%s' is not the name of a tarpit", shown(*names, text));
                return usage_error(verb);
        }
        return STATUS_DONE;
}

static int monitor_main(const struct verb *verb, int argc, char *argv[])
{
        _cleanup_(monitor_done) struct monitor m = { 0 };
        struct option_reader reader;
        int r;

        options_begin(&reader, verb, argc, argv);
        while ((r = options_next(&reader)) > 0) {
                if (r == CLIENT_SOCKET)
                        m.socket = reader.value;
                m.as_json = m.as_json || r == 'J';
                m.no_wait = m.no_wait || r == OPTION_NO_WAIT;
        }
        if (r < 0)
                return reader.status;

        m.tarpits = argv + optind;
        r = check_names(verb, m.tarpits);
        return r == STATUS_DONE ? run(&m) : r;
}

static const struct option_row options[] = {
        { 'J', "json", NULL, "Print an object of JSON a line", OPTION_WORDS_NONE },
        { OPTION_NO_WAIT, "no-wait", NULL, "End when hobbled goes away", OPTION_WORDS_NONE },
        CLIENT_OPTIONS,
        { 0 },
};

const struct verb verb_monitor = {
        .name = "monitor",
        .arguments = "[TARPIT…]",
        .summary = "Print what happens, as it happens",
        .options = options,
        .words = WORDS_TARPITS,
        .arguments_max = -1,
        .usage_status = STATUS_USAGE,
        .main = monitor_main,
};
