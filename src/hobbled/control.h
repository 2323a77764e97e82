/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What can be asked of the daemon and told to it while it runs: the operations behind the bus.
 *
 * None of them waits, and each takes no longer than a look at a few processes: what could take longer is
 * begun, and goes on from the loop, or is done in steps by the caller. Functions with an `error` return 0 or
 * a negative errno, and then have set the error: to one of CONTROL_ERROR_*, or to one of D-Bus's. The text is
 * for people. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-bus.h>

#include "manager.h"
#include "requests.h"
#include "subjects.h"
#include "tarpit.h"

#define CONTROL_ERROR "org.hobbled1.Error."
#define CONTROL_ERROR_NO_SUCH_TARPIT CONTROL_ERROR "NoSuchTarpit"
#define CONTROL_ERROR_NO_SUCH_SUBJECT CONTROL_ERROR "NoSuchSubject"
#define CONTROL_ERROR_NO_SUCH_PROCESS CONTROL_ERROR "NoSuchProcess"
#define CONTROL_ERROR_REFUSED CONTROL_ERROR "Refused"
#define CONTROL_ERROR_NOT_READY CONTROL_ERROR "NotReady"
#define CONTROL_ERROR_CONFIGURATION CONTROL_ERROR "ConfigurationError"
#define CONTROL_ERROR_TOO_MANY CONTROL_ERROR "TooMany"

/* Where somebody is hobbled by hand, unless another tarpit is asked for. */
#define CONTROL_TARPIT "manual"

enum control_flags {
        CONTROL_FORCE = 1 << 0,      /* lift [Exempt] and user.hobble.omit */
        CONTROL_PERSISTENT = 1 << 1, /* outlives a restart of hobbled */
};

/* Who asks, and how. */
struct control_caller {
        uid_t uid;
        pid_t pid; /* 0: not known */
        uint64_t flags;
};

/* -- What is there ----------------------------------------------------------------------------- */

const struct subjects *control_subjects(const struct manager *m);
const struct requests *control_requests(const struct manager *m);

/* The severest first; valid until the loop goes on. */
struct tarpit *const *control_tarpits(const struct manager *m, size_t *ret_n);
struct tarpit *control_find_tarpit(const struct manager *m, const char *name);

struct control_overview {
        const char *instance;
        bool guarded, outdated;
        size_t config_errors;
        uint64_t since_usec; /* CLOCK_REALTIME of the daemon's start */
        struct hobble_stats stats;
};

void control_overview(const struct manager *m, struct control_overview *ret);

/* The subject that `what` means: the number of a process that belongs to it, or its name. NoSuchSubject. */
int control_find_subject(const struct manager *m, const char *what, const struct subjects_item **ret,
                         sd_bus_error *error);

/* -- What can be asked for --------------------------------------------------------------------- */

/* tarpit "": CONTROL_TARPIT. for_usec 0: until it is released. */
int control_hobble(struct manager *m, const struct control_caller *caller, const char *what,
                   const char *tarpit, uint64_t for_usec, unsigned *ret_id, sd_bus_error *error);

/* *ret_n: how many subjects and requests that let go of. */
int control_release(struct manager *m, const struct control_caller *caller, const char *what,
                    uint64_t for_usec, unsigned *ret_n, sd_bus_error *error);

/* tarpit NULL: of all. */
int control_release_all(struct manager *m, const struct control_caller *caller, const char *tarpit,
                        unsigned *ret_n, sd_bus_error *error);

int control_release_subject(struct manager *m, const struct control_caller *caller, unsigned id,
                            uint64_t for_usec, sd_bus_error *error);

int control_pause(struct manager *m, const struct control_caller *caller, const char *tarpit, bool pause,
                  sd_bus_error *error);

/* assignments: "KEY=VALUE", NULL at the end. */
int control_set(struct manager *m, const struct control_caller *caller, const char *tarpit,
                char *const *assignments, sd_bus_error *error);

int control_reload(struct manager *m, sd_bus_error *error);
