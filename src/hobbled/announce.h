/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the daemon says when something happens to what it hobbles: text, level, MESSAGE_ID= and fields of each
 * kind of event. The fields are looked up only where they go to the journal. */

#include <stdbool.h>
#include <stdint.h>

#include "bus-news.h"
#include "hobble.h"
#include "message.h"

/* Whom it is about, beside what an event says itself. Everything stays the caller's. */
struct announcement {
        struct topic *topic;   /* by which it is said */
        const char *source;    /* SOURCE=; NULL: that of the topic */
        const char *directory; /* path of a cgroup hobbled in place, which the topic's name names; NULL: the
                                * subject is a tree, and the text names its root */
};

/* Say what an event tells. An ADMITTED has a snapshot of the subject's processes with it. FAILED is left to
 * announce_refused(), STRAYED to announce_strayed(), GUARD_READY says that a guard is back, RESCUED says
 * nothing: FENCED or RETIRED follows.
 */
void announce_event(const struct announcement *a, const struct hobble_event *event);

/* What became of processes that could not go back to where they came from. tarpit and subject are names, text
 * is a clause. */
void announce_strayed(const struct announcement *a, const char *tarpit, const char *subject, pid_t pid,
                      const char *text);

/* systemd may kill a unit of the topic's tarpit. text is a clause. */
void announce_watchdog(const struct announcement *a, const char *unit, const char *text);

struct refusal {
        const char *tarpit, *subject; /* names, NULL where there is none */
        pid_t pid;                    /* 0 with a directory */
        int error;                    /* negative errno */
        const char *text;             /* a clause that says why; NULL: from the errno */
        bool found;          /* by a source that looks for processes: nobody has asked for this one */
        uint64_t retry_usec; /* when it is tried again, USEC_INFINITY: never */
};

/* Say that something is not hobbled. */
void announce_refused(const struct announcement *a, const struct refusal *refusal);

/* Say that a process of the subject, which is hobbled, has been moved by someone to the cgroup at path
 * `where`, and is taken in again. */
void announce_moved(const struct announcement *a, const hobble_subject *subject, pid_t pid,
                    const char *where);

/* Call fn for each event and refusal, also for what is not said because much was said before or because it is
 * not important enough. NULL: not any more. */
void announce_set_listener(bus_news_handler fn, void *userdata);

/* Say what is wrong in the configuration. line 0: the whole file. text is a clause, already escaped. */
void announce_config(enum message_level level, const char *file, unsigned line, const char *text);
