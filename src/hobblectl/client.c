/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The way to the daemon: which bus or socket, calls with an end to the waiting, and errors in words. */

#include "client-internal.h"

#include "hobble.h"
#include "message.h"
#include "timespan.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

#define TIMEOUT_USEC (5 * USEC_PER_SEC)

/* Where somebody is asked for a password, or the daemon is started first. */
#define TIMEOUT_PATIENT_USEC (120 * USEC_PER_SEC)

#define NOT_RUNNING "hobbled is not running: \"systemctl start hobbled\""

struct client {
        sd_bus *bus;
        bool quiet, changing;
        bool direct; /* its own socket, no bus */
        bool running;
        char problem[1024];
};

static uint64_t now_usec(void)
{
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * USEC_PER_SEC + (uint64_t) t.tv_nsec / NSEC_PER_USEC;
}

int client_fail(struct client *client, int status, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(client->problem, sizeof(client->problem), format, ap);
        va_end(ap);
        if (!client->quiet)
                complain("%s", client->problem);
        return status;
}

sd_bus *client_bus(const struct client *client)
{
        return client->bus;
}

const char *client_sender(const struct client *client)
{
        return client->direct ? NULL : CLIENT_NAME;
}

const char *client_problem(const struct client *client)
{
        return client->problem;
}

struct client *client_loud(struct client *client)
{
        client->quiet = false;
        return client;
}

struct client *client_free(struct client *client)
{
        if (client)
                sd_bus_close_unref(client->bus);
        free(client);
        return NULL;
}

/* -- Connecting -------------------------------------------------------------------------------- */

static int connect_socket(const char *path)
{
        struct timeval limit = { .tv_sec = TIMEOUT_USEC / USEC_PER_SEC };
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -EBADF;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        /* A daemon that hangs takes nobody in: after some of them, connect() waits. */
        (void) setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
        if (connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return errno == EAGAIN ? -ETIMEDOUT : -errno;
        return TAKE_FD(fd);
}

/* The greetings. sd-bus by itself would wait for them for longer than anybody likes to. */
static int wait_ready(sd_bus *bus)
{
        uint64_t end = now_usec() + TIMEOUT_USEC;
        int r;

        for (;;) {
                r = sd_bus_is_ready(bus);
                if (r != 0)
                        return MIN(r, 0);
                r = sd_bus_process(bus, NULL);
                if (r < 0)
                        return r;
                if (r > 0)
                        continue;
                if (now_usec() >= end)
                        return -ETIMEDOUT;
                r = sd_bus_wait(bus, end - MIN(now_usec(), end));
                if (r < 0 && r != -EINTR)
                        return r;
        }
}

static int open_socket(const char *path, sd_bus **ret)
{
        sd_bus *bus = NULL;
        int fd, r;

        fd = connect_socket(path);
        if (fd < 0)
                return fd;
        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_fd(bus, fd, fd);
        if (r < 0) {
                (void) close_fd(fd);
                sd_bus_unref(bus);
                return r;
        }
        r = sd_bus_start(bus);
        if (r >= 0)
                r = wait_ready(bus);
        if (r < 0) {
                sd_bus_close_unref(bus);
                return r;
        }
        *ret = bus;
        return 0;
}

static int open_bus(sd_bus **ret)
{
        sd_bus *bus = NULL;
        int r;

        r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = wait_ready(bus);
        if (r < 0) {
                sd_bus_close_unref(bus);
                return r;
        }
        *ret = bus;
        return 0;
}

/* Whether somebody has the daemon's name on the bus. */
static bool is_named(sd_bus *bus)
{
        sd_bus_message *reply = NULL;
        int named = 0, r;

        r = sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                               "NameHasOwner", NULL, &reply, "s", CLIENT_NAME);
        if (r >= 0)
                (void) sd_bus_message_read(reply, "b", &named);
        sd_bus_message_unref(reply);
        return named;
}

/* Wherever it is. Returns 0; 1 where there is a bus, and no daemon on it; or a negative errno. */
static int find(struct client *client)
{
        bool root = geteuid() == 0;
        sd_bus *bus = NULL;
        int r, error;

        client->direct = true;
        if (root) {
                error = open_socket(CLIENT_PRIVATE, &client->bus);
                if (error == 0 || error == -ETIMEDOUT)
                        return error;
        }

        r = open_bus(&bus);
        if (r >= 0 && is_named(bus)) {
                client->bus = bus;
                client->direct = false;
                return 0;
        }
        if (!root) {
                error = open_socket(CLIENT_PRIVATE, &client->bus);
                if (error == 0 || error == -ETIMEDOUT) {
                        sd_bus_close_unref(bus);
                        return error;
                }
        }
        if (r < 0)
                return error == -EACCES || error == -EPERM ? error : -ENOENT;
        client->bus = bus;
        client->direct = false;
        return 1;
}

#define NO_ANSWER "hobbled does not answer (waited 5s): see \"systemctl status hobbled\""

