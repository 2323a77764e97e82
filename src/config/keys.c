/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "keys.h"
#include "macro.h"
#include "near.h"
#include "values.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define GLOBAL(section_, name_, kind_, field, ...)                                      \
        {                                                                               \
                .scope = KEY_GLOBAL, .section = section_, .name = name_, .kind = kind_, \
                .offset = offsetof(struct config, field), __VA_ARGS__                   \
        }
#define TARPIT(section_, name_, kind_, field, ...)                                      \
        {                                                                               \
                .scope = KEY_TARPIT, .section = section_, .name = name_, .kind = kind_, \
                .offset = offsetof(struct config_tarpit, field), __VA_ARGS__            \
        }

#define DAY_USEC (24 * 3600 * USEC_PER_SEC)
#define MEBIBYTE (1024U * 1024U)
#define WANTS_UNIT "the name of a service, scope or slice, or a glob such as report-*.service"
#define WANTS_USER "the name of a user, a user id, or %group"
#define WANTS_COMMAND \
        "a command name, a glob such as xmrig*, or one of an executable's path, beginning with /"

/* clang-format off */
const struct key keys[] = {
        GLOBAL("Hobbled", "RealTimePriority", &kind_priority, rt_priority, .max = 98, .preset = "90",
               .wants = "a real-time priority from 1 to 98, or 0 for none"),
        GLOBAL("Hobbled", "LogLevel", &kind_level, log_level, .preset = "info",
               .wants = "error, warning, notice, info or debug"),
        GLOBAL("Exempt", "User", &kind_user, exempt.of[CONFIG_EXEMPT_USER], .wants = WANTS_USER),
        GLOBAL("Exempt", "Unit", &kind_unit, exempt.of[CONFIG_EXEMPT_UNIT], .wants = WANTS_UNIT),
        GLOBAL("Exempt", "Command", &kind_command, exempt.of[CONFIG_EXEMPT_COMMAND], .wants = WANTS_COMMAND),

        TARPIT("Tarpit", "Description", &kind_text, description, .preset = "", .wants = "a text"),
        TARPIT("Tarpit", "FrozenSec", &kind_span, duty.frozen_usec, .max = 60 * USEC_PER_SEC,
               .preset = "250ms", .wants = "a time span from 0 to 60s, such as 250ms"),
        TARPIT("Tarpit", "ThawedSec", &kind_span, duty.thawed_usec, .min = USEC_PER_MSEC,
               .max = 10 * USEC_PER_SEC, .preset = "10ms",
               .wants = "a time span from 1ms to 10s, such as 10ms"),
        TARPIT("Tarpit", "Duty", &kind_duty, duty_ppm, .preset = "",
               .wants = "a percentage above 0% up to 100%, such as 5%"),
        TARPIT("Tarpit", "FreezeIdle", &kind_boolean, duty.freeze_idle, .preset = "no", .wants = "yes or no"),
        TARPIT("Tarpit", "Placement", &kind_placement, placement, .preset = "auto",
               .wants = "auto, subtree or nested"),

        TARPIT("Source", "PIDFile", &kind_path, sources[CONFIG_PIDFILE],
               .wants = "the absolute path of a file of process ids"),
        TARPIT("Source", "Cgroup", &kind_cgroup, sources[CONFIG_CGROUP],
               .wants = "the absolute path of a cgroup's directory, or a glob of such"),
        TARPIT("Source", "Unit", &kind_unit, sources[CONFIG_UNIT], .wants = WANTS_UNIT),
        TARPIT("Source", "User", &kind_user, sources[CONFIG_USER], .wants = WANTS_USER),
        TARPIT("Source", "Command", &kind_command, sources[CONFIG_COMMAND], .wants = WANTS_COMMAND),
        TARPIT("Source", "Exec", &kind_exec, sources[CONFIG_EXEC],
               .wants = "a command, beginning with the absolute path of the executable"),
        TARPIT("Source", "CheckSec", &kind_span, check_usec, .min = 100 * USEC_PER_MSEC, .max = DAY_USEC,
               .preset = "2s", .wants = "a time span from 100ms to 1d, such as 2s"),

        TARPIT("Exempt", "User", &kind_user, exempt.of[CONFIG_EXEMPT_USER], .wants = WANTS_USER),
        TARPIT("Exempt", "Unit", &kind_unit, exempt.of[CONFIG_EXEMPT_UNIT], .wants = WANTS_UNIT),
        TARPIT("Exempt", "Command", &kind_command, exempt.of[CONFIG_EXEMPT_COMMAND], .wants = WANTS_COMMAND),

        TARPIT("Limits", "CPUQuota", &kind_share, limits.cpu_quota_ppm, .min = 1000, .max = 10000000000,
               .preset = "infinity",
               .wants = "a percentage of one CPU from 0.1% to 1000000%, such as 50%, or infinity"),
        TARPIT("Limits", "CPUWeight", &kind_count, limits.cpu_weight, .min = 1, .max = 10000, .preset = "",
               .wants = "a weight from 1 to 10000"),
        TARPIT("Limits", "IOWeight", &kind_count, limits.io_weight, .min = 1, .max = 10000, .preset = "",
               .wants = "a weight from 1 to 10000"),
        TARPIT("Limits", "MemoryHigh", &kind_size, limits.memory_high, .min = MEBIBYTE, .max = UINT64_MAX - 1,
               .preset = "infinity", .wants = "a size of 1M or more, such as 512M or 4G, or infinity"),
        TARPIT("Limits", "MemoryMax", &kind_size, limits.memory_max, .min = MEBIBYTE, .max = UINT64_MAX - 1,
               .preset = "infinity", .wants = "a size of 1M or more, such as 512M or 4G, or infinity"),
        TARPIT("Limits", "TasksMax", &kind_count, limits.tasks_max, .min = 1, .max = UINT64_MAX - 1,
               .preset = "infinity", .wants = "a number of tasks from 1, or infinity"),
};
/* clang-format on */

