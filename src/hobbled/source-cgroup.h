/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A source that is a cgroup v2 directory: hobbled in place, nothing is moved. */

#include <stdbool.h>

#include "message.h"
#include "probe.h"
#include "source.h"

struct source_cgroup {
        const struct source_host *host;
        struct topic *topic;
        const char *path;        /* of the directory; the source's */
        void *userdata;          /* of the subject */
        hobble_subject *subject; /* NULL: none */
        bool releasing;
        bool held; /* frozen by someone else: its end is not told then */
        dev_t dev;
        ino_t ino;
};

/* The path leads to this cgroup. Problems go to the topic. Returns whether it is, or is about to be, hobbled,
 * so that its end will be told; where not, offer it again in a while. */
bool source_cgroup_offer(struct source_cgroup *c, const struct probe *probe);

/* The path does not lead to a cgroup any more. */
void source_cgroup_leave(struct source_cgroup *c);

/* An event of the subject. Returns whether the path has to be looked at anew. */
bool source_cgroup_event(struct source_cgroup *c, const struct hobble_event *event);
