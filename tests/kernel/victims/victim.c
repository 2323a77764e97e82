/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Processes of odd kinds, for the kernel tests to hobble: victim KIND [ARGUMENT...]. Each process of a victim
 * ends by itself after two minutes, so that none outlives a test that was killed. What a victim has to tell,
 * it writes to a file that both it and the test have mapped: see `struct report` and `struct track`. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIFE_SEC 120

static _Noreturn void fail(const char *what)
{
        fprintf(stderr, "victim: %s: %s\n", what, strerror(errno));
        _exit(1);
}

/* A child that ends with its time or, unless it is to become an orphan, with its parent. Returns as fork(2).
 */
static pid_t child(bool orphan)
{
        pid_t pid = fork();

        if (pid == 0) {
                alarm(LIFE_SEC);
                if (!orphan)
                        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        }
        return pid;
}

static _Noreturn void spin(void)
{
        for (volatile unsigned i = 0;; i++)
                ;
}

static void *spinning_thread(void *arg)
{
        (void) arg;
        spin();
}

static void *map(const char *path, size_t size)
{
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        void *p;

        if (fd < 0 || ftruncate(fd, (off_t) size) < 0)
                fail(path);
        p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
                fail(path);
        (void) close(fd);
        return p;
}

static uint64_t now_nsec(void)
{
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}

static void start_threads(int n)
{
        for (int i = 0; i < n; i++) {
                pthread_t thread;

                if (pthread_create(&thread, NULL, spinning_thread, NULL) != 0)
                        fail("pthread_create");
        }
}

/* -- Kinds
 * ---------------------------------------------------------------------------------------------------- */

/* busy: one busy loop; threads N: so many in one process. */
static int busy(char **argv)
{
        start_threads(*argv ? atoi(*argv) - 1 : 0);
        spin();
}

/* headless: the leader has exited, a busy thread goes on. It has a child, forked before: not one that ends
 * with the thread that forked it. */
static int headless(char **argv)
{
        (void) argv;
        if (child(true) == 0)
                spin();
        start_threads(1);
        pthread_exit(NULL);
}

/* vfork: blocked until its child, which is busy, would exec or exit. */
static int blocked(char **argv)
{
        (void) argv;
        if (vfork() == 0) /* NOLINT */
                spin();
        return 0;
}

/* zombie: a busy process that does not reap its child. */
static int zombie(char **argv)
{
        (void) argv;
        if (child(false) == 0)
                _exit(0);
        spin();
}

/* churn: children come and go all the time, some of which have children, until SIGUSR1; then daemons are
 * made, one by forking twice, one by setsid() too. The root only waits. */
static volatile sig_atomic_t make_daemons;

static void on_usr1(int sig)
{
        (void) sig;
        make_daemons = 1;
}

static _Noreturn void short_life(unsigned i)
{
        const struct timespec some = { .tv_nsec = 3000000 };

        if (i % 3 == 0 && child(false) == 0) {
                (void) nanosleep(&some, NULL);
                _exit(0);
        }
        (void) nanosleep(&some, NULL);
        while (waitpid(-1, NULL, 0) > 0)
                ;
        _exit(0);
}

static _Noreturn void churning_child(void)
{
        const struct timespec pause = { .tv_nsec = 1000000 };

        for (unsigned i = 0;; i++) {
                if (child(false) == 0)
                        short_life(i);
                (void) nanosleep(&pause, NULL);
                while (waitpid(-1, NULL, WNOHANG) > 0)
                        ;
        }
}

static void daemonise(bool session)
{
        pid_t pid = child(true);

        if (pid == 0) {
                if (session)
                        (void) setsid();
                if (child(true) == 0)
                        spin();
                _exit(0);
        }
        (void) waitpid(pid, NULL, 0);
}

static int churn(char **argv)
{
        int n = atoi(argv[0]);

        (void) signal(SIGUSR1, on_usr1);
        for (int i = 0; i < n; i++)
                if (child(false) == 0)
                        churning_child();
        while (!make_daemons)
                (void) poll(NULL, 0, 10);
        daemonise(false);
        daemonise(true);
        for (;;)
                (void) pause();
}

/* bomb: every process forks as fast as it can. */
static int bomb(char **argv)
{
        (void) argv;
        (void) signal(SIGCHLD, SIG_IGN);
        for (unsigned i = 0;; i++) {
                pid_t pid = child(false);

                /* Some end, so that there is always room for others. */
                if (pid == 0 && i % 4 == 3)
                        _exit(0);
                if (pid < 0)
                        (void) sched_yield();
        }
}

