/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One run of a command in a transient unit of systemd's: as the user hobbled, sandboxed, bounded in time,
 * memory, processes and output. Nothing here waits. */

#include <stddef.h>

#include <systemd/sd-event.h>

#include "units.h"

struct exec_run;

/* The end. error: why it failed, as a clause ("ended with status 1"), or NULL; text: the output, with a NUL
 * after size bytes, which the handler may change. Both are valid during the call; the handler may free the
 * run. */
typedef void (*exec_run_handler)(const char *error, char *text, size_t size, void *userdata);

/* unit: a name that no other run has; description: of the unit. Returns 0, -ENOTCONN where there is no bus,
 * or another negative errno. */
int exec_run_new(struct exec_run **ret, sd_event *event, struct units *units, const char *unit,
                 const char *description, char *const *words, exec_run_handler handler, void *userdata);

/* End it, where it has not ended. NULL is fine. Returns NULL. */
struct exec_run *exec_run_free(struct exec_run *run);
