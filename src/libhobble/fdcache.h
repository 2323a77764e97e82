/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Descriptors of control files that are kept open between uses, as many as there is room for. An open costs
 * as much as the read it is for; but thousands of subjects have more files than a process may have
 * descriptors. The least recently used is closed when room runs out, so that more subjects mean more opens,
 * never a refusal. */

#include "ilist.h"

struct fdslot {
        struct ilist_link recent; /* in no list: not open */
        int fd;
};

struct fdcache {
        struct ilist recent; /* of fdslot.recent, the last used first */
        size_t max;
};

/* The slot's descriptor, opened with these flags at name beneath dir_fd where it is not open. It is the
 * cache's, and good until the next call. Returns it or a negative errno. */
int fdcache_open(struct fdcache *c, struct fdslot *s, int dir_fd, const char *name, int flags);

/* Close the slot, where it is open. */
void fdcache_close(struct fdslot *s);

/* Close the least recently used until at most max are open. */
void fdcache_shrink(struct fdcache *c, size_t max);
