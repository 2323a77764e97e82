/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* hobblectl status: how hobbled is, or a tarpit, or a subject. */

#include "client.h"
#include "macro.h"
#include "message.h"
#include "options.h"
#include "status.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

/* As systemctl status says of a unit that is not active. */
enum { STATUS_NOT_RUNNING = 3 };

enum { OPTION_STATS = OPTION_LONG };

static int not_running(struct status *status)
{
        if (status->as_json) {
                json_open(&status->json, NULL, '{');
                json_bool(&status->json, "running", false);
                json_close(&status->json);
        } else
                status_title(status, STATUS_DOT_OFF, "hobbled", "not running");
        return finish_output() < 0 ? STATUS_FAILED : STATUS_NOT_RUNNING;
}

/* The path of an object, to be freed. Returns 0 or an exit status after a message. */
static int find(struct client *client, const char *method, const char *what, char **ret)
{
        sd_bus_message *reply = NULL;
        const char *path;
        int status;

        status = client_call(client, NULL, NULL, method, &reply, "o", "s", what);
        if (status != STATUS_DONE)
                return status;
        if (sd_bus_message_read(reply, "o", &path) < 0)
                status = client_odd_reply(client, method);
        else {
                *ret = strdup(path);
                if (!*ret) {
                        complain("out of memory");
                        status = STATUS_FAILED;
                }
        }
        sd_bus_message_unref(reply);
        return status;
}

/* Of tarpits, names are listed first, so that what is none is looked for among the subjects. */
static bool is_tarpit(const struct rows *tarpits, const char *name)
{
        for (size_t i = 0; i < tarpits->n; i++) {
                if (strcmp(tarpits->tarpits[i].name, name) == 0)
                        return true;
        }
        return false;
}

static int show_one(struct status *status, const struct rows *tarpits, const char *argument)
{
        bool tarpit = is_tarpit(tarpits, argument);
        _cleanup_free_ char *path = NULL;
        char name[SHOWN_MAX];
        uint64_t pid;
        int r;

        if (!tarpit && *argument != '/' && parse_u64(argument, &pid) < 0) {
                complain("'%s': there is no tarpit of that name, nor is it a PID or the path of a cgroup",
                         shown(argument, name));
                return STATUS_NO_SUCH;
        }
        r = find(status->client, tarpit ? "GetTarpit" : "GetSubject", argument, &path);
        if (r != STATUS_DONE)
                return r;
        return tarpit ? status_tarpit(status, path) : status_subject(status, path);
}

static int show_all(struct status *status, char *argv[])
{
        _cleanup_(rows_done) struct rows tarpits = { 0 };
        int r;

        r = rows_tarpits(status->client, &tarpits);
        if (r != STATUS_DONE)
                return r;
        if (status->as_json)
                json_open(&status->json, NULL, '[');
        for (; *argv; argv++) {
                int one = show_one(status, &tarpits, *argv);

                if (r == STATUS_DONE)
                        r = one;
        }
        if (status->as_json)
                json_close(&status->json);
        return r;
}

static int status_main(const struct verb *verb, int argc, char *argv[])
{
        _cleanup_(client_freep) struct client *client = NULL;
        struct status status = { 0 };
        struct option_reader reader;
        const char *socket = NULL;
        bool no_pager = false;
        int r;

        options_begin(&reader, verb, argc, argv);
        while ((r = options_next(&reader)) > 0) {
                if (r == CLIENT_SOCKET)
                        socket = reader.value;
                status.as_json = status.as_json || r == 'J';
                status.stats = status.stats || r == OPTION_STATS;
                no_pager = no_pager || r == TERMINAL_NO_PAGER;
        }
        if (r < 0)
                return reader.status;

        r = client_try(&client, socket);
        if (r == -ETIMEDOUT)
                return client_no_answer();
        if (r < 0 && (r != -ENOENT || argv[optind]))
                return client_new(&client, socket); /* says why not */
        terminal_open(&status.terminal, !no_pager);
        if (r < 0)
                r = not_running(&status);
        else {
                status.client = client_loud(client);
                r = argv[optind] ? show_all(&status, argv + optind) : status_overview(&status);
                if (finish_output() < 0 && r == STATUS_DONE)
                        r = STATUS_FAILED;
        }
        terminal_close(&status.terminal);
        return r;
}

static const struct option_row options[] = {
        { OPTION_STATS, "stats", NULL, "Also what hobbled has counted", OPTION_WORDS_NONE },
        { 'J', "json", NULL, "Print JSON", OPTION_WORDS_NONE },
        TERMINAL_OPTIONS,
        CLIENT_OPTIONS,
        { 0 },
};

const struct verb verb_status = {
        .name = "status",
        .arguments = "[TARPIT|PID|CGROUP…]",
        .summary = "Show how hobbled is, or what is in it",
        .options = options,
        .words = WORDS_SUBJECTS,
        .arguments_max = -1,
        .usage_status = STATUS_USAGE,
        .main = status_main,
};
