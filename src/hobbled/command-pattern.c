/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "command-pattern.h"

#include <fnmatch.h>
#include <string.h>

#define COMM_SIZE 15U

bool command_pattern_is_path(const char *pattern)
{
        return *pattern == '/';
}

bool command_pattern_matches(const char *pattern, const char *comm)
{
        if (strlen(pattern) > COMM_SIZE && !strpbrk(pattern, "*?[\\"))
                return strlen(comm) == COMM_SIZE && strncmp(pattern, comm, COMM_SIZE) == 0;
        return *comm && fnmatch(pattern, comm, 0) == 0;
}

bool command_pattern_matches_path(const char *pattern, const char *exe)
{
        if (!*exe)
                return false;
        /* /bin is a link to /usr/bin nowadays, and the kernel tells the real path. */
        return fnmatch(pattern, exe, FNM_PATHNAME) == 0 ||
               (strncmp(exe, "/usr/", 5) == 0 && fnmatch(pattern, exe + 4, FNM_PATHNAME) == 0);
}
