/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "host.h"
#include "macro.h"
#include "message.h"
#include "options.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

int host_before_verb(int argc, char *argv[], const char **host, int *ret_n)
{
        int i = 1;

        while (i < argc) {
                const char *word = argv[i];

                if (strcmp(word, "-H") == 0 || strcmp(word, "--host") == 0) {
                        if (i + 1 == argc) {
                                complain("option '%s' needs a value", word);
                                (void) fputs("Try 'hobblectl --help'.\n", stderr);
                                return STATUS_USAGE;
                        }
                        *host = argv[++i];
                } else if (strncmp(word, "-H", 2) == 0)
                        *host = word + 2;
                else if (strncmp(word, "--host=", 7) == 0)
                        *host = word + 7;
                else
                        break;
                i++;
        }
        *ret_n = i;
        return 0;
}

/* -- The command line there -------------------------------------------------------------------- */

/* What a shell takes for one word. */
static void put_quoted(FILE *f, const char *word)
{
        static const char harmless[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";

        (void) fputc(' ', f);
        if (*word && strspn(word, harmless) == strlen(word)) {
                (void) fputs(word, f);
                return;
        }
        (void) fputc('\'', f);
        for (; *word; word++) {
                if (*word == '\'')
                        (void) fputs("'\\''", f);
                else
                        (void) fputc(*word, f);
        }
        (void) fputc('\'', f);
}

static void put_option(FILE *f, const char *name, const char *value)
{
        char text[64];
        _cleanup_free_ char *word = NULL;

        (void) snprintf(text, sizeof(text), "--%s", name);
        if (value && asprintf(&word, "%s=%s", text, value) < 0)
                word = NULL;
        put_quoted(f, word ?: text);
}

static const char *long_name(const struct verb *verb, int code)
{
        for (const struct option_row *row = verb->options; row->name; row++) {
                if (row->code == code)
                        return row->name;
        }
        return NULL;
}

/* Read the line as the verb will, which puts its options first, and write it anew without the host. Returns
 * 0, or -EINVAL where it is wrong, or asks for help. */
static int rewrite(FILE *f, const struct verb *verb, int argc, char *argv[], const char **host)
{
        struct option_reader reader;
        int code;

        (void) fputs("hobblectl", f);
        put_quoted(f, verb->name);
        options_begin(&reader, verb, argc, argv);
        while ((code = getopt_long(argc, argv, reader.letters, reader.names, NULL)) != -1) {
                const char *name = long_name(verb, code);

                if (code == OPTION_HOST)
                        *host = optarg;
                else if (name && code != ':' && code != '?')
                        put_option(f, name, optarg);
                else
                        return -EINVAL;
        }
        if (optind < argc)
                put_quoted(f, "--");
        for (int i = optind; i < argc; i++)
                put_quoted(f, argv[i]);
        return 0;
}

/* -- ssh --------------------------------------------------------------------------------------- */

/* "HOST:PORT", not an address of IPv6, of which only one in brackets can have a port. Cuts it off. */
static const char *take_port(char *host)
{
        char *colon = strrchr(host, ':'), *at = strrchr(host, '@');
        char *address = at ? at + 1 : host;
        size_t n;

        if (*address == '[') {
                char *end = strchr(address, ']');

                if (!end || (end[1] && end[1] != ':'))
                        return NULL;
                colon = end[1] ? end + 1 : NULL;
                *end = '\0';
                (void) memmove(address, address + 1, strlen(address));
        } else if (colon && strchr(address, ':') != colon)
                return NULL;

        n = colon ? strspn(colon + 1, "0123456789") : 0;
        if (n == 0 || colon[1 + n])
                return NULL;
        *colon = '\0';
        return colon + 1;
}

static int become_ssh(const char *host, const struct verb *verb, const char *command)
{
        bool terminal =
                isatty(STDOUT_FILENO) && (strcmp(verb->name, "top") == 0 || strcmp(verb->name, "run") == 0);
        _cleanup_free_ char *name = strdup(host);
        const char *args[10], *port;
        char text[SHOWN_MAX];
        size_t n = 0;

        if (!name)
                return STATUS_FAILED;
        port = take_port(name);
        args[n++] = "ssh";
        if (terminal)
                args[n++] = "-t";
        if (port) {
                args[n++] = "-p";
                args[n++] = port;
        }
        args[n++] = "--";
        args[n++] = name;
        args[n++] = command;
        args[n] = NULL;
        (void) execvp("ssh", (char *const *) args);

        complain(errno == ENOENT ? "cannot reach '%s': there is no ssh, which --host needs: install "
                                   "openssh-client"
                                 : "cannot reach '%s': ssh: %m",
                 shown(host, text));
        return verb->usage_status == STATUS_USAGE ? STATUS_FAILED : verb->usage_status;
}

int host_run(const char *host, const struct verb *verb, int argc, char *argv[])
{
        _cleanup_free_ char *command = NULL;
        _cleanup_free_ char **copy = calloc((size_t) argc + 1, sizeof(*copy));
        char text[SHOWN_MAX];
        size_t size;
        FILE *f;
        int r;

        f = copy ? open_memstream(&command, &size) : NULL;
        if (!f) {
                complain("out of memory");
                return STATUS_FAILED;
        }
        (void) memcpy(copy, argv, (size_t) argc * sizeof(*argv)); /* getopt changes the order */
        r = rewrite(f, verb, argc, copy, &host);
        if (fclose(f) < 0) {
                complain("out of memory");
                return STATUS_FAILED;
        }
        if (r < 0 || !host)
                return -ENOENT;

        if (!*host || *host == '-' || strpbrk(host, " \t\n")) {
                complain("--host: '%s' is not the name of a host", shown(host, text));
                return usage_error(verb);
        }
        return become_ssh(host, verb, command);
}
