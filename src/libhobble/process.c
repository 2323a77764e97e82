/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "process.h"
#include "cgroup.h"
#include "file.h"
#include "macro.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

/* Longer lines of parents do not exist: pids wrap, so a reader of /proc could go round in circles. */
#define ANCESTORS_MAX 4096

#define STAT_FLAG_KTHREAD 0x00200000U /* PF_KTHREAD of the kernel's sched.h */

static void closedirp(DIR **d)
{
        if (*d)
                (void) closedir(*d);
}

int process_parse_stat(const char *text, struct hobble_process *ret)
{
        struct hobble_process p = { 0 };
        const char *open = strchr(text, '('), *close = strrchr(text, ')');
        unsigned long long start_time;
        unsigned flags;
        size_t n;

        if (!open || !close || close < open || sscanf(text, "%d", &p.pid) != 1)
                return -EBADMSG;
        /* state ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt utime stime cutime cstime
         * priority nice threads itreal starttime */
        if (sscanf(close + 1,
                   " %c %d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &p.state,
                   &p.parent, &flags, &start_time) != 4)
                return -EBADMSG;

        n = MIN((size_t) (close - open - 1), sizeof(p.comm) - 1);
        memcpy(p.comm, open + 1, n);
        p.kernel = flags & STAT_FLAG_KTHREAD;
        p.start_time = start_time;
        *ret = p;
        return 0;
}

static int read_stat(pid_t pid, struct hobble_process *ret)
{
        char file[32], text[1024];
        ssize_t n;

        snprintf(file, sizeof(file), "/proc/%d/stat", pid);
        n = file_read_piece_at(AT_FDCWD, file, text, sizeof(text));
        if (n < 0)
                return n == -ENOENT ? -ESRCH : (int) n;
        return process_parse_stat(text, ret);
}

