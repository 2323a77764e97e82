/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "points.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* State of its own is allowed here: this file is part of test builds only. */
void point(const char *name)
{
        static unsigned passed;
        const char *wanted = getenv("HOBBLE_TEST_POINT"), *action, *count;
        size_t n = strlen(name);

        if (!wanted || strncmp(wanted, name, n) != 0 || wanted[n] != ':')
                return;
        action = wanted + n + 1;
        count = strchr(action, ':');
        if (++passed != (count ? (unsigned) atoi(count + 1) : 1))
                return;
        (void) kill(getpid(), strncmp(action, "stop", 4) == 0 ? SIGSTOP : SIGKILL);
}
