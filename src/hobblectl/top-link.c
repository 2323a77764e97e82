/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "top-link.h"
#include "client.h"
#include "clock.h"
#include "macro.h"
#include "text.h"
#include "top-link-internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* An answer that takes longer than this is said to be missing. */
#define SILENT_USEC (2 * USEC_PER_SEC)

/* When to give up and connect anew. */
#define GIVE_UP_USEC (60 * USEC_PER_SEC)

enum way {
        WAY_SOCKET, /* the one that was asked for, or the daemon's usual one */
        WAY_BUS,
};

/* One refresh is three calls, sent at once and answered in their order. */
enum call {
        CALL_MANAGER, /* its properties */
        CALL_TARPITS,
        CALL_SUBJECTS,
        CALL_MAX,
};

struct top_link {
        sd_event *event;
        struct top_link_options options;
        enum way ways[2]; /* in the order in which they are tried */
        size_t n_ways, way;
        sd_bus *bus;
        sd_bus_slot *calls[CALL_MAX], *change;
        char *changed_text;  /* what to say if the change succeeds */
        uint64_t asked_usec; /* CLOCK_MONOTONIC, 0: no answer is waited for */
        struct top_header header;
        struct top_tarpits tarpits;
};

static void disconnect(struct top_link *l)
{
        for (size_t i = 0; i < CALL_MAX; i++)
                l->calls[i] = sd_bus_slot_unref(l->calls[i]);
        l->change = sd_bus_slot_unref(l->change);
        free(TAKE_PTR(l->changed_text));
        top_tarpits_done(&l->tarpits);
        l->bus = sd_bus_close_unref(l->bus);
}

int top_link_new(struct top_link **ret, sd_event *event, const struct top_link_options *options)
{
        struct top_link *l = calloc(1, sizeof(*l));

        if (!l)
                return -ENOMEM;
        l->event = sd_event_ref(event);
        l->options = *options;
        if (options->socket || geteuid() == 0)
                l->ways[l->n_ways++] = WAY_SOCKET;
        if (!options->socket)
                l->ways[l->n_ways++] = WAY_BUS;
        if (!options->socket && geteuid() != 0)
                l->ways[l->n_ways++] = WAY_SOCKET;
        *ret = l;
        return 0;
}

struct top_link *top_link_free(struct top_link *l)
{
        if (!l)
                return NULL;
        disconnect(l);
        sd_event_unref(l->event);
        free(l);
        return NULL;
}

/* -- Connecting -------------------------------------------------------------------------------- */

static int open_socket(const char *path, sd_bus **ret)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -EBADF;
        sd_bus *bus;
        int r;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;

        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_fd(bus, fd, fd);
        if (r >= 0) {
                (void) TAKE_FD(fd);
                r = sd_bus_start(bus);
        }
        if (r < 0) {
                sd_bus_close_unref(bus);
                return r;
        }
        *ret = bus;
        return 0;
}

/* Begin to connect by the way whose turn it is. The greetings go on from the loop. */
static int connect_way(struct top_link *l)
{
        int r = l->ways[l->way] == WAY_SOCKET ? open_socket(l->options.socket ?: CLIENT_PRIVATE, &l->bus)
                                              : sd_bus_open_system(&l->bus);

        /* Else the end of the loop would wait for one that does not answer. */
        if (r >= 0)
                r = sd_bus_set_close_on_exit(l->bus, false);
        if (r >= 0)
                r = sd_bus_attach_event(l->bus, l->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                l->bus = sd_bus_close_unref(l->bus);
        return r;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error);

static int call(struct top_link *l, enum call which)
{
        static const struct {
                const char *interface, *method, *argument;
        } calls[CALL_MAX] = {
                [CALL_MANAGER] = { "org.freedesktop.DBus.Properties", "GetAll", CLIENT_MANAGER },
                [CALL_TARPITS] = { CLIENT_MANAGER, "ListTarpits", NULL },
                [CALL_SUBJECTS] = { CLIENT_MANAGER, "ListSubjects", "" },
        };
        sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(l->bus, &m, CLIENT_NAME, CLIENT_PATH, calls[which].interface,
                                           calls[which].method);
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, false);
        if (r >= 0 && calls[which].argument)
                r = sd_bus_message_append(m, "s", calls[which].argument);
        if (r >= 0)
                r = sd_bus_call_async(l->bus, &l->calls[which], m, on_answer, l, GIVE_UP_USEC);
        sd_bus_message_unref(m);
        return r;
}

