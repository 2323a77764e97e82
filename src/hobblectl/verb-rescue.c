/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* hobblectl rescue: thaw and restore what an engine that is no longer alive left behind. */

#include "hierarchy-text.h"
#include "hobble.h"
#include "message.h"
#include "options.h"
#include "text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct option_row options[] = {
        { 'a', "all", NULL, "Also what live instances hobble, for good", OPTION_WORDS_NONE },
        { 'q', "quiet", NULL, "Say nothing where there is nothing to do", OPTION_WORDS_NONE },
        { 0 },
};

static const char *plural(unsigned n, const char *one, const char *many)
{
        return n == 1 ? one : many;
}

static int failed(int error, const char *instance)
{
        char name[SHOWN_MAX];

        switch (error) {
        case -ENOENT:
                complain("instance '%s': there is none of that name ('hobblectl list -o +INSTANCE' shows "
                         "them)",
                         shown(instance, name));
                return STATUS_NO_SUCH;
        case -EBUSY:
                complain("instance '%s' is alive and was left alone: add --all to take everything from it",
                         shown(instance, name));
                return STATUS_FAILED;
        case -EPERM:
        case -EACCES:
                complain("not permitted to thaw and restore: run it as root");
                return STATUS_NOT_PERMITTED;
        default:
                complain("the rescue failed: %s", hierarchy_failure(error) ?: strerror(-error));
                return STATUS_FAILED;
        }
}

static int report(const struct hobble_rescued *rescued, bool quiet)
{
        if (quiet && rescued->subjects == 0 && rescued->left == 0 && rescued->others == 0)
                return STATUS_DONE;
        if (rescued->subjects > 0)
                (void) printf("rescued %u %s (%u %s) of %u %s\n", rescued->subjects,
                              plural(rescued->subjects, "subject", "subjects"), rescued->processes,
                              plural(rescued->processes, "process", "processes"), rescued->instances,
                              plural(rescued->instances, "instance", "instances"));
        else if (rescued->instances > 0) /* empty, or a live one released all by itself when it was told */
                (void) printf("nothing left to rescue in %u %s\n", rescued->instances,
                              plural(rescued->instances, "instance", "instances"));
        else if (rescued->busy == 0 && geteuid() != 0) {
                complain("not permitted: without root only your own instances can be seen, and there are "
                         "none");
                return STATUS_NOT_PERMITTED;
        } else if (rescued->others == 0)
                (void) puts("nothing to rescue");
        if (rescued->strayed > 0)
                (void) printf(
                        "%u of the processes went to the nearest cgroup above their origin, which is gone "
                        "or takes none any more\n",
                        rescued->strayed);
        if (rescued->others > 0)
                (void) printf(
                        "thawed %u dead %s of other users: \"hobblectl rescue\" as the user restores %s\n",
                        rescued->others, plural(rescued->others, "instance", "instances"),
                        plural(rescued->others, "it", "them"));
        if (rescued->busy > 0)
                (void) printf("left alone %u live %s: --all takes everything from %s\n", rescued->busy,
                              plural(rescued->busy, "instance", "instances"),
                              plural(rescued->busy, "it", "them"));
        if (finish_output() < 0)
                return STATUS_FAILED;

        if (rescued->left > 0) {
                complain("%u %s thawed but could not be restored: 'hobblectl list' shows what is left",
                         rescued->left, plural(rescued->left, "subject was", "subjects were"));
                return STATUS_FAILED;
        }
        return STATUS_DONE;
}

static int rescue_main(const struct verb *verb, int argc, char *argv[])
{
        struct hobble_rescued rescued = { 0 };
        struct option_reader reader;
        const char *instance;
        unsigned flags = 0;
        bool quiet = false;
        char name[SHOWN_MAX];
        int r;

        options_begin(&reader, verb, argc, argv);
        while ((r = options_next(&reader)) > 0) {
                if (r == 'a')
                        flags |= HOBBLE_RESCUE_ALL;
                if (r == 'q')
                        quiet = true;
        }
        if (r < 0)
                return reader.status;

        instance = argv[optind];
        if (instance && !name_is_valid(instance)) {
                complain("'%s' is not the name of an instance", shown(instance, name));
                return usage_error(verb);
        }

        r = hobble_rescue(instance, flags, &rescued);
        if (quiet && (r == -ENOENT || r == -EBUSY))
                return STATUS_DONE;
        if (r < 0)
                return failed(r, instance ? instance : "");
        return report(&rescued, quiet);
}

const struct verb verb_rescue = {
        .name = "rescue",
        .arguments = "[INSTANCE]",
        .summary = "Thaw and restore what a dead instance left",
        .options = options,
        .words = WORDS_INSTANCES,
        .arguments_max = 1,
        .usage_status = STATUS_USAGE,
        .main = rescue_main,
};
