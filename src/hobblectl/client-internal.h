/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the parts of the client share. */

#include "client.h"
#include "macro.h"

#include <stdbool.h>

/* Keep the words as the last problem and, where it is no quiet client, say them. Returns status. */
int client_fail(struct client *client, int status, const char *format, ...) _printf_(3, 4);

/* The same where the daemon does not know `what`, or means something else by it. */
int client_other_version(struct client *client, const char *what);
