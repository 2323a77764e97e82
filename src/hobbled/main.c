/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* hobbled: options, signals, the loop. */

#include "clock.h"
#include "hobble.h"
#include "manager.h"
#include "message-id.h"
#include "message.h"
#include "text.h"
#include "timespan.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define EXIT_USAGE 2

/* Of hobble-pit.service. */
#define GUARD_SOCKET "/run/hobble-pit/socket"

/* Of hobbled.service. */
#define BUS_SOCKET "/run/hobbled/private"

#define PPM 1000000ULL

#define CHECK_MIN_USEC (100 * USEC_PER_MSEC)
#define CHECK_MAX_USEC (24 * 3600 * USEC_PER_SEC)

/* Above this, watchdogs, health checks and network peers give up on what is frozen. */
#define FROZEN_WARN_USEC (5 * USEC_PER_SEC)

struct settings {
        struct manager_options manager;
        uint64_t duty_ppm; /* 0: not given */
        bool frozen_given;
        bool done; /* --help or --version: there is nothing left to do */
};

/* One option: what it is called, what it does, what --help says. `set` returns 0 or a negative errno; for
 * -EINVAL and -ERANGE the message is "WHAT of --NAME" with the clause `wants`. */
struct option_row {
        const char *name;
        const char *argument; /* NULL: takes none */
        const char *help;
        const char *wants;
        int (*set)(struct settings *settings, const char *value);
};

static int set_frozen(struct settings *settings, const char *value)
{
        settings->frozen_given = true;
        return timespan_parse(value, &settings->manager.duty.frozen_usec);
}

static int set_thawed(struct settings *settings, const char *value)
{
        return timespan_parse(value, &settings->manager.duty.thawed_usec);
}

static int set_duty(struct settings *settings, const char *value)
{
        return percent_parse(value, &settings->duty_ppm);
}

static int set_check(struct settings *settings, const char *value)
{
        uint64_t usec;
        int r;

        r = timespan_parse(value, &usec);
        if (r < 0)
                return r;
        if (usec < CHECK_MIN_USEC || usec > CHECK_MAX_USEC)
                return -ERANGE;
        settings->manager.check_usec = usec;
        return 0;
}

static int set_freeze_idle(struct settings *settings, _unused_ const char *value)
{
        settings->manager.duty.freeze_idle = true;
        return 0;
}

static int set_instance(struct settings *settings, const char *value)
{
        settings->manager.instance = value;
        return name_is_valid(value) ? 0 : -EINVAL;
}

static int set_config(struct settings *settings, const char *value)
{
        settings->manager.configured = true;
        settings->manager.config_dir = value;
        return *value == '/' ? 0 : -EINVAL;
}

static int set_service(struct settings *settings, _unused_ const char *value)
{
        settings->manager.configured = true;
        if (!settings->manager.guard_socket)
                settings->manager.guard_socket = GUARD_SOCKET;
        if (!settings->manager.bus_socket)
                settings->manager.bus_socket = BUS_SOCKET;
        return 0;
}

static int set_bus_socket(struct settings *settings, const char *value)
{
        settings->manager.bus_socket = value;
        return *value == '/' && strlen(value) < sizeof(((struct sockaddr_un *) NULL)->sun_path) ? 0 : -EINVAL;
}

static int set_guard_socket(struct settings *settings, const char *value)
{
        settings->manager.guard_socket = value;
        return *value == '/' ? 0 : -EINVAL;
}

static int set_log_level(_unused_ struct settings *settings, const char *value)
{
        enum message_level level;
        int r;

        r = message_level_parse(value, &level);
        if (r >= 0)
                message_set_level(level);
        return r;
}

static int show_help(struct settings *settings, const char *value);

static int show_version(struct settings *settings, _unused_ const char *value)
{
        printf("hobbled %s\n", HOBBLED_VERSION);
        settings->done = true;
        return 0;
}

