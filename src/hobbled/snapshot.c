/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "snapshot.h"
#include "clock.h"
#include "file.h"
#include "text.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define COMMAND_MAX 120U

/* For "and N more". */
#define LAST_LINE_MAX 32U

static void closedirp(DIR **d)
{
        if (*d)
                (void) closedir(*d);
}

int snapshot_parse_stat(const char *text, long ticks_per_sec, struct snapshot_process *ret)
{
        const char *open = strchr(text, '('), *close = strrchr(text, ')');
        unsigned long long user, system, start_time;
        struct snapshot_process p = { 0 };
        size_t n;

        if (!open || !close || close < open || sscanf(text, "%d", &p.pid) != 1)
                return -EBADMSG;
        /* state ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt utime stime cutime cstime
         * priority nice threads itreal starttime */
        if (sscanf(close + 1,
                   " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %llu",
                   &p.parent, &user, &system, &start_time) != 4)
                return -EBADMSG;

        n = MIN((size_t) (close - open - 1), sizeof(p.comm) - 1);
        memcpy(p.comm, open + 1, n);
        p.start_time = start_time;
        p.cpu_usec = (user + system) * (USEC_PER_SEC / (unsigned long) ticks_per_sec);
        *ret = p;
        return 0;
}

int snapshot_parse_uid(const char *text, uid_t *ret)
{
        /* The name, in the first line, has its newlines escaped. */
        const char *line = strstr(text, "\nUid:");
        unsigned uid;

        if (!line || sscanf(line, "\nUid: %u", &uid) != 1)
                return -EBADMSG;
        *ret = uid;
        return 0;
}

/* Read the beginning of a file that may be longer. Returns the number of bytes or a negative errno. */
static ssize_t read_beginning(const char *file, char *buf, size_t size)
{
        _cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        n = read(fd, buf, size - 1);
        if (n < 0)
                return -errno;
        buf[n] = '\0';
        return n;
}

int snapshot_read(pid_t pid, struct snapshot_process *ret)
{
        struct snapshot_process p;
        char file[32], text[1024];
        ssize_t n;
        int r;

        snprintf(file, sizeof(file), "/proc/%d/stat", (int) pid);
        n = read_beginning(file, text, sizeof(text));
        if (n < 0)
                return (int) n;
        r = snapshot_parse_stat(text, sysconf(_SC_CLK_TCK), &p);
        if (r < 0)
                return r;

        snprintf(file, sizeof(file), "/proc/%d/status", (int) pid);
        n = read_beginning(file, text, sizeof(text));
        if (n < 0)
                return (int) n;
        r = snapshot_parse_uid(text, &p.uid);
        if (r < 0)
                return r;
        *ret = p;
        return 0;
}

static void snapshot_begin(struct snapshot *s)
{
        s->boot_usec = clock_usec(CLOCK_BOOTTIME);
        s->n = s->more = 0;
}

/* Add a process, where there is room for one. Returns whether there is room and time for another. */
static bool snapshot_add(struct snapshot *s, pid_t pid, uint64_t until)
{
        for (unsigned i = 0; i < s->n; i++) {
                if (s->of[i].pid == pid)
                        return true;
        }
        if (s->n >= SNAPSHOT_PROCESSES_MAX || clock_now() >= until)
                return false;
        if (snapshot_read(pid, s->of + s->n) >= 0)
                s->n++;
        return true;
}

/* Add the processes that a file lists, as its first page has them. Returns as above. */
static bool snapshot_add_listed(struct snapshot *s, int dir_fd, const char *name, uint64_t until)
{
        _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
        char text[4097];
        ssize_t n;

        if (fd < 0)
                return true;
        n = read(fd, text, sizeof(text) - 1);
        if (n <= 0)
                return true;
        text[n] = '\0';
        for (char *p = text, *end; *p; p = end) {
                long pid = strtol(p, &end, 10);

                /* A number at the end of a full page may be half of one. */
                if (end == p || (!*end && n == sizeof(text) - 1))
                        break;
                if (!snapshot_add(s, (pid_t) pid, until))
                        return false;
                end += strspn(end, " \n");
        }
        return true;
}

/* The children that the threads of a process have forked, where the kernel lists them. Returns as above. */
static bool snapshot_add_children(struct snapshot *s, pid_t pid, uint64_t until)
{
        _cleanup_(closedirp) DIR *tasks = NULL;
        const struct dirent *d;
        char file[64];

        snprintf(file, sizeof(file), "/proc/%d/task", (int) pid);
        tasks = opendir(file);
        while (tasks && (d = readdir(tasks))) {
                if (d->d_name[0] == '.')
                        continue;
                snprintf(file, sizeof(file), "%.16s/children", d->d_name);
                if (!snapshot_add_listed(s, dirfd(tasks), file, until))
                        return false;
                if (clock_now() >= until)
                        return false;
        }
        return true;
}