const size_t keys_n = ELEMENTSOF(keys);

const struct key *key_find(enum key_scope scope, const char *section, const char *name)
{
        for (size_t i = 0; i < keys_n; i++) {
                if (keys[i].scope == scope && strcmp(keys[i].section, section) == 0 &&
                    strcmp(keys[i].name, name) == 0)
                        return keys + i;
        }
        return NULL;
}

bool key_section_exists(enum key_scope scope, const char *section)
{
        for (size_t i = 0; i < keys_n; i++) {
                if (keys[i].scope == scope && strcmp(keys[i].section, section) == 0)
                        return true;
        }
        return false;
}

/* The key that is nearest, of this section first, NULL where none is near. A word that is another in half of
 * its letters is another word. */
static const struct key *nearest(enum key_scope scope, const char *section, const char *name)
{
        size_t least = NEAR_LIMIT;
        const struct key *best = NULL;

        for (size_t i = 0; i < keys_n; i++) {
                const struct key *key = keys + i;
                size_t d = near_distance(name, key->name);
                bool here = strcmp(key->section, section) == 0;

                if (key->scope != scope || 2 * d >= strlen(key->name))
                        continue;
                if (d < least || (d == least && best && here && strcmp(best->section, section) != 0)) {
                        least = d;
                        best = key;
                }
        }
        return best;
}

/* The sections that have a key of exactly this name, as "[Source] or [Exempt]". */
static bool homes(enum key_scope scope, const char *name, char *buf, size_t size)
{
        size_t used = 0;

        for (size_t i = 0; i < keys_n && used < size; i++) {
                if (keys[i].scope == scope && strcasecmp(keys[i].name, name) == 0)
                        used += (size_t) snprintf(buf + used, size - used, "%s[%s]", used ? " or " : "",
                                                  keys[i].section);
        }
        return used > 0;
}

static const char *scope_file(enum key_scope scope)
{
        return scope == KEY_GLOBAL ? "hobbled.conf" : "a NAME.tarpit";
}

char *key_suggest(enum key_scope scope, const char *section, const char *name, char *buf, size_t size)
{
        enum key_scope other = scope == KEY_GLOBAL ? KEY_TARPIT : KEY_GLOBAL;
        const struct key *key;
        char where[64];

        buf[0] = '\0';
        key = nearest(scope, section, name);
        if (key && strcmp(key->section, section) == 0)
                (void) snprintf(buf, size, "did you mean %s=?", key->name);
        else if (homes(scope, name, where, sizeof(where)))
                (void) snprintf(buf, size, "it belongs in %s", where);
        else if (homes(other, name, where, sizeof(where)))
                (void) snprintf(buf, size, "it belongs in %s of %s", where, scope_file(other));
        else if (key)
                (void) snprintf(buf, size, "did you mean %s= in [%s]?", key->name, key->section);
        return buf;
}

char *key_suggest_section(enum key_scope scope, const char *section, char *buf, size_t size)
{
        size_t least = NEAR_LIMIT;

        buf[0] = '\0';
        for (size_t i = 0; i < keys_n; i++) {
                size_t d = near_distance(section, keys[i].section);

                if (keys[i].scope == scope && d < least && 2 * d < strlen(keys[i].section)) {
                        least = d;
                        (void) snprintf(buf, size, "did you mean [%s]?", keys[i].section);
                }
        }
        for (size_t i = 0; i < keys_n && !buf[0]; i++) {
                if (keys[i].scope != scope && strcasecmp(section, keys[i].section) == 0)
                        (void) snprintf(buf, size, "it belongs in %s", scope_file(keys[i].scope));
        }
        return buf;
}
