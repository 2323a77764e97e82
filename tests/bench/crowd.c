/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The processes that a benchmark hobbles: crowd FILE KIND:N..., in this order. FILE is made, mapped by all,
 * and tells who they are: a struct head, then a struct subject for each, then a struct track for each that is
 * busy.
 *
 * sleeper: sleeps. busy: one busy loop. shell: waits for two children, of which one is busy and one sleeps.
 *
 * The busy ones begin when the standard input ends, so that the machine is usable until then. A busy loop
 * looks at the clock all the time, and notes when it could not. Each process ends with its parent. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GAPS 256          /* that are kept, the newest */
#define GAP_NSEC 20000000 /* what counts as one: more than two times what EEVDF lets others run */
#define NO_TRACK UINT32_MAX

struct head {
        uint32_t subjects, tracks;
        uint32_t ready; /* all are there */
        uint32_t unused;
};

struct subject {
        uint32_t pids[3]; /* parents first; 0: none */
        uint32_t track;   /* of its busy loop, or NO_TRACK */
};

/* CLOCK_MONOTONIC, nanoseconds. */
struct track {
        uint64_t last;  /* when it looked last */
        uint64_t count; /* of gaps since the beginning; number i is in gaps[i % GAPS] */
        struct {
                uint64_t begin, end;
        } gaps[GAPS];
};

static struct head *head;
static struct subject *subjects;
static struct track *tracks;
static int start_fds[2]; /* a pipe that is at its end when the busy ones are to begin */

static _Noreturn void fail(const char *what)
{
        fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
        _exit(1);
}

static pid_t child(void)
{
        pid_t parent = getpid(), pid = fork();

        if (pid < 0)
                fail("fork");
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (getppid() != parent)
                        _exit(1);
                (void) close(start_fds[1]);
        }
        return pid;
}

static _Noreturn void sleep_on(void)
{
        for (;;)
                (void) pause();
}

static uint64_t now_nsec(void)
{
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}

static _Noreturn void spin(volatile struct track *t)
{
        char c;

        while (read(start_fds[0], &c, 1) < 0 && errno == EINTR)
                ;
        t->last = now_nsec();
        for (;;) {
                uint64_t now = now_nsec();

                if (now - t->last >= GAP_NSEC) {
                        t->gaps[t->count % GAPS].begin = t->last;
                        t->gaps[t->count % GAPS].end = now;
                        t->count++;
                }
                t->last = now;
        }
}

/* Only the parent notes a pid: to a child, in the same memory, its own is 0. */
static void start_sleeper(struct subject *s)
{
        pid_t pid = child();

        if (pid == 0)
                sleep_on();
        s->pids[0] = (uint32_t) pid;
}

static void start_busy(struct subject *s)
{
        pid_t pid;

        s->track = head->tracks++;
        pid = child();
        if (pid == 0)
                spin(tracks + s->track);
        s->pids[0] = (uint32_t) pid;
}

static void start_shell(struct subject *s)
{
        volatile struct subject *shared = s;
        pid_t pid;

        s->track = head->tracks++;
        pid = child();
        if (pid == 0) {
                pid_t one = child(), two;

                if (one == 0)
                        spin(tracks + shared->track);
                two = child();
                if (two == 0)
                        sleep_on();
                shared->pids[1] = (uint32_t) one;
                shared->pids[2] = (uint32_t) two;
                for (;;)
                        (void) wait(NULL);
        }
        s->pids[0] = (uint32_t) pid;
        while (shared->pids[2] == 0)
                (void) usleep(100);
}

static const struct {
        const char *name;
        void (*start)(struct subject *s);
} kinds[] = { { "sleeper", start_sleeper }, { "busy", start_busy }, { "shell", start_shell } };

static void start_all(const char *kind, uint32_t count)
{
        for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
                if (strncmp(kind, kinds[i].name, strlen(kinds[i].name)) != 0)
                        continue;
                while (count-- > 0) {
                        struct subject *s = subjects + head->subjects;

                        s->track = NO_TRACK;
                        kinds[i].start(s);
                        head->subjects++;
                }
                return;
        }
        errno = EINVAL;
        fail(kind);
}

static uint32_t count_of(const char *arg)
{
        const char *colon = strchr(arg, ':');

        return colon ? (uint32_t) strtoul(colon + 1, NULL, 10) : 0;
}

static void map(const char *path, uint32_t total, uint32_t busy)
{
        size_t size = sizeof(*head) + total * sizeof(*subjects) + busy * sizeof(*tracks);
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (fd < 0 || ftruncate(fd, (off_t) size) < 0)
                fail(path);
        head = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (head == MAP_FAILED)
                fail(path);
        (void) close(fd);
        subjects = (struct subject *) (head + 1);
        tracks = (struct track *) (subjects + total);
}

int main(int argc, char *argv[])
{
        uint32_t total = 0, busy = 0;
        char c;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (int i = 2; i < argc; i++) {
                total += count_of(argv[i]);
                busy += argv[i][0] == 's' && argv[i][1] == 'l' ? 0 : count_of(argv[i]);
        }
        if (total == 0) {
                fprintf(stderr, "crowd FILE KIND:N...\n");
                return 2;
        }
        map(argv[1], total, busy);
        if (pipe(start_fds) < 0)
                fail("pipe");
        for (int i = 2; i < argc; i++)
                start_all(argv[i], count_of(argv[i]));
        __atomic_store_n(&head->ready, 1, __ATOMIC_RELEASE);

        while (read(STDIN_FILENO, &c, 1) < 0 && errno == EINTR)
                ;
        (void) close(start_fds[1]);
        sleep_on();
}
