/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* hobblectl --complete: reading a command line that is not finished. */

#include "complete.h"
#include "config.h"
#include "macro.h"
#include "message.h"
#include "table.h"
#include "text.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* For all of it. Who has pressed a key does not wait for a daemon that hangs, or a directory of users. */
#define LIMIT_SEC 2

/* -- Candidates -------------------------------------------------------------------------------- */

/* Whether the word is as it looks. A backslash is part of many a unit's name, and the shells quote it. */
static bool is_plain(const char *word)
{
        char copy[SHOWN_MAX], escaped[SHOWN_MAX];
        size_t n = strlen(word);

        if (n == 0 || n >= sizeof(copy))
                return false;
        memcpy(copy, word, n + 1);
        for (char *p = copy; (p = strchr(p, '\\'));)
                *p = '/';
        return strcmp(escape_text(copy, n, escaped, sizeof(escaped)), copy) == 0;
}

static bool is_new(struct completion *c, const char *word)
{
        for (size_t i = 0; i < c->n_seen; i++) {
                if (strcmp(c->seen[i], word) == 0)
                        return false;
        }
        if (c->n_seen == c->allocated) {
                size_t allocated = MAX(c->allocated * 2, 64U);
                char **seen = reallocarray(c->seen, allocated, sizeof(*seen));

                if (!seen)
                        return true;
                c->seen = seen;
                c->allocated = allocated;
        }
        c->seen[c->n_seen] = strdup(word);
        c->n_seen += c->seen[c->n_seen] ? 1 : 0;
        return true;
}

void offer(struct completion *c, const char *word, const char *description, ...)
{
        char text[SHOWN_MAX], line[SHOWN_MAX];
        va_list ap;

        if (strncmp(word, c->word, strlen(c->word)) != 0 || !is_plain(word) || !is_new(c, word))
                return;

        va_start(ap, description);
        (void) vsnprintf(text, sizeof(text), description, ap);
        va_end(ap);
        (void) printf("%.*s%s\t%s\n", (int) c->begin_size, c->begin, word, shown(text, line));
}

void completion_skip(struct completion *c, size_t n)
{
        c->word += n;
        c->begin_size += n;
}

static void tell(const char *what)
{
        (void) printf("\t%s\n", what);
}

/* -- Values of options ------------------------------------------------------------------------- */

/* A number gets its units, nothing gets what is usual. */
static void offer_numbers(struct completion *c, const char *const *units, const char *const *usual)
{
        size_t digits = strspn(c->word, "0123456789.");
        char text[64];

        for (; digits == 0 && *usual; usual++)
                offer(c, *usual, "%s", "");
        if (digits == 0 || digits > 20)
                return;
        for (; *units; units++) {
                (void) snprintf(text, sizeof(text), "%.*s%s", (int) digits, c->word, *units);
                offer(c, text, "%s", "");
        }
}

static void offer_times(struct completion *c)
{
        static const char *const units[] = { "ms", "s", "min", "h", "d", NULL };
        static const char *const usual[] = { "10ms",  "100ms", "250ms", "1s", "10s", "1min",
                                             "10min", "1h",    "8h",    "1d", NULL };

        offer_numbers(c, units, usual);
}

static void offer_percents(struct completion *c)
{
        static const char *const units[] = { "%", NULL };
        static const char *const usual[] = { "1%", "5%", "10%", "20%", "50%", NULL };

        offer_numbers(c, units, usual);
}

/* Names with commas between them; one that is in the list already is not to come again. */
static void offer_columns(struct completion *c, const struct column_row *columns)
{
        const char *list = c->word, *comma = strrchr(list, ',');

        if (!columns)
                return;
        if (comma)
                completion_skip(c, (size_t) (comma - list) + 1);
        else if (*list == '+')
                completion_skip(c, 1);
        for (const struct column_row *column = columns; column->name; column++) {
                size_t n = strlen(column->name);
                bool there = false;

                for (const char *p = list + (*list == '+'); comma && p < comma; p += strcspn(p, ",") + 1)
                        there = there || (strncmp(p, column->name, n) == 0 && p[n] == ',');
                if (!there)
                        offer(c, column->name, "%s", column->help);
        }
        tell("nospace");
}

