/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "message.h"
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void complain(const char *format, ...)
{
        char line[2048];
        va_list ap;

        /* One write for the whole line: the command that is being run writes to the same place. */
        va_start(ap, format);
        (void) vsnprintf(line, sizeof(line), format, ap);
        va_end(ap);
        (void) fprintf(stderr, "hobblectl: %s\n", line);
        (void) fflush(stderr);
}

char *shown(const char *text, char buf[static SHOWN_MAX])
{
        return escape_text(text, strlen(text), buf, SHOWN_MAX);
}

char *shown_sentence(const char *text)
{
        size_t n = strlen(text), size = 4 * n + 4, used = 0;
        char *buf = malloc(size);

        if (!buf)
                return NULL;
        for (;;) {
                size_t part = strcspn(text, "\\\n");

                (void) escape_text(text, part, buf + used, size - used);
                used += strlen(buf + used);
                text += part;
                if (!*text)
                        return buf;
                buf[used++] = *text++;
                buf[used] = '\0';
        }
}

int finish_output(void)
{
        if (fflush(stdout) != EOF && !ferror(stdout))
                return 0;
        if (errno == EPIPE)
                return -EPIPE;

        complain("cannot write to standard output: %m");
        return errno > 0 ? -errno : -EIO;
}
