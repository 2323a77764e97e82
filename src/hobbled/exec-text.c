/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "exec-text.h"
#include "macro.h"
#include "pidfile.h"
#include "text.h"
#include "units.h"
#include "userset.h"

#include <string.h>

#define BLANKS " \t\r"

/* -- The command line -------------------------------------------------------------------------- */

/* Take one word from *line, which begins with it, to word, which has room for all of the line. Returns 0 or
 * -EINVAL. */
static int word_take(const char **line, char *word)
{
        const char *p = *line;
        char quote = '\0';

        for (; *p && (quote || !strchr(BLANKS, *p)); p++) {
                if (quote ? *p == quote : (*p == '"' || *p == '\'')) {
                        quote = quote ? '\0' : *p;
                        continue;
                }
                if (*p == '\\' && quote != '\'' && !*++p)
                        return -EINVAL;
                *word++ = *p;
        }
        *word = '\0';
        *line = p;
        return quote ? -EINVAL : 0;
}

int exec_words_split(const char *line, char ***ret)
{
        _cleanup_free_ char *word = malloc(strlen(line) + 1);
        char **words = calloc(EXEC_WORDS_MAX + 1, sizeof(*words));
        size_t n = 0;
        int r = word && words ? 0 : -ENOMEM;

        while (r >= 0 && *(line += strspn(line, BLANKS))) {
                r = n == EXEC_WORDS_MAX ? -E2BIG : word_take(&line, word);
                if (r < 0)
                        break;
                words[n] = strdup(word);
                r = words[n] ? 0 : -ENOMEM;
                n += r >= 0;
        }
        if (r >= 0 && (n == 0 || *words[0] != '/'))
                r = -EINVAL;
        if (r < 0) {
                exec_words_free(words);
                return r;
        }
        *ret = words;
        return (int) n;
}

char **exec_words_free(char **words)
{
        for (char **word = words; word && *word; word++)
                free(*word);
        free(words);
        return NULL;
}

/* -- The output -------------------------------------------------------------------------------- */

enum exec_item_kind exec_item_parse(char *line, const char **ret_value, pid_t *ret_pid)
{
        uint64_t number;
        size_t size;

        line += strspn(line, BLANKS);
        for (size = strlen(line); size > 0 && strchr(BLANKS, line[size - 1]); size--)
                line[size - 1] = '\0';
        *ret_value = line;

        if (!*line || *line == '#')
                return EXEC_NONE;
        if (parse_u64(line, &number) >= 0) {
                if (number < 1 || number > PIDFILE_PID_MAX)
                        return EXEC_BAD;
                *ret_pid = (pid_t) number;
                return EXEC_PID;
        }
        if (*line == '@') {
                *ret_value = line + 1;
                return userset_is_valid(line + 1) ? EXEC_USER : EXEC_BAD;
        }
        if (*line == '/')
                return strlen(line) > 1 && !strstr(line, "/../") ? EXEC_CGROUP : EXEC_BAD;
        return !strpbrk(line, "/ \t") && unit_name_has_cgroup(line, size) ? EXEC_UNIT : EXEC_BAD;
}

static int exec_output_take(struct exec_output *o, char *line, unsigned number)
{
        struct exec_item item = { 0 };

        item.kind = exec_item_parse(line, &item.value, &item.pid);
        if (item.kind == EXEC_NONE)
                return 0;
        if (item.kind == EXEC_BAD) {
                if (o->n_bad++ == 0) {
                        o->bad = item.value;
                        o->bad_line = number;
                }
                return 0;
        }
        if (o->n == EXEC_ITEMS_MAX)
                return -E2BIG;
        o->items[o->n++] = item;
        return 0;
}

int exec_output_parse(char *text, size_t size, struct exec_output *ret)
{
        struct exec_output output = { 0 };
        unsigned number = 0;
        int r = 0;

        output.items = calloc(EXEC_ITEMS_MAX, sizeof(*output.items));
        if (!output.items)
                return -ENOMEM;
        for (char *end = text + size; text < end && r >= 0;) {
                char *next = text + strcspn(text, "\n");

                *next = '\0';
                r = exec_output_take(&output, text, ++number);
                text = next + 1;
        }
        if (r < 0) {
                exec_output_done(&output);
                return r;
        }
        *ret = output;
        return 0;
}

void exec_output_done(struct exec_output *output)
{
        free(output->items);
        output->items = NULL;
}
