/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Hobble a process tree for some seconds: hobble-example PID SECONDS */

#include <hobble.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct example {
        sd_event *event;
        hobble_subject *subject; /* NULL: none any more */
};

static void on_event(hobble_engine *engine, const struct hobble_event *event, void *userdata)
{
        struct example *example = userdata;

        (void) engine;
        switch (event->kind) {
        case HOBBLE_EVENT_ADMITTED:
                printf("hobbled, with all of its processes: %u\n", event->processes);
                break;
        case HOBBLE_EVENT_FAILED:
                fprintf(stderr, "cannot be hobbled: %s\n", event->text);
                example->subject = NULL;
                sd_event_exit(example->event, EXIT_FAILURE);
                break;
        case HOBBLE_EVENT_RELEASED:
        case HOBBLE_EVENT_GONE:
        case HOBBLE_EVENT_RESCUED:
                printf("%s\n", event->kind == HOBBLE_EVENT_GONE ? "ended" : "released");
                example->subject = NULL;
                sd_event_exit(example->event, EXIT_SUCCESS);
                break;
        default:
                if (event->text)
                        fprintf(stderr, "%s\n", event->text);
        }
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct example *example = userdata;
        struct hobble_subject_status status;

        (void) source;
        (void) usec;
        if (!example->subject)
                return 0;
        if (hobble_subject_status(example->subject, &status) >= 0)
                printf("used %" PRIu64 " ms, was frozen for %" PRIu64 " ms\n", status.cpu_usec / 1000,
                       status.frozen_usec / 1000);
        hobble_subject_release(example->subject);
        return 0;
}

static int hobble(struct example *example, pid_t pid, uint64_t seconds)
{
        struct hobble_options options = { .size = sizeof(options), .handler = on_event, .userdata = example };
        struct hobble_duty duty = { .frozen_usec = 90000, .thawed_usec = 10000 };
        hobble_engine *engine = NULL;
        hobble_tarpit *tarpit;
        int r;

        r = hobble_engine_new(&engine, example->event, &options);
        if (r >= 0)
                r = hobble_tarpit_new(&tarpit, engine, "example", &duty);
        if (r >= 0)
                r = hobble_tarpit_add_tree(tarpit, pid, 0, HOBBLE_PLACEMENT_AUTO, NULL, &example->subject);
        if (r >= 0)
                r = sd_event_add_time_relative(example->event, NULL, CLOCK_MONOTONIC, seconds * 1000000, 0,
                                               on_time, example);
        if (r >= 0)
                r = sd_event_loop(example->event);

        /* Whatever is still hobbled is released here. */
        hobble_engine_free(engine);
        return r;
}

int main(int argc, char *argv[])
{
        struct example example = { 0 };
        int r;

        if (argc != 3) {
                fprintf(stderr, "Usage: hobble-example PID SECONDS\n");
                return EXIT_FAILURE;
        }
        setvbuf(stdout, NULL, _IOLBF, 0);

        r = sd_event_default(&example.event);
        if (r >= 0)
                r = sd_event_add_signal(example.event, NULL, SIGINT | SD_EVENT_SIGNAL_PROCMASK, NULL, NULL);
        if (r >= 0)
                r = sd_event_add_signal(example.event, NULL, SIGTERM | SD_EVENT_SIGNAL_PROCMASK, NULL, NULL);
        if (r >= 0)
                r = hobble(&example, atoi(argv[1]), strtoull(argv[2], NULL, 10));
        if (r < 0)
                fprintf(stderr, "hobble-example: %s\n", strerror(-r));
        sd_event_unref(example.event);
        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
