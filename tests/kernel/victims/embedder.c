/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A program that has libhobble in it, for the kernel tests: embedder PLACEMENT INSTANCE REFUSED PID...
 *
 * It hobbles the trees of the PIDs, nested, in the pit, or as the library likes best ("nested", "subtree",
 * "auto"). Its filter refuses each process whose name is REFUSED, and each question is a line, "filter NAME
 * HOME". Each event is a line: "admitted PID", "released PID", "failed PID ERROR TEXT", "part PID", and so
 * on; before a "strayed" there is a line "strays ORIGIN PID...". A PID that begins with a slash is the path
 * of a cgroup that it hobbles in place. At each line of its standard input, a pid, it says "subject
 * KEY=VALUE..." and "tarpit KEY=VALUE..." of what that is in, where it is in one, "listed NAME CGROUP" of all
 * that a list shows, and "process PID HOME ROOT"; at a pid with a dash before it, it releases what that is
 * in; at its end it releases all and ends. With FREEZE_IDLE in its environment it freezes all at once, and
 * with PARENT its home is in that cgroup. */

#include "hobble.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const kinds[HOBBLE_EVENT_KIND_MAX] = {
        [HOBBLE_EVENT_ADMITTED] = "admitted", [HOBBLE_EVENT_RELEASED] = "released",
        [HOBBLE_EVENT_GONE] = "gone",         [HOBBLE_EVENT_RESCUED] = "rescued",
        [HOBBLE_EVENT_FAILED] = "failed",     [HOBBLE_EVENT_STRAYED] = "strayed",
        [HOBBLE_EVENT_PART] = "part",         [HOBBLE_EVENT_DEGRADED] = "degraded",
};

struct embedder {
        hobble_engine *engine;
        const char *refused;
};

static void on_event(hobble_engine *engine, const struct hobble_event *event, void *userdata)
{
        (void) engine;
        (void) userdata;
        if (event->kind == HOBBLE_EVENT_STRAYED) {
                printf("strays %s", event->origin);
                for (size_t i = 0; i < event->n_strays; i++)
                        printf(" %d", event->strays[i]);
                printf("\n");
        }
        if (event->subject && kinds[event->kind])
                printf("%s %d %d %s\n", kinds[event->kind], event->pid, event->error,
                       event->text ? event->text : "");
}

static const char *filter(hobble_tarpit *tarpit, const struct hobble_process *process, const char *home,
                          void *userdata)
{
        const struct embedder *e = userdata;

        printf("filter %s %s %s\n", process->comm, home, hobble_tarpit_name(tarpit));
        return strcmp(process->comm, e->refused) == 0 ? "is exempt: the test says so" : NULL;
}

static void say_status(const hobble_engine *engine, pid_t pid)
{
        struct hobble_subject_status s;
        struct hobble_tarpit_status t;
        hobble_subject *subject;
        char path[4096];

        if (hobble_engine_subject_of(engine, pid, &subject) < 0)
                return;
        if (hobble_subject_status(subject, &s) < 0 || hobble_subject_path(subject, path, sizeof(path)) < 0 ||
            hobble_tarpit_status(hobble_subject_tarpit(subject), &t) < 0)
                abort();
        printf("subject name=%s state=%d admitting=%d releasing=%d nested=%d in_place=%d since_usec=%" PRIu64
               " cpu_usec=%" PRIu64 " frozen_usec=%" PRIu64 " balance_usec=%" PRId64
               " tarpit_balance_usec=%" PRId64 " rate=%f fair_share=%f cgroup=%s\n",
               hobble_subject_name(subject), s.state, s.admitting, s.releasing, s.nested, s.in_place,
               s.since_usec, s.cpu_usec, s.frozen_usec, s.balance_usec, s.tarpit_balance_usec, s.rate,
               s.fair_share, path);
        printf("tarpit balance_usec=%" PRId64 " cpu_usec=%" PRIu64 " subjects=%u windows=%" PRIu64
               " windows_skipped=%" PRIu64 "\n",
               t.balance_usec, t.cpu_usec, t.subjects, t.windows, t.windows_skipped);
}

static int on_entry(const struct hobble_entry *entry, void *userdata)
{
        if (strcmp(entry->instance, userdata) == 0)
                printf("listed %s %s\n", entry->subject, entry->cgroup);
        return 0;
}

static void release(const hobble_engine *engine, pid_t pid)
{
        hobble_subject *subject;

        if (hobble_engine_subject_of(engine, pid, &subject) < 0)
                abort();
        hobble_subject_release(subject);
}

static int on_input(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        const struct embedder *e = userdata;
        char line[64], home[4096];
        uint64_t start_time;
        pid_t pid, root = 0;

        (void) fd;
        (void) revents;
        if (!fgets(line, sizeof(line), stdin))
                return sd_event_exit(sd_event_source_get_event(source), 0);
        pid = atoi(line);
        if (pid < 0) {
                release(e->engine, -pid);
                return 0;
        }
        if (hobble_process_home(pid, home, sizeof(home)) < 0)
                strcpy(home, "-");
        say_status(e->engine, pid);
        if (hobble_list(on_entry, (void *) hobble_engine_instance(e->engine)) < 0)
                abort();
        (void) hobble_engine_root_of(e->engine, pid, &root, &start_time);
        printf("process %d %s %d\n", pid, home, root);
        return 0;
}

static int add(hobble_tarpit *tarpit, const char *what, enum hobble_placement placement)
{
        int fd, r;

        if (what[0] != '/')
                return hobble_tarpit_add_tree(tarpit, atoi(what), 0, placement, NULL, NULL);
        fd = open(what, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = hobble_tarpit_add_cgroup(tarpit, fd, NULL, NULL);
        (void) close(fd);
        return r;
}

int main(int argc, char *argv[])
{
        struct hobble_options options = { .size = sizeof(options), .filter = filter, .handler = on_event };
        struct embedder e = { 0 };
        struct hobble_duty duty = HOBBLE_DUTY_DEFAULT;
        enum hobble_placement placement;
        hobble_tarpit *tarpit;
        sd_event *event;
        int r;

        if (argc < 4 || sd_event_default(&event) < 0)
                return 2;
        setvbuf(stdin, NULL, _IONBF, 0);
        setvbuf(stdout, NULL, _IOLBF, 0);
        placement = strcmp(argv[1], "nested") == 0    ? HOBBLE_PLACEMENT_NESTED
                    : strcmp(argv[1], "subtree") == 0 ? HOBBLE_PLACEMENT_SUBTREE
                                                      : HOBBLE_PLACEMENT_AUTO;
        options.instance = argv[2];
        options.guard = getenv("HOBBLE_GUARD");
        options.parent = getenv("PARENT");
        options.userdata = &e;
        e.refused = argv[3];
        duty.freeze_idle = getenv("FREEZE_IDLE") != NULL;

        r = hobble_engine_new(&e.engine, event, &options);
        if (r >= 0)
                r = hobble_tarpit_new(&tarpit, e.engine, "embedded", &duty);
        for (int i = 4; i < argc && r >= 0; i++)
                r = add(tarpit, argv[i], placement);
        if (r >= 0)
                r = sd_event_add_io(event, NULL, 0, EPOLLIN, on_input, &e);
        if (r >= 0)
                r = sd_event_loop(event);
        if (r < 0)
                fprintf(stderr, "embedder: %s\n", strerror(-r));
        hobble_engine_free(e.engine);
        sd_event_unref(event);
        return r < 0;
}
