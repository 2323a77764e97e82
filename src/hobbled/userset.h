/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The users that User= means: a name, an id, or %GROUP, which is everybody in the group, also those whose
 * primary group it is.
 *
 * A look-up may ask a directory server and take any time, so a thread of its own does it; until it has, the
 * answer before counts. Looked up again every few minutes, and more often what does not exist yet. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct userset;

enum userset_state {
        USERSET_PENDING, /* the first look-up is under way */
        USERSET_UNKNOWN, /* there is no such user or group */
        USERSET_FAILED,  /* could not be found out */
        USERSET_KNOWN,
};

/* Whether the value is an id, a name or %GROUP. */
bool userset_is_valid(const char *value);

/* Returns 0, -EINVAL or -ENOMEM. */
int userset_new(struct userset **ret, const char *value);

/* NULL is fine. Returns NULL. */
struct userset *userset_free(struct userset *u);

/* What is known now; begins a look-up where one is due, and waits wait_usec at most for it to end. Where it
 * failed, or the name is gone, what was known before still counts; *ret_error, where not NULL, is why. */
enum userset_state userset_refresh(struct userset *u, uint64_t wait_usec, int *ret_error);

/* Look it up again at the next userset_refresh(). */
void userset_expire(struct userset *u);

bool userset_has(const struct userset *u, uid_t uid);
