/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "exec-run.h"
#include "clock.h"
#include "exec-text.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <syslog.h>

#define RUN_USER "hobbled"
#define RUN_USEC (10 * USEC_PER_SEC)
#define RUN_MEMORY_MAX (256ULL * 1024 * 1024)
#define RUN_TASKS_MAX 64ULL

/* When systemd has not told the end of a run for this long, it is given up. */
#define GIVE_UP_USEC (20 * USEC_PER_SEC)

#define MANAGER "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER_INTERFACE MANAGER ".Manager"

struct exec_run {
        char *unit;
        struct units *units;
        struct units_listener *listener;
        sd_bus_slot *call;
        sd_event_source *io, *timer;
        int fd; /* what the command prints */
        exec_run_handler handler;
        void *userdata;
        bool started, job_done, at_end;
        char error[256]; /* "": none */
        char result[32]; /* of the service, while it is asked for more */
        size_t size;
        char text[EXEC_OUTPUT_MAX + 2];
};

/* It is over when all is read and systemd has told how it ended. The handler may free the run. */
static void run_end(struct exec_run *run)
{
        if (!run->job_done || (!run->at_end && !*run->error))
                return;
        (void) sd_event_source_set_enabled(run->timer, SD_EVENT_OFF);
        (void) sd_event_source_set_enabled(run->io, SD_EVENT_OFF);
        run->text[run->size] = '\0';
        run->handler(*run->error ? run->error : NULL, run->text, run->size, run->userdata);
}

static void run_fail(struct exec_run *run, const char *fmt, ...) _printf_(2, 3);

static void run_fail(struct exec_run *run, const char *fmt, ...)
{
        va_list ap;

        if (*run->error)
                return; /* the first reason is the one */
        va_start(ap, fmt);
        (void) vsnprintf(run->error, sizeof(run->error), fmt, ap);
        va_end(ap);
}

/* Ask systemd for something about the unit, without waiting for an answer. */
static void run_tell(struct exec_run *run, const char *method)
{
        sd_bus *bus = units_bus(run->units);

        if (strcmp(method, "StopUnit") == 0)
                (void) sd_bus_call_method_async(bus, NULL, MANAGER, MANAGER_PATH, MANAGER_INTERFACE, method,
                                                NULL, NULL, "ss", run->unit, "replace");
        else
                (void) sd_bus_call_method_async(bus, NULL, MANAGER, MANAGER_PATH, MANAGER_INTERFACE, method,
                                                NULL, NULL, "s", run->unit);
}

/* -- The output -------------------------------------------------------------------------------- */

static int run_on_io(_unused_ sd_event_source *source, int fd, _unused_ uint32_t revents, void *userdata)
{
        struct exec_run *run = userdata;
        ssize_t n;

        n = read(fd, run->text + run->size, EXEC_OUTPUT_MAX + 1 - run->size);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n < 0)
                run_fail(run, "printed something that cannot be read: %s", strerror(errno));
        if (n > 0)
                run->size += (size_t) n;
        if (run->size > EXEC_OUTPUT_MAX) {
                run_fail(run, "printed more than %u KiB", EXEC_OUTPUT_MAX / 1024);
                run_tell(run, "StopUnit");
        }
        if (n > 0 && !*run->error)
                return 0;
        run->at_end = true;
        (void) sd_event_source_set_enabled(run->io, SD_EVENT_OFF);
        run_end(run);
        return 0;
}

/* -- The end ----------------------------------------------------------------------------------- */

static int run_on_status(sd_bus_message *message, void *userdata, _unused_ sd_bus_error *error)
{
        struct exec_run *run = userdata;
        int32_t status = 0;

        (void) sd_bus_message_read(message, "v", "i", &status);
        if (strcmp(run->result, "exit-code") != 0)
                run_fail(run, "was ended by signal %d", (int) status);
        else if (status == 203)
                run_fail(run, "cannot be executed by the user " RUN_USER " (status 203/EXEC)");
        else if (status == 217)
                run_fail(run, "cannot be run, as there is no user " RUN_USER " (status 217/USER)");
        else
                run_fail(run, "ended with status %d", (int) status);
        run->job_done = true;
        run_end(run);
        return 0;
}

