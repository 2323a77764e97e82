/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* hobblectl: the verbs, and how one is found. */

#include "complete.h"
#include "hobble.h"
#include "host.h"
#include "macro.h"
#include "message.h"
#include "near.h"
#include "options.h"
#include "verb.h"

#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
static const struct verb *const verbs[] = {
        &verb_run,
        &verb_list,
        &verb_tree,
        &verb_top,
        &verb_status,
        &verb_why,
        &verb_hobble,
        &verb_release,
        &verb_pause,
        &verb_resume,
        &verb_set,
        &verb_list_tarpits,
        &verb_monitor,
        &verb_metrics,
        &verb_check_config,
        &verb_cat_config,
        &verb_reload,
        &verb_rescue,
};
/* clang-format on */

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
                    "  -H, --host=HOST                 Do it on that host, over ssh\n"
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

/* Descriptors 0 to 2 must not become a socket that a table would be written to. What is opened for them can
 * be used for nothing, so that it is told that there is no output; a command that is run does not get it. */
static int keep_standard_streams(void)
{
        for (int fd = 0; fd <= STDERR_FILENO; fd++) {
                if (fcntl(fd, F_GETFD) >= 0)
                        continue;
                if (open("/dev/null", (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) | O_CLOEXEC) != fd)
                        return -EBADF;
        }
        return 0;
}

int main(int argc, char *argv[])
{
        if (keep_standard_streams() < 0)
                return STATUS_FAILED;

        const char *host = NULL;
        int n, r;

        /* Which bytes make a letter, and no more: a decimal comma would spoil JSON. */
        (void) setlocale(LC_CTYPE, "");

        if (argc >= 2 && strcmp(argv[1], "--complete") == 0)
                return complete(verbs, ELEMENTSOF(verbs), argv + 2, (size_t) argc - 2);
        r = host_before_verb(argc, argv, &host, &n);
        if (r != 0)
                return r;
        argc -= n - 1;
        argv += n - 1;

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
                if (strcmp(argv[1], verbs[i]->name) == 0) {
                        r = host_run(host, verbs[i], argc - 1, argv + 1);
                        return r == -ENOENT ? verbs[i]->main(verbs[i], argc - 1, argv + 1) : r;
                }
        }
        return usage("unknown verb", argv[1]);
}