static void snapshot_end(struct snapshot *s, unsigned total)
{
        s->more = total > s->n ? total - s->n : 0;
}

void snapshot_take_tree(struct snapshot *s, pid_t root, unsigned total)
{
        uint64_t until = clock_now() + SNAPSHOT_SLICE_USEC;

        snapshot_begin(s);
        if (snapshot_add(s, root, until)) {
                for (unsigned i = 0; i < s->n; i++) {
                        if (!snapshot_add_children(s, s->of[i].pid, until))
                                break;
                }
        }
        snapshot_end(s, total);
}

void snapshot_take_cgroup(struct snapshot *s, const char *directory, unsigned total)
{
        uint64_t until = clock_now() + SNAPSHOT_SLICE_USEC;
        _cleanup_close_ int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

        snapshot_begin(s);
        if (fd >= 0)
                (void) snapshot_add_listed(s, fd, "cgroup.procs", until);
        snapshot_end(s, total);
}

/* -- As text ----------------------------------------------------------------------------------- */

/* The command line, with blanks between its arguments. Returns its length; 0: there is none to be had. */
static size_t read_command_line(const struct snapshot_process *p, char *buf, size_t size)
{
        struct snapshot_process now;
        char file[32];
        ssize_t n;

        snprintf(file, sizeof(file), "/proc/%d/cmdline", (int) p->pid);
        n = read_beginning(file, buf, size);
        /* Looked at afterwards: the number has not come to another process meanwhile. */
        if (n <= 0 || snapshot_read(p->pid, &now) < 0 || now.start_time != p->start_time)
                return 0;
        while (n > 0 && (buf[n - 1] == '\0' || buf[n - 1] == ' '))
                n--;
        for (ssize_t i = 0; i < n; i++) {
                if (buf[i] == '\0')
                        buf[i] = ' ';
        }
        return (size_t) n;
}

static char *format_command(const struct snapshot_process *p, bool command_line, char *buf, size_t size)
{
        char text[COMMAND_MAX * 2], comm[sizeof(p->comm) * 4];
        size_t n = command_line ? read_command_line(p, text, sizeof(text)) : 0;

        if (n > 0)
                return escape_text(text, n, buf, size);
        snprintf(buf, size, "[%s]", escape_text(p->comm, strlen(p->comm), comm, sizeof(comm)));
        return buf;
}

/* Append a line, unless it does not fit before the last one. Returns whether it did. */
_printf_(4, 5) static bool append(char *buf, size_t size, size_t *used, const char *fmt, ...)
{
        va_list ap;
        int n;

        va_start(ap, fmt);
        n = vsnprintf(buf + *used, size - *used, fmt, ap);
        va_end(ap);
        if (n < 0 || *used + (size_t) n >= size) {
                buf[*used] = '\0';
                return false;
        }
        *used += (size_t) n;
        return true;
}

char *snapshot_format(const struct snapshot *s, bool command_lines, char *buf, size_t size)
{
        unsigned long tick_usec = USEC_PER_SEC / (unsigned long) sysconf(_SC_CLK_TCK);
        char command[COMMAND_MAX];
        unsigned shown = 0, more;
        size_t used = 0;

        (void) append(buf, size - LAST_LINE_MAX, &used, "%8s %8s %8s %12s %12s %s", "PID", "PPID", "UID",
                      "CPU", "AGE", "COMMAND");
        for (; shown < s->n; shown++) {
                const struct snapshot_process *p = s->of + shown;
                uint64_t began = p->start_time * tick_usec;
                uint64_t age = s->boot_usec > began ? s->boot_usec - began : 0;

                if (!append(buf, size - LAST_LINE_MAX, &used, "\n%8d %8d %8u %11.2fs %11.2fs %s",
                            (int) p->pid, (int) p->parent, (unsigned) p->uid,
                            (double) p->cpu_usec / USEC_PER_SEC, (double) age / USEC_PER_SEC,
                            format_command(p, command_lines, command, sizeof(command))))
                        break;
        }
        more = s->more + (s->n - shown);
        if (more > 0)
                (void) append(buf, size, &used, "\nand %u more", more);
        return buf;
}