/* at-pid PID COMMAND...: a child that has this pid runs the command; its exit status is passed on. 75: the
 * pid is taken. */
static int at_pid(char **argv)
{
        pid_t pid = atoi(argv[0]);
        struct clone_args args = { .exit_signal = SIGCHLD, .set_tid = (uintptr_t) &pid, .set_tid_size = 1 };
        long r = syscall(SYS_clone3, &args, sizeof(args));
        int status;

        if (r < 0)
                return errno == EEXIST ? 75 : errno == EPERM || errno == ENOSYS ? 77 : 1;
        if (r == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) execvp(argv[1], argv + 1);
                fail(argv[1]);
        }
        if (waitpid(pid, &status, 0) < 0)
                fail("waitpid");
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* waiter FILE: what a parent is told of its children, and which signals handlers see. Children are busy, but
 * the last one ends at once. */
struct report {
        uint64_t exited, signaled, stopped, continued, other; /* wait statuses */
        uint64_t signals[65];
        uint64_t begun;
};

static struct report *report;

static void on_signal(int sig)
{
        report->signals[sig]++;
}

static int waiter(char **argv)
{
        struct sigaction action = { .sa_handler = on_signal };

        report = map(argv[0], sizeof(*report));
        for (int sig = 1; sig <= 64; sig++)
                if (sig != SIGKILL && sig != SIGSTOP && sig != SIGALRM && sig != 32 && sig != 33)
                        (void) sigaction(sig, &action, NULL);
        for (int i = 0; i < 3; i++) {
                if (child(false) == 0) {
                        if (i == 2)
                                _exit(0);
                        spin();
                }
        }
        for (;;) {
                int status;

                if (waitpid(-1, &status, WUNTRACED | WCONTINUED) < 0) {
                        if (errno != EINTR)
                                fail("waitpid");
                        continue;
                }
                report->exited += WIFEXITED(status);
                report->signaled += WIFSIGNALED(status);
                report->stopped += WIFSTOPPED(status);
                report->continued += WIFCONTINUED(status);
                report->begun = 1;
        }
}

/* stamps FILE: a tree of MEMBERS processes, each of which looks at the clock all the time and notes when it
 * could not. */
#define MEMBERS 6
#define GAPS 2000
#define GAP_NSEC 20000000 /* what counts as one */

struct track {
        uint64_t pid;
        uint64_t progress; /* how often it looked */
        uint64_t last;     /* when it did so last */
        uint64_t n;        /* gaps */
        struct {
                uint64_t begin, end;
        } gaps[GAPS];
};

static _Noreturn void stamp(volatile struct track *t)
{
        const struct timespec pause = { .tv_nsec = 150000 };

        t->pid = (uint64_t) getpid();
        t->last = now_nsec();
        for (;;) {
                uint64_t now = now_nsec();

                if (now - t->last >= GAP_NSEC && t->n < GAPS) {
                        t->gaps[t->n].begin = t->last;
                        t->gaps[t->n].end = now;
                        t->n++;
                }
                t->last = now;
                t->progress++;
                /* Awake for a good part of the time, yet leaving room on two CPUs for all the others. */
                if (t->progress % 20 == 0)
                        (void) nanosleep(&pause, NULL);
        }
}

static int stamps(char **argv)
{
        struct track *tracks = map(argv[0], MEMBERS * sizeof(*tracks));

        /* Three children, the first of which has a child, that has a child. */
        for (int i = 1; i <= 3; i++) {
                if (child(false) != 0)
                        continue;
                if (i > 1 || child(false) > 0)
                        stamp(tracks + i);
                stamp(tracks + (child(false) > 0 ? 4 : 5));
        }
        stamp(tracks);
}

/* trickle PERCENT: uses about so much of a CPU, in bits of a millisecond at most, as an interactive program
 * does. */
