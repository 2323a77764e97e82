/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "timespan.h"
#include "macro.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct unit {
        const char *name;
        uint64_t usec;
} units[] = {
        { "us", 1 },
        { "usec", 1 },
        { "µs", 1 },
        { "ms", USEC_PER_MSEC },
        { "msec", USEC_PER_MSEC },
        { "s", USEC_PER_SEC },
        { "sec", USEC_PER_SEC },
        { "second", USEC_PER_SEC },
        { "seconds", USEC_PER_SEC },
        { "", USEC_PER_SEC },
        { "m", 60 * USEC_PER_SEC },
        { "min", 60 * USEC_PER_SEC },
        { "minute", 60 * USEC_PER_SEC },
        { "minutes", 60 * USEC_PER_SEC },
        { "h", 3600 * USEC_PER_SEC },
        { "hr", 3600 * USEC_PER_SEC },
        { "hour", 3600 * USEC_PER_SEC },
        { "hours", 3600 * USEC_PER_SEC },
        { "d", 86400 * USEC_PER_SEC },
        { "day", 86400 * USEC_PER_SEC },
        { "days", 86400 * USEC_PER_SEC },
};

/* A decimal number at *s, scaled by unit_usec and rounded down; moves *s behind it. fraction may be 0 digits
 * long. */
struct decimal {
        uint64_t whole;
        uint64_t fraction; /* in millionths */
};

static int decimal_parse(const char **s, struct decimal *ret)
{
        struct decimal d = { 0 };
        uint64_t scale = 100000;
        const char *p = *s;

        if (!isdigit((unsigned char) *p))
                return -EINVAL;
        for (; isdigit((unsigned char) *p); p++) {
                if (__builtin_mul_overflow(d.whole, 10U, &d.whole) ||
                    __builtin_add_overflow(d.whole, (unsigned) (*p - '0'), &d.whole))
                        return -ERANGE;
        }
        if (*p == '.') {
                if (!isdigit((unsigned char) p[1]))
                        return -EINVAL;
                for (p++; isdigit((unsigned char) *p); p++, scale /= 10)
                        d.fraction += scale * (unsigned) (*p - '0');
        }

        *s = p;
        *ret = d;
        return 0;
}

static const struct unit *unit_find(const char *s, size_t n)
{
        for (size_t i = 0; i < ELEMENTSOF(units); i++) {
                if (strlen(units[i].name) == n && memcmp(units[i].name, s, n) == 0)
                        return units + i;
        }
        return NULL;
}

int timespan_parse(const char *s, uint64_t *ret_usec)
{
        uint64_t sum = 0;
        bool any = false;
        int r;

        for (s += strspn(s, " \t"); *s; s += strspn(s, " \t")) {
                const struct unit *unit;
                struct decimal d;
                uint64_t span;
                size_t n;

                r = decimal_parse(&s, &d);
                if (r < 0)
                        return r;
                s += strspn(s, " \t");
                n = strcspn(s, " \t.0123456789");
                unit = unit_find(s, n);
                if (!unit)
                        return -EINVAL;
                s += n;

                if (__builtin_mul_overflow(d.whole, unit->usec, &span) ||
                    __builtin_add_overflow(sum, span, &sum) ||
                    __builtin_add_overflow(sum, d.fraction * unit->usec / 1000000, &sum))
                        return -ERANGE;
                any = true;
        }
        if (!any)
                return -EINVAL;

        *ret_usec = sum;
        return 0;
}

char *timespan_format(uint64_t usec, char *buf, size_t size)
{
        static const struct unit shown[] = {
                { "d", 86400 * USEC_PER_SEC }, { "h", 3600 * USEC_PER_SEC }, { "min", 60 * USEC_PER_SEC },
                { "s", USEC_PER_SEC },         { "ms", USEC_PER_MSEC },      { "us", 1 },
        };
        size_t used = 0;

        snprintf(buf, size, "0");
        for (size_t i = 0; i < ELEMENTSOF(shown) && used < size; i++) {
                uint64_t n = usec / shown[i].usec;

                if (n == 0)
                        continue;
                used += (size_t) snprintf(buf + used, size - used, "%s%llu%s", used ? " " : "",
                                          (unsigned long long) n, shown[i].name);
                usec -= n * shown[i].usec;
        }
        return buf;
}

int share_parse(const char *s, uint64_t *ret_ppm)
{
        struct decimal d;
        uint64_t ppm;
        int r;

        r = decimal_parse(&s, &d);
        if (r < 0)
                return r;
        s += strspn(s, " ");
        if (strcmp(s, "%") != 0)
                return -EINVAL;
        if (__builtin_mul_overflow(d.whole, 10000U, &ppm) ||
            __builtin_add_overflow(ppm, d.fraction / 100, &ppm) || ppm == 0)
                return -ERANGE;

        *ret_ppm = ppm;
        return 0;
}

int percent_parse(const char *s, uint64_t *ret_ppm)
{
        struct decimal d;
        uint64_t ppm;
        int r;

        r = share_parse(s, &ppm);
        if (r < 0)
                return r;

        /* What is above 100 % by less than a millionth is, too. */
        (void) decimal_parse(&s, &d);
        if (d.whole > 100 || (d.whole == 100 && d.fraction > 0))
                return -ERANGE;
        *ret_ppm = ppm;
        return 0;
}

char *share_format(uint64_t ppm, char *buf, size_t size)
{
        int n = snprintf(buf, size, "%llu.%04llu", (unsigned long long) (ppm / 10000),
                         (unsigned long long) (ppm % 10000));

        /* The digits that say nothing, and a point that nothing follows. */
        if (n > 0 && (size_t) n < size) {
                while (buf[n - 1] == '0')
                        n--;
                if (buf[n - 1] == '.')
                        n--;
                (void) snprintf(buf + n, size - (size_t) n, "%%");
        }
        return buf;
}
