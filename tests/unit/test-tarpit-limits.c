/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The limits of a tarpit, with plain files in the place of its directory's. */

#include "unit.h"

#include "engine.h"
#include "file.h"
#include "macro.h"
#include "tarpit-limits.h"
#include "tarpit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *const all_files[] = { "cpu.max",    "cpu.weight", "memory.high",
                                         "memory.max", "io.weight",  "pids.max" };

struct fixture {
        char path[64];
        hobble_engine engine;
        hobble_tarpit tarpit;
};

static int make(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        strcpy(f->path, "/tmp/hobble-limits-XXXXXX");
        assert_non_null(mkdtemp(f->path));
        f->engine.home_fd = f->engine.pit_fd = -EBADF;
        f->tarpit.engine = &f->engine;
        f->tarpit.limits = HOBBLE_LIMITS_NONE;
        f->tarpit.dir_fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(f->tarpit.dir_fd >= 0);
        *state = f;
        return 0;
}

static int unmake(void **state)
{
        struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(all_files); i++)
                (void) unlinkat(f->tarpit.dir_fd, all_files[i], 0);
        close_fd(f->tarpit.dir_fd);
        assert_int_equal(0, rmdir(f->path));
        free(f);
        return 0;
}

/* An empty file for each of a controller. */
static void have(struct fixture *f, const char *controller)
{
        for (size_t i = 0; i < ELEMENTSOF(all_files); i++)
                if (strncmp(all_files[i], controller, strlen(controller)) == 0)
                        close_fd(
                                openat(f->tarpit.dir_fd, all_files[i], O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

/* Look at what was written last, and empty the file again: a cgroup's file has no end to write behind. */
static void expect(struct fixture *f, const char *file, const char *wanted)
{
        char text[128] = "";

        assert_true(file_read_at(f->tarpit.dir_fd, file, text, sizeof(text)) >= 0);
        assert_string_equal(wanted, text);
        close_fd(openat(f->tarpit.dir_fd, file, O_WRONLY | O_TRUNC | O_CLOEXEC));
}

static void each_is_written(void **state)
{
        struct fixture *f = *state;
        const char *missing = "untouched";
        struct hobble_limits limits = {
                .cpu_quota_ppm = 500000,
                .cpu_weight = 1,
                .io_weight = 10000,
                .memory_high = 1ULL << 30,
                .memory_max = UINT64_MAX - 1,
                .tasks_max = 0,
        };

        have(f, "");
        assert_int_equal(0, hobble_tarpit_set_limits(&f->tarpit, &limits, &missing));
        assert_null(missing);
        expect(f, "cpu.max", "50000 100000");
        expect(f, "cpu.weight", "1");
        expect(f, "io.weight", "default 10000");
        expect(f, "memory.high", "1073741824");
        expect(f, "memory.max", "18446744073709551614");
        expect(f, "pids.max", "0");

        /* Where the directory was made again. */
        assert_int_equal(0, limits_apply(&f->tarpit, NULL));
        expect(f, "cpu.max", "50000 100000");

        limits = HOBBLE_LIMITS_NONE;
        for (size_t i = 0; i < ELEMENTSOF(all_files); i++)
                close_fd(openat(f->tarpit.dir_fd, all_files[i], O_WRONLY | O_TRUNC | O_CLOEXEC));
        assert_int_equal(0, hobble_tarpit_set_limits(&f->tarpit, &limits, NULL));
        expect(f, "cpu.max", "max 100000");
        expect(f, "cpu.weight", "100");
        expect(f, "io.weight", "default 100");
        expect(f, "memory.high", "max");
        expect(f, "memory.max", "max");
        expect(f, "pids.max", "max");
}

static void quotas(void **state)
{
        static const struct {
                uint64_t ppm;
                const char *text;
        } rows[] = {
                { 1000, "1000 1000000" }, { 9999, "9999 1000000" }, /* below 1 ms of 100 ms */
                { 10000, "1000 100000" }, { 1000000, "100000 100000" }, { 64000000, "6400000 100000" },
        };
        struct fixture *f = *state;

        have(f, "cpu");
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct hobble_limits limits = HOBBLE_LIMITS_NONE;

                limits.cpu_quota_ppm = rows[i].ppm;
                assert_int_equal(0, hobble_tarpit_set_limits(&f->tarpit, &limits, NULL));
                expect(f, "cpu.max", rows[i].text);
                expect(f, "cpu.weight", "100");
        }
}

static void what_is_missing(void **state)
{
        struct fixture *f = *state;
        struct hobble_limits limits = HOBBLE_LIMITS_NONE;
        const char *missing = "untouched";

        have(f, "io");
        assert_int_equal(0, hobble_tarpit_set_limits(&f->tarpit, &limits, &missing));
        assert_null(missing); /* nobody wants any */

        limits = (struct hobble_limits){ 500000, 1, 1, 1, 1, 1 };
        assert_int_equal(0, hobble_tarpit_set_limits(&f->tarpit, &limits, &missing));
        assert_string_equal("cpu memory pids", missing);

        limits.memory_high = limits.memory_max = limits.tasks_max = UINT64_MAX;
        assert_int_equal(0, hobble_tarpit_set_limits(&f->tarpit, &limits, &missing));
        assert_string_equal("cpu", missing);
        assert_int_equal(0, hobble_tarpit_set_limits(&f->tarpit, &limits, NULL));
}

static void out_of_bounds(void **state)
{
        static const struct hobble_limits rows[] = {
                { 999, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX },
                { 0, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX },
                { UINT64_MAX, 0, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX },
                { UINT64_MAX, 10001, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX },
                { UINT64_MAX, UINT64_MAX, 0, UINT64_MAX, UINT64_MAX, UINT64_MAX },
                { UINT64_MAX, UINT64_MAX, 10001, UINT64_MAX, UINT64_MAX, UINT64_MAX },
        };
        struct fixture *f = *state;

        have(f, "");
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                assert_int_equal(-ERANGE, hobble_tarpit_set_limits(&f->tarpit, rows + i, NULL));
        expect(f, "cpu.max", "");
        expect(f, "io.weight", "");
        assert_true(f->tarpit.limits.cpu_quota_ppm == UINT64_MAX);
}

/* While the guard's service is not there, a tarpit has no directory: its limits are kept for when it is. */
static void without_a_directory(void **state)
{
        struct fixture *f = *state;
        struct hobble_limits limits = HOBBLE_LIMITS_NONE;
        const char *missing = "untouched";
        int fd = TAKE_FD(f->tarpit.dir_fd);

        limits.tasks_max = 500;
        assert_int_equal(0, hobble_tarpit_set_limits(&f->tarpit, &limits, &missing));
        assert_null(missing);

        f->tarpit.dir_fd = fd;
        have(f, "pids");
        assert_int_equal(0, limits_apply(&f->tarpit, NULL));
        expect(f, "pids.max", "500");
}

UNIT_MAIN(cmocka_unit_test_setup_teardown(each_is_written, make, unmake),
          cmocka_unit_test_setup_teardown(quotas, make, unmake),
          cmocka_unit_test_setup_teardown(what_is_missing, make, unmake),
          cmocka_unit_test_setup_teardown(out_of_bounds, make, unmake),
          cmocka_unit_test_setup_teardown(without_a_directory, make, unmake))