static const struct option_row option_rows[] = {
        { "frozen", "TIME", "how long a subject is frozen at a time (250ms)", "a time span from 0 to 60s",
          set_frozen },
        { "thawed", "TIME", "how long it is thawed then (10ms)", "a time span from 1ms to 10s", set_thawed },
        { "duty", "PERCENT", "thawed part of the time; sets --frozen=", "a percentage above 0 % up to 100 %",
          set_duty },
        { "check", "TIME", "how often to look where no change is notified (2s)",
          "a time span from 100ms to 1d", set_check },
        { "freeze-idle", NULL, "freeze everybody, not only who used too much", NULL, set_freeze_idle },
        { "instance", "NAME", "name of this hobbled (its process id)",
          "up to 64 letters, digits, '_', '-' and '.', beginning with neither of the last two",
          set_instance },
        { "config", "DIR", "read the configuration in this directory, too", "an absolute path", set_config },
        { "service", NULL, "be the host's service: read /etc/hobbled and the like", NULL, set_service },
        { "guard-socket", "PATH", "hobble in the pit of a service, which guards it", "an absolute path",
          set_guard_socket },
        { "bus-socket", "PATH", "offer org.hobbled1 at a socket there", "an absolute path of up to 107 bytes",
          set_bus_socket },
        { "log-level", "LEVEL", "error, warning, notice, info or debug (info)",
          "error, warning, notice, info or debug", set_log_level },
        { "help", NULL, "show this and exit", NULL, show_help },
        { "version", NULL, "show the version and exit", NULL, show_version },
};

static int show_help(struct settings *settings, _unused_ const char *value)
{
        printf("Usage: hobbled [OPTION...] SOURCE...\n"
               "       hobbled [OPTION...] --config=DIR|--service [SOURCE...]\n"
               "\n"
               "Slow down the process trees that each SOURCE names, until SIGINT or SIGTERM.\n"
               "SOURCE is a file of process ids, a directory with cgroup.procs or tasks in\n"
               "it, or a cgroup v2 directory.\n"
               "\n");
        for (size_t i = 0; i < ELEMENTSOF(option_rows); i++) {
                const struct option_row *row = option_rows + i;
                char left[64];

                snprintf(left, sizeof(left), "--%s%s%s", row->name, row->argument ? "=" : "",
                         row->argument ? row->argument : "");
                printf("  %-20s %s\n", left, row->help);
        }
        printf("\nSee hobbled(8).\n");
        settings->done = true;
        return 0;
}

static void say_bad_value(const struct option_row *row, const char *value)
{
        char shown[128];

        message(MESSAGE_ERROR, "--%s=\"%s\": this takes %s", row->name,
                escape_text(value, strlen(value), shown, sizeof(shown)), row->wants);
}

