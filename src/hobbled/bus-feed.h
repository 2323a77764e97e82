/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a client of the socket sends, on its way to sd-bus, which by itself would read messages of up to
 * 128 MB, and as many as there are. Here a message is let through when the one before has been handled, when
 * nothing waits to be read by the client and when its user has not sent too many; until then it stays in the
 * client's socket. A message that is too long ends the connection. */

#include <sys/types.h>

struct bus_feed;
struct bus_peer;

#define BUS_MESSAGE_MAX (256U * 1024U)

/* fd: the client's socket, which stays the caller's. *ret_input: what sd-bus is to read from, the caller's.
 */
int bus_feed_new(struct bus_feed **ret, struct bus_peer *p, int fd, int *ret_input);

/* NULL is fine. Returns NULL. */
struct bus_feed *bus_feed_free(struct bus_feed *f);
