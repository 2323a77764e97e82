/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "message.h"
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
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

int finish_output(void)
{
        if (fflush(stdout) != EOF && !ferror(stdout))
                return 0;
        if (errno == EPIPE)
                return -EPIPE;

        complain("cannot write to standard output: %m");
        return errno > 0 ? -errno : -EIO;
}
