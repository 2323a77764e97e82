/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* hobblectl: the verbs, and how one is found. */

#include "hobble.h"
#include "macro.h"
#include "message.h"
#include "near.h"
#include "options.h"
#include "verb.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

static const struct verb *const verbs[] = {
        &verb_run, &verb_list, &verb_rescue, &verb_check_config, &verb_cat_config, &verb_reload,
};

/* How many columns a text of ours takes: none of its characters is wider than one. */
static int width(const char *text)
{
        int n = 0;

        for (; *text; text++)
                n += (*text & 0xc0) != 0x80;
        return n;
}

static int help(void)
{
        (void) puts("Usage: hobblectl VERB [OPTION…] [ARGUMENT…]\n\n"
                    "Slow process trees down, and see which are.\n\n"
                    "Verbs:");
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                char text[64];

                (void) snprintf(text, sizeof(text), "%s %s", verbs[i]->name, verbs[i]->arguments);
                (void) printf("  %s%*s %s\n", text, MAX(31 - width(text), 0), "", verbs[i]->summary);
        }
        (void) puts("\nOptions:\n"
                    "  -h, --help                      Show this help; after a verb, that verb's\n"
                    "      --version                   Show the version\n\n"
                    "See hobblectl(1).");
        return finish_output() < 0 ? STATUS_FAILED : STATUS_DONE;
}

static int version(void)
{
        (void) printf("hobblectl %s\n", hobble_version());
        return finish_output() < 0 ? STATUS_FAILED : STATUS_DONE;
}

/* The verb that was probably meant, or NULL. */
static const struct verb *suggest(const char *name)
{
        const struct verb *best = NULL;
        size_t least = NEAR_LIMIT;

        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                size_t d = near_distance(name, verbs[i]->name);

                if (strlen(name) >= 2 && strncmp(name, verbs[i]->name, strlen(name)) == 0)
                        d = 1; /* cut short */
                if (d < least && d < strlen(verbs[i]->name)) {
                        least = d;
                        best = verbs[i];
                }
        }
        return best;
}

static int usage(const char *problem, const char *word)
{
        const struct verb *meant = *word == '-' ? NULL : suggest(word);
        char name[SHOWN_MAX];

        if (meant)
                complain("%s '%s': did you mean '%s'?", problem, shown(word, name), meant->name);
        else
                complain("%s '%s'", problem, shown(word, name));
        (void) fputs("Try 'hobblectl --help'.\n", stderr);
        return STATUS_USAGE;
}

int main(int argc, char *argv[])
{
        /* Which bytes make a letter, and no more: a decimal comma would spoil JSON. */
        (void) setlocale(LC_CTYPE, "");

        if (argc < 2) {
                complain("no verb given");
                (void) fputs("Try 'hobblectl --help'.\n", stderr);
                return STATUS_USAGE;
        }
        if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
                return help();
        if (strcmp(argv[1], "--version") == 0)
                return version();
        if (*argv[1] == '-')
                return usage("unknown option", argv[1]);

        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                if (strcmp(argv[1], verbs[i]->name) == 0)
                        return verbs[i]->main(verbs[i], argc - 1, argv + 1);
        }
        return usage("unknown verb", argv[1]);
}
