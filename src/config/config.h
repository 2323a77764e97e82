/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The configuration: hobbled.conf and each NAME.tarpit, from /etc/hobbled, /run/hobbled and /usr/lib/hobbled
 * in this order (a file hides those of its name further back, and one that is empty or a link to /dev/null
 * does no more than that), with drop-ins (hobbled.conf.d/NAME.conf, NAME.tarpit.d/NAME.conf), as
 * hobbled.conf(5) and hobbled.tarpit(5) tell.
 *
 * Reading never fails for what files say: a line that cannot be used becomes a finding, and the rest counts.
 * A file that cannot be read or does not make sense as a whole is `broken`; whether its tarpit goes on as it
 * was is the caller's to decide. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hobble.h"

/* Where a value was said. */
struct config_place {
        const char *file; /* NULL: nowhere, it is the default */
        unsigned line;
};

/* One item of a list key, such as User=. */
struct config_item {
        char *value;
        struct config_place place;
};

struct config_list {
        struct config_item *items;
        size_t n;
};

enum config_severity {
        CONFIG_ERROR,   /* not used: the value before, or the default, counts */
        CONFIG_WARNING, /* ignored, or used with a doubt */
};

struct config_finding {
        enum config_severity severity;
        struct config_place place; /* line 0: the whole file */
        char *text;                /* a clause: what is wrong, what is done, what may have been meant */
};

enum config_source {
        CONFIG_PIDFILE,
        CONFIG_CGROUP,
        CONFIG_UNIT,
        CONFIG_USER,
        CONFIG_COMMAND,
        CONFIG_EXEC,
        CONFIG_SOURCE_MAX,
};

/* The keys of [Source], e.g. "PIDFile". */
const char *config_source_name(enum config_source source);

enum config_exempt {
        CONFIG_EXEMPT_USER,
        CONFIG_EXEMPT_UNIT,
        CONFIG_EXEMPT_COMMAND,
        CONFIG_EXEMPT_MAX,
};

struct config_exemptions {
        struct config_list of[CONFIG_EXEMPT_MAX];
};

struct config_tarpit {
        char *name;              /* from the file's name; one that is no valid name makes it broken */
        const char *file;        /* its main file */
        bool broken;             /* it or a drop-in of it cannot be read, or no valid duty: not to be used */
        char *description;       /* "" where there is none */
        struct hobble_duty duty; /* in force, also where Duty= was given */
        uint64_t duty_ppm;       /* Duty=, in millionths; 0: FrozenSec= counts */
        enum hobble_placement placement;
        struct config_list sources[CONFIG_SOURCE_MAX];
        uint64_t check_usec;
        struct config_exemptions exempt;
        struct hobble_limits limits;
        struct config_place *places; /* of the keys, in the order of the table: config_for_each() tells */
};

struct config {
        /* hobbled.conf, section [Hobbled]. */
        int rt_priority;                 /* RealTimePriority=, 0 to 98, 90 */
        int log_level;                   /* LogLevel=, as in message.h: 0 error to 4 debug, 3 info */
        struct config_exemptions exempt; /* [Exempt]: for all tarpits */
        struct config_place *places;     /* as in a tarpit */
        bool broken; /* hobbled.conf, a drop-in of it, or one of the directories cannot be read */

        struct config_tarpit *tarpits; /* by name */
        size_t n_tarpits;
        struct config_finding *findings; /* in the order of reading */
        size_t n_findings;
        size_t n_errors; /* of them */
        char **files;    /* all that were read, for the places to point to */
        size_t n_files;
};

/* Read everything. dir: another directory in the place of the three (--config=), NULL: those three, beneath
 * the environment's HOBBLED_CONFIG_ROOT where that is set (tests). That there is no such directory is no
 * finding, unless it was asked for. Returns 0 or -ENOMEM. */
int config_load(struct config **ret, const char *dir);

/* Check single files: each is read as a tarpit where its name ends in ".tarpit", as a drop-in of one where
 * its directory's name ends in ".tarpit.d", and as hobbled.conf otherwise; none is put together with another.
 * Returns 0 or -ENOMEM. */
int config_load_files(struct config **ret, char *const *paths, size_t n);

/* NULL is fine. Returns NULL. */
struct config *config_free(struct config *c);

/* Call fn for each key that there is, also those that have their default: what cat-config shows. section is
 * "Hobbled", "Exempt", "Tarpit", "Source" or "Limits"; tarpit NULL: hobbled.conf, which comes first; a list's
 * key comes once for each item, and once with "" where it is empty. What Duty= makes of FrozenSec= has the
 * place of Duty=. place is never NULL. fn returns 0 to go on, else the walk ends with that value. */
int config_for_each(const struct config *c,
                    int (*fn)(const struct config_tarpit *tarpit, const char *section, const char *key,
                              const char *value, const struct config_place *place, void *userdata),
                    void *userdata);

/* Call fn for each key of [Tarpit] and [Limits] that has one value: what can be set by hand. wants: what it
 * takes, as "this takes …", or "". fn returns 0 to go on, else the walk ends with that value. */
int config_each_setting(int (*fn)(const char *section, const char *key, const char *wants, void *userdata),
                        void *userdata);
