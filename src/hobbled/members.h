/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The processes of a source that is told their numbers again and again: binds the numbers, in slices that
 * hold nobody up. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "binding.h"
#include "source.h"

struct members {
        const struct source_host *host;
        struct topic *topic;
        bool (*is_meant)(pid_t pid, void *userdata);
        void *userdata;
        struct bindings bindings;
        sd_event_source *work, *timer;
        unsigned rounds;
        bool changed;
};

/* What members_take() is told. */
enum members_news {
        MEMBERS_SEEN,  /* who is there now: a number means the same process for as long as that lives */
        MEMBERS_NAMED, /* a list that somebody has written: each number means who has it now */
};

/* is_meant: whether a process, which may have got the number just now, is one of those; NULL: whoever has the
 * number is. Where it is given, those
 * that must not be hobbled are passed over without a word. To be embedded; host and topic
 * have to live as long. Returns 0 or a negative errno. */
int members_init(struct members *m, const struct source_host *host, struct topic *topic,
                 bool (*is_meant)(pid_t pid, void *userdata), void *userdata);
void members_done(struct members *m);

/* These are all that there are. numbers are in ascending order, each once. Returns 0 or -ENOMEM. */
int members_take(struct members *m, const pid_t *numbers, size_t n, enum members_news news);

/* There are none any more. */
void members_clear(struct members *m);

int members_for_each(const struct members *m, source_process_fn fn, void *userdata);

/* The process has ended: look again who has its number. */
void members_process_ended(struct members *m, pid_t pid, uint64_t start_time);
