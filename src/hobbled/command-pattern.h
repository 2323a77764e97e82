/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What Command= says, of [Source] and of [Exempt]. */

#include <stdbool.h>

/* Whether the pattern is one for the executable's path, not for the command's name. */
bool command_pattern_is_path(const char *pattern);

/* Whether the pattern means a process with this command name. The kernel keeps 15 bytes of a name: a longer
 * pattern without wildcards means whoever has its first 15. */
bool command_pattern_matches(const char *pattern, const char *comm);

/* The same for the path of the executable; a wildcard matches no slash. */
bool command_pattern_matches_path(const char *pattern, const char *exe);
