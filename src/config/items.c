/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What items of lists look like. Whether what they name exists is nobody's business here: it may come. */

#include "macro.h"
#include "text.h"
#include "values.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define UNIT_NAME_MAX 255U
#define USER_NAME_MAX 255U
#define GLOB_CHARACTERS "*?["

static void remark_format(struct remark *remark, const char *fmt, ...) _printf_(2, 3);
static void remark_format(struct remark *remark, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        (void) vsnprintf(remark->text, sizeof(remark->text), fmt, ap);
        va_end(ap);
}

/* Several in one line are never meant as one. */
static bool has_blanks(const struct key *key, const char *text, struct remark *remark)
{
        if (!strpbrk(text, " \t,"))
                return false;
        remark_format(remark, "one a line: say %s= again for the next", key->name);
        return true;
}

static bool is_absolute(const char *text, struct remark *remark)
{
        if (*text == '/')
                return true;
        if (*text == '"' || *text == '\'')
                remark_format(remark, "without quotes");
        return false;
}

/* -- Paths ------------------------------------------------------------------------------------- */

static int path_parse(const struct key *key, const char *text, _unused_ void *target, struct remark *remark)
{
        if (!is_absolute(text, remark))
                return -EINVAL;
        if (strlen(text) >= PATH_MAX)
                return -ERANGE;
        if (text[strlen(text) - 1] == '/') {
                remark_format(remark, "a file, not a directory");
                return -EINVAL;
        }
        if (strpbrk(text, GLOB_CHARACTERS))
                remark_format(remark, "is taken as it is written: %s= knows no globs", key->name);
        return 0;
}

const struct kind kind_path = { path_parse, NULL };

static bool ends_in(const char *text, const char *suffix)
{
        return text_ends_in(text, strlen(text), suffix);
}

/* The kinds of units that have processes. */
static bool is_unit(const char *name)
{
        return ends_in(name, ".service") || ends_in(name, ".scope") || ends_in(name, ".slice");
}

static int cgroup_parse(_unused_ const struct key *key, const char *text, _unused_ void *target,
                        struct remark *remark)
{
        const char *name;

        if (!is_absolute(text, remark))
                return -EINVAL;
        if (strlen(text) >= PATH_MAX)
                return -ERANGE;
        name = strrchr(text, '/') + 1;
        if (is_unit(name))
                remark_format(remark,
                              "is a unit's, which systemd starts processes in: did you mean Unit=%.255s?",
                              name);
        return 0;
}

const struct kind kind_cgroup = { cgroup_parse, NULL };

/* Words at blanks, "…" and '…' around those that have some, a backslash before what is nothing special.
 * Returns false where a quote or a backslash has no end. *ret_special: something outside of quotes looks as
 * if it were meant for a shell. */
static bool has_whole_words(const char *text, bool *ret_special)
{
        bool special = false;
        char quote = '\0';

        for (const char *p = text; *p; p++) {
                if (quote ? *p == quote : (*p == '"' || *p == '\''))
                        quote = quote ? '\0' : *p;
                else if (*p == '\\' && quote != '\'' && !*++p)
                        return false;
                else if (!quote && strchr("|<>&;$`", *p))
                        special = true;
        }
        *ret_special = special;
        return !quote;
}

static int exec_parse(_unused_ const struct key *key, const char *text, _unused_ void *target,
                      struct remark *remark)
{
        bool special;

        if (text[strspn(text, "\"'")] != '/')
                return -EINVAL;
        if (!has_whole_words(text, &special)) {
                remark_format(remark, "a quote or a backslash in it has no end");
                return -EINVAL;
        }
        if (special)
                remark_format(remark, "is not run by a shell: its special characters mean nothing");
        return 0;
}

const struct kind kind_exec = { exec_parse, NULL };

/* -- Units ------------------------------------------------------------------------------------- */

static int unit_parse(const struct key *key, const char *text, _unused_ void *target, struct remark *remark)
{
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                      ":-_.\\@*?[]!^";
        static const char *const others[] = { ".socket", ".timer", ".target", ".mount",   ".automount",
                                              ".path",   ".swap",  ".device", ".snapshot" };
        size_t n = strlen(text);

        if (has_blanks(key, text, remark))
                return -EINVAL;
        if (n > UNIT_NAME_MAX)
                return -ERANGE;
        if (text[strspn(text, letters)]) {
                if (*text == '/')
                        remark_format(remark, "a unit's name, not a path: see Cgroup= for those");
                return -EINVAL;
        }
        if (is_unit(text))
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                if (ends_in(text, others[i])) {
                        remark_format(remark, "did you mean %.*s.service?", (int) (n - strlen(others[i])),
                                      text);
                        return -EINVAL;
                }
        }
        if (strchr("*?]", text[n - 1])) /* of whatever kind */
                return 0;

        remark_format(remark, "did you mean %s.service?", text);
        return -EINVAL;
}

const struct kind kind_unit = { unit_parse, NULL };

/* -- Users ------------------------------------------------------------------------------------- */

static int user_parse(const struct key *key, const char *text, _unused_ void *target, struct remark *remark)
{
        const char *name = text + (*text == '%');
        uint64_t id;

        if (has_blanks(key, text, remark))
                return -EINVAL;
        if (!*name)
                return -EINVAL;
        if (*text == '@') {
                if (text[1])
                        remark_format(remark, "did you mean %.200s?", text + 1);
                return -EINVAL;
        }
        if (name[strspn(name, "0123456789")] == '\0') /* the last id stands for "none" */
                return parse_u64(name, &id) < 0 || id >= UINT32_MAX ? -ERANGE : 0;

        if (strlen(name) > USER_NAME_MAX)
                return -ERANGE;
        if (strpbrk(name, GLOB_CHARACTERS)) {
                remark_format(remark, "a user is no glob: %%group takes all of a group");
                return -EINVAL;
        }
        return *name == '-' || strpbrk(name, ":/%\"'\\") ? -EINVAL : 0;
}

const struct kind kind_user = { user_parse, NULL };

/* -- Commands ---------------------------------------------------------------------------------- */

static int command_parse(_unused_ const struct key *key, const char *text, _unused_ void *target,
                         struct remark *remark)
{
        size_t n = strlen(text);

        if (n == 0)
                return -EINVAL;
        if (*text == '/')
                return n < PATH_MAX ? 0 : -ERANGE;
        if (strchr(text, '/')) {
                remark_format(remark, "a name alone, or a whole path");
                return -EINVAL;
        }
        return 0;
}

const struct kind kind_command = { command_parse, NULL };
