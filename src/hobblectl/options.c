/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "options.h"
#include "message.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

int usage_error(const struct verb *verb)
{
        (void) fprintf(stderr, "Try 'hobblectl %s --help'.\n", verb->name);
        return verb->usage_status;
}

void options_print(const struct option_row *rows)
{
        for (const struct option_row *row = rows; row->name; row++) {
                char text[64], letter[8] = "    ";

                if (!row->help)
                        continue;
                if (row->code < OPTION_LONG)
                        (void) snprintf(letter, sizeof(letter), "-%c, ", row->code);
                (void) snprintf(text, sizeof(text), "%s--%s%s%s", letter, row->name, row->value ? "=" : "",
                                row->value ? row->value : "");
                (void) printf("  %-26s %s\n", text, row->help);
        }
        (void) printf("  %-26s %s\n", "-H, --host=HOST", "Do it on that host, over ssh");
        (void) printf("  %-26s %s\n", "-h, --help", "Show this help");
}

static void help(const struct verb *verb)
{
        (void) printf("Usage: hobblectl %s [OPTION…]%s%s\n\n%s.\n\nOptions:\n", verb->name,
                      *verb->arguments ? " " : "", verb->arguments, verb->summary);
        options_print(verb->options);
        if (verb->help)
                verb->help();
        (void) puts("\nSee hobblectl(1).");
}

void options_begin(struct option_reader *reader, const struct verb *verb, int argc, char *argv[])
{
        size_t n = 0, used = 0;

        *reader = (struct option_reader){
                .verb = verb, .argc = argc, .argv = argv, .status = verb->usage_status
        };
        if (verb->stop_at_argument)
                reader->letters[used++] = '+';
        reader->letters[used++] = ':';

        for (const struct option_row *row = verb->options; row->name; row++, n++) {
                assert(n < OPTIONS_MAX);
                reader->names[n] = (struct option){
                        .name = row->name,
                        .has_arg = row->value ? required_argument : no_argument,
                        .val = row->code,
                };
                if (row->code >= OPTION_LONG || !row->help)
                        continue;
                reader->letters[used++] = (char) row->code;
                if (row->value)
                        reader->letters[used++] = ':';
        }
        reader->names[n++] =
                (struct option){ .name = "host", .has_arg = required_argument, .val = OPTION_HOST };
        reader->names[n] = (struct option){ .name = "help", .val = OPTION_HELP };
        reader->letters[used++] = OPTION_HOST;
        reader->letters[used++] = ':';
        reader->letters[used] = OPTION_HELP;

        opterr = 0;
        optind = 0; /* glibc: begin anew */
}

static int wrong_option(struct option_reader *reader, int code)
{
        const char *word = reader->argv[optind - 1];
        char letter[3] = { '-', (char) optopt, '\0' }, name[SHOWN_MAX];

        /* A letter may stand in the middle of a word; a long option is a word of its own. */
        if (strncmp(word, "--", 2) != 0 && optopt > 0 && optopt < OPTION_LONG)
                word = letter;

        if (code == ':')
                complain("option '%s' needs a value", shown(word, name));
        else if (word != letter && optopt > 0)
                complain("option '%s' takes no value", shown(word, name));
        else
                complain("unknown option '%s'", shown(word, name));

        reader->status = usage_error(reader->verb);
        return -1;
}

static int check_arguments(struct option_reader *reader)
{
        int max = reader->verb->arguments_max;
        char name[SHOWN_MAX];

        if (max < 0 || reader->argc - optind <= max)
                return 0;

        complain("argument '%s' is one too many", shown(reader->argv[optind + max], name));
        reader->status = usage_error(reader->verb);
        return -1;
}

int options_next(struct option_reader *reader)
{
        int code = getopt_long(reader->argc, reader->argv, reader->letters, reader->names, NULL);

        reader->value = optarg;
        switch (code) {
        case -1:
                return check_arguments(reader);
        case ':':
        case '?':
                return wrong_option(reader, code);
        case OPTION_HOST: /* which counts only where the rest is right */
                return options_next(reader);
        case OPTION_HELP:
                help(reader->verb);
                reader->status = finish_output() < 0 ? STATUS_FAILED : STATUS_DONE;
                return -1;
        default:
                return code;
        }
}
