/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* hobblectl run without privilege: the user's systemd is asked for a scope that is delegated to the user. All
 * of the run lives in it: the front, the command, the engine and its home. */

#include "run-scope.h"
#include "clock.h"
#include "message.h"
#include "run.h"

#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER "org.freedesktop.systemd1.Manager"

/* A manager that has not started a scope by then hangs: it takes milliseconds. */
#define ANSWER_MAX_USEC (10 * USEC_PER_SEC)

struct asking {
        sd_bus *bus;
        const char *command; /* for messages */
        char unit[64];
        char *job;
        bool done;
        int result; /* when done */
};

static void asking_done(struct asking *a)
{
        free(a->job);
        a->bus = sd_bus_flush_close_unref(a->bus);
}

static int connect_at(sd_bus **ret, const char *directory, const char *name, bool is_bus)
{
        _cleanup_free_ char *address = NULL;
        sd_bus *bus = NULL;
        int r;

        if (asprintf(&address, "unix:path=%s/%s", directory, name) < 0) {
                address = NULL;
                return -ENOMEM;
        }
        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, is_bus);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0) {
                sd_bus_unref(bus);
                return r;
        }
        *ret = bus;
        return 0;
}

/* The user's manager: over the user's bus, else over its own socket, where there is no such bus. Without a
 * session (cron, su) nobody says where they are, which is always the same place. */
static int connect_to_manager(sd_bus **ret)
{
        const char *directory = secure_getenv("XDG_RUNTIME_DIR");
        char usual[32];
        int r;

        snprintf(usual, sizeof(usual), "/run/user/%u", geteuid());
        if (!directory || directory[0] != '/' || strpbrk(directory, ",;%"))
                directory = usual;
        r = connect_at(ret, directory, "systemd/private", false);
        return r < 0 ? connect_at(ret, directory, "bus", true) : r;
}

static int on_job_removed(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error)
{
        struct asking *a = userdata;
        const char *job, *result;

        if (sd_bus_message_read(m, "uoss", NULL, &job, NULL, &result) < 0 || !a->job ||
            strcmp(job, a->job) != 0)
                return 0;
        a->done = true;
        a->result = strcmp(result, "done") == 0 ? 0 : -EIO;
        return 0;
}

static int append_properties(sd_bus_message *m, const struct asking *a)
{
        char description[SHOWN_MAX + 32];
        int r;

        snprintf(description, sizeof(description), "Hobbled command %s", a->command);
        r = sd_bus_message_open_container(m, 'a', "(sv)");
        if (r >= 0)
                r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)", "Description", "s", description, "Slice",
                                          "s", RUN_SLICE, "Delegate", "b", 1, "CollectMode", "s",
                                          "inactive-or-failed", "PIDs", "au", 1, (uint32_t) getpid());
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int ask(struct asking *a, sd_bus_error *error)
{
        sd_bus_message *m = NULL, *reply = NULL;
        const char *job;
        int r;

        r = sd_bus_match_signal(a->bus, NULL, NULL, SYSTEMD_PATH, SYSTEMD_MANAGER, "JobRemoved",
                                on_job_removed, a);
        if (r >= 0)
                r = sd_bus_message_new_method_call(a->bus, &m, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                                   "StartTransientUnit");
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", a->unit, "fail");
        if (r >= 0)
                r = append_properties(m, a);
        if (r >= 0)
                r = sd_bus_message_append(m, "a(sa(sv))", 0);
        if (r >= 0)
                r = sd_bus_call(a->bus, m, ANSWER_MAX_USEC, error, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &job);
        if (r >= 0) {
                a->job = strdup(job);
                r = a->job ? 0 : -ENOMEM;
        }
        sd_bus_message_unref(reply);
        sd_bus_message_unref(m);
        return r;
}

static int wait_for_job(struct asking *a)
{
        uint64_t end = clock_now() + ANSWER_MAX_USEC;

        while (!a->done) {
                uint64_t now = clock_now();
                int r = sd_bus_process(a->bus, NULL);

                if (r == 0)
                        r = now < end ? sd_bus_wait(a->bus, end - now) : -ETIMEDOUT;
                if (r < 0)
                        return r;
        }
        return a->result;
}

static int no_manager(const struct asking *a, int error)
{
        complain("'%s' was not started: without root, run needs a systemd of yours, and none can be reached "
                 "(%s): "
                 "log in, or have root run 'loginctl enable-linger %u', or run it as root",
                 a->command, strerror(-error), geteuid());
        return error;
}

static int refused(const struct asking *a, int error, const sd_bus_error *e)
{
        char text[SHOWN_MAX];

        complain("'%s' was not started: your systemd made no scope for it: %s", a->command,
                 shown(e->message ? e->message : strerror(-error), text));
        return error;
}

/* Where the scope is now, in which this process has to be. */
static int find_scope(const struct asking *a, char *path, size_t size)
{
        const char *name;
        int r = hobble_process_home(getpid(), path, size);

        if (r < 0)
                return r;
        name = strrchr(path, '/');
        return name && strcmp(name + 1, a->unit) == 0 ? 0 : -ENOENT;
}

int scope_enter(const char *command, char *ret_path, size_t size)
{
        _cleanup_(asking_done) struct asking a = { .command = command };
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        snprintf(a.unit, sizeof(a.unit), RUN_SCOPE_PREFIX "%d" RUN_SCOPE_SUFFIX, getpid());
        r = connect_to_manager(&a.bus);
        if (r < 0)
                return no_manager(&a, r);
        r = ask(&a, &error);
        if (r >= 0)
                r = wait_for_job(&a);
        if (r >= 0)
                r = find_scope(&a, ret_path, size);
        if (r < 0)
                (void) refused(&a, r, &error);
        sd_bus_error_free(&error);
        return r;
}