/* Returns 0, or -EINVAL after a message. */
static int settings_parse(struct settings *settings, int argc, char **argv)
{
        struct option options[ELEMENTSOF(option_rows) + 1] = { 0 };
        int index;

        for (size_t i = 0; i < ELEMENTSOF(option_rows); i++)
                options[i] = (struct option){
                        .name = option_rows[i].name,
                        .has_arg = option_rows[i].argument ? required_argument : no_argument,
                        .val = (int) i,
                };

        while ((index = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                const struct option_row *row;

                if (index == '?' || (size_t) index >= ELEMENTSOF(option_rows))
                        return -EINVAL; /* getopt has said why */
                row = option_rows + index;
                if (row->set(settings, optarg) < 0) {
                        say_bad_value(row, optarg);
                        return -EINVAL;
                }
                if (settings->done)
                        return 0;
        }

        settings->manager.sources = argv + optind;
        settings->manager.n_sources = (size_t) (argc - optind);
        return 0;
}

/* What options say together. Returns 0, or -EINVAL after a message. */
static int settings_check(struct settings *settings)
{
        struct hobble_duty *duty = &settings->manager.duty;

        if (settings->manager.n_sources == 0 && !settings->manager.configured) {
                message(MESSAGE_ERROR, "no SOURCE given, nor --config= or --service; see hobbled --help");
                return -EINVAL;
        }
        for (size_t i = 0; i < settings->manager.n_sources; i++) {
                if (!*settings->manager.sources[i]) {
                        message(MESSAGE_ERROR, "a SOURCE is empty");
                        return -EINVAL;
                }
        }
        if (settings->manager.instance && settings->manager.guard_socket) {
                message(MESSAGE_ERROR, "--instance= has no meaning with --guard-socket=: the instance is the "
                                       "service's, \"pit\"");
                return -EINVAL;
        }
        if (settings->duty_ppm > 0 && settings->frozen_given) {
                message(MESSAGE_ERROR, "--duty= and --frozen= say the same thing twice: give one of them");
                return -EINVAL;
        }
        if (settings->duty_ppm > 0) {
                uint64_t rest = PPM - settings->duty_ppm;

                if (__builtin_mul_overflow(duty->thawed_usec, rest, &duty->frozen_usec))
                        duty->frozen_usec = UINT64_MAX;
                else
                        duty->frozen_usec /= settings->duty_ppm;
        }
        if (hobble_duty_check(duty) < 0) {
                char frozen[64], thawed[64];

                message(MESSAGE_ERROR,
                        "%s frozen and %s thawed: frozen has to be 0 to 60s, thawed 1ms to 10s",
                        timespan_format(duty->frozen_usec, frozen, sizeof(frozen)),
                        timespan_format(duty->thawed_usec, thawed, sizeof(thawed)));
                return -EINVAL;
        }
        if (duty->frozen_usec > FROZEN_WARN_USEC)
                message(MESSAGE_WARNING, "frozen for more than 5s at a time: watchdogs, health checks and "
                                         "network peers may give up");
        return 0;
}

/* Descriptors 0 to 2 must not become those of a cgroup file that a message would be written to. */
static int open_standard_streams(void)
{
        for (int fd = 0; fd <= STDERR_FILENO; fd++) {
                if (fcntl(fd, F_GETFD) >= 0)
                        continue;
                if (open("/dev/null", O_RDWR) != fd)
                        return -EBADF;
        }
        return 0;
}

static int on_terminate(sd_event_source *source, _unused_ const struct signalfd_siginfo *info,
                        _unused_ void *userdata)
{
        message(MESSAGE_NOTICE, "releasing everything");
        return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int on_hangup(_unused_ sd_event_source *source, _unused_ const struct signalfd_siginfo *info,
                     void *userdata)
{
        (void) manager_reload(*(struct manager **) userdata);
        return 0;
}

/* Signals are blocked before the engine starts a guard, and handled in the loop. A terminal may neither end
 * hobbled nor stop it for a message. */
static int block_signals(void)
{
        sigset_t set;

        (void) signal(SIGPIPE, SIG_IGN);
        (void) signal(SIGTTOU, SIG_IGN);
        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGINT);
        (void) sigaddset(&set, SIGTERM);
        (void) sigaddset(&set, SIGHUP);
        return sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? -errno : 0;
}

static int run(const struct settings *settings)
{
        sd_event *event = NULL;
        struct manager *manager = NULL;
        int r, saved;

        r = block_signals();
        if (r >= 0)
                r = sd_event_default(&event);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGINT, on_terminate, NULL);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGTERM, on_terminate, NULL);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGHUP, on_hangup, &manager);
        if (r >= 0)
                r = sd_event_set_watchdog(event, true); /* where systemd has set one (WatchdogSec=) */
        if (r < 0)
                message(MESSAGE_ERROR, "cannot start: %s", strerror(-r));
        if (r >= 0)
                r = manager_new(&manager, event, &settings->manager);
        if (r >= 0) {
                r = sd_event_loop(event);
                if (r < 0)
                        message(MESSAGE_ERROR, "the event loop failed: %s", strerror(-r));
        }

        saved = r;
        manager_free(manager);
        sd_event_unref(event);
        return saved < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
        struct settings settings = {
                .manager = { .duty = HOBBLE_DUTY_DEFAULT, .check_usec = 2 * USEC_PER_SEC },
        };

        if (open_standard_streams() < 0)
                return EXIT_FAILURE;
        if (settings_parse(&settings, argc, argv) < 0)
                return EXIT_USAGE;
        if (settings.done)
                return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        if (settings_check(&settings) < 0)
                return EXIT_USAGE;
        return run(&settings);
}
