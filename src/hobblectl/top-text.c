/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "top-text.h"
#include "macro.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

/* How many bytes and columns the character at s takes; a byte that is none of the locale's is one column. */
static size_t step(const char *s, size_t *ret_columns)
{
        mbstate_t state = { 0 };
        wchar_t c;
        size_t n = mbrtowc(&c, s, strlen(s), &state);
        int columns;

        *ret_columns = 1;
        if (n == 0 || n > strlen(s))
                return 1;
        columns = wcwidth(c);
        *ret_columns = columns < 0 ? 1 : (size_t) columns;
        return n;
}

size_t text_columns(const char *text)
{
        size_t sum = 0, columns;

        for (; *text; sum += columns)
                text += step(text, &columns);
        return sum;
}

static const char *cut_mark(void)
{
        size_t columns;

        return step("…", &columns) == strlen("…") && columns == 1 ? "…" : "~";
}

struct writer {
        char *buf;
        size_t size, used;
};

static void put(struct writer *w, const char *s, size_t n)
{
        if (w->used + n + 1 > w->size)
                return;
        memcpy(w->buf + w->used, s, n);
        w->used += n;
        w->buf[w->used] = '\0';
}

static void put_blanks(struct writer *w, size_t n)
{
        while (n-- > 0)
                put(w, " ", 1);
}

/* The beginning of the text, as much as goes into so many columns. Returns how many that took. */
static size_t put_head(struct writer *w, const char *text, size_t columns)
{
        size_t sum = 0, wide;

        while (*text) {
                size_t n = step(text, &wide);

                if (sum + wide > columns)
                        break;
                put(w, text, n);
                sum += wide;
                text += n;
        }
        return sum;
}

char *text_fit(const char *text, size_t columns, enum text_side side, char *buf, size_t size)
{
        struct writer w = { buf, size, 0 };
        size_t all = text_columns(text), used, wide;
        const char *mark = cut_mark();

        buf[0] = '\0';
        if (columns == 0)
                return buf;
        if (all <= columns) {
                if (side == TEXT_RIGHT)
                        put_blanks(&w, columns - all);
                (void) put_head(&w, text, columns);
                if (side != TEXT_RIGHT)
                        put_blanks(&w, columns - all);
                return buf;
        }

        if (side != TEXT_TAIL) {
                used = put_head(&w, text, columns - 1);
                put(&w, mark, strlen(mark));
                put_blanks(&w, columns - 1 - used);
                return buf;
        }
        for (; all > columns - 1; all -= wide)
                text += step(text, &wide);
        put(&w, mark, strlen(mark));
        used = put_head(&w, text, columns - 1);
        put_blanks(&w, columns - 1 - used);
        return buf;
}

char *text_percent(double cpus, char *buf, size_t size)
{
        double percent = cpus * 100;

        if (!isfinite(percent))
                (void) snprintf(buf, size, "-");
        else
                (void) snprintf(buf, size, "%.*f", percent < 99.95 ? 1 : 0, percent);
        return buf;
}

char *text_clock(uint64_t usec, char *buf, size_t size)
{
        uint64_t sec = usec / USEC_PER_SEC;

        if (sec < 600)
                (void) snprintf(buf, size, "%" PRIu64 ":%02" PRIu64 ".%02" PRIu64, sec / 60, sec % 60,
                                (uint64_t) (usec % USEC_PER_SEC / 10000));
        else if (sec < 36000)
                (void) snprintf(buf, size, "%" PRIu64 ":%02" PRIu64, sec / 60, sec % 60);
        else
                (void) snprintf(buf, size, "%" PRIu64 "h", sec / 3600);
        return buf;
}

char *text_balance(int64_t usec, char *buf, size_t size)
{
        double ms = (double) usec / 1000;

        if (fabs(ms) < 999.5)
                (void) snprintf(buf, size, "%.0fms", ms + 0.0);
        else if (fabs(ms) < 99950)
                (void) snprintf(buf, size, "%.1fs", ms / 1000);
        else if (fabs(ms) < 60e3 * 999)
                (void) snprintf(buf, size, "%.0fmin", ms / 60e3);
        else
                (void) snprintf(buf, size, "%.0fd", ms / 86400e3);
        if (strcmp(buf, "-0ms") == 0)
                (void) snprintf(buf, size, "0ms");
        return buf;
}
