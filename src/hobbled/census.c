/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "census.h"
#include "clock.h"
#include "file.h"
#include "hobble.h"
#include "macro.h"
#include "source.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Processes that are looked at between two looks at the clock. */
#define PROCESSES 16U

/* Rounds that are asked for begin at least this long after the last one has ended. */
#define HURRY_PAUSE_USEC (100 * USEC_PER_MSEC)

enum census_question { ASKED_UID, ASKED_COMM, ASKED_EXE, ASKED_HOME };

struct census_seat {
        struct census *census;
        struct census_seat *next;
        const struct census_handler *handler;
        void *userdata;
        uint64_t check_usec;
        pid_t *numbers;
        size_t n, n_max;
        bool lost;  /* numbers, for lack of memory: the round says nothing */
        bool fresh; /* joined since the round began */
};

struct census {
        sd_event_source *work, *timer;
        int proc_fd;
        DIR *dir; /* while a round is under way */
        struct census_seat *seats;
        uint64_t ended_usec;
        bool again; /* a round is asked for */
};

/* -- Questions --------------------------------------------------------------------------------- */

/* Returns whether this is the first time it is asked. */
static bool first_time(struct census_fact *f, enum census_question question)
{
        bool first = !(f->known & 1U << question);

        f->known |= 1U << question;
        return first;
}

uid_t census_uid(struct census_fact *f)
{
        char name[16];
        struct stat st;

        if (first_time(f, ASKED_UID)) {
                snprintf(name, sizeof(name), "%d", (int) f->pid);
                f->uid = fstatat(f->proc_fd, name, &st, 0) < 0 ? (uid_t) -1 : st.st_uid;
        }
        return f->uid;
}

const char *census_comm(struct census_fact *f)
{
        char name[32];
        ssize_t n;

        if (first_time(f, ASKED_COMM)) {
                snprintf(name, sizeof(name), "%d/comm", (int) f->pid);
                n = file_read_piece_at(f->proc_fd, name, f->comm, sizeof(f->comm));
                if (n > 0 && f->comm[n - 1] == '\n')
                        n--;
                f->comm[MAX(n, 0)] = '\0';
        }
        return f->comm;
}

const char *census_exe(struct census_fact *f)
{
        static const char deleted[] = " (deleted)";
        const size_t size = sizeof(deleted) - 1;
        char name[32];
        ssize_t n;

        if (first_time(f, ASKED_EXE)) {
                snprintf(name, sizeof(name), "%d/exe", (int) f->pid);
                n = readlinkat(f->proc_fd, name, f->exe, sizeof(f->exe) - 1);
                f->exe[MAX(n, 0)] = '\0';
                if (n > (ssize_t) size && strcmp(f->exe + n - size, deleted) == 0)
                        f->exe[(size_t) n - size] = '\0';
        }
        return f->exe;
}

/* The path in the v2 hierarchy that /proc/PID/cgroup tells, moved to the beginning of text; "" where there is
 * none. */
static void take_path(char *text)
{
        char *path = strncmp(text, "0::", 3) == 0 ? text + 3 : strstr(text, "\n0::");
        size_t size;

        if (!path) {
                *text = '\0';
                return;
        }
        path += *path == '\n' ? 4 : 0;
        size = strcspn(path, "\n");
        memmove(text, path, size);
        text[size] = '\0';
}

/* Most processes are where they belong, which costs a third of the library's answer. */
const char *census_home(struct census_fact *f)
{
        char name[32];

        if (!first_time(f, ASKED_HOME))
                return f->home;
        snprintf(name, sizeof(name), "%d/cgroup", (int) f->pid);
        if (file_read_piece_at(f->proc_fd, name, f->home, sizeof(f->home)) < 0)
                *f->home = '\0';
        take_path(f->home);
        if ((strstr(f->home, "/hobbled-") || strstr(f->home, "/hobble-pit.service/")) &&
            hobble_process_home(f->pid, f->home, sizeof(f->home)) < 0)
                *f->home = '\0';
        return f->home;
}

/* -- Rounds ------------------------------------------------------------------------------------ */

static void seat_note(struct census_seat *seat, pid_t pid)
{
        if (seat->n == seat->n_max) {
                size_t n_max = MAX(seat->n_max * 2, (size_t) 64);
                pid_t *numbers = reallocarray(seat->numbers, n_max, sizeof(*numbers));

                if (!numbers) {
                        seat->lost = true;
                        return;
                }
                seat->numbers = numbers;
                seat->n_max = n_max;
        }
        seat->numbers[seat->n++] = pid;
}

static int compare_pids(const void *a, const void *b)
{
        return (*(const pid_t *) a > *(const pid_t *) b) - (*(const pid_t *) a < *(const pid_t *) b);
}

