/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The file of the persistent requests: a line each, written by a thread of its own, as a file system can take
 * its time. */

#include <stdbool.h>
#include <stddef.h>

#include <systemd/sd-event.h>

#include "requests.h"

/* Enough for a line of any request. */
#define REQUEST_LINE_MAX (2 * REQUEST_WHAT_MAX)

/* The boot, by which a process's start time makes sense. Returns 0 or a negative errno. */
int request_boot_id(char buf[static 37]);

/* Write the request as a line, with its newline. Returns its length. */
size_t request_format(const struct request *request, const char *boot, char *buf, size_t size);

/* Parse a line, which is changed; strings in *ret point into it. Returns 0, -EINVAL where it makes no sense,
 * or -ESRCH where it is of another boot's process. */
int request_parse(char *line, const char *boot, struct request *ret);

struct requests_file;

/* Returns 0 or a negative errno. */
int requests_file_new(struct requests_file **ret, sd_event *event, const char *path);

/* Waits until what was to be written is written. NULL is fine. Returns NULL. */
struct requests_file *requests_file_free(struct requests_file *f);

/* What it says now, to be freed. -ENOENT: there is none; -EFBIG; other errors. */
int requests_file_read(const struct requests_file *f, char **ret);

/* Have it say just this, some time soon; `text` is taken over. Errors are said. */
void requests_file_write(struct requests_file *f, char *text);
