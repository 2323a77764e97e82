/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "file-wait.h"
#include "cgroup.h"
#include "file-call.h"
#include "macro.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Who is not suspect is asked no sooner than so again; after so many probes in vain, still later. */
#define INTERVAL_USEC (40 * USEC_PER_MSEC)
#define INTERVAL_LONG_USEC (320 * USEC_PER_MSEC)
#define MISSES_MANY 25

/* A call that lasts so long waits for somebody else's doing, such as the other end of a FIFO. */
#define STUCK_USEC (500 * USEC_PER_MSEC)

/* A freeze interrupts such a call at once, and a file server's only after it has answered. */
#define LATE_USEC (2 * USEC_PER_MSEC)

/* It lets a thread run in order to be frozen, and again for the call to be repeated. */
#define RUNS_PER_FREEZE 2

/* A probe looks at so many at the most, and goes on with others the next time. */
#define THREADS_MAX 16
#define DIRECTORIES_MAX 16
#define SKIPPED_MAX 1024

struct file_wait_known {
        pid_t tid;           /* 0: none */
        uint64_t runs;       /* how often it has waited, as far as that is its own doing */
        uint64_t moved_usec; /* when it was first seen in this call, or another one than before */
};

/* Read the beginning of a thread's file in /proc. Returns 0 or a negative errno. */
static int read_of(pid_t tid, const char *name, char *buf, size_t size)
{
        _cleanup_close_ int fd = -EBADF;
        char path[64];
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/%d/%s", tid, name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        n = read(fd, buf, size - 1);
        if (n < 0)
                return -errno;
        buf[n] = '\0';
        return 0;
}

static bool sleeps_uninterruptibly(pid_t tid)
{
        char text[512];
        const char *end;

        if (read_of(tid, "stat", text, sizeof(text)) < 0)
                return false;
        end = strrchr(text, ')');
        return end && strncmp(end, ") D", 3) == 0;
}

/* Whether it has a position that was moved: neither a pipe, nor a socket, nor a terminal has. What type of
 * file it is could only be asked in ways that ask the file system, too. */
static bool is_positioned(pid_t tid, uint64_t descriptor)
{
        unsigned long long position;
        char name[32], text[64];

        snprintf(name, sizeof(name), "fdinfo/%u", (unsigned) descriptor);
        return read_of(tid, name, text, sizeof(text)) >= 0 && sscanf(text, "pos: %llu", &position) == 1 &&
               position > 0;
}

static bool is_in_call(pid_t tid)
{
        struct file_call_state call;
        char text[256];
        int r;

        r = read_of(tid, "syscall", text, sizeof(text));
        if (r >= 0)
                r = file_call_parse(text, &call);
        if (r == -EAGAIN || r == -ESRCH)
                return false;
        if (r < 0 || call.foreign)
                return sleeps_uninterruptibly(tid);
        switch (file_call_kind(call.number)) {
        case FILE_CALL_ANY:
                return true;
        case FILE_CALL_STREAM:
                return is_positioned(tid, call.argument);
        default:
                return false;
        }
}

/* How often the thread has waited. */
static uint64_t read_runs(pid_t tid)
{
        unsigned long long runs;
        const char *line;
        char text[4096];

        if (read_of(tid, "status", text, sizeof(text)) < 0)
                return 0;
        line = strstr(text, "\nvoluntary_ctxt_switches:");
        return line && sscanf(line, "\nvoluntary_ctxt_switches: %llu", &runs) == 1 ? runs : 0;
}

/* Those of the last probe first: most likely it is one of them again. */
static bool look_at_known(struct file_wait *w, uint64_t now_usec)
{
        bool hit = false;

        for (size_t i = 0; w->known && i < FILE_WAIT_KNOWN; i++) {
                struct file_wait_known *k = w->known + i;
                uint64_t runs;

                if (k->tid == 0)
                        continue;
                if (!is_in_call(k->tid)) {
                        k->tid = 0;
                        continue;
                }
                runs = read_runs(k->tid);
                if (runs > k->runs) {
                        k->runs = runs;
                        k->moved_usec = now_usec;
                }
                hit = hit || now_usec - k->moved_usec < STUCK_USEC;
        }
        return hit;
}

/* Returns whether there was room for it. Where there is none, so many are stuck that it may be another one.
 */
static bool know(struct file_wait *w, pid_t tid, uint64_t now_usec)
{
        if (!w->known)
                w->known = calloc(FILE_WAIT_KNOWN, sizeof(*w->known));
        for (size_t i = 0; w->known && i < FILE_WAIT_KNOWN; i++) {
                if (w->known[i].tid != 0)
                        continue;
                w->known[i] = (struct file_wait_known){ .tid = tid,
                                                        .runs = read_runs(tid),
                                                        .moved_usec = now_usec };
                return true;
        }
        return false;
}

