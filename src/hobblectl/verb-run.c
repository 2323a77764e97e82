/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* hobblectl run: a command, hobbled from before its first instruction. */

#include "hobble.h"
#include "message.h"
#include "options.h"
#include "run.h"
#include "timespan.h"

#include <stdio.h>
#include <string.h>

enum { OPTION_DUTY = OPTION_LONG, OPTION_FROZEN, OPTION_THAWED };

static const struct option_row options[] = {
        { OPTION_DUTY, "duty", "PERCENT", "Let it run this part of the time (3.85%)", OPTION_WORDS_PERCENTS },
        { OPTION_FROZEN, "frozen", "TIME", "Freeze it for so long at a time (250ms)", OPTION_WORDS_TIMES },
        { OPTION_THAWED, "thawed", "TIME", "Let it run for so long in between (10ms)", OPTION_WORDS_TIMES },
        { 0 },
};

struct wanted_duty {
        uint64_t ppm;         /* 0: not given */
        const char *relative; /* as it was given */
        bool absolute;
        struct hobble_duty duty;
};

static int parse_relative(const char *value, struct wanted_duty *wanted)
{
        char text[SHOWN_MAX];
        int r = percent_parse(value, &wanted->ppm);

        if (r == -ERANGE)
                complain("--duty: '%s' is out of range: more than 0 and at most 100 percent",
                         shown(value, text));
        else if (r < 0)
                complain("--duty: '%s' is no percentage such as 5%%", shown(value, text));
        wanted->relative = value;
        return r;
}

static int parse_span(const char *option, const char *value, uint64_t *ret)
{
        char text[SHOWN_MAX];
        int r = timespan_parse(value, ret);

        if (r < 0)
                complain("%s: '%s' is no time span such as 250ms", option, shown(value, text));
        return r;
}

static int parse_option(int code, const char *value, struct wanted_duty *wanted)
{
        switch (code) {
        case OPTION_DUTY:
                return parse_relative(value, wanted);
        case OPTION_FROZEN:
                wanted->absolute = true;
                return parse_span("--frozen", value, &wanted->duty.frozen_usec);
        case OPTION_THAWED:
                wanted->absolute = true;
                return parse_span("--thawed", value, &wanted->duty.thawed_usec);
        default:
                return -EINVAL;
        }
}

static int settle_duty(struct wanted_duty *wanted)
{
        struct hobble_duty *duty = &wanted->duty;
        char frozen[64], text[SHOWN_MAX];

        if (wanted->ppm > 0 && wanted->absolute) {
                complain("--duty excludes --frozen and --thawed: give one or the other");
                return -EINVAL;
        }
        if (wanted->ppm > 0)
                duty->frozen_usec = duty->thawed_usec * (1000000 - wanted->ppm) / wanted->ppm;
        if (hobble_duty_check(duty) == 0)
                return 0;

        if (wanted->ppm > 0)
                complain("--duty: '%s' means frozen for %s at a time, and 60s is the most: say it with "
                         "--frozen and "
                         "--thawed",
                         shown(wanted->relative, text),
                         timespan_format(duty->frozen_usec, frozen, sizeof(frozen)));
        else
                complain("out of range: --frozen takes 0 to 60s, --thawed 1ms to 10s");
        return -EINVAL;
}

static int run_main(const struct verb *verb, int argc, char *argv[])
{
        struct wanted_duty wanted = { .duty = HOBBLE_DUTY_DEFAULT };
        struct option_reader reader;
        int r;

        options_begin(&reader, verb, argc, argv);
        while ((r = options_next(&reader)) > 0) {
                if (parse_option(r, reader.value, &wanted) < 0)
                        return usage_error(verb);
        }
        if (r < 0)
                return reader.status;
        if (settle_duty(&wanted) < 0)
                return usage_error(verb);
        if (!argv[optind]) {
                complain("run: no command given");
                return usage_error(verb);
        }

        return run_front(&wanted.duty, argv + optind);
}

const struct verb verb_run = {
        .name = "run",
        .arguments = "[--] COMMAND [ARGUMENT…]",
        .summary = "Run a command, hobbled with all its children",
        .options = options,
        .words = WORDS_COMMAND,
        .arguments_max = -1,
        .stop_at_argument = true,
        .usage_status = STATUS_RUN_FAILED,
        .main = run_main,
};