int client_no_answer(void)
{
        complain(NO_ANSWER);
        return STATUS_FAILED;
}

static int connect_failed(struct client *client, const char *socket, int error)
{
        char name[SHOWN_MAX];

        switch (error) {
        case -ENOENT:
        case -ECONNREFUSED:
                if (!socket)
                        return client_fail(client, STATUS_FAILED, NOT_RUNNING);
                return client_fail(client, STATUS_FAILED, "no hobbled listens at '%s'", shown(socket, name));
        case -ETIMEDOUT:
                return client_fail(client, STATUS_FAILED, NO_ANSWER);
        case -EACCES:
        case -EPERM:
                return client_fail(client, STATUS_NOT_PERMITTED, "not permitted to talk to hobbled at '%s'",
                                   shown(socket ?: CLIENT_PRIVATE, name));
        default:
                return client_fail(client, STATUS_FAILED, "cannot talk to hobbled at '%s': %s",
                                   shown(socket ?: CLIENT_PRIVATE, name), strerror(-error));
        }
}

/* Returns 0 or a negative errno, and *ret_status goes with it. */
static int client_connect(struct client **ret, const char *socket, bool quiet, bool changing, int *ret_status)
{
        _cleanup_(client_freep) struct client *client = calloc(1, sizeof(*client));
        int r;

        *ret_status = STATUS_FAILED;
        if (!client) {
                if (!quiet)
                        complain("out of memory");
                return -ENOMEM;
        }
        client->quiet = quiet;
        client->changing = changing;

        if (socket) {
                client->direct = true;
                r = open_socket(socket, &client->bus);
        } else
                r = find(client);
        if (r == 1 && !changing)
                r = -ENOENT;
        if (r < 0) {
                *ret_status = connect_failed(client, socket, r);
                return r == -ECONNREFUSED ? -ENOENT : r;
        }

        client->running = r == 0;
        *ret_status = STATUS_DONE;
        *ret = TAKE_PTR(client);
        return 0;
}

int client_new(struct client **ret, const char *socket)
{
        int status;

        (void) client_connect(ret, socket, false, false, &status);
        return status;
}

int client_new_changing(struct client **ret, const char *socket)
{
        int status;

        (void) client_connect(ret, socket, false, true, &status);
        return status;
}

int client_try(struct client **ret, const char *socket)
{
        int status;

        return client_connect(ret, socket, true, false, &status);
}

/* -- Calls ------------------------------------------------------------------------------------- */

char *client_version(struct client *client)
{
        char *version = NULL;

        (void) sd_bus_get_property_string(client->bus, CLIENT_NAME, CLIENT_PATH, CLIENT_MANAGER, "Version",
                                          NULL, &version);
        return version;
}

int client_other_version(struct client *client, const char *what)
{
        _cleanup_free_ char *version = client_version(client);
        char name[SHOWN_MAX], other[SHOWN_MAX];

        return client_fail(client, STATUS_FAILED,
                           "hobbled %s does not know %s, or not as hobblectl %s does: after an update, "
                           "\"systemctl restart hobbled\"",
                           shown(version ?: "(of an unknown version)", other), shown(what, name),
                           hobble_version());
}

int client_odd_reply(struct client *client, const char *method)
{
        return client_other_version(client, method);
}

static bool is_one_of(const char *name, const char *const *names)
{
        for (; *names; names++) {
                if (strcmp(name, *names) == 0)
                        return true;
        }
        return false;
}

/* The exit status of an error that the daemon or the bus sent. */
static int error_status(const char *name)
{
        static const char *const no_such[] = { "org.hobbled1.Error.NoSuchTarpit",
                                               "org.hobbled1.Error.NoSuchSubject",
                                               "org.hobbled1.Error.NoSuchProcess", NULL };
        static const char *const refused[] = { "org.hobbled1.Error.Refused",
                                               "org.freedesktop.DBus.Error.AccessDenied",
                                               "org.freedesktop.DBus.Error.AuthFailed",
                                               "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
                                               NULL };

        return is_one_of(name, no_such)   ? STATUS_NO_SUCH
               : is_one_of(name, refused) ? STATUS_NOT_PERMITTED
                                          : STATUS_FAILED;
}

static uint64_t timeout_of(const struct client *client)
{
        bool patient = client->changing && !client->direct && (!client->running || geteuid() != 0);

        return patient ? TIMEOUT_PATIENT_USEC : TIMEOUT_USEC;
}

static bool is_timeout(const char *name, uint64_t waited, uint64_t timeout)
{
        static const char *const names[] = { "org.freedesktop.DBus.Error.Timeout",
                                             "org.freedesktop.DBus.Error.TimedOut",
                                             "org.freedesktop.DBus.Error.NoReply", "System.Error.ETIMEDOUT",
                                             NULL };

        /* The bus tells by NoReply, too, that who was asked went away. */
        return is_one_of(name, names) && waited >= timeout / 2;
}