static void offer_value(struct completion *c, const struct verb *verb, const struct option_row *row)
{
        switch (row->words) {
        case OPTION_WORDS_NONE:
                break;
        case OPTION_WORDS_TARPITS:
                offer_tarpits(c);
                break;
        case OPTION_WORDS_COLUMNS:
                offer_columns(c, verb->columns);
                break;
        case OPTION_WORDS_TIMES:
                offer_times(c);
                break;
        case OPTION_WORDS_PERCENTS:
                offer_percents(c);
                break;
        case OPTION_WORDS_HOSTS:
                offer_hosts(c);
                break;
        case OPTION_WORDS_FILES:
                tell("files");
                break;
        }
}

/* -- Options ----------------------------------------------------------------------------------- */

/* What every verb takes, and what comes before the verb. */
static const struct option_row common_options[] = {
        { 'H', "host", "HOST", "Do it on that host, over ssh", OPTION_WORDS_HOSTS },
        { 'h', "help", NULL, "Show help", OPTION_WORDS_NONE },
        { 0 },
};
static const struct option_row first_options[] = {
        { OPTION_LONG, "version", NULL, "Show the version", OPTION_WORDS_NONE },
        { 0 },
};

struct line {
        const struct verb *verb;          /* NULL: none yet */
        size_t n_arguments;               /* of the verb, before the last word */
        const char *argument;             /* the first of them */
        size_t first;                     /* which word that is */
        bool only_arguments;              /* what follows is no option */
        const struct option_row *waiting; /* option whose value the last word is */
        size_t value;                     /* where the value begins in the last word */
};

static const struct option_row *find_long(const struct option_row *rows, const char *name, size_t n)
{
        for (; rows && rows->name; rows++) {
                if (strlen(rows->name) == n && strncmp(rows->name, name, n) == 0)
                        return rows;
        }
        return NULL;
}

static const struct option_row *find_letter(const struct option_row *rows, char letter)
{
        for (; rows && rows->name; rows++) {
                if (rows->code == letter)
                        return rows;
        }
        return NULL;
}

static const struct option_row *options_of(const struct line *line)
{
        return line->verb ? line->verb->options : first_options;
}

/* The option in this word that takes a value; NULL: none does. *ret_value: where the value is in it, 0: it is
 * the next word. */
static const struct option_row *valued_option(const struct line *line, const char *word, size_t *ret_value)
{
        const struct option_row *row;

        if (strncmp(word, "--", 2) == 0) {
                size_t n = strcspn(word + 2, "=");

                row = find_long(options_of(line), word + 2, n) ?: find_long(common_options, word + 2, n);
                *ret_value = word[2 + n] ? n + 3 : 0;
                return row && row->value ? row : NULL;
        }
        for (size_t i = 1; word[i]; i++) {
                row = find_letter(options_of(line), word[i]) ?: find_letter(common_options, word[i]);
                if (row && row->value) {
                        *ret_value = word[i + 1] ? i + 1 : 0;
                        return row;
                }
        }
        return NULL;
}

static void take_argument(struct line *line, const struct verb *const verbs[], size_t n_verbs,
                          const char *word, size_t position)
{
        if (line->verb) {
                if (line->n_arguments++ == 0) {
                        line->argument = word;
                        line->first = position;
                }
                line->only_arguments = line->only_arguments || line->verb->stop_at_argument;
                return;
        }
        for (size_t i = 0; i < n_verbs; i++) {
                if (strcmp(verbs[i]->name, word) == 0)
                        line->verb = verbs[i];
        }
}

/* Read all words but the last. Returns false where nothing sensible can follow. */
static bool read_line(struct line *line, struct completion *c, const struct verb *const verbs[],
                      size_t n_verbs, char *const words[], size_t n)
{
        for (size_t i = 0; i < n; i++) {
                const char *word = words[i];
                const struct option_row *row;
                size_t value;

                if (line->only_arguments || *word != '-' || !word[1]) {
                        take_argument(line, verbs, n_verbs, word, i);
                        if (!line->verb)
                                return false;
                        continue;
                }
                if (strcmp(word, "--") == 0) {
                        line->only_arguments = true;
                        continue;
                }
                row = valued_option(line, word, &value);
                if (!row)
                        continue;
                c->remote = c->remote || row->words == OPTION_WORDS_HOSTS;
                if (value == 0 && i + 1 == n)
                        line->waiting = row;
                else if (strcmp(row->name, "socket") == 0)
                        c->socket = value > 0 ? word + value : words[i + 1];
                i += value == 0;
        }
        return true;
}