static int read_tgid(pid_t id, pid_t *ret)
{
        _cleanup_close_ int fd = -EBADF;
        char file[32], text[1024];
        const char *line;
        ssize_t n;

        snprintf(file, sizeof(file), "/proc/%d/status", id);
        fd = open(file, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        /* Only the beginning matters; the list of groups further down may be long. */
        n = read(fd, text, sizeof(text) - 1);
        if (n < 0)
                return -errno;
        text[n] = '\0';

        /* The name, in the first line, has its newlines escaped. */
        line = strstr(text, "\nTgid:");
        if (!line || sscanf(line, "\nTgid: %d", ret) != 1)
                return -EBADMSG;
        return 0;
}

/* The process that a process or thread id belongs to. */
static int find_process(pid_t id, pid_t *ret)
{
        if (id <= 0)
                return -ESRCH;
        /* Of a process and a thread that have to agree only one is found if this is another thread than its
         * first. No signal is sent, and where none might be, that is told after the search. */
        if (tgkill(id, id, 0) < 0 && errno == ESRCH)
                return read_tgid(id, ret);
        *ret = id;
        return 0;
}

_public_ int hobble_process_read(pid_t pid, struct hobble_process *ret)
{
        int r = find_process(pid, &pid);

        return r < 0 ? r : read_stat(pid, ret);
}

int process_rt_priority(pid_t pid)
{
        struct sched_param param;
        int policy = sched_getscheduler(pid);

        if (policy < 0 || sched_getparam(pid, &param) < 0)
                return -errno;
        switch (policy & ~SCHED_RESET_ON_FORK) {
        case SCHED_FIFO:
        case SCHED_RR:
                return param.sched_priority;
        case SCHED_DEADLINE:
                return INT_MAX;
        default:
                return 0;
        }
}

int process_open(pid_t pid, uint64_t start_time, struct hobble_process *ret)
{
        _cleanup_close_ int fd = -EBADF;
        struct hobble_process p;
        int r;

        r = find_process(pid, &pid);
        if (r < 0)
                return r;
        fd = pidfd_open(pid, 0);
        if (fd < 0)
                return -errno;
        /* Read after the open: it is this process that the descriptor holds on to. */
        r = read_stat(pid, &p);
        if (r < 0)
                return r;
        if (start_time && p.start_time != start_time)
                return -ESRCH;
        *ret = p;
        return TAKE_FD(fd);
}

static int for_each_number(const char *text, int (*fn)(pid_t, void *), void *userdata)
{
        int n = 0, r;

        for (; *text; text++) {
                if (*text >= '0' && *text <= '9') {
                        n = n * 10 + (*text - '0');
                } else if (n) {
                        r = fn(n, userdata);
                        if (r != 0)
                                return r;
                        n = 0;
                }
        }
        return 0;
}

/* The children that one thread has forked. */
static int thread_children(int task_fd, const char *tid, int (*fn)(pid_t, void *), void *userdata)
{
        _cleanup_close_ int fd = -EBADF;
        char file[32], text[4097];
        ssize_t n;
        int r;

        snprintf(file, sizeof(file), "%.16s/children", tid);
        fd = openat(task_fd, file, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;

        /* The kernel hands out whole numbers as long as it is asked for a page at a time. */
        while ((n = read(fd, text, sizeof(text) - 1)) > 0) {
                text[n] = '\0';
                r = for_each_number(text, fn, userdata);
                if (r != 0)
                        return r;
        }
        return n < 0 && errno != ESRCH ? -errno : 0;
}

/* Where the kernel has no such lists (CONFIG_PROC_CHILDREN): every process says who its parent is. */
static int children_by_parent(pid_t pid, int (*fn)(pid_t, void *), void *userdata)
{
        _cleanup_(closedirp) DIR *proc = opendir("/proc");
        const struct dirent *d;
        int r;

        if (!proc)
                return -errno;
        while ((d = readdir(proc))) {
                struct hobble_process p;

                if (d->d_name[0] < '1' || d->d_name[0] > '9' || read_stat(atoi(d->d_name), &p) < 0 ||
                    p.parent != pid)
                        continue;
                r = fn(p.pid, userdata);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* Open /proc/PID/task. Returns 1, 0 where this kernel does not list children there, or -ESRCH. */
static int open_tasks(pid_t pid, DIR **ret)
{
        _cleanup_(closedirp) DIR *tasks = NULL;
        char file[64];

        snprintf(file, sizeof(file), "/proc/%d/task", pid);
        tasks = opendir(file);
        if (!tasks)
                return errno == ENOENT ? -ESRCH : -errno;
        if (access("/proc/thread-self/children", R_OK) < 0)
                return 0;
        *ret = TAKE_PTR(tasks);
        return 1;
}

int process_for_each_child(pid_t pid, int (*fn)(pid_t, void *), void *userdata)
{
        _cleanup_(closedirp) DIR *tasks = NULL;
        const struct dirent *d;
        int r;

        r = open_tasks(pid, &tasks);
        if (r <= 0)
                return r < 0 ? r : children_by_parent(pid, fn, userdata);

        while ((d = readdir(tasks))) {
                if (d->d_name[0] == '.')
                        continue;
                r = thread_children(dirfd(tasks), d->d_name, fn, userdata);
                if (r != 0)
                        return r;
        }
        return 0;
}

int process_for_each_child_of_thread(pid_t tid, int (*fn)(pid_t, void *), void *userdata)
{
        _cleanup_(closedirp) DIR *tasks = NULL;
        char name[16];
        int r;

        r = open_tasks(tid, &tasks);
        if (r <= 0)
                return r < 0 ? r : children_by_parent(tid, fn, userdata);

        snprintf(name, sizeof(name), "%d", tid);
        return thread_children(dirfd(tasks), name, fn, userdata);
}

int process_live_thread(pid_t pid, pid_t *ret)
{
        _cleanup_(closedirp) DIR *tasks = NULL;
        const struct dirent *d;
        char file[64];

        snprintf(file, sizeof(file), "/proc/%d/task", pid);
        tasks = opendir(file);
        if (!tasks)
                return errno == ENOENT ? -ESRCH : -errno;

        while ((d = readdir(tasks))) {
                struct hobble_process p;
                pid_t tid = atoi(d->d_name);

                /* /proc/TID/stat of a thread is the thread's own. */
                if (tid > 0 && read_stat(tid, &p) == 0 && p.state != 'Z' && p.state != 'X') {
                        *ret = tid;
                        return 0;
                }
        }
        return -ESRCH;
}

bool process_descends_from(pid_t pid, pid_t ancestor)
{
        struct hobble_process p;

        for (unsigned i = 0; i < ANCESTORS_MAX && pid > 0; i++) {
                if (pid == ancestor)
                        return true;
                if (read_stat(pid, &p) < 0)
                        return false;
                pid = p.parent;
        }
        return false;
}

int process_shares_namespace(pid_t pid, const char *kind)
{
        struct stat mine, theirs;
        char self[48], file[48];

        snprintf(self, sizeof(self), "/proc/self/ns/%.16s", kind);
        snprintf(file, sizeof(file), "/proc/%d/ns/%.16s", pid, kind);
        if (stat(self, &mine) < 0)
                return -errno;
        if (stat(file, &theirs) < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        return mine.st_ino == theirs.st_ino && mine.st_dev == theirs.st_dev;
}

bool process_sees_itself(void)
{
        char self[16];
        ssize_t n = readlink("/proc/self", self, sizeof(self) - 1);

        if (n < 0)
                return false;
        self[n] = '\0';
        return atoi(self) == getpid();
}

int process_cgroup(const struct hobble_process *p, char *buf, size_t size)
{
        pid_t tid;

        if (p->state != 'Z' && p->state != 'X')
                return cgroup_of_process(p->pid, buf, size);
        return process_live_thread(p->pid, &tid) < 0 ? -ESRCH : cgroup_of_thread(p->pid, tid, buf, size);
}
