/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "request.h"
#include "macro.h"
#include "message.h"
#include "timespan.h"

#include <fnmatch.h>
#include <string.h>

int request_option(struct request_options *options, int code, const char *value)
{
        char text[SHOWN_MAX];

        switch (code) {
        case 'a':
                options->all = true;
                return 0;
        case 'q':
                options->quiet = true;
                return 0;
        case 't':
                options->tarpit = value;
                return 0;
        case CLIENT_SOCKET:
                options->socket = value;
                return 0;
        case OPTION_FORCE:
                options->flags |= REQUEST_FORCE;
                return 0;
        case OPTION_PERSISTENT:
                options->flags |= REQUEST_PERSISTENT;
                return 0;
        case OPTION_DRY_RUN:
                options->dry_run = true;
                return 0;
        case OPTION_FOR:
                if (timespan_parse(value, &options->for_usec) < 0 || options->for_usec == 0) {
                        complain("--for: '%s' is no time span such as 10min", shown(value, text));
                        return -EINVAL;
                }
                return 0;
        default:
                return -EINVAL;
        }
}

static bool is_unit(const char *name)
{
        static const char *const patterns[] = { "*.service", "*.scope", "*.slice" };

        for (size_t i = 0; i < ELEMENTSOF(patterns); i++) {
                if (fnmatch(patterns[i], name, 0) == 0)
                        return true;
        }
        return false;
}

char *request_what(const char *argument)
{
        bool number = *argument && argument[strspn(argument, "0123456789")] == '\0';
        char text[SHOWN_MAX], *what = NULL;

        if (number || (*argument == '@' && argument[1]) || *argument == '/' || is_unit(argument))
                what = strdup(argument);
        else if (strchr(argument, '/') || strcmp(argument, ".") == 0) {
                what = realpath(argument, NULL);
                if (!what && errno != ENOMEM) {
                        complain("'%s': %m", shown(argument, text));
                        return NULL;
                }
        } else {
                complain("'%s' is no PID, unit such as x.service, cgroup directory or @USER",
                         shown(argument, text));
                return NULL;
        }
        if (!what)
                complain("out of memory");
        return what;
}
