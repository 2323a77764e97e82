/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* hobblectl run: three processes.
 *
 *   front    what the caller sees. It passes signals on to the command, stops and goes on with it, and ends
 * with its status, or as soon as the command has ended. command  a child of the front, in the front's process
 * group. It waits until the front says go, then executes CMD. engine   a child of the front in a session of
 * its own. It hobbles the command's tree until the tree is empty, whatever becomes of the front.
 *
 * Front and engine talk over a socket pair (the link), a packet a message. */

#include "hobble.h"
#include "macro.h"

#include <signal.h>

/* -- The link ---------------------------------------------------------------------------------- */

enum link_kind {
        LINK_ADMITTED = 'a',  /* engine to front: the command's tree is in and a guard is there */
        LINK_FAILED = 'f',    /* engine to front: it never will be: `text` says why */
        LINK_WARNING = 'w',   /* engine to front: `text` for the user */
        LINK_UNHOBBLED = 'u', /* engine to front: what lives of the tree goes on unhobbled: `text` says why;
                                 last message */
        LINK_EMPTY = 'e',     /* engine to front: nothing of the tree lives any more; last message */
        LINK_STOPPED = 's',   /* front to engine: the command is stopped, and the front stops itself now */
        LINK_CONTINUED = 'c', /* front to engine: the front goes on */
};

struct link_message {
        char kind;
        char text[511];
};

/* Returns 0 or a negative errno; -EPIPE or -ECONNRESET: the other side is gone. */
int link_send(int fd, enum link_kind kind, const char *text);

/* Returns 1 for a message, 0 at the end, -EAGAIN where there is none now, or another negative errno. */
int link_receive(int fd, struct link_message *ret);

/* -- Signals ----------------------------------------------------------------------------------- */

/* What the caller gave us and the command is to have. */
struct caller_signals {
        sigset_t mask;
        sigset_t ignored; /* of those that the front needs otherwise */
};

/* Block all that can be passed on, and set what the front needs. Returns a signalfd or a negative errno. */
int signals_take(struct caller_signals *ret);

/* Back to what the caller gave: signals that wait take effect now. */
void signals_give_back(const struct caller_signals *caller);

/* As if nobody had ever changed anything: all unblocked, none ignored. */
void signals_reset(void);

/* Stop this process as the signal does by default, until someone continues it. */
void signals_stop_self(int signal);

/* -- Without privilege ------------------------------------------------------------------------- */

/* Have the user's systemd put this process into a scope of its own, delegated to the user. *ret_path is the
 * path of its cgroup in the hierarchy. command: how it is called in messages. Returns 0 or, after a message,
 * a negative errno. */
int scope_enter(const char *command, char *ret_path, size_t size);

/* -- The processes ----------------------------------------------------------------------------- */

/* Run argv, hobbled, and return the exit status. */
int run_front(const struct hobble_duty *duty, char *argv[]);

struct run_target {
        pid_t pid; /* of the command */
        uint64_t start_time;
        pid_t front;
        const struct hobble_duty *duty;
        const char *scope; /* path of the cgroup that all of it is in, without privilege; NULL: as root */
};

/* Hobble the target until its tree is empty; link_fd becomes the engine's own. Returns the exit status. */
int run_engine(const struct run_target *target, int link_fd);
