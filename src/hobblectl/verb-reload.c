/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* hobblectl reload: look at the configuration and, where it has no errors, let hobbled read it again. */

#include "client.h"
#include "config.h"
#include "macro.h"
#include "message.h"
#include "options.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

#include <systemd/sd-bus.h>

#define UNIT "hobbled.service"

/* A job that was begun, and what became of it. */
struct job {
        char *path;
        char result[32]; /* "" while it goes on */
};

static int on_job_removed(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error)
{
        struct job *job = userdata;
        const char *path, *unit, *result;
        uint32_t id;

        if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) >= 0 && job->path &&
            strcmp(path, job->path) == 0)
                snprintf(job->result, sizeof(job->result), "%s", result);
        return 0;
}

static int subscribe(sd_bus *bus, struct job *job)
{
        int r;

        r = sd_bus_match_signal(bus, NULL, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                "org.freedesktop.systemd1.Manager", "JobRemoved", on_job_removed, job);
        if (r < 0)
                return r;
        return sd_bus_call_method(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                  "org.freedesktop.systemd1.Manager", "Subscribe", NULL, NULL, "");
}

static int wait_for(sd_bus *bus, const struct job *job)
{
        int r;

        while (!job->result[0]) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Let systemd reload the unit, and wait for the end of it. Returns an exit status. */
static int reload_unit(sd_bus *bus)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        struct job job = { 0 };
        const char *path;
        int r, status = STATUS_FAILED;

        r = subscribe(bus, &job);
        if (r >= 0)
                r = sd_bus_call_method(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                       "org.freedesktop.systemd1.Manager", "ReloadUnit", &error, &reply, "ss",
                                       UNIT, "replace");
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        if (r >= 0) {
                job.path = strdup(path);
                r = job.path ? wait_for(bus, &job) : -ENOMEM;
        }

        if (r >= 0 && strcmp(job.result, "done") == 0)
                status = STATUS_DONE;
        else if (r >= 0)
                complain("%s was not reloaded (%s): see systemctl status %s", UNIT, job.result, UNIT);
        else
                complain("%s cannot be reloaded: %s", UNIT, error.message ?: strerror(-r));
        if (r == -EACCES || r == -EPERM)
                status = STATUS_NOT_PERMITTED;
        sd_bus_error_free(&error);
        sd_bus_message_unref(reply);
        free(job.path);
        return status;
}

/* A configuration with errors would not come into force. Returns an exit status. */
static int check(void)
{
        struct config *config;
        size_t errors;

        if (config_load(&config, NULL) < 0) {
                complain("the configuration cannot be read: %s", strerror(ENOMEM));
                return STATUS_FAILED;
        }
        errors = config->n_errors;
        for (size_t i = 0; i < config->n_findings; i++) {
                const struct config_finding *finding = &config->findings[i];
                char file[SHOWN_MAX];

                if (finding->severity == CONFIG_ERROR)
                        complain("%s:%u: %s", shown(finding->place.file, file), finding->place.line,
                                 finding->text);
        }
        config_free(config);
        if (errors == 0)
                return STATUS_DONE;
        complain("not reloaded: what is in force stays in force until the configuration is in order");
        return STATUS_FAILED;
}

/* Of a hobbled that is there and is on the bus. Returns an exit status. */
static int reload_daemon(const char *socket)
{
        _cleanup_(client_freep) struct client *client = NULL;
        int status = client_new_changing(&client, socket);

        return status == STATUS_DONE ? client_call(client, NULL, NULL, "Reload", NULL, "", "") : status;
}

static bool is_on_bus(const char *socket)
{
        _cleanup_(client_freep) struct client *client = NULL;

        return socket || client_try(&client, socket) != -ENOENT;
}

static int reload_main(const struct verb *verb, int argc, char *argv[])
{
        struct option_reader reader;
        sd_bus *bus = NULL;
        const char *socket = NULL;
        int r, status = STATUS_DONE;

        options_begin(&reader, verb, argc, argv);
        while ((r = options_next(&reader)) > 0)
                socket = reader.value;
        if (r < 0)
                return reader.status;

        if (!socket)
                status = check();
        if (status != STATUS_DONE)
                return status;
        if (is_on_bus(socket))
                return reload_daemon(socket);
        r = sd_bus_open_system(&bus);
        if (r < 0) {
                complain("the system bus cannot be reached: %s; a hobbled that is no service reads its "
                         "configuration again at SIGHUP",
                         strerror(-r));
                return STATUS_FAILED;
        }
        status = reload_unit(bus);
        sd_bus_flush_close_unref(bus);
        return status;
}

static const struct option_row reload_options[] = {
        CLIENT_OPTIONS,
        { 0 },
};

const struct verb verb_reload = {
        .name = "reload",
        .arguments = "",
        .summary = "Let hobbled read its configuration again",
        .options = reload_options,
        .usage_status = STATUS_USAGE,
        .main = reload_main,
};
