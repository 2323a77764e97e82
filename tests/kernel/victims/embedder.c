/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A program that has libhobble in it, for the kernel tests: embedder PLACEMENT INSTANCE REFUSED PID...
 *
 * It hobbles the trees of the PIDs, nested, in the pit, or as the library likes best ("nested", "subtree",
 * "auto"). Its filter refuses each process whose name is REFUSED, and each question is a line, "filter NAME
 * HOME". Each event is a line: "admitted PID", "released PID", "failed PID ERROR TEXT", "part PID", and so
 * on. At each line of its standard input, a pid, it says "process PID HOME ROOT"; at its end it releases all
 * and ends. */

#include "hobble.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
        if (hobble_process_home(pid, home, sizeof(home)) < 0)
                strcpy(home, "-");
        (void) hobble_engine_root_of(e->engine, pid, &root, &start_time);
        printf("process %d %s %d\n", pid, home, root);
        return 0;
}

int main(int argc, char *argv[])
{
        struct hobble_options options = { .size = sizeof(options), .filter = filter, .handler = on_event };
        struct embedder e = { 0 };
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
        options.userdata = &e;
        e.refused = argv[3];

        r = hobble_engine_new(&e.engine, event, &options);
        if (r >= 0)
                r = hobble_tarpit_new(&tarpit, e.engine, "embedded", &HOBBLE_DUTY_DEFAULT);
        for (int i = 4; i < argc && r >= 0; i++)
                r = hobble_tarpit_add_tree(tarpit, atoi(argv[i]), 0, placement, NULL, NULL);
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
