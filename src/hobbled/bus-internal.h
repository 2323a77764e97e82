/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the parts of the bus share. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "bus-limit.h"
#include "bus.h"
#include "control.h"
#include "macro.h"

#define BUS_NAME "org.hobbled1"
#define BUS_PATH "/org/hobbled1"
#define BUS_INTERFACE_MANAGER BUS_NAME ".Manager"
#define BUS_INTERFACE_TARPIT BUS_NAME ".Tarpit"
#define BUS_INTERFACE_SUBJECT BUS_NAME ".Subject"
#define BUS_PATH_TARPIT BUS_PATH "/tarpit"
#define BUS_PATH_SUBJECT BUS_PATH "/subject"
#define BUS_NODES_MAX 256U /* that are told of a list which may be long */
#define BUS_ERROR_RATE_LIMITED CONTROL_ERROR "RateLimited"

/* What the bus has to say can wait for everything else. */
#define BUS_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)
#define BUS_PRIORITY_SLICES (SD_EVENT_PRIORITY_IDLE + 10)

/* The longest stretch that it works in a row. */
#define BUS_SLICE_USEC (1 * USEC_PER_MSEC)

/* One that has so many messages waiting to be read is left behind. */
#define BUS_UNREAD_MAX 1024U

/* A connection: that to the system bus, or one that came in at the socket. */
struct bus_peer {
        struct bus *bus;
        struct bus_peer *next;
        sd_bus *handle;
        bool private; /* came in at the socket */
        bool gone;    /* to be freed */
        bool heard;   /* has sent a message: one that says Hello takes a signal before the answer for an error
                       */
        uid_t uid;    /* of a private one: who is there */
        pid_t pid;
        struct bus_feed *feed;
        uint64_t unread_usec; /* since when something waits to be read, 0: nothing does */
};

struct bus {
        sd_event *event;
        struct manager *manager;
        struct bus_options options;
        bool freeing;

        struct bus_peer *peers; /* that to the system bus, too */
        struct bus_limits limits;
        sd_event_source *sweep; /* of peers that are gone */
        sd_event_source *timer; /* of those that do not read */

        struct bus_peer *system; /* NULL: there is none */
        sd_event_source *reconnect;
        uint64_t backoff_usec;
        bool said_no_bus, said_no_name;
        bool begun; /* there is something to ask for: the name is wanted */
        struct bus_senders *senders;

        int socket_fd; /* of the server; -EBADF: there is none */
        struct stat socket_stat;
        sd_event_source *accept;

        struct bus_jobs *jobs;
        struct bus_signals *signals;
};

/* -- Peers: bus-peer.c ------------------------------------------------------------------------- */

/* Offers the objects on a connection, which has not been started; it is the peer's from now on, also where
 * that fails. Returns 0 or a negative errno. */
int bus_peer_new(struct bus_peer **ret, struct bus *b, sd_bus *handle, bool private);

/* The peer of the object that is being asked, whose userdata is something else. */
struct bus_peer *bus_peer_current(sd_bus *handle);

/* Close it; it is freed later, from the loop. */
void bus_peer_drop(struct bus_peer *p);

/* Free those that are gone. all: the others too. */
void bus_peers_sweep(struct bus *b, bool all);

/* While somebody is connected to the private socket: see now and then who does not read. */
void bus_watch_unread(struct bus *b);

/* Whether a message may be sent to it: it is there, and reads. */
bool bus_peer_has_room(struct bus_peer *p);

/* -- The system bus: bus-system.c -------------------------------------------------------------- */

int bus_system_init(struct bus *b);
void bus_system_done(struct bus *b);

/* Its peer is being freed. */
void bus_system_lost(struct bus *b);

/* -- The socket: bus-private.c ----------------------------------------------------------------- */

int bus_private_init(struct bus *b);
void bus_private_done(struct bus *b);

/* Messages to the bus itself, which a client may take this for. Returns 1 where that was answered, 0 where
 * it was none, or a negative errno with the error set. */
int bus_private_driver(struct bus_peer *p, sd_bus_message *m, sd_bus_error *error);

/* -- Objects ----------------------------------------------------------------------------------- */

int bus_manager_register(struct bus_peer *p);
int bus_tarpit_register(struct bus_peer *p);
int bus_subject_register(struct bus_peer *p);

/* Paths; to be freed. NULL: out of memory. */
char *bus_tarpit_path(const char *name);
char *bus_subject_path(unsigned id);

/* -- Values: bus-value.c ----------------------------------------------------------------------- */

/* Text from outside as the bus takes it: what is not UTF-8 becomes \xNN, the rest stays as it is. Returns
 * buf. */
const char *bus_text(const char *s, char *buf, size_t size);

/* Of a subject: "thawed" and so on. paused: its tarpit is. */
struct hobble_subject_status;
const char *bus_state_name(const struct hobble_subject_status *status, bool paused);

/* What is not known of a subject's process. */
struct bus_process {
        char command[256]; /* as bus_text() makes it */
        uid_t uid;
};

void bus_process_read(pid_t pid, struct bus_process *ret);

/* When the request ends that the subject is hobbled for, CLOCK_REALTIME; 0: never, or it is for none. */
uint64_t bus_until_usec(const struct manager *m, const struct subjects_item *item, bool *ret_requested);

/* The name of a user, from what is remembered without asking anybody, or else the number. Returns buf. */
const char *bus_user_name(uid_t uid, char *buf, size_t size);

/* -- Arguments: return 0, or a negative errno with the error set -------------------------------- */

/* No bit that means nothing. */
int bus_check_flags(uint64_t flags, sd_bus_error *error);

/* Not too long. */
int bus_check_what(const char *what, sd_bus_error *error);

#define BUS_ASSIGNMENTS_MAX 64U

struct bus_assignments {
        char *of[BUS_ASSIGNMENTS_MAX + 1]; /* in the message; NULL at the end */
};

/* Read an array of strings, which is not read to its end where it is too long. */
int bus_read_assignments(sd_bus_message *m, struct bus_assignments *ret, sd_bus_error *error);

/* Paths; the list may be half full. Returns NULL. */
char **bus_nodes_free(char **nodes);
