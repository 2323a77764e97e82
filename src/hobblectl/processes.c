/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "processes.h"
#include "file.h"
#include "macro.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void process_done(struct process *process)
{
        free(process->comm);
        free(process->cgroup);
}

void processes_done(struct processes *processes)
{
        for (size_t i = 0; i < processes->n; i++)
                process_done(&processes->items[i]);
        free(processes->items);
        *processes = (struct processes){ 0 };
}

int process_parse_stat(struct process *process, const char *text, uint64_t ticks_per_sec)
{
        const char *begin = strchr(text, '('), *end = strrchr(text, ')');
        unsigned long long user, system, start;
        char state;
        int parent;

        /* The name is in brackets and may contain brackets and blanks. */
        if (!begin || !end || end < begin ||
            sscanf(end + 1,
                   " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %llu",
                   &state, &parent, &user, &system, &start) != 5)
                return -EINVAL;

        process->comm = strndup(begin + 1, (size_t) (end - begin - 1));
        if (!process->comm)
                return -ENOMEM;
        process->state = state;
        process->parent = parent;
        process->start_time = start;
        process->cpu_usec = (user + system) * USEC_PER_SEC / ticks_per_sec;
        return 0;
}

int process_parse_cgroup(struct process *process, const char *text)
{
        const char *line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
        size_t n;

        if (!line)
                return -EINVAL;
        line = strstr(line, "0::") + 3;
        n = strcspn(line, "\n");
        process->cgroup = strndup(line, n);
        return process->cgroup ? 0 : -ENOMEM;
}

static int read_one(struct process *process, int dir_fd, uint64_t ticks_per_sec)
{
        char text[8192];
        struct stat st;
        int r;

        if (fstat(dir_fd, &st) < 0 || file_read_at(dir_fd, "stat", text, sizeof(text)) < 0)
                return -ESRCH;
        process->uid = st.st_uid;
        r = process_parse_stat(process, text, ticks_per_sec);
        if (r < 0)
                return r;
        return file_read_at(dir_fd, "cgroup", text, sizeof(text)) < 0 ? -ESRCH
                                                                      : process_parse_cgroup(process, text);
}

static int add(struct processes *processes, int proc_fd, const char *name, uint64_t ticks_per_sec)
{
        _cleanup_close_ int dir_fd = openat(proc_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct process process = { .pid = atoi(name) };
        int r;

        if (dir_fd < 0)
                return 0; /* it has ended */
        if (processes->n == processes->allocated) {
                size_t allocated = MAX(processes->allocated * 2, 256U);
                struct process *items = reallocarray(processes->items, allocated, sizeof(*items));

                if (!items)
                        return -ENOMEM;
                processes->items = items;
                processes->allocated = allocated;
        }

        r = read_one(&process, dir_fd, ticks_per_sec);
        if (r < 0) {
                process_done(&process);
                return r == -ENOMEM ? r : 0;
        }
        processes->items[processes->n++] = process;
        return 0;
}

static int compare(const void *a, const void *b)
{
        const struct process *x = a, *y = b;

        return (x->pid > y->pid) - (x->pid < y->pid);
}

static void closedirp(DIR **dir)
{
        if (*dir)
                (void) closedir(*dir);
}

int processes_read(struct processes *ret)
{
        _cleanup_(closedirp) DIR *dir = opendir("/proc");
        _cleanup_(processes_done) struct processes processes = { 0 };
        uint64_t ticks_per_sec = (uint64_t) sysconf(_SC_CLK_TCK);

        if (!dir)
                return -errno;
        for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
                int r = isdigit((unsigned char) e->d_name[0])
                                ? add(&processes, dirfd(dir), e->d_name, ticks_per_sec)
                                : 0;

                if (r < 0)
                        return r;
        }
        if (processes.n > 0)
                qsort(processes.items, processes.n, sizeof(*processes.items), compare);
        *ret = TAKE(processes, (struct processes){ 0 });
        return 0;
}

struct process *processes_find(const struct processes *processes, pid_t pid)
{
        struct process key = { .pid = pid };

        return processes->n > 0
                       ? bsearch(&key, processes->items, processes->n, sizeof(*processes->items), compare)
                       : NULL;
}

const char *process_state(const struct process *process)
{
        switch (process->state) {
        case 'R':
                return "running";
        case 'S':
        case 'I':
                return "sleeping";
        case 'D':
                return "blocked";
        case 'T':
                return "stopped";
        case 't':
                return "traced";
        case 'Z':
        case 'X':
                return "zombie";
        default:
                return "";
        }
}

char *process_command_line(const struct process *process)
{
        char file[32], text[4096];
        _cleanup_close_ int fd = -EBADF;
        ssize_t n = 0;
        char *line;

        (void) snprintf(file, sizeof(file), "/proc/%d/cmdline", process->pid);
        fd = open(file, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
                n = read(fd, text, sizeof(text) - 1);
        while (n > 0 && !text[n - 1])
                n--;
        if (n <= 0)
                return asprintf(&line, "[%s]", process->comm) < 0 ? NULL : line;

        text[n] = '\0';
        for (ssize_t i = 0; i < n; i++) {
                if (!text[i])
                        text[i] = ' ';
        }
        return strdup(text);
}
