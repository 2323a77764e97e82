/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* src/libhobble/pathindex and frozen-time: what a status is made of. */

#include "unit.h"

#include "frozen-time.h"
#include "macro.h"
#include "pathindex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY 1000

static void nearest_is_found(void **state)
{
        static const char *const paths[] = { "/a", "/a/b/c", "/hobbled-x/pit/t/12", "/hobbled-x/pit/t/1" };
        static const struct {
                const char *path;
                int found; /* -1: none */
        } rows[] = {
                { "/", -1 },
                { "", -1 },
                { "/a", 0 },
                { "/ab", -1 },
                { "/a/b", 0 },
                { "/a/b/cd", 0 },
                { "/a/b/c", 1 },
                { "/a/b/c/d/e", 1 },
                { "/hobbled-x/pit/t/1", 3 },
                { "/hobbled-x/pit/t/12/o1", 2 },
                { "/hobbled-x/pit/t/123", -1 },
                { "/hobbled-x/pit/t", -1 },
        };
        struct pathindex x = { 0 };
        struct pathindex_node n[ELEMENTSOF(paths)] = { 0 };

        (void) state;
        assert_null(pathindex_find(&x, "/a"));
        for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                assert_int_equal(pathindex_put(&x, n + i, paths[i]), 0);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                assert_ptr_equal(pathindex_find(&x, rows[i].path),
                                 rows[i].found < 0 ? NULL : n + rows[i].found);

        pathindex_remove(&x, n + 1);
        pathindex_remove(&x, n + 1);
        assert_ptr_equal(pathindex_find(&x, "/a/b/c/d"), n);
        assert_int_equal(pathindex_put(&x, n, "/b"), 0);
        assert_null(pathindex_find(&x, "/a/b/c/d"));
        assert_ptr_equal(pathindex_find(&x, "/b/c"), n);
        assert_int_equal(x.n, 3);
        for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                pathindex_remove(&x, n + i);
        assert_null(pathindex_find(&x, "/b"));
        pathindex_done(&x);
}

/* As when an old cgroup's subject has not ended yet: also after the table has grown. */
static void last_of_one_path(void **state)
{
        struct pathindex x = { 0 };
        struct pathindex_node n[3] = { 0 }, many[MANY] = { 0 };
        char path[32];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(n); i++)
                assert_int_equal(pathindex_put(&x, n + i, "/a"), 0);
        for (size_t i = 0; i < MANY; i++) {
                snprintf(path, sizeof(path), "/b/%zu", i);
                assert_int_equal(pathindex_put(&x, many + i, path), 0);
        }
        for (size_t i = 0; i < MANY; i++) {
                snprintf(path, sizeof(path), "/b/%zu/c", i);
                assert_ptr_equal(pathindex_find(&x, path), many + i);
        }
        for (size_t i = ELEMENTSOF(n); i-- > 0;) {
                assert_ptr_equal(pathindex_find(&x, "/a"), n + i);
                pathindex_remove(&x, n + i);
        }
        for (size_t i = 0; i < MANY; i++)
                pathindex_remove(&x, many + i);
        assert_int_equal(x.n, 0);
        pathindex_done(&x);
}

static void frozen_time(void **state)
{
        struct frozen_time f = { 0 };

        (void) state;
        assert_int_equal(frozen_time_at(&f, 1000), 0);
        frozen_time_set(&f, false, 1000);
        frozen_time_set(&f, true, 2000);
        assert_true(frozen_time_runs(&f));
        frozen_time_set(&f, true, 2500);
        assert_int_equal(frozen_time_at(&f, 3000), 1000);
        frozen_time_set(&f, false, 4000);
        assert_false(frozen_time_runs(&f));
        assert_int_equal(frozen_time_at(&f, 9000), 2000);
        frozen_time_set(&f, true, 9000);
        assert_int_equal(frozen_time_at(&f, 8000), 2000);
        frozen_time_set(&f, false, 8999);
        assert_int_equal(frozen_time_at(&f, 9500), 2000);
}

UNIT_MAIN(cmocka_unit_test(nearest_is_found), cmocka_unit_test(last_of_one_path),
          cmocka_unit_test(frozen_time))
