/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the language lacks: clean-up at the end of a scope, ownership transfer, intrusive containers. */

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))
#define _unused_ __attribute__((unused))
#define _public_ __attribute__((visibility("default")))

#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)                              \
        ({                                     \
                __typeof__(a) min_a = (a);     \
                __typeof__(b) min_b = (b);     \
                min_a < min_b ? min_a : min_b; \
        })
#define MAX(a, b)                              \
        ({                                     \
                __typeof__(a) max_a = (a);     \
                __typeof__(b) max_b = (b);     \
                max_a > max_b ? max_a : max_b; \
        })
#define CONTAINER_OF(ptr, type, member) ((type *) (void *) ((char *) (ptr) -offsetof(type, member)))

#define TAKE(var, empty)                       \
        ({                                     \
                __typeof__(var) taken = (var); \
                (var) = (empty);               \
                taken;                         \
        })
#define TAKE_PTR(p) TAKE(p, NULL)
#define TAKE_FD(fd) TAKE(fd, -EBADF)

#define USEC_PER_MSEC 1000ULL
#define USEC_PER_SEC 1000000ULL
#define NSEC_PER_USEC 1000ULL
#define NSEC_PER_SEC 1000000000ULL
#define USEC_INFINITY UINT64_MAX

/* Close fd, where it is one, and keep errno. Returns -EBADF, so that `fd = close_fd(fd)` resets it. */
static inline int close_fd(int fd)
{
        if (fd >= 0) {
                int saved = errno;

                (void) close(fd);
                errno = saved;
        }
        return -EBADF;
}

static inline void closep(int *fd)
{
        *fd = close_fd(*fd);
}

static inline void freep(void *p)
{
        free(*(void **) p);
}

#define _cleanup_close_ _cleanup_(closep)
#define _cleanup_free_ _cleanup_(freep)