static bool is_known(const struct file_wait *w, pid_t tid)
{
        for (size_t i = 0; w->known && i < FILE_WAIT_KNOWN; i++)
                if (w->known[i].tid == tid)
                        return true;
        return false;
}

struct search {
        struct file_wait *wait;
        uint64_t now_usec;
        unsigned depth, threads, skipped, directories, passed;
};

static int search_directory(struct search *s, int dir_fd);

static int on_thread(pid_t tid, void *userdata)
{
        struct search *s = userdata;

        if (s->skipped < s->wait->skip_threads) {
                s->skipped++;
                return 0;
        }
        if (s->threads++ == THREADS_MAX)
                return 1;
        return tid > 0 && !is_known(s->wait, tid) && is_in_call(tid) && know(s->wait, tid, s->now_usec) ? 2
                                                                                                        : 0;
}

static int on_directory(int dir_fd, const char *name, void *userdata)
{
        _cleanup_close_ int fd = -EBADF;
        struct search *s = userdata;

        if (s->depth == 1 && s->passed < s->wait->skip_directories) {
                s->passed++;
                return 0;
        }
        if (s->directories == DIRECTORIES_MAX)
                return 1;
        fd = cgroup_open(dir_fd, name);
        return fd < 0 ? 0 : search_directory(s, fd);
}

/* Returns 0, 1: it has looked at enough, 2: found one, or a negative errno. */
static int search_directory(struct search *s, int dir_fd)
{
        struct stat st;
        int r;

        s->directories++;
        r = cgroup_for_each_id(dir_fd, "cgroup.threads", on_thread, s);
        if (r != 0 || fstat(dir_fd, &st) < 0 || st.st_nlink <= 2)
                return r;
        s->depth++;
        r = cgroup_for_each_child(dir_fd, on_directory, s);
        s->depth--;
        return r;
}

static bool search(struct file_wait *w, int dir_fd, uint64_t now_usec)
{
        struct search s = { .wait = w, .now_usec = now_usec };
        int r = search_directory(&s, dir_fd);

        if (r == 2)
                return true;
        /* The rest the next time; from the beginning where there is none. */
        if (r == 1 && s.threads > THREADS_MAX && w->skip_threads < SKIPPED_MAX) {
                w->skip_threads += THREADS_MAX;
                return false;
        }
        w->skip_threads = 0;
        w->skip_directories = r == 1 ? (uint16_t) (w->skip_directories + DIRECTORIES_MAX / 2) : 0;
        return false;
}

void file_wait_begin(struct file_wait *w, uint64_t now_usec)
{
        w->since_usec = now_usec;
        w->pressure_usec = 0;
        for (size_t i = 0; w->known && i < FILE_WAIT_KNOWN; i++)
                w->known[i].runs += RUNS_PER_FREEZE;
}

static uint64_t since(const struct file_wait *w, uint64_t now_usec)
{
        return now_usec - MIN(w->since_usec, now_usec);
}

bool file_wait_is_due(struct file_wait *w, uint64_t cpu_usec, uint64_t pressure_usec, bool soon,
                      uint64_t now_usec)
{
        uint64_t stretch = since(w, now_usec);

        w->pressure_usec += pressure_usec;
        if (stretch == 0 || (cpu_usec == 0 && !file_wait_hit(w)))
                return false;
        if (w->pressure_usec >= stretch / 2) {
                w->since_usec = now_usec;
                w->pressure_usec = 0;
                return false;
        }
        return soon || file_wait_is_suspect(w) ||
               stretch >= (w->misses < MISSES_MANY ? INTERVAL_USEC : INTERVAL_LONG_USEC);
}

uint64_t file_wait_probe(struct file_wait *w, int dir_fd, uint64_t most_usec, uint64_t now_usec)
{
        uint64_t stretch = MIN(since(w, now_usec), most_usec);
        uint64_t rest = stretch - MIN(w->pressure_usec, stretch);

        if (look_at_known(w, now_usec) || search(w, dir_fd, now_usec))
                w->misses = 0;
        else if (w->misses < MISSES_MANY)
                w->misses++;
        w->since_usec = now_usec;
        w->pressure_usec = 0;
        return file_wait_hit(w) ? rest : 0;
}

void file_wait_froze(struct file_wait *w, uint64_t late_usec, uint64_t now_usec)
{
        for (size_t i = 0; late_usec >= LATE_USEC && w->known && i < FILE_WAIT_KNOWN; i++)
                w->known[i].moved_usec = now_usec;
}

void file_wait_done(struct file_wait *w)
{
        free(TAKE_PTR(w->known));
}