static void offer_options(struct completion *c, const struct option_row *rows)
{
        for (; rows->name; rows++) {
                char text[64];

                if (!rows->help)
                        continue;
                (void) snprintf(text, sizeof(text), "--%s%s", rows->name, rows->value ? "=" : "");
                offer(c, text, "%s", rows->help);
                if (rows->code >= OPTION_LONG || strlen(c->word) > 2 || c->word[1] == '-')
                        continue;
                (void) snprintf(text, sizeof(text), "-%c", rows->code);
                offer(c, text, "%s", rows->help);
        }
}

/* -- Arguments --------------------------------------------------------------------------------- */

static int offer_setting(const char *section, const char *key, const char *wants, void *userdata)
{
        struct completion *c = userdata;
        char text[64];

        (void) snprintf(text, sizeof(text), "%s=", key);
        offer(c, text, "[%s] %s", section, wants);
        return 0;
}

static void offer_settings(struct completion *c, const struct line *line)
{
        if (line->n_arguments == 0)
                offer_tarpits(c);
        else
                (void) config_each_setting(offer_setting, c);
}

static void offer_arguments(struct completion *c, const struct line *line, size_t n_words)
{
        const struct verb *verb = line->verb;

        if (verb->arguments_max >= 0 && line->n_arguments >= (size_t) verb->arguments_max)
                return;

        switch (verb->words) {
        case WORDS_NONE:
                break;
        case WORDS_FILES:
                tell("files");
                break;
        case WORDS_SUBJECTS:
                offer_processes_units_and_users(c);
                if (*c->word == '/')
                        tell("files");
                break;
        case WORDS_HOBBLED:
                offer_hobbled(c);
                break;
        case WORDS_PIDS:
                offer_processes(c);
                break;
        case WORDS_TARPITS:
                offer_tarpits(c);
                break;
        case WORDS_INSTANCES:
                offer_instances(c);
                break;
        case WORDS_COMMAND:
                (void) printf("\tcommand %zu\n", line->n_arguments > 0 ? line->first : n_words - 1);
                break;
        case WORDS_SETTINGS:
                offer_settings(c, line);
                break;
        }
}

static void complete_word(struct completion *c, struct line *line, const struct verb *const verbs[],
                          size_t n_verbs, size_t n_words)
{
        bool is_option = !line->waiting && !line->only_arguments && *c->word == '-';

        if (is_option && c->word[1])
                line->waiting = valued_option(line, c->word, &line->value);
        if (line->waiting && (!is_option || line->value > 0)) {
                completion_skip(c, line->value);
                offer_value(c, line->verb, line->waiting);
        } else if (is_option) {
                offer_options(c, options_of(line));
                offer_options(c, common_options);
        } else if (line->verb)
                offer_arguments(c, line, n_words);
        else {
                for (size_t i = 0; i < n_verbs; i++)
                        offer(c, verbs[i]->name, "%s", verbs[i]->summary);
        }
}

static void on_limit(int signal)
{
        (void) signal;
        _exit(STATUS_DONE);
}

int complete(const struct verb *const verbs[], size_t n_verbs, char *const words[], size_t n_words)
{
        struct completion c = { 0 };
        struct line line = { 0 };

        if (n_words == 0)
                return STATUS_DONE;
        (void) setvbuf(stdout, NULL, _IOLBF, 0);
        (void) signal(SIGALRM, on_limit);
        (void) alarm(LIMIT_SEC);

        c.word = c.begin = words[n_words - 1];
        if (read_line(&line, &c, verbs, n_verbs, words, n_words - 1))
                complete_word(&c, &line, verbs, n_verbs, n_words);

        for (size_t i = 0; i < c.n_seen; i++)
                free(c.seen[i]);
        free(c.seen);
        return finish_output() < 0 ? STATUS_FAILED : STATUS_DONE;
}
