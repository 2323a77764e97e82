/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tells that what a path leads to may have changed: written, replaced, removed, made, its mode or owner
 * changed. Watches the whole way, so that a path whose directories do not exist yet is seen to appear.
 *
 * File systems that do not notify cannot be watched; whoever uses this has to know (see probe.h). */

#include <stdbool.h>

#include <systemd/sd-event.h>

struct pathwatch;

/* Called from the loop. The watch is paused then: what happens next is reported after pathwatch_aim(). */
typedef void (*pathwatch_handler)(void *userdata);

/* Returns 0 or a negative errno; -EMFILE: the system's limit of inotify instances is reached. */
int pathwatch_new(struct pathwatch **ret, sd_event *event, pathwatch_handler handler, void *userdata);

/* NULL is fine. Returns NULL. */
struct pathwatch *pathwatch_free(struct pathwatch *w);

/* Forget what was noticed so far, and watch the path as it is now; anything after this call is reported.
 * Where the path is a directory, its files with the names in `inside` (ends with a NULL) are watched as well.
 * Returns 0; 1 where a link leads nowhere, whose end may appear untold; or a negative errno where a part of
 * the way cannot be watched. */
int pathwatch_aim(struct pathwatch *w, const char *path, const char *const *inside);