static int send_calls(struct top_link *l)
{
        for (enum call i = 0; i < CALL_MAX; i++) {
                int r = call(l, i);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* Ask by this way or one of those after it. */
static void ask_on(struct top_link *l)
{
        int r;

        for (; l->way < l->n_ways; l->way++) {
                r = l->bus ? 0 : connect_way(l);
                if (r >= 0)
                        r = send_calls(l);
                if (r >= 0)
                        return;
                disconnect(l);
                if (r == -EAGAIN)
                        break; /* it takes nobody in: it hangs */
        }
        if (l->way == l->n_ways) {
                l->header.daemon = TOP_DAEMON_ABSENT;
                l->asked_usec = 0;
        }
        l->way = 0;
}

void top_link_ask(struct top_link *l)
{
        if (l->bus && l->calls[CALL_SUBJECTS])
                return;
        if (l->asked_usec == 0)
                l->asked_usec = clock_now();
        ask_on(l);
}

void top_link_header(struct top_link *l, struct top_header *ret)
{
        uint64_t waited = l->asked_usec > 0 ? clock_now() - l->asked_usec : 0;

        *ret = l->header;
        ret->waited_usec = waited;
        if (waited >= SILENT_USEC)
                ret->daemon = TOP_DAEMON_SILENT;
}

/* -- Answers ----------------------------------------------------------------------------------- */

static bool is_one_of(const char *name, const char *const *names)
{
        for (; *names; names++) {
                if (strcmp(name, *names) == 0)
                        return true;
        }
        return false;
}

/* Whether an error says that nobody was there to answer. */
static bool is_absent(const sd_bus_error *e)
{
        static const char *const absent[] = { "org.freedesktop.DBus.Error.ServiceUnknown",
                                              "org.freedesktop.DBus.Error.NameHasNoOwner",
                                              "org.freedesktop.DBus.Error.NoReply",
                                              "org.freedesktop.DBus.Error.Disconnected",
                                              "org.freedesktop.DBus.Error.Timeout",
                                              "System.Error.ECONNRESET",
                                              "System.Error.ENOTCONN",
                                              "System.Error.EPIPE",
                                              "System.Error.ETIMEDOUT",
                                              NULL };

        return is_one_of(e->name, absent);
}

/* Whether it is one that hangs and not one that is away. */
static bool is_late(const sd_bus_error *e)
{
        static const char *const late[] = { "org.freedesktop.DBus.Error.Timeout", "System.Error.ETIMEDOUT",
                                            NULL };

        return is_one_of(e->name, late);
}

static void odd(struct top_link *l, const char *text)
{
        char shown[128];

        l->header.daemon = TOP_DAEMON_ODD;
        l->asked_usec = 0;
        (void) snprintf(l->header.problem, sizeof(l->header.problem),
                        "hobbled says what is not understood (%s); this is the cgroup tree",
                        escape_text(text, strlen(text), shown, sizeof(shown)));
        for (size_t i = 0; i < CALL_MAX; i++)
                l->calls[i] = sd_bus_slot_unref(l->calls[i]);
        l->options.answered(NULL, l->options.userdata);
}

static void failed(struct top_link *l, const sd_bus_error *e)
{
        bool late = is_late(e);

        if (!is_absent(e)) {
                odd(l, e->message ?: e->name);
                return;
        }

        disconnect(l);
        if (late) {
                l->way = 0; /* the next look connects anew; it has been waited for all the same */
                return;
        }
        l->way++;
        ask_on(l);
        if (l->header.daemon == TOP_DAEMON_ABSENT)
                l->options.answered(NULL, l->options.userdata);
}

static void complete(struct top_link *l, sd_bus_message *m)
{
        _cleanup_(top_rows_done) struct top_rows rows = { 0 };
        int r = top_rows_from_message(&rows, m, &l->tarpits, l->header.instance);

        if (r < 0) {
                odd(l, strerror(-r));
                return;
        }
        l->header.daemon = TOP_DAEMON_ANSWERS;
        l->header.tarpits = (unsigned) l->tarpits.n;
        l->header.paused = top_tarpits_paused(&l->tarpits);
        l->asked_usec = 0;
        l->options.answered(&rows, l->options.userdata);
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        sd_bus_slot *slot = sd_bus_get_current_slot(sd_bus_message_get_bus(m));
        struct top_link *l = userdata;
        enum call which = CALL_MANAGER;
        int r;

        (void) error;
        while (which < CALL_MAX && l->calls[which] != slot)
                which++;
        if (which == CALL_MAX)
                return 0;
        l->calls[which] = sd_bus_slot_unref(l->calls[which]);

        if (sd_bus_message_is_method_error(m, NULL)) {
                failed(l, sd_bus_message_get_error(m));
                return 0;
        }
        if (which == CALL_SUBJECTS) {
                complete(l, m);
                return 0;
        }
        r = which == CALL_MANAGER ? top_header_from_message(&l->header, m)
                                  : top_tarpits_from_message(&l->tarpits, m);
        if (r < 0)
                odd(l, strerror(-r));
        return 0;
}

/* -- Changes ----------------------------------------------------------------------------------- */

static void tell(struct top_link *l, const char *text)
{
        l->options.changed(text, l->options.userdata);
}

static int on_change(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct top_link *l = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        _cleanup_free_ char *done = TAKE_PTR(l->changed_text);
        char shown[256], text[320];

        (void) error;
        l->change = sd_bus_slot_unref(l->change);
        if (!e) {
                tell(l, done);
                return 0;
        }
        (void) snprintf(
                text, sizeof(text), "failed: %s",
                escape_text(e->message ?: e->name, strlen(e->message ?: e->name), shown, sizeof(shown)));
        tell(l, text);
        return 0;
}

static int send_change(struct top_link *l, enum top_action action, const char *path, const char *tarpit)
{
        uint64_t flags = 0, for_usec = 0;

        if (action == TOP_RELEASE)
                return sd_bus_call_method_async(l->bus, &l->change, CLIENT_NAME, path, CLIENT_SUBJECT,
                                                "Release", on_change, l, "tt", for_usec, flags);
        return sd_bus_call_method_async(l->bus, &l->change, CLIENT_NAME, CLIENT_PATH, CLIENT_MANAGER,
                                        action == TOP_PAUSE ? "Pause" : "Resume", on_change, l, "st", tarpit,
                                        flags);
}

void top_link_change(struct top_link *l, enum top_action action, const char *path, const char *tarpit,
                     const char *name)
{
        const char *done = action == TOP_RELEASE ? "released" : action == TOP_PAUSE ? "paused" : "resumed";

        if (!l->bus) {
                tell(l, "failed: hobbled is not there any more");
                return;
        }
        if (l->change) {
                tell(l, "the change before has not been answered yet");
                return;
        }
        if (asprintf(&l->changed_text, "%s %s", done, name) < 0) {
                l->changed_text = NULL;
                tell(l, "out of memory");
                return;
        }
        if (send_change(l, action, path, tarpit) < 0) {
                free(TAKE_PTR(l->changed_text));
                tell(l, "failed: hobbled cannot be asked");
        }
}