static _Noreturn int trickle(char **argv)
{
        const uint64_t work = 200000;
        uint64_t pause = work * 100 / (uint64_t) atoi(argv[0]) - work;
        const struct timespec ts = { .tv_sec = (time_t) (pause / 1000000000),
                                     .tv_nsec = (long) (pause % 1000000000) };

        for (;;) {
                struct timespec cpu;
                uint64_t begin, now;

                (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
                begin = (uint64_t) cpu.tv_sec * 1000000000 + (uint64_t) cpu.tv_nsec;
                do {
                        (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
                        now = (uint64_t) cpu.tv_sec * 1000000000 + (uint64_t) cpu.tv_nsec;
                } while (now - begin < work);
                (void) nanosleep(&ts, NULL);
        }
}

/* walk DIRECTORY FILE: asks for the attributes of what is in there, again and again; how often it did, it
 * writes to the file. */
static _Noreturn int walk(char **argv)
{
        volatile uint64_t *n = map(argv[1], sizeof(*n));

        for (;;) {
                DIR *d = opendir(argv[0]);
                struct dirent *e;
                struct stat st;

                if (!d)
                        fail(argv[0]);
                while ((e = readdir(d)))
                        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                                (*n)++;
                (void) closedir(d);
        }
}

/* blocks FILE COUNTER: writes and reads blocks, each at the disk itself. */
static _Noreturn int blocks(char **argv)
{
        static _Alignas(4096) char block[1 << 20];
        volatile uint64_t *n = map(argv[1], sizeof(*n));
        int fd = open(argv[0], O_RDWR | O_CREAT | O_DIRECT | O_DSYNC | O_CLOEXEC, 0600);

        if (fd < 0)
                fail(argv[0]);
        for (;; (*n)++)
                if (pwrite(fd, block, sizeof(block), 0) < 0 || pread(fd, block, sizeof(block), 0) < 0)
                        fail(argv[0]);
}

/* chatty [FIFO]: threads that sleep and tell each other, 100 times a second, through a pipe and a condition;
 * with a FIFO another one waits for somebody to open its other end. */
struct chat {
        int pipe[2];
        pthread_mutex_t mutex;
        pthread_cond_t told;
        const char *fifo;
};

static void *listening_thread(void *arg)
{
        struct chat *c = arg;
        struct pollfd p = { .fd = c->pipe[0], .events = POLLIN };
        char word;

        while (poll(&p, 1, -1) == 1 && read(p.fd, &word, 1) == 1) {
                (void) pthread_mutex_lock(&c->mutex);
                (void) pthread_cond_signal(&c->told);
                (void) pthread_mutex_unlock(&c->mutex);
        }
        return NULL;
}

static void *waiting_thread(void *arg)
{
        struct chat *c = arg;

        (void) pthread_mutex_lock(&c->mutex);
        while (pthread_cond_wait(&c->told, &c->mutex) == 0)
                ;
        return NULL;
}

static void *stuck_thread(void *arg)
{
        const struct chat *c = arg;

        (void) open(c->fifo, O_RDONLY | O_CLOEXEC);
        fail(c->fifo);
}

static _Noreturn int chatty(char **argv)
{
        static struct chat c = { .mutex = PTHREAD_MUTEX_INITIALIZER, .told = PTHREAD_COND_INITIALIZER };
        void *(*const threads[])(void *) = { listening_thread, waiting_thread, stuck_thread };
        const struct timespec pause = { .tv_nsec = 10000000 };
        pthread_t thread;

        c.fifo = argv[0];
        if (pipe2(c.pipe, O_CLOEXEC) < 0)
                fail("pipe2");
        for (int i = 0; i < (c.fifo ? 3 : 2); i++)
                if (pthread_create(&thread, NULL, threads[i], &c) != 0)
                        fail("pthread_create");
        for (;;) {
                (void) nanosleep(&pause, NULL);
                if (write(c.pipe[1], "", 1) != 1)
                        fail("write");
        }
}

static const struct {
        const char *name;
        int (*run)(char **argv);
        int arguments;
} kinds[] = {
        { "busy", busy, 0 },     { "threads", busy, 1 },    { "headless", headless, 0 },
        { "vfork", blocked, 0 }, { "zombie", zombie, 0 },   { "churn", churn, 1 },
        { "bomb", bomb, 0 },     { "at-pid", at_pid, 2 },   { "waiter", waiter, 1 },
        { "stamps", stamps, 1 }, { "trickle", trickle, 1 }, { "walk", walk, 2 },
        { "chatty", chatty, 0 }, { "blocks", blocks, 2 },
};

int main(int argc, char **argv)
{
        alarm(LIFE_SEC);
        for (size_t i = 0; argc > 1 && i < sizeof(kinds) / sizeof(*kinds); i++)
                if (strcmp(argv[1], kinds[i].name) == 0 && argc - 2 >= kinds[i].arguments)
                        return kinds[i].run(argv + 2);
        fprintf(stderr, "victim: no such kind, or arguments are missing\n");
        return 2;
}