static int run_get(struct exec_run *run, const char *property, sd_bus_message_handler_t handler)
{
        _cleanup_free_ char *path = NULL;
        int r;

        r = sd_bus_path_encode(MANAGER_PATH "/unit", run->unit, &path);
        if (r < 0)
                return r;
        run->call = sd_bus_slot_unref(run->call);
        return sd_bus_call_method_async(units_bus(run->units), &run->call, MANAGER, path,
                                        "org.freedesktop.DBus.Properties", "Get", handler, run, "ss",
                                        MANAGER ".Service", property);
}

static int run_on_result(sd_bus_message *message, void *userdata, _unused_ sd_bus_error *error)
{
        struct exec_run *run = userdata;
        const char *result = "failed";

        (void) sd_bus_message_read(message, "v", "s", &result);
        snprintf(run->result, sizeof(run->result), "%s", result);
        if ((strcmp(result, "exit-code") == 0 || strcmp(result, "signal") == 0 ||
             strcmp(result, "core-dump") == 0) &&
            run_get(run, "ExecMainStatus", run_on_status) >= 0)
                return 0;

        if (strcmp(result, "timeout") == 0)
                run_fail(run, "has not ended within %llus", RUN_USEC / USEC_PER_SEC);
        else if (strcmp(result, "oom-kill") == 0)
                run_fail(run, "was ended for lack of memory");
        else
                run_fail(run, "failed (%s)", run->result);
        run->job_done = true;
        run_end(run);
        return 0;
}

static void run_on_news(const char *unit, const char *result, void *userdata)
{
        struct exec_run *run = userdata;

        if (!result || run->job_done || strcmp(unit, run->unit) != 0)
                return;
        if (strcmp(result, "done") != 0 && !*run->error) {
                if (run_get(run, "Result", run_on_result) >= 0)
                        return;
                run_fail(run, "failed (%s)", result);
        }
        run->job_done = true;
        run_end(run);
}

static int run_on_started(sd_bus_message *message, void *userdata, _unused_ sd_bus_error *error)
{
        struct exec_run *run = userdata;
        const sd_bus_error *refusal = sd_bus_message_get_error(message);

        if (!refusal)
                return 0;
        run_fail(run, "cannot be run: %s", refusal->message ? refusal->message : refusal->name);
        run->job_done = run->at_end = true;
        run_end(run);
        return 0;
}

static int run_on_time(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata)
{
        struct exec_run *run = userdata;

        run_fail(run, "has not ended in time");
        run_tell(run, "StopUnit");
        run->job_done = run->at_end = true;
        run_end(run);
        return 0;
}

/* -- The beginning ----------------------------------------------------------------------------- */

static int append_flags(sd_bus_message *m)
{
        /* AddRef: the unit stays until its result was read, and no longer than this connection. It may see
         * other users' processes and the network: to know offenders is what it is for. */
        static const char *const flags[] = {
                "AddRef",           "NoNewPrivileges",       "PrivateTmp",           "PrivateDevices",
                "RestrictRealtime", "ProtectKernelModules",  "ProtectControlGroups", "RestrictSUIDSGID",
                "LockPersonality",  "ProtectKernelTunables",
        };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(flags) && r >= 0; i++)
                r = sd_bus_message_append(m, "(sv)", flags[i], "b", 1);
        return r;
}

