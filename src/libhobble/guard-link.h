/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The engine's end of the guard: start it, or connect to one that is a service; register, beat, notice its
 * loss, start another or connect again (pulse.h has the protocol). */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

#include "cgroup.h"
#include "pulse.h"

enum guard_news {
        GUARD_READY,     /* it answered: freezing is allowed */
        GUARD_LOST,      /* another is being started, or (error) could not be: that is tried again, at growing
                            intervals. Of a service an error is told once; -EBUSY: another engine has it */
        GUARD_SAYS_LOOK, /* look at the word: somebody changed it */
};

struct guard_link {
        sd_event *event;             /* borrowed */
        int root_fd;                 /* borrowed */
        int home_fd;                 /* borrowed; the guard holds the lock on it as well. The home of a
                                      * service comes with it, and is ours */
        const char *instance, *path; /* borrowed */
        const char *socket_path;     /* borrowed; of a service, else NULL */
        int priority;                /* real-time priority for the guard, 0: none */

        pulse *pulse;
        int pulse_fd;
        bool ready;    /* a guard watches: it answered, and its socket is open */
        bool armed;    /* as the engine wants it */
        bool answered; /* READY came over this connection */
        pid_t pid;     /* our child, 0: none */
        int pid_fd;
        pid_t peer;                      /* the service, 0: none is connected */
        char home_path[CGROUP_PATH_MAX]; /* of the service */
        int told;                        /* the error that was told last */
        int socket;
        sd_event_source *guard_says, *guard_exit, *retry;
        unsigned failures; /* starts that no READY followed, in a row */

        void (*handler)(struct guard_link *g, enum guard_news news, int error, void *userdata);
        void *userdata;
};

/* Make the word of the heartbeat. The fields above the first blank line, handler and userdata are set by the
 * caller. */
int guard_link_init(struct guard_link *g);

/* Start a guard, or connect to the service, and register with it. Returns 0 or the error, upon which it is
 * tried again. */
int guard_link_start(struct guard_link *g);

/* Give this guard up, as if it had ended. */
void guard_link_lose(struct guard_link *g);

/* Register again after a fence. */
int guard_link_register(struct guard_link *g);

/* Tell the guard whether there is something to rescue. Must be true before anything is marked. */
void guard_link_arm(struct guard_link *g, bool arm);

/* Say that the engine is alive. Returns the word's state. */
enum pulse_state guard_link_beat(struct guard_link *g);

/* Whether a freeze is allowed at this moment: to be asked before a freeze, and again after. */
bool guard_link_allows(const struct guard_link *g);

/* Close the socket, upon which the guard rescues what is left. One that we started removes the home and ends
 * then; wait for that, at most limit_usec. */
void guard_link_done(struct guard_link *g, uint64_t limit_usec);
