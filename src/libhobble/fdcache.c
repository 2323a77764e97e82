/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "fdcache.h"
#include "macro.h"

#include <fcntl.h>

void fdcache_close(struct fdslot *s)
{
        if (!s->recent.list)
                return;
        ilist_remove(&s->recent);
        s->fd = close_fd(s->fd);
}

void fdcache_shrink(struct fdcache *c, size_t max)
{
        while (c->recent.count > max)
                fdcache_close(CONTAINER_OF(c->recent.last, struct fdslot, recent));
}

int fdcache_open(struct fdcache *c, struct fdslot *s, int dir_fd, const char *name, int flags)
{
        if (s->recent.list) {
                ilist_remove(&s->recent);
                ilist_prepend(&c->recent, &s->recent);
                return s->fd;
        }

        fdcache_shrink(c, c->max > 0 ? c->max - 1 : 0);
        do {
                s->fd = openat(dir_fd, name, flags | O_CLOEXEC);
                if (s->fd >= 0) {
                        ilist_prepend(&c->recent, &s->recent);
                        return s->fd;
                }
                if (errno != EMFILE && errno != ENFILE)
                        return -errno;
                /* Others opened descriptors too: make room, for good. */
                c->max = c->recent.count > 0 ? c->recent.count - 1 : 0;
                fdcache_shrink(c, c->max);
        } while (c->max > 0);

        return -EMFILE;
}