static int append_command(sd_bus_message *m, char *const *words)
{
        int r;

        r = sd_bus_message_open_container(m, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "ExecStart");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "a(sasb)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sasb)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'r', "sasb");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", words[0]);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, (char **) (void *) words);
        if (r >= 0)
                r = sd_bus_message_append(m, "b", 0);
        for (unsigned i = 0; i < 4 && r >= 0; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

static int append_properties(sd_bus_message *m, const char *description, char *const *words, int output_fd)
{
        int r;

        r = sd_bus_message_open_container(m, 'a', "(sv)");
        if (r >= 0)
                r = sd_bus_message_append(
                        m, "(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)", "Description", "s", description,
                        "Type", "s", "oneshot", "CollectMode", "s", "inactive-or-failed", "User", "s",
                        RUN_USER, "TimeoutStartUSec", "t", (uint64_t) RUN_USEC, "TimeoutStopUSec", "t",
                        (uint64_t) USEC_PER_SEC, "MemoryMax", "t", (uint64_t) RUN_MEMORY_MAX, "TasksMax", "t",
                        (uint64_t) RUN_TASKS_MAX, "CapabilityBoundingSet", "t", (uint64_t) 0,
                        "StandardOutputFileDescriptor", "h", output_fd);
        if (r >= 0)
                r = sd_bus_message_append(m, "(sv)(sv)", "ProtectSystem", "s", "strict", "ProtectHome", "s",
                                          "yes");
        /* What it complains about goes where hobbled's own messages go; that it came and went is no news. */
        if (r >= 0)
                r = sd_bus_message_append(m, "(sv)(sv)", "StandardErrorFileDescriptor", "h", STDERR_FILENO,
                                          "LogLevelMax", "i", LOG_ERR);
        if (r >= 0)
                r = append_flags(m);
        if (r >= 0)
                r = append_command(m, words);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int run_start(struct exec_run *run, const char *description, char *const *words, int output_fd)
{
        sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(units_bus(run->units), &m, MANAGER, MANAGER_PATH,
                                           MANAGER_INTERFACE, "StartTransientUnit");
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", run->unit, "fail");
        if (r >= 0)
                r = append_properties(m, description, words, output_fd);
        if (r >= 0)
                r = sd_bus_message_append(m, "a(sa(sv))", 0);
        if (r >= 0)
                r = sd_bus_call_async(units_bus(run->units), &run->call, m, run_on_started, run, 0);
        sd_bus_message_unref(m);
        run->started = r >= 0;
        return r < 0 ? r : 0;
}

int exec_run_new(struct exec_run **ret, sd_event *event, struct units *units, const char *unit,
                 const char *description, char *const *words, exec_run_handler handler, void *userdata)
{
        static const struct units_handler units_handler = { .news = run_on_news };
        struct exec_run *run;
        int fds[2], r;

        if (!units_bus(units))
                return -ENOTCONN;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        run = calloc(1, sizeof(*run));
        if (!run) {
                close_fd(fds[0]);
                close_fd(fds[1]);
                return -ENOMEM;
        }
        run->fd = fds[0];
        run->units = units;
        run->handler = handler;
        run->userdata = userdata;
        run->unit = strdup(unit);
        r = run->unit ? 0 : -ENOMEM;
        if (r >= 0 && fcntl(run->fd, F_SETFL, O_NONBLOCK) < 0)
                r = -errno;
        if (r >= 0)
                r = sd_event_add_io(event, &run->io, run->fd, EPOLLIN, run_on_io, run);
        if (r >= 0)
                r = sd_event_source_set_priority(run->io, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_event_add_time(event, &run->timer, CLOCK_MONOTONIC, clock_now() + GIVE_UP_USEC,
                                      USEC_PER_SEC, run_on_time, run);
        if (r >= 0)
                r = units_listen(&run->listener, units, &units_handler, run);
        if (r >= 0)
                r = run_start(run, description, words, fds[1]);
        close_fd(fds[1]);
        if (r < 0) {
                exec_run_free(run);
                return r;
        }
        *ret = run;
        return 0;
}

struct exec_run *exec_run_free(struct exec_run *run)
{
        if (!run)
                return NULL;
        if (run->started && !run->job_done)
                run_tell(run, "StopUnit");
        if (run->started)
                run_tell(run, "UnrefUnit");
        run->call = sd_bus_slot_unref(run->call);
        run->listener = units_listener_free(run->listener);
        sd_event_source_disable_unref(run->io);
        sd_event_source_disable_unref(run->timer);
        close_fd(run->fd);
        free(run->unit);
        free(run);
        return NULL;
}