/* What is called: "/org/hobbled1/subject/_34" of "Release" is none of the manager's. */
static int call_failed(struct client *client, const char *method, bool of_manager, const sd_bus_error *error,
                       uint64_t waited)
{
        static const char *const gone[] = { "org.freedesktop.DBus.Error.NoReply",
                                            "org.freedesktop.DBus.Error.Disconnected",
                                            "System.Error.ECONNRESET",
                                            "System.Error.ENOTCONN",
                                            "System.Error.EPIPE",
                                            NULL };
        static const char *const absent[] = {
                "org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner",
                /* The bus would have systemd start it, but it is not enabled. */
                "org.freedesktop.systemd1.NoSuchUnit", NULL
        };
        static const char *const unknown[] = {
                "org.freedesktop.DBus.Error.UnknownMethod",    "org.freedesktop.DBus.Error.UnknownInterface",
                "org.freedesktop.DBus.Error.UnknownProperty",  "org.freedesktop.DBus.Error.UnknownObject",
                "org.freedesktop.DBus.Error.InvalidSignature", NULL
        };
        const char *name = error->name ?: "", *text = error->message ?: name;
        _cleanup_free_ char *sentence = shown_sentence(text);
        int status = error_status(name);
        const char *buf = sentence ?: "";
        bool is_said = strncasecmp(buf, "not permitted", strlen("not permitted")) == 0;
        char span[32];

        if (is_timeout(name, waited, timeout_of(client)))
                return client_fail(client, STATUS_FAILED,
                                   "hobbled does not answer (waited %s): see \"systemctl status hobbled\"",
                                   timespan_format(timeout_of(client), span, sizeof(span)));
        if (is_one_of(name, gone))
                return client_fail(client, STATUS_FAILED,
                                   "hobbled went away: see \"systemctl status hobbled\"");
        if (is_one_of(name, absent))
                return client_fail(client, STATUS_FAILED, NOT_RUNNING);
        if (!of_manager && strcmp(name, "org.freedesktop.DBus.Error.UnknownObject") == 0)
                return client_fail(client, STATUS_NO_SUCH, "it is not there any more: %s", buf);
        if (is_one_of(name, unknown))
                return client_other_version(client, method);
        if (status == STATUS_NOT_PERMITTED && strncmp(name, "org.freedesktop.", 16) == 0)
                return client_fail(client, status, "not permitted%s%s", is_said ? "" : ": ",
                                   buf + (is_said ? strlen("not permitted") : 0));
        return client_fail(client, status, "%s", buf);
}

int client_message(struct client *client, const char *path, const char *interface, const char *method,
                   sd_bus_message **ret)
{
        sd_bus_message *m = NULL;
        int r;

        client->problem[0] = '\0';
        r = sd_bus_message_new_method_call(client->bus, &m, CLIENT_NAME, path ?: CLIENT_PATH,
                                           interface ?: CLIENT_MANAGER, method);
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, client->changing);
        if (r >= 0 && client->changing)
                r = sd_bus_message_set_allow_interactive_authorization(m, true);
        if (r < 0) {
                sd_bus_message_unref(m);
                return client_fail(client, STATUS_FAILED, "cannot ask hobbled: %s", strerror(-r));
        }
        *ret = m;
        return STATUS_DONE;
}

int client_send(struct client *client, sd_bus_message *message, const char *wanted,
                sd_bus_message **ret_reply)
{
        bool of_manager = strcmp(sd_bus_message_get_path(message), CLIENT_PATH) == 0;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        uint64_t begun = now_usec();
        int r, status = STATUS_DONE;

        r = sd_bus_call(client->bus, message, timeout_of(client), &error, &reply);
        if (r < 0) {
                if (!sd_bus_error_is_set(&error))
                        (void) sd_bus_error_set_errno(&error, r);
                status = call_failed(client, sd_bus_message_get_member(message), of_manager, &error,
                                     now_usec() - begun);
        } else if (!sd_bus_message_has_signature(reply, wanted))
                status = client_other_version(client, sd_bus_message_get_member(message));
        client->running = client->running || r >= 0;

        sd_bus_error_free(&error);
        sd_bus_message_unref(message);
        if (status == STATUS_DONE && ret_reply)
                *ret_reply = TAKE_PTR(reply);
        sd_bus_message_unref(reply);
        return status;
}

int client_call(struct client *client, const char *path, const char *interface, const char *method,
                sd_bus_message **ret_reply, const char *wanted, const char *types, ...)
{
        sd_bus_message *m = NULL;
        va_list ap;
        int r, status;

        status = client_message(client, path, interface, method, &m);
        if (status != STATUS_DONE)
                return status;

        va_start(ap, types);
        r = *types ? sd_bus_message_appendv(m, types, ap) : 0;
        va_end(ap);
        if (r < 0) {
                sd_bus_message_unref(m);
                return client_fail(client, STATUS_FAILED, "cannot ask hobbled: %s", strerror(-r));
        }
        return client_send(client, m, wanted, ret_reply);
}
