/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* limited SOCKET PID: hobble a tree in the pit of a service, with limits. Says "missing CONTROLLERS" and
 * "admitted" on lines of their own; the latter again after the service was away. Until SIGTERM. */

#include "hobble.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hobble_tarpit *tarpit;
static pid_t pid;

static void on_event(hobble_engine *engine, const struct hobble_event *event, void *userdata)
{
        (void) engine;
        (void) userdata;
        if (event->kind == HOBBLE_EVENT_ADMITTED)
                puts("admitted");
        if (event->kind == HOBBLE_EVENT_FAILED)
                printf("failed: %s\n", event->text ? event->text : strerror(-event->error));
        if (event->kind == HOBBLE_EVENT_GUARD_READY) {
                const struct hobble_limits limits = { 500000, 50, 200, 1 << 28, 1 << 29, 300 };
                const char *missing;

                if (hobble_tarpit_set_limits(tarpit, &limits, &missing) < 0)
                        puts("limits failed");
                printf("missing %s\n", missing ? missing : "nothing");
                if (hobble_tarpit_add_tree(tarpit, pid, 0, HOBBLE_PLACEMENT_SUBTREE, NULL, NULL) < 0)
                        puts("add failed");
        }
}

int main(int argc, char **argv)
{
        struct hobble_options options = { .size = sizeof(options), .handler = on_event, .rt_priority = 90 };
        hobble_engine *engine = NULL;
        sd_event *event = NULL;
        sigset_t set;
        int r = -1;

        if (argc != 3)
                return 2;
        (void) setvbuf(stdout, NULL, _IOLBF, 0);
        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGTERM);
        (void) sigprocmask(SIG_BLOCK, &set, NULL);
        options.guard_socket = argv[1];
        pid = atoi(argv[2]);

        if (sd_event_default(&event) >= 0 && sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL) >= 0 &&
            hobble_engine_new(&engine, event, &options) >= 0 &&
            hobble_tarpit_new(&tarpit, engine, "limited", &HOBBLE_DUTY_DEFAULT) >= 0)
                r = sd_event_loop(event);
        hobble_engine_free(engine);
        sd_event_unref(event);
        return r < 0;
}
