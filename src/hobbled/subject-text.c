/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "subject-text.h"
#include "hobble.h"
#include "macro.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

void subject_label_process(pid_t pid, char *label)
{
        struct hobble_process process;
        char comm[sizeof(process.comm) * 4];

        if (hobble_process_read(pid, &process) < 0)
                snprintf(label, SUBJECT_LABEL_MAX, "process %d", (int) pid);
        else
                snprintf(label, SUBJECT_LABEL_MAX, "process %d (%s)", (int) pid,
                         escape_text(process.comm, strlen(process.comm), comm, sizeof(comm)));
}

static bool ends_in(const char *s, size_t n, const char *suffix)
{
        size_t k = strlen(suffix);

        return n > k && memcmp(s + n - k, suffix, k) == 0;
}

bool subject_unit(const char *cgroup, char *unit, size_t size)
{
        const char *found = NULL;
        size_t n, n_found = 0;

        for (const char *part = cgroup + strspn(cgroup, "/"); *part; part += n, part += strspn(part, "/")) {
                bool slice;

                n = strcspn(part, "/");
                slice = ends_in(part, n, ".slice");
                if (!slice && !ends_in(part, n, ".service") && !ends_in(part, n, ".scope"))
                        break;
                found = part;
                n_found = n;
                if (!slice)
                        break;
        }
        /* systemd puts an underscore before a name that could be taken for one of the kernel's files. */
        if (found && *found == '_') {
                found++;
                n_found--;
        }
        if (!found || n_found >= size)
                return false;
        memcpy(unit, found, n_found);
        unit[n_found] = '\0';
        return true;
}
