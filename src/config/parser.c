/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "parser.h"
#include "macro.h"
#include "text.h"

#include <ini.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define BLANKS " \t\f\v"

struct parser {
        const struct parser_handler *handler;
        void *userdata;

        const char *next, *end;
        unsigned line;                  /* the last one taken */
        char text[PARSER_LINE_MAX + 1]; /* the present one, with what continues it */
        size_t used;
        unsigned first;      /* where it began */
        const char *trouble; /* why it cannot be used, or NULL */

        const char *value;     /* of the assignment that libinih is looking at */
        unsigned section_line; /* of the last header */
        bool lost;             /* that header is no use, so nobody knows what the keys below it belong to */
};

static void fault(struct parser *p, const char *text)
{
        char shown[64], clause[256];

        if (p->used == 0) {
                p->handler->fault(p->first, text, p->userdata);
                return;
        }
        (void) snprintf(clause, sizeof(clause), "\"%s\" %s",
                        escape_text(p->text, p->used, shown, sizeof(shown)), text);
        p->handler->fault(p->first, clause, p->userdata);
}

/* The length without the blanks at the end. */
static size_t trimmed(const char *s, size_t n)
{
        while (n > 0 && memchr(BLANKS, s[n - 1], strlen(BLANKS)))
                n--;
        return n;
}

/* The next line of the file without its end, its \r and the blanks around it. */
static bool take_line(struct parser *p, const char **ret, size_t *ret_size)
{
        const char *s = p->next, *end;

        if (s == p->end)
                return false;
        end = memchr(s, '\n', (size_t) (p->end - s));
        p->next = end ? end + 1 : p->end;
        p->line++;
        if (!end)
                end = p->end;

        if (end > s && end[-1] == '\r')
                end--;
        end = s + trimmed(s, (size_t) (end - s));
        while (s < end && memchr(BLANKS, *s, strlen(BLANKS)))
                s++;

        *ret = s;
        *ret_size = (size_t) (end - s);
        return true;
}

/* Whether the line goes on in the next: it ends in a backslash that no other backslash escapes. */
static bool goes_on(const char *s, size_t n)
{
        size_t k = 0;

        while (k < n && s[n - k - 1] == '\\')
                k++;
        return k % 2 == 1;
}

static void append(struct parser *p, const char *s, size_t n)
{
        size_t gap = p->used > 0 && n > 0;

        if (!line_is_text(s, n))
                p->trouble = memchr(s, '\0', n) ? "has a NUL byte; ignored"
                                                : "is not UTF-8 text, or has control characters; ignored";
        else if (p->used + gap + n > PARSER_LINE_MAX)
                p->trouble = "is longer than 4096 bytes; ignored";

        if (gap && p->used < PARSER_LINE_MAX)
                p->text[p->used++] = ' ';
        n = MIN(n, PARSER_LINE_MAX - p->used);
        memcpy(p->text + p->used, s, n);
        p->used += n;
        p->text[p->used] = '\0';
}

/* Put the next line together. Returns false at the end of the file. */
static bool next_logical_line(struct parser *p)
{
        bool more = false;
        const char *s;
        size_t n;

        p->used = p->first = 0;
        p->trouble = NULL;
        do {
                if (!take_line(p, &s, &n))
                        return p->first > 0;
                if (p->first == 0)
                        p->first = p->line;

                /* A comment does not go on, and does not end what goes on around it. */
                if (n > 0 && (*s == '#' || *s == ';'))
                        continue;
                more = goes_on(s, n);
                if (more)
                        n = trimmed(s, n - 1);
                append(p, s, n);
        } while (more);

        return true;
}

static bool is_name(const char *s, size_t n)
{
        static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

        return n > 0 && n <= PARSER_NAME_MAX && strspn(s, allowed) == n;
}

static bool take_header(struct parser *p, char *buf, size_t size)
{
        size_t n = p->used;

        p->lost = p->used < 2 || p->text[n - 1] != ']' || !is_name(p->text + 1, n - 2);
        p->section_line = p->first;
        if (p->lost) {
                fault(p, "is no section header such as [Tarpit]; it and what follows it is ignored");
                return false;
        }
        (void) snprintf(buf, size, "%s\n", p->text);
        return true;
}

static bool take_assignment(struct parser *p, char *buf, size_t size)
{
        char *equals = strchr(p->text, '=');
        size_t n;

        if (!equals) {
                fault(p, "is neither [Section] nor Key=value; ignored");
                return false;
        }
        n = trimmed(p->text, (size_t) (equals - p->text));
        if (!is_name(p->text, n)) {
                if (n == 0)
                        fault(p, "has no key before the \"=\"; ignored");
                else
                        fault(p, "does not begin with the name of a key; ignored");
                return false;
        }

        p->value = equals + 1 + strspn(equals + 1, BLANKS);
        (void) snprintf(buf, size, "%.*s=\n", (int) n, p->text);
        return true;
}

/* What libinih calls for a line. The one it gets is short, so that any build of it can take it. */
static char *read_line(char *buf, int size, void *stream)
{
        struct parser *p = stream;

        while (next_logical_line(p)) {
                if (p->trouble) {
                        if (p->text[0] == '[')
                                p->lost = true;
                        fault(p, p->trouble);
                        continue;
                }
                if (p->used == 0)
                        continue;
                if (p->text[0] == '[' ? take_header(p, buf, (size_t) size)
                                      : take_assignment(p, buf, (size_t) size))
                        return buf;
        }
        return NULL;
}

static int on_assignment(void *userdata, const char *section, const char *name, _unused_ const char *value)
{
        struct parser *p = userdata;

        if (!p->lost)
                p->handler->assignment(section, p->section_line, name, p->value, p->first, p->userdata);
        return 1;
}

void parser_run(const char *text, size_t size, const struct parser_handler *handler, void *userdata)
{
        struct parser p = { .handler = handler, .userdata = userdata, .next = text, .end = text + size };
        static const char mark[] = "\xef\xbb\xbf";

        if (size >= 3 && memcmp(text, mark, 3) == 0)
                p.next += 3;
        (void) ini_parse_stream(read_line, &p, on_assignment, &p);
}
