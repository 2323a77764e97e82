/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "pidfile.h"
#include "macro.h"

#include <string.h>

void pidfile_parser_init(struct pidfile_parser *p, const struct pidfile_handler *handler, void *userdata)
{
        *p = (struct pidfile_parser){ .handler = handler, .userdata = userdata, .line = 1 };
}

void pidfile_parser_done(struct pidfile_parser *p)
{
        free(p->numbers);
        *p = (struct pidfile_parser){ 0 };
}

/* The number that the token is, or 0. */
static pid_t token_number(const struct pidfile_parser *p)
{
        pid_t n = 0;

        if (p->token_size > sizeof(p->token))
                return 0;
        for (size_t i = 0; i < p->token_size; i++) {
                if (p->token[i] < '0' || p->token[i] > '9')
                        return 0;
                n = n * 10 + (p->token[i] - '0');
                if (n > PIDFILE_PID_MAX)
                        return 0;
        }
        return n;
}

/* The rest of a bad line is passed over; the token stays, for the report. */
static void line_spoil(struct pidfile_parser *p, bool crowded)
{
        p->bad = true;
        p->crowded = crowded;
        p->n_numbers = 0;
}

static int token_end(struct pidfile_parser *p)
{
        pid_t number;

        if (p->token_size == 0 || p->bad)
                return 0;

        number = token_number(p);
        if (number == 0) {
                line_spoil(p, false);
                return 0;
        }
        p->token_size = 0;
        if (p->n_numbers == PIDFILE_LINE_MAX) {
                line_spoil(p, true);
                return 0;
        }
        if (p->n_numbers == p->n_allocated) {
                size_t n = MAX(p->n_allocated * 2, (size_t) 16);
                pid_t *numbers = reallocarray(p->numbers, n, sizeof(*numbers));

                if (!numbers)
                        return -ENOMEM;
                p->numbers = numbers;
                p->n_allocated = n;
        }
        p->numbers[p->n_numbers++] = number;
        return 0;
}

static int line_end(struct pidfile_parser *p)
{
        int r;

        r = token_end(p);
        if (r < 0)
                return r;

        if (p->bad) {
                struct pidfile_fault fault = {
                        .line = p->line,
                        .value = p->crowded ? NULL : p->token,
                        .size = p->crowded ? 0 : MIN(p->token_size, sizeof(p->token)),
                        .cut = p->token_size > sizeof(p->token),
                };

                p->handler->fault(&fault, p->userdata);
        }
        for (size_t i = 0; i < p->n_numbers; i++)
                p->handler->pid(p->numbers[i], p->userdata);

        p->n_numbers = p->token_size = 0;
        p->comment = p->bad = p->crowded = false;
        p->line++;
        return 0;
}

int pidfile_parser_feed(struct pidfile_parser *p, const char *text, size_t size)
{
        const char *end = text + size;
        int r = 0;

        for (const char *s = text; s < end && r >= 0; s++) {
                if (p->comment || p->bad) {
                        s = memchr(s, '\n', (size_t) (end - s));
                        if (!s)
                                break;
                }

                switch (*s) {
                case '\n':
                        r = line_end(p);
                        break;
                case '#':
                        p->comment = true;
                        r = token_end(p);
                        break;
                case ' ':
                case '\t':
                case '\r':
                        r = token_end(p);
                        break;
                default:
                        if (p->token_size < sizeof(p->token))
                                p->token[p->token_size] = *s;
                        p->token_size++;
                }
        }
        return r;
}

bool pidfile_parser_pending(const struct pidfile_parser *p)
{
        return p->token_size > 0 || p->n_numbers > 0 || p->bad;
}

int pidfile_parser_finish(struct pidfile_parser *p)
{
        return pidfile_parser_pending(p) ? line_end(p) : 0;
}
