/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The least that a benchmark compares with: loops that do nothing but their work.
 *
 *   loop kill FILE FROZEN THAWED     SIGSTOP each pid in the file, in order, and SIGCONT them in reverse
 *   loop freeze FILE FROZEN THAWED   write cgroup.freeze of each directory in the file
 *   loop timer FILE PERIOD           read cpu.stat of each directory in the file
 *
 * Times are in milliseconds, deadlines absolute, and the loop runs at the real-time priority that hobbled has
 * by default, where it may. It says "ready" when it has begun. At SIGTERM it lets all go and ends. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define PRIORITY 90

static volatile sig_atomic_t ended;

static void on_term(int sig)
{
        (void) sig;
        ended = 1;
}

static _Noreturn void fail(const char *what)
{
        fprintf(stderr, "loop: %s: %s\n", what, strerror(errno));
        exit(1);
}

/* Pids, or descriptors. */
struct list {
        int *items;
        size_t n;
};

static void load(struct list *list, const char *path, const char *file)
{
        FILE *f = fopen(path, "re");
        char line[4096], name[4200];

        if (!f)
                fail(path);
        while (fgets(line, sizeof(line), f)) {
                int item;

                line[strcspn(line, "\n")] = '\0';
                (void) snprintf(name, sizeof(name), "%s/%s", line, file ? file : "");
                item = file ? open(name, O_RDWR | O_CLOEXEC) : atoi(line);
                if (item < 0 && file)
                        item = open(name, O_RDONLY | O_CLOEXEC);
                if (item < 0)
                        fail(name);
                list->items = realloc(list->items, (list->n + 1) * sizeof(*list->items));
                if (!list->items)
                        fail("realloc");
                list->items[list->n++] = item;
        }
        (void) fclose(f);
}

static void kill_all(const struct list *list, bool stop)
{
        for (size_t i = 0; i < list->n; i++)
                (void) kill(list->items[stop ? i : list->n - 1 - i], stop ? SIGSTOP : SIGCONT);
}

static void freeze_all(const struct list *list, bool stop)
{
        for (size_t i = 0; i < list->n; i++)
                if (pwrite(list->items[i], stop ? "1" : "0", 1, 0) < 0)
                        fail("cgroup.freeze");
}

static void read_all(const struct list *list, bool stop)
{
        char buf[4096];

        for (size_t i = 0; stop && i < list->n; i++)
                if (pread(list->items[i], buf, sizeof(buf), 0) < 0)
                        fail("cpu.stat");
}

static const struct method {
        const char *name, *file;
        void (*act)(const struct list *list, bool stop);
} methods[] = {
        { "kill", NULL, kill_all },
        { "freeze", "cgroup.freeze", freeze_all },
        { "timer", "cpu.stat", read_all },
};

/* Wait until so much after the last deadline; one that has passed meanwhile is skipped, not made up for. */
static void wait_next(struct timespec *deadline, int64_t nsec)
{
        struct timespec now;

        deadline->tv_sec += (deadline->tv_nsec + nsec) / 1000000000;
        deadline->tv_nsec = (deadline->tv_nsec + nsec) % 1000000000;
        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec > deadline->tv_sec ||
            (now.tv_sec == deadline->tv_sec && now.tv_nsec > deadline->tv_nsec)) {
                *deadline = now;
                return;
        }
        while (!ended && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, deadline, NULL) == EINTR)
                ;
}

static void prepare(void)
{
        struct sched_param param = { .sched_priority = PRIORITY };
        struct rlimit files;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) signal(SIGTERM, on_term);
        (void) sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param);
        (void) mlockall(MCL_CURRENT);
        if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
                files.rlim_cur = files.rlim_max;
                (void) setrlimit(RLIMIT_NOFILE, &files);
        }
}

int main(int argc, char *argv[])
{
        const struct method *method = NULL;
        struct list list = { 0 };
        struct timespec deadline;
        int64_t first, second;

        for (size_t i = 0; argc > 3 && i < sizeof(methods) / sizeof(*methods); i++)
                if (strcmp(argv[1], methods[i].name) == 0)
                        method = methods + i;
        if (!method) {
                fprintf(stderr, "loop kill|freeze|timer FILE MILLISECONDS [MILLISECONDS]\n");
                return 2;
        }
        prepare();
        load(&list, argv[2], method->file);
        first = (int64_t) (atof(argv[3]) * 1e6);
        second = argc > 4 ? (int64_t) (atof(argv[4]) * 1e6) : 0;

        (void) clock_gettime(CLOCK_MONOTONIC, &deadline);
        for (bool told = false; !ended; told = true) {
                method->act(&list, true);
                if (!told && write(STDOUT_FILENO, "ready\n", 6) < 0)
                        fail("ready");
                wait_next(&deadline, first);
                method->act(&list, false);
                if (second > 0)
                        wait_next(&deadline, second);
        }
        method->act(&list, false);
        return 0;
}
