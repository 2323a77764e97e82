/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int parse_u64(const char *s, uint64_t *ret)
{
        uint64_t n = 0;

        if (!*s)
                return -EINVAL;

        for (const char *p = s; *p; p++) {
                if (*p < '0' || *p > '9')
                        return -EINVAL;
        }
        for (; *s; s++) {
                if (__builtin_mul_overflow(n, 10U, &n) ||
                    __builtin_add_overflow(n, (unsigned) (*s - '0'), &n))
                        return -ERANGE;
        }

        *ret = n;
        return 0;
}

bool name_is_valid(const char *s)
{
        static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
        size_t n = strspn(s, allowed);

        return n > 0 && n <= 64 && !s[n] && s[0] != '.' && s[0] != '-';
}

size_t utf8_length(const char *text, size_t size, uint32_t *ret)
{
        const unsigned char *s = (const unsigned char *) text;
        uint32_t c;
        size_t n;

        if (s[0] < 0x80) {
                *ret = s[0];
                return 1;
        }

        n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
        if (s[0] < 0xc2 || s[0] > 0xf4 || n > size)
                return 0;

        c = s[0] & (0x7fU >> n);
        for (size_t i = 1; i < n; i++) {
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (s[i] & 0x3fU);
        }

        /* Overlong forms and surrogates. */
        if ((n == 3 && c < 0x800) || (n == 4 && c < 0x10000) || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return 0;

        *ret = c;
        return n;
}

static bool is_control(uint32_t c)
{
        return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

/* How many bytes the character at s takes; 0 where it is none, or one that does not print. */
static size_t printable_length(const char *s, size_t size)
{
        uint32_t c;
        size_t n = utf8_length(s, size, &c);

        /* Also the marks that reorder text on a terminal. */
        if (n == 0 || is_control(c) || c == '\\' || c == 0x61c || (c >= 0x200e && c <= 0x200f) ||
            (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
                return 0;

        return n;
}

bool line_is_text(const char *s, size_t size)
{
        for (size_t i = 0; i < size;) {
                uint32_t c;
                size_t n = utf8_length(s + i, size - i, &c);

                if (n == 0 || (is_control(c) && c != '\t'))
                        return false;
                i += n;
        }
        return true;
}

bool text_ends_in(const char *s, size_t size, const char *suffix)
{
        size_t n = strlen(suffix);

        return size > n && memcmp(s + size - n, suffix, n) == 0;
}

char *escape_text(const char *s, size_t size, char *buf, size_t buf_size)
{
        size_t used = 0, safe = 0; /* safe: up to where "..." still fits behind */

        for (size_t i = 0; i < size;) {
                size_t n = printable_length(s + i, size - i);
                size_t want = n ? n : 4;

                if (used + want + 1 > buf_size) {
                        strcpy(buf + safe, "...");
                        return buf;
                }
                if (n)
                        memcpy(buf + used, s + i, n);
                else
                        snprintf(buf + used, 5, "\\x%02x", (unsigned char) s[i]);

                used += want;
                i += n ? n : 1;
                if (used + 4 <= buf_size)
                        safe = used;
        }

        buf[used] = '\0';
        return buf;
}
