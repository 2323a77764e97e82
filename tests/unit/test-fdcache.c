/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* src/libhobble/fdcache: the least recently used is closed, and a lack of descriptors refuses nobody. */

#include "unit.h"

#include "fdcache.h"
#include "macro.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>

#define N 8

static int open_slot(struct fdcache *c, struct fdslot *s)
{
        return fdcache_open(c, s, AT_FDCWD, "/dev/null", O_RDONLY);
}

static bool is_open(const struct fdslot *s)
{
        assert_true(!s->recent.list || fcntl(s->fd, F_GETFD) == FD_CLOEXEC);
        return s->recent.list;
}

static void least_recent_goes(void **state)
{
        struct fdcache c = { .max = 3 };
        struct fdslot s[N] = { 0 };

        (void) state;
        for (size_t i = 0; i < 3; i++)
                assert_true(open_slot(&c, s + i) >= 0);
        /* Used again, the same descriptor. */
        assert_int_equal(open_slot(&c, s), s[0].fd);
        assert_true(open_slot(&c, s + 3) >= 0);
        assert_true(is_open(s) && !is_open(s + 1) && is_open(s + 2) && is_open(s + 3));
        assert_true(open_slot(&c, s + 1) >= 0);
        assert_true(is_open(s) && is_open(s + 1) && !is_open(s + 2) && is_open(s + 3));
        assert_int_equal(c.recent.count, 3);

        fdcache_close(s + 3);
        fdcache_close(s + 3);
        fdcache_close(s + 4);
        assert_int_equal(c.recent.count, 2);
        fdcache_shrink(&c, 1);
        assert_true(is_open(s + 1) && !is_open(s));
        fdcache_shrink(&c, 0);
        assert_int_equal(c.recent.count, 0);
}

static void errors(void **state)
{
        struct fdcache c = { .max = 2 };
        struct fdslot s = { 0 };

        (void) state;
        assert_int_equal(fdcache_open(&c, &s, AT_FDCWD, "/nonexistent", O_RDONLY), -ENOENT);
        assert_false(is_open(&s));
        assert_int_equal(c.recent.count, 0);
        /* What is gone now is not there for the next one to use. */
        assert_true(open_slot(&c, &s) >= 0);
        fdcache_close(&s);
}

/* Against a model, at random. */
static void at_random(void **state)
{
        struct fdcache c = { .max = 5 };
        struct fdslot s[N] = { 0 };
        unsigned used[N] = { 0 };
        unsigned random = 1;

        (void) state;
        for (unsigned now = 1; now < 5000; now++) {
                size_t i, newer = 0;

                random = random * 1103515245 + 12345;
                i = random >> 16 & (N - 1);
                if (random >> 24 & 7) {
                        assert_true(open_slot(&c, s + i) >= 0);
                        used[i] = now;
                } else {
                        fdcache_close(s + i);
                        used[i] = 0;
                }
                for (size_t k = 0; k < N; k++) {
                        newer = 0;
                        for (size_t m = 0; m < N; m++)
                                newer += used[m] > used[k];
                        /* The five last used are open, unless they were closed. */
                        if (newer >= 5)
                                used[k] = 0;
                        assert_int_equal(is_open(s + k), used[k] > 0);
                }
        }
        fdcache_shrink(&c, 0);
}

/* Others have all the descriptors but a few: the cache gets along with these. */
static void no_descriptors(void **state)
{
        struct fdcache c = { .max = 100 };
        struct fdslot s[N] = { 0 };
        struct rlimit limit, low;
        int next = open("/dev/null", O_RDONLY | O_CLOEXEC);

        (void) state;
        assert_true(next >= 0);
        (void) close(next);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        low = limit;
        low.rlim_cur = (rlim_t) next + 3;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);

        for (unsigned i = 0; i < 5 * N; i++)
                assert_true(open_slot(&c, s + i % N) >= 0);
        assert_true(c.recent.count >= 1 && c.recent.count <= 3);

        /* Not even one is left: only now it is an error. */
        fdcache_shrink(&c, 0);
        low.rlim_cur = (rlim_t) next;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
        assert_int_equal(open_slot(&c, s), -EMFILE);

        /* And it goes on when there are some again. */
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        assert_true(open_slot(&c, s) >= 0);
        assert_true(open_slot(&c, s + 1) >= 0);
        fdcache_shrink(&c, 0);
}

UNIT_MAIN(cmocka_unit_test(least_recent_goes), cmocka_unit_test(errors), cmocka_unit_test(at_random),
          cmocka_unit_test(no_descriptors))
