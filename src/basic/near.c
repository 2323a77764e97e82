/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "near.h"
#include "macro.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static bool same(char a, char b)
{
        return tolower((unsigned char) a) == tolower((unsigned char) b);
}

size_t near_distance(const char *a, const char *b)
{
        size_t rows[3][32], *before = rows[0], *last = rows[1], *now = rows[2];
        size_t n = strlen(b);

        if (n >= ELEMENTSOF(rows[0]) || strlen(a) >= ELEMENTSOF(rows[0]))
                return SIZE_MAX;
        for (size_t j = 0; j <= n; j++)
                last[j] = j;

        for (size_t i = 1; a[i - 1]; i++) {
                size_t *spare = before;

                now[0] = i;
                for (size_t j = 1; j <= n; j++) {
                        size_t replaced = last[j - 1] + !same(a[i - 1], b[j - 1]);
                        size_t shifted = MIN(last[j], now[j - 1]) + 1;

                        now[j] = MIN(replaced, shifted);
                        if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
                                now[j] = MIN(now[j], before[j - 2] + 1);
                }
                before = last;
                last = now;
                now = spare;
        }
        return last[n];
}
