/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon, as the verbs ask it and tell it: over the system bus or its own socket.
 *
 *     _cleanup_(client_freep) struct client *client = NULL;
 *     _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
 *
 *     status = client_new(&client, socket);
 *     if (status == STATUS_DONE)
 *             status = client_call(client, NULL, NULL, "GetTarpit", &reply, "o", "s", name);
 *
 * What goes wrong is told on standard error, once, and comes back as an exit status. */

#include "verb.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-bus.h>

#define CLIENT_NAME "org.hobbled1"
/* Where it listens itself. */
#define CLIENT_PRIVATE "/run/hobbled/private"

#define CLIENT_PATH "/org/hobbled1"
#define CLIENT_MANAGER "org.hobbled1.Manager"
#define CLIENT_TARPIT "org.hobbled1.Tarpit"
#define CLIENT_SUBJECT "org.hobbled1.Subject"

#define CLIENT_SOCKET (OPTION_LONG + 101)

/* clang-format off */
#define CLIENT_OPTIONS \
        { CLIENT_SOCKET, "socket", "PATH", "Talk to the hobbled that listens there", OPTION_WORDS_FILES }
/* clang-format on */

struct client;

/* Connect to the daemon at this socket or, NULL, wherever it is. Returns 0 or an exit status after a
 * message. A daemon that does not run is not started. */
int client_new(struct client **ret, const char *socket);

/* The same for what changes something: the bus may start the daemon, and may ask the caller for a
 * password. */
int client_new_changing(struct client **ret, const char *socket);

/* The same for what works without a daemon too, and for what has its own way of showing what goes wrong: it
 * and its calls say nothing. Returns 0 or a negative errno: -ENOENT where none runs, -ETIMEDOUT where it does
 * not answer. */
int client_try(struct client **ret, const char *socket);

/* From here on it and its calls say what goes wrong. Returns it. */
struct client *client_loud(struct client *client);

/* Say that it does not answer, after client_try() has found that out. Returns the exit status. */
int client_no_answer(void);

/* NULL is fine. Returns NULL. */
struct client *client_free(struct client *client);

static inline void client_freep(struct client **client)
{
        (void) client_free(*client);
}

/* For matches, and a loop of one's own. The sender of the daemon's signals: messages on its own socket have
 * none, NULL. */
sd_bus *client_bus(const struct client *client);
const char *client_sender(const struct client *client);

/* What went wrong last, in words that may be shown; "" where nothing did. */
const char *client_problem(const struct client *client);

/* Call a method and wait for the reply, which has to have the signature `wanted`. path NULL: CLIENT_PATH,
 * interface NULL: CLIENT_MANAGER. types and what follows: as for sd_bus_message_append(). Returns 0 or an
 * exit status after a message. *ret_reply, which may be NULL, is set on success, and to be unreferenced. */
int client_call(struct client *client, const char *path, const char *interface, const char *method,
                sd_bus_message **ret_reply, const char *wanted, const char *types, ...);

/* The same in two steps, for arguments that are made one by one. client_send() takes the message over. */
int client_message(struct client *client, const char *path, const char *interface, const char *method,
                   sd_bus_message **ret);
int client_send(struct client *client, sd_bus_message *message, const char *wanted,
                sd_bus_message **ret_reply);

/* What is said where a reply cannot be read. Returns the exit status. */
int client_odd_reply(struct client *client, const char *method);

/* A property, and where it goes in a struct:
 *   "s", "o" char *, to be freed; "(so)" its string only; "as" char **, NULL at the end, to be freed by
 *   strv_free(); "b" bool, "u" uint32_t, "t" uint64_t, "x" int64_t, "d" double */
struct client_property {
        const char *name; /* NULL ends them */
        const char *type;
        size_t offset;
};

/* Fill the struct at target, which has to be zero. All the properties have to be there. Returns 0 or an exit
 * status after a message; what was set before is then still to be freed. */
int client_get_properties(struct client *client, const char *path, const char *interface,
                          const struct client_property *properties, void *target);

/* The same from an a{sv} that the message stands before, where each may be missing. *ret_seen: a bit for each
 * that is there. Returns 0 or a negative errno; -EBADMSG where *ret_odd is of another type. */
int client_read_properties(sd_bus_message *m, const struct client_property *properties, void *target,
                           uint64_t *ret_seen, const char **ret_odd);

/* Free what client_get_properties() set. */
void client_free_properties(const struct client_property *properties, void *target);

/* Its version, to be freed; NULL where it does not say. */
char *client_version(struct client *client);

char **strv_free(char **strv);
