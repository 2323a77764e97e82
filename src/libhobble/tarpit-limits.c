/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tarpit-limits.h"
#include "cgroup.h"
#include "controllers.h"
#include "engine.h"
#include "file.h"
#include "macro.h"
#include "tarpit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define NONE UINT64_MAX

#define WEIGHT_MAX 10000

/* The kernel takes no quota below 1 ms: the smallest ones are for a longer period. */
#define PERIOD_USEC (100 * USEC_PER_MSEC)
#define PERIOD_MAX_USEC USEC_PER_SEC
#define QUOTA_MIN_USEC USEC_PER_MSEC
#define QUOTA_MIN_PPM 1000
#define PPM 1000000ULL

#define TEXT_MAX 64

enum controller { CPU, MEMORY, IO, PIDS, CONTROLLER_MAX };

static const char *const controllers[] = { "cpu", "memory", "io", "pids" };

/* The names of a set of controllers. */
static const char *const sets[1 << CONTROLLER_MAX] = {
        NULL,      "cpu",         "memory",         "cpu memory",
        "io",      "cpu io",      "memory io",      "cpu memory io",
        "pids",    "cpu pids",    "memory pids",    "cpu memory pids",
        "io pids", "cpu io pids", "memory io pids", "cpu memory io pids",
};

static void format_quota(uint64_t ppm, char text[static TEXT_MAX])
{
        uint64_t period = ppm * (PERIOD_USEC / 1000) / 1000 < QUOTA_MIN_USEC ? PERIOD_MAX_USEC : PERIOD_USEC;
        unsigned __int128 quota = (unsigned __int128) ppm * period / PPM;

        snprintf(text, TEXT_MAX, "%llu %llu", (unsigned long long) quota, (unsigned long long) period);
}

static void format_number(uint64_t value, char text[static TEXT_MAX])
{
        snprintf(text, TEXT_MAX, "%llu", (unsigned long long) value);
}

static void format_io_weight(uint64_t value, char text[static TEXT_MAX])
{
        snprintf(text, TEXT_MAX, "default %llu", (unsigned long long) value);
}

static const struct row {
        enum controller controller;
        const char *file;
        const char *reset; /* what the kernel begins with */
        size_t offset;
        void (*format)(uint64_t value, char *text);
} rows[] = {
        { CPU, "cpu.max", "max 100000", offsetof(struct hobble_limits, cpu_quota_ppm), format_quota },
        { CPU, "cpu.weight", "100", offsetof(struct hobble_limits, cpu_weight), format_number },
        { MEMORY, "memory.high", "max", offsetof(struct hobble_limits, memory_high), format_number },
        { MEMORY, "memory.max", "max", offsetof(struct hobble_limits, memory_max), format_number },
        { IO, "io.weight", "default 100", offsetof(struct hobble_limits, io_weight), format_io_weight },
        { PIDS, "pids.max", "max", offsetof(struct hobble_limits, tasks_max), format_number },
};

static uint64_t value_of(const struct hobble_limits *limits, const struct row *row)
{
        return *(const uint64_t *) (const void *) ((const char *) limits + row->offset);
}

static bool weight_is_valid(uint64_t weight)
{
        return weight == NONE || (weight >= 1 && weight <= WEIGHT_MAX);
}

static bool are_valid(const struct hobble_limits *limits)
{
        return limits->cpu_quota_ppm >= QUOTA_MIN_PPM && weight_is_valid(limits->cpu_weight) &&
               weight_is_valid(limits->io_weight);
}

static int write_one(hobble_tarpit *t, const struct row *row, uint64_t value)
{
        char text[TEXT_MAX];

        if (value == NONE)
                return file_write_at(t->dir_fd, row->file, row->reset);
        row->format(value, text);
        return file_write_at(t->dir_fd, row->file, text);
}

/* The home hands the controller down to the pit, and the pit to its tarpits. Where that fails, the file is
 * not there. The guard's leaf beside the pit gets the controller too, but no limit. */
static void hand_down(hobble_tarpit *t, const struct row *row)
{
        if (faccessat(t->dir_fd, row->file, F_OK, 0) == 0)
                return;
        (void) controllers_enable(engine_home_fd(t->engine), controllers[row->controller]);
        (void) controllers_enable(t->engine->pit_fd, controllers[row->controller]);
}

int limits_apply(hobble_tarpit *t, const char **ret_missing)
{
        unsigned missing = 0;
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(rows) && t->dir_fd >= 0; i++) {
                uint64_t value = value_of(&t->limits, rows + i);
                int k;

                if (value != NONE)
                        hand_down(t, rows + i);
                k = write_one(t, rows + i, value);
                if (k == -ENOENT)
                        missing |= value != NONE ? 1U << rows[i].controller : 0;
                else if (k < 0 && r >= 0)
                        r = k;
        }
        if (ret_missing)
                *ret_missing = sets[missing];
        return r;
}

_public_ int hobble_tarpit_set_limits(hobble_tarpit *t, const struct hobble_limits *limits,
                                      const char **ret_missing)
{
        if (!are_valid(limits))
                return -ERANGE;
        t->limits = *limits;
        return limits_apply(t, ret_missing);
}
