/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* hobblectl pause, resume and set: what is done to a tarpit by hand. */

#include "client.h"
#include "macro.h"
#include "message.h"
#include "options.h"
#include "request.h"

#include <stdio.h>
#include <string.h>

static const struct option_row options[] = {
        REQUEST_OPTIONS,
        { 0 },
};

/* Returns 0, or -1: exit with reader->status. */
static int read_options(struct option_reader *reader, const struct verb *verb, int argc, char *argv[],
                        struct request_options *ret)
{
        int r;

        *ret = (struct request_options){ 0 };
        options_begin(reader, verb, argc, argv);
        while ((r = options_next(reader)) > 0) {
                if (request_option(ret, r, reader->value) < 0) {
                        reader->status = usage_error(verb);
                        return -1;
                }
        }
        if (r == 0 && !argv[optind]) {
                complain("%s: no tarpit is named", verb->name);
                reader->status = usage_error(verb);
                return -1;
        }
        return r;
}

/* -- pause, resume ----------------------------------------------------------------------------- */

static int switch_all(const struct verb *verb, int argc, char *argv[], const char *method, const char *said)
{
        _cleanup_(client_freep) struct client *client = NULL;
        struct request_options wanted;
        struct option_reader reader;
        int status;

        if (read_options(&reader, verb, argc, argv, &wanted) < 0)
                return reader.status;
        status = client_new_changing(&client, wanted.socket);
        if (status != STATUS_DONE)
                return status;

        for (char **name = argv + optind; *name; name++) {
                char text[SHOWN_MAX];
                int s = client_call(client, NULL, NULL, method, NULL, "", "st", *name, wanted.flags);

                if (s == STATUS_DONE && !wanted.quiet)
                        (void) printf("%s: %s\n", shown(*name, text), said);
                if (status == STATUS_DONE)
                        status = s;
        }
        return finish_output() < 0 && status == STATUS_DONE ? STATUS_FAILED : status;
}

static int pause_main(const struct verb *verb, int argc, char *argv[])
{
        return switch_all(verb, argc, argv, "Pause", "paused, nobody in it is frozen");
}

static int resume_main(const struct verb *verb, int argc, char *argv[])
{
        return switch_all(verb, argc, argv, "Resume", "resumed");
}

const struct verb verb_pause = {
        .name = "pause",
        .arguments = "TARPIT…",
        .summary = "Freeze nobody in a tarpit, and keep them there",
        .options = options,
        .words = WORDS_TARPITS,
        .arguments_max = -1,
        .usage_status = STATUS_USAGE,
        .main = pause_main,
};

const struct verb verb_resume = {
        .name = "resume",
        .arguments = "TARPIT…",
        .summary = "End a pause",
        .options = options,
        .words = WORDS_TARPITS,
        .arguments_max = -1,
        .usage_status = STATUS_USAGE,
        .main = resume_main,
};

/* -- set --------------------------------------------------------------------------------------- */

static int set(struct client *client, const char *tarpit, char **assignments, uint64_t flags)
{
        sd_bus_message *m;
        int r, status;

        status = client_message(client, NULL, NULL, "Set", &m);
        if (status != STATUS_DONE)
                return status;
        r = sd_bus_message_append(m, "s", tarpit);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, assignments);
        if (r >= 0)
                r = sd_bus_message_append(m, "t", flags);
        if (r < 0) {
                sd_bus_message_unref(m);
                complain("cannot ask hobbled: %s", strerror(-r));
                return STATUS_FAILED;
        }
        return client_send(client, m, "", NULL);
}

static int check_assignments(const struct verb *verb, char **assignments)
{
        char text[SHOWN_MAX];

        if (!*assignments) {
                complain("set: no KEY=VALUE is given");
                return usage_error(verb);
        }
        for (; *assignments; assignments++) {
                if (**assignments != '=' && strchr(*assignments, '='))
                        continue;
                complain("set: '%s' is no KEY=VALUE such as ThawedSec=20ms", shown(*assignments, text));
                return usage_error(verb);
        }
        return STATUS_DONE;
}

static int set_main(const struct verb *verb, int argc, char *argv[])
{
        _cleanup_(client_freep) struct client *client = NULL;
        struct request_options wanted;
        struct option_reader reader;
        char text[SHOWN_MAX];
        int status;

        if (read_options(&reader, verb, argc, argv, &wanted) < 0)
                return reader.status;
        status = check_assignments(verb, argv + optind + 1);
        if (status == STATUS_DONE)
                status = client_new_changing(&client, wanted.socket);
        if (status == STATUS_DONE)
                status = set(client, argv[optind], argv + optind + 1, wanted.flags);
        if (status != STATUS_DONE || wanted.quiet)
                return status;

        for (char **assignment = argv + optind + 1; *assignment; assignment++) {
                (void) printf("%s: ", shown(argv[optind], text));
                (void) printf("%s\n", shown(*assignment, text));
        }
        return finish_output() < 0 ? STATUS_FAILED : STATUS_DONE;
}

const struct verb verb_set = {
        .name = "set",
        .arguments = "TARPIT KEY=VALUE…",
        .summary = "Change how a tarpit hobbles",
        .options = options,
        .words = WORDS_SETTINGS,
        .arguments_max = -1,
        .usage_status = STATUS_USAGE,
        .main = set_main,
};
