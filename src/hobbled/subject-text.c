/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "subject-text.h"
#include "file.h"
#include "hobble.h"
#include "macro.h"
#include "text.h"

#include <fcntl.h>
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

pid_t subject_of_cgroups(const char *text, const char *instance, const char *tarpit, char *name)
{
        char home[160];
        const char *path, *end;
        size_t n;
        int pid = 0;

        path = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
        if (!path)
                return 0;
        path += *path == '\n' ? 4 : 3;
        end = strchrnul(path, '\n');

        /* The tarpit's directory, beneath the instance's. */
        if (strcmp(instance, "pit") == 0)
                strcpy(home, "/hobble-pit.service/");
        else
                snprintf(home, sizeof(home), "/hobbled-%s/", instance);
        path = strstr(path, home);
        if (!path || path > end)
                return 0;
        snprintf(home, sizeof(home), "/%s/", tarpit);
        path = strstr(path, home);
        if (!path || path > end)
                return 0;
        path += strlen(home);

        n = strcspn(path, "/\n");
        if (n == 0 || n >= SUBJECT_NAME_MAX || sscanf(path, "%d", &pid) != 1)
                return 0;
        memcpy(name, path, n);
        name[n] = '\0';
        return pid;
}

pid_t subject_of_process(pid_t pid, const char *instance, const char *tarpit, char *name)
{
        char file[32], text[16384];
        ssize_t n;

        snprintf(file, sizeof(file), "/proc/%d/cgroup", (int) pid);
        n = file_read_at(AT_FDCWD, file, text, sizeof(text));
        return n < 0 ? (pid_t) n : subject_of_cgroups(text, instance, tarpit, name);
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
