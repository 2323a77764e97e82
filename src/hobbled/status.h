/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the service manager is told (sd_notify(3)): ready, reloading, stopping, and a line that says what
 * there is to see, at most once a second. Without a service manager all of this does nothing. */

#include <systemd/sd-event.h>

struct status;

/* text is called when the line may be said anew; it fills buf. Returns 0 or a negative errno. */
int status_new(struct status **ret, sd_event *event, void (*text)(char *buf, size_t size, void *userdata),
               void *userdata);

/* NULL is fine. Returns NULL. */
struct status *status_free(struct status *s);

/* Something may have changed. NULL is fine. */
void status_touch(struct status *s);

/* A reload begins, and has ended; also ends the start. */
void status_reloading(void);
void status_ready(struct status *s);

void status_stopping(void);
