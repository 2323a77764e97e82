/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Of which unit a cgroup is, and what a nested directory is called. */

#include "nest.h"
#include "placement.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void assert_unit(const char *path, const char *unit)
{
        assert_int_equal(placement_unit(path), strlen(unit));
        assert_memory_equal(path, unit, strlen(unit));
}

static void the_innermost_unit(void **state)
{
        (void) state;
        assert_unit("/", "");
        assert_unit("/a/b", "");
        assert_unit("/system.slice", "");
        assert_unit("/system.slice/a.service", "/system.slice/a.service");
        assert_unit("/system.slice/a.service/b/c", "/system.slice/a.service");
        assert_unit("/system.slice/a.socket", "/system.slice/a.socket");
        assert_unit("/user.slice/user-1.slice/user@1.service/app.slice/x.scope",
                    "/user.slice/user-1.slice/user@1.service/app.slice/x.scope");
        assert_unit("/a.scope.d/b", "");
        assert_unit("/.scope/b", "");
}

static void what_is_of_one_unit(void **state)
{
        (void) state;
        assert_true(placement_same_unit("/a.scope", "/a.scope"));
        assert_true(placement_same_unit("/a.scope/x", "/a.scope"));
        assert_true(placement_same_unit("/a.scope", "/a.scope/x"));
        assert_true(placement_same_unit("/a.scope/y", "/a.scope/x"));
        assert_false(placement_same_unit("/b.scope", "/a.scope"));
        assert_false(placement_same_unit("/a.scope2", "/a.scope"));
        assert_false(placement_same_unit("/", "/a.scope"));
        /* One within another. */
        assert_false(placement_same_unit("/user@1.service/a.scope", "/user@1.service"));
        assert_false(placement_same_unit("/user@1.service", "/user@1.service/a.scope"));
        /* Of no unit. */
        assert_true(placement_same_unit("/c/1", "/c/1"));
        assert_true(placement_same_unit("/c/1/x", "/c/1"));
        assert_false(placement_same_unit("/c/1", "/c/1/x"));
        assert_false(placement_same_unit("/c/2", "/c/1"));
        assert_false(placement_same_unit("/c/1/a.scope", "/c/1"));
        assert_true(placement_same_unit("/", "/"));
}

static void who_has_to_stay(void **state)
{
        (void) state;
        assert_true(placement_is_bound(-EBADF, getpid(), "/user.slice/session-1.scope"));
        assert_true(placement_is_bound(-EBADF, getpid(), "/user.slice/session-1.scope/x"));
        assert_false(placement_is_bound(-EBADF, getpid(), "/system.slice/a.service"));
        assert_false(placement_is_bound(-EBADF, getpid(), "/a.scopes"));
        assert_false(placement_is_bound(-EBADF, getpid(), "/"));
}

static void make(const char *top, const char *name)
{
        char path[256];

        snprintf(path, sizeof(path), "%s/%s", top, name);
        assert_int_equal(mkdir(path, 0755), 0);
}

/* Of any directories: only who they belong to counts. */
static void the_host_is_the_deepest_that_is_trusted(void **state)
{
        char top[] = "/tmp/hobble-test-XXXXXX", buf[64];
        int fd;

        (void) state;
        assert_non_null(mkdtemp(top));
        make(top, "a");
        make(top, "a/b");
        fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(placement_host(fd, "/a/b", buf, sizeof(buf)), 0);
        assert_string_equal(buf, "/a/b");
        assert_int_equal(placement_host(fd, "/a", buf, sizeof(buf)), 0);
        assert_string_equal(buf, "/a");
        assert_int_equal(placement_host(fd, "/", buf, sizeof(buf)), -EOPNOTSUPP);
        assert_int_equal(placement_host(fd, "/a/c", buf, sizeof(buf)), -ENOENT);
        assert_int_equal(placement_host(fd, "/a/b", buf, 4), -ENAMETOOLONG);
        assert_int_equal(unlinkat(fd, "a/b", AT_REMOVEDIR), 0);
        assert_int_equal(unlinkat(fd, "a", AT_REMOVEDIR), 0);
        assert_int_equal(rmdir(top), 0);
        close(fd);
}

static void the_name_of_a_nested_directory(void **state)
{
        (void) state;
        assert_true(nest_is_named("/a.scope/hobbled-x-1", "x"));
        assert_true(nest_is_named("hobbled-x-12", "x"));
        assert_true(nest_is_named("/hobbled-x-1-2", "x-1"));
        assert_false(nest_is_named("/hobbled-x-1-2", "x"));
        assert_false(nest_is_named("/hobbled-x-1/o1", "x"));
        assert_false(nest_is_named("/hobbled-x-", "x"));
        assert_false(nest_is_named("/hobbled-x", "x"));
        assert_false(nest_is_named("/hobbled-xy-1", "x"));
        assert_false(nest_is_named("/hobbled-x-1a", "x"));
        assert_false(nest_is_named("", "x"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_innermost_unit),
                cmocka_unit_test(what_is_of_one_unit),
                cmocka_unit_test(who_has_to_stay),
                cmocka_unit_test(the_host_is_the_deepest_that_is_trusted),
                cmocka_unit_test(the_name_of_a_nested_directory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