static void seat_finish(struct census_seat *seat)
{
        size_t n = 0;

        /* The kernel lists them in this order; a number that is used again meanwhile may come twice. */
        if (seat->n > 0)
                qsort(seat->numbers, seat->n, sizeof(*seat->numbers), compare_pids);
        for (size_t i = 0; i < seat->n; i++) {
                if (n == 0 || seat->numbers[n - 1] != seat->numbers[i])
                        seat->numbers[n++] = seat->numbers[i];
        }
        seat->n = 0;
        if (!seat->lost)
                seat->handler->taken(seat->numbers, n, seat->userdata);
}

static void census_schedule(struct census *c)
{
        uint64_t check_usec = USEC_INFINITY;

        for (const struct census_seat *seat = c->seats; seat; seat = seat->next)
                check_usec = MIN(check_usec, seat->fresh ? 0 : seat->check_usec);
        if (c->again)
                check_usec = MIN(check_usec, HURRY_PAUSE_USEC);
        if (c->dir)
                return;
        if (!c->seats) {
                (void) sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
                return;
        }
        (void) sd_event_source_set_time(c->timer, c->ended_usec + check_usec);
        (void) sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
}

static void census_end_round(struct census *c)
{
        c->dir = (closedir(c->dir), NULL);
        c->ended_usec = clock_now();
        (void) sd_event_source_set_enabled(c->work, SD_EVENT_OFF);
        for (struct census_seat *seat = c->seats, *next; seat; seat = next) {
                next = seat->next;
                if (!seat->fresh)
                        seat_finish(seat);
        }
        census_schedule(c);
}

static void census_look(struct census *c, pid_t pid)
{
        struct census_fact f;

        f.proc_fd = c->proc_fd;
        f.pid = pid;
        f.known = 0;
        for (struct census_seat *seat = c->seats; seat; seat = seat->next) {
                if (!seat->fresh && seat->handler->match(&f, seat->userdata))
                        seat_note(seat, pid);
        }
}

static int census_on_work(_unused_ sd_event_source *source, void *userdata)
{
        struct census *c = userdata;
        uint64_t begin = clock_now();
        const struct dirent *entry;
        unsigned n = 0;

        while ((entry = readdir(c->dir))) {
                if (!isdigit((unsigned char) entry->d_name[0]))
                        continue;
                census_look(c, (pid_t) strtol(entry->d_name, NULL, 10));
                if (++n % PROCESSES == 0 && clock_now() - begin >= CLOCK_SLICE_USEC)
                        return 0;
        }
        census_end_round(c);
        return 0;
}

static int census_on_time(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata)
{
        struct census *c = userdata;
        int fd;

        fd = openat(c->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        c->dir = fd < 0 ? NULL : fdopendir(fd);
        if (!c->dir) {
                close_fd(fd);
                c->ended_usec = clock_now();
                census_schedule(c);
                return 0;
        }

        c->again = false;
        for (struct census_seat *seat = c->seats; seat; seat = seat->next) {
                seat->fresh = seat->lost = false;
                seat->n = 0;
        }
        return sd_event_source_set_enabled(c->work, SD_EVENT_ON);
}

/* -- Life -------------------------------------------------------------------------------------- */

int census_new(struct census **ret, sd_event *event)
{
        struct census *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = c->proc_fd < 0 ? -errno : 0;
        if (r >= 0)
                r = sd_event_add_defer(event, &c->work, census_on_work, c);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->work, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(c->work, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_event_add_time(event, &c->timer, CLOCK_MONOTONIC, 0, 10 * USEC_PER_MSEC,
                                      census_on_time, c);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(c->timer, SD_EVENT_PRIORITY_IDLE);
        if (r < 0) {
                census_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

struct census *census_free(struct census *c)
{
        if (!c)
                return NULL;
        sd_event_source_disable_unref(c->work);
        sd_event_source_disable_unref(c->timer);
        if (c->dir)
                (void) closedir(c->dir);
        close_fd(c->proc_fd);
        free(c);
        return NULL;
}

int census_join(struct census_seat **ret, struct census *c, uint64_t check_usec,
                const struct census_handler *handler, void *userdata)
{
        struct census_seat *seat = calloc(1, sizeof(*seat));

        if (!seat)
                return -ENOMEM;
        *seat = (struct census_seat){
                .census = c,
                .next = c->seats,
                .handler = handler,
                .userdata = userdata,
                .check_usec = check_usec,
                .fresh = true,
        };
        c->seats = seat;
        census_schedule(c);
        *ret = seat;
        return 0;
}

struct census_seat *census_leave(struct census_seat *seat)
{
        if (!seat)
                return NULL;
        for (struct census_seat **p = &seat->census->seats; *p; p = &(*p)->next) {
                if (*p == seat) {
                        *p = seat->next;
                        break;
                }
        }
        census_schedule(seat->census);
        free(seat->numbers);
        free(seat);
        return NULL;
}

void census_hurry(struct census *c)
{
        c->again = true;
        census_schedule(c);
}

bool census_ask(const struct census_seat *seat, pid_t pid)
{
        struct census_fact f;

        f.proc_fd = seat->census->proc_fd;
        f.pid = pid;
        f.known = 0;
        return seat->handler->match(&f, seat->userdata);
}
