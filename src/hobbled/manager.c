/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cgroup-mount.h"
#include "clock.h"
#include "hierarchy-text.h"
#include "macro.h"
#include "manager-internal.h"
#include "message-id.h"
#include "timespan.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <systemd/sd-daemon.h>

#define RT_PRIORITY 90

struct tarpit *manager_find_tarpit(const struct manager *m, const hobble_tarpit *handle)
{
        for (size_t i = 0; handle && i < m->n_tarpits; i++) {
                if (m->tarpits[i]->host.tarpit == handle)
                        return m->tarpits[i];
        }
        return NULL;
}

/* -- Tarpits ----------------------------------------------------------------------------------- */

struct tarpit *manager_find_by_name(const struct manager *m, const char *name)
{
        for (size_t i = 0; i < m->n_tarpits; i++) {
                if (strcmp(m->tarpits[i]->name, name) == 0)
                        return m->tarpits[i];
        }
        return NULL;
}

static int compare_tarpits(const void *a, const void *b)
{
        struct tarpit *const *x = a, *const *y = b;

        if (tarpit_is_severer(*x, *y))
                return -1;
        return tarpit_is_severer(*y, *x) ? 1 : strcmp((*x)->name, (*y)->name);
}

/* The severest first; those of the same duty have the same rank. */
void manager_rank_tarpits(struct manager *m)
{
        if (m->n_tarpits == 0)
                return;
        qsort(m->tarpits, m->n_tarpits, sizeof(*m->tarpits), compare_tarpits);
        m->tarpits[0]->rank = 0;
        for (size_t i = 1; i < m->n_tarpits; i++)
                m->tarpits[i]->rank =
                        m->tarpits[i - 1]->rank + tarpit_is_severer(m->tarpits[i - 1], m->tarpits[i]);
}

/* The path in the hierarchy of an open cgroup directory. */
static int path_of(int dir_fd, char *buf, size_t size)
{
        char link[32];
        const char *path;
        ssize_t n;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", dir_fd);
        n = readlink(link, buf, size - 1);
        if (n < 0)
                return -errno;
        buf[n] = '\0';
        path = cgroup_mount_strip(buf);
        if (!path)
                return -ENOENT;
        memmove(buf, path, strlen(path) + 1);
        return 0;
}

static const struct config_exemptions *exemptions_of(const struct manager *m)
{
        return m->config ? &m->config->exempt : NULL;
}

const char *manager_rule_reason(struct manager *m, const struct tarpit *t,
                                const struct hobble_process *process, const char *home, bool force)
{
        return exempt_reason(m->exempt, exemptions_of(m), t ? t->exempt : NULL, process, home, force);
}

const char *manager_cgroup_rule_reason(struct manager *m, const struct tarpit *t, const char *path,
                                       bool force)
{
        return exempt_cgroup_reason(m->exempt, exemptions_of(m), t ? t->exempt : NULL, path, force);
}

static const char *refuse_cgroup(hobble_tarpit *tarpit, int dir_fd, void *userdata)
{
        struct manager *m = userdata;
        const struct tarpit *t = manager_find_tarpit(m, tarpit);
        char path[PATH_MAX];
        bool force;
        const char *reason;

        if (path_of(dir_fd, path, sizeof(path)) < 0)
                return NULL;
        force = t && requests_match_cgroup(m->requests, REQUEST_HOBBLE, t->name, true, path);
        reason = manager_cgroup_rule_reason(m, t, path, force);
        return reason || !t ? reason : manager_cgroup_release_reason(m, t, path);
}

void manager_set_tarpit(struct manager *m, const struct tarpit_settings *settings, bool named)
{
        const struct source_host host = {
                .event = m->event,
                .engine = m->engine,
                .census = m->census,
                .units = m->units,
                .changed = manager_changed,
                .refuse_cgroup = refuse_cgroup,
                .userdata = m,
        };
        struct tarpit *t = manager_find_by_name(m, settings->name), **grown;

        if (t) {
                tarpit_apply(t, settings);
                bus_tarpit_changed(m->bus, t);
                return;
        }
        grown = reallocarray(m->tarpits, m->n_tarpits + 1, sizeof(*grown));
        if (!grown) {
                topic_say(&m->topic, MESSAGE_ERROR, "tarpit \"%s\": out of memory", settings->name);
                return;
        }
        m->tarpits = grown;
        if (tarpit_new(&t, &host, settings, named) < 0)
                return;
        m->tarpits[m->n_tarpits++] = t;
        bus_tarpit_new(m->bus, t);
}

/* Those that are not configured any more, and empty. */
static void sweep_tarpits(struct manager *m)
{
        size_t n = 0;

        /* Nobody is to be asked about one that is gone. */
        if (m->resolving)
                return;
        for (size_t i = 0; i < m->n_tarpits; i++) {
                if (!tarpit_is_over(m->tarpits[i])) {
                        m->tarpits[n++] = m->tarpits[i];
                        continue;
                }
                bus_tarpit_removed(m->bus, m->tarpits[i]->name);
                tarpit_free(m->tarpits[i]);
        }
        m->n_tarpits = n;
}

bool manager_is_configured(const struct manager *m, const char *name)
{
        for (size_t i = 0; m->config && i < m->config->n_tarpits; i++) {
                if (strcmp(m->config->tarpits[i].name, name) == 0)
                        return !m->config->tarpits[i].broken;
        }
        return false;
}

/* Whether the tarpit is that of the command line's sources. */
static bool is_command_line(const struct manager *m, const char *name)
{
        return m->options.n_sources > 0 && strcmp(name, MANAGER_TARPIT) == 0;
}

static void set_tarpits(struct manager *m)
{
        const struct config *c = m->config;

        if (m->options.n_sources > 0)
                manager_set_tarpit(m,
                                   &(struct tarpit_settings){
                                           .name = MANAGER_TARPIT,
                                           .duty = m->options.duty,
                                           .check_usec = m->options.check_usec,
                                           .limits = HOBBLE_LIMITS_NONE,
                                           .paths = m->options.sources,
                                           .n_paths = m->options.n_sources,
                                   },
                                   c != NULL);
        for (size_t i = 0; c && i < m->n_tarpits; i++) {
                struct tarpit *t = m->tarpits[i];

                if (!is_command_line(m, t->name) && !manager_is_configured(m, t->name) &&
                    !manager_is_requested(m, t->name))
                        tarpit_end(t);
        }
        for (size_t i = 0; c && i < c->n_tarpits; i++) {
                const struct tarpit_settings settings = tarpit_settings_of(c->tarpits + i);

                if (is_command_line(m, settings.name))
                        topic_say(&m->topic, MESSAGE_ERROR,
                                  "tarpit \"%s\": that is the command line's; give the file another name",
                                  settings.name);
                else if (!c->tarpits[i].broken)
                        manager_set_tarpit(m, &settings, true);
        }
        manager_settle_requests(m);
        sweep_tarpits(m);
        manager_changed(m);
}

/* -- Configuration ----------------------------------------------------------------------------- */

static void say_findings(const struct config *c)
{
        for (size_t i = 0; i < c->n_findings; i++) {
                const struct config_finding *f = c->findings + i;

                announce_config(f->severity == CONFIG_ERROR ? MESSAGE_ERROR : MESSAGE_WARNING, f->place.file,
                                f->place.line, f->text);
        }
}

static int load_config(struct manager *m)
{
        int r;

        if (!m->options.configured)
                return 0;
        r = config_load(&m->config, m->options.config_dir);
        if (r < 0)
                return r;
        say_findings(m->config);
        message_set_level((enum message_level) m->config->log_level);
        return 0;
}

static void say_reload(struct manager *m, const char *text)
{
        message_event(MESSAGE_NOTICE, &(struct message_fields){ .id = MESSAGE_ID_RELOAD }, "%s", text);
        bus_event(m->bus, &(struct bus_news){ .kind = "reload", .text = text });
}

static int reload_config(struct manager *m)
{
        struct config *c = NULL, *old;
        int r;

        r = config_load(&c, m->options.config_dir);
        if (r < 0) {
                message(MESSAGE_ERROR, "the configuration cannot be read again: %s", strerror(-r));
                return r;
        }
        say_findings(c);
        m->outdated = c->n_errors > 0;
        if (m->outdated) {
                message(MESSAGE_ERROR, "the configuration has %zu error%s: the one before stays in force",
                        c->n_errors, c->n_errors == 1 ? "" : "s");
                config_free(c);
                return -EINVAL;
        }
        if (c->rt_priority != m->config->rt_priority)
                message(MESSAGE_WARNING, "RealTimePriority= comes into force at the next start");
        message_set_level((enum message_level) c->log_level);
        old = m->config;
        m->config = c;
        /* Before there is a guard there are no tarpits to bring in line. */
        if (m->began)
                set_tarpits(m);
        config_free(old);
        roster_reconsider(m->roster);
        watchdogs_forget(m->watchdogs);
        say_reload(m, "the configuration is in force as it is now");
        return 0;
}

int manager_reload(struct manager *m)
{
        int r = 0;

        status_reloading();
        if (m->config)
                r = reload_config(m);
        else
                say_reload(m, "reading all sources again");
        for (size_t i = 0; i < m->n_tarpits; i++)
                tarpit_reread(m->tarpits[i]);
        status_ready(m->status);
        return r;
}

/* -- What the engine tells and asks ------------------------------------------------------------- */

/* The ready line. */
static void say_ready(const struct manager *m)
{
        char frozen[64], thawed[64];
        const struct hobble_duty *d = &m->options.duty;
        double duty = (double) d->thawed_usec / (double) (d->frozen_usec + d->thawed_usec);
        size_t n = m->options.n_sources;

        if (n > 0)
                message(MESSAGE_NOTICE, "instance %s: hobbling %zu source%s at %s/%s (%.3g %%)",
                        hobble_engine_instance(m->engine), n, n == 1 ? "" : "s",
                        timespan_format(d->frozen_usec, frozen, sizeof(frozen)),
                        timespan_format(d->thawed_usec, thawed, sizeof(thawed)), duty * 100);
        if (m->config && m->config->n_tarpits > 0)
                message(MESSAGE_NOTICE, "instance %s: %zu tarpit%s configured",
                        hobble_engine_instance(m->engine), m->config->n_tarpits,
                        m->config->n_tarpits == 1 ? "" : "s");
        else if (m->config)
                message(MESSAGE_NOTICE, "no tarpit is configured: write /etc/hobbled/NAME.tarpit, see "
                                        "hobbled.tarpit(5), then "
                                        "\"systemctl reload hobbled\"");
}

static void on_engine_event(struct manager *m, const struct hobble_event *event)
{
        if (event->kind == HOBBLE_EVENT_GUARD_READY)
                m->guarded = true;
        else if (event->kind == HOBBLE_EVENT_GUARD_LOST)
                m->guarded = false;
        if (event->kind == HOBBLE_EVENT_GUARD_READY && !m->began) {
                m->began = true;
                set_tarpits(m);
                bus_begin(m->bus);
                say_ready(m);
        } else {
                announce_event(&(struct announcement){ .topic = &m->topic }, event);
        }
        if (event->kind == HOBBLE_EVENT_FENCED)
                manager_void(m);
        else if (event->kind == HOBBLE_EVENT_RETIRED)
                (void) sd_event_exit(m->event, 0);
        status_touch(m->status);
}

/* Note who is hobbled. */
static void note_subject(struct manager *m, const struct tarpit *t, const struct hobble_event *event)
{
        const struct subjects_item *item = subjects_find_handle(&m->subjects, event->subject);
        const struct source *s = hobble_subject_userdata(event->subject);
        const char *text = s ? manager_source_text(m, t, s) : manager_tree_source(m, event->subject);

        switch (event->kind) {
        case HOBBLE_EVENT_ADMITTED:
                if (!item)
                        bus_subject_new(
                                m->bus,
                                (unsigned) MAX(subjects_add(&m->subjects, event->subject, t, text), 0));
                break;
        case HOBBLE_EVENT_RELEASED:
        case HOBBLE_EVENT_GONE:
        case HOBBLE_EVENT_RESCUED:
        case HOBBLE_EVENT_FAILED:
                if (item) {
                        bus_subject_removed(m->bus, item->id);
                        (void) subjects_remove(&m->subjects, item->id);
                }
                break;
        default:
                break;
        }
}

static void on_event(_unused_ hobble_engine *engine, const struct hobble_event *event, void *userdata)
{
        struct manager *m = userdata;
        struct tarpit *t = manager_find_tarpit(m, event->tarpit);

        bus_changed(m->bus);
        if (!event->subject || !t) {
                on_engine_event(m, event);
                return;
        }
        note_subject(m, t, event);
        if (hobble_subject_userdata(event->subject))
                source_event(hobble_subject_userdata(event->subject), event);
        else
                manager_on_tree_event(m, t, event);
        status_touch(m->status);
}

const char *manager_exempt_reason(struct manager *m, const struct tarpit *t,
                                  const struct hobble_process *process, const char *home)
{
        bool force = t && requests_match(m->requests, REQUEST_HOBBLE, t->name, true, process, home);
        const char *reason;

        reason = manager_rule_reason(m, t, process, home, force);
        if (exempt_take_doubt(m->exempt)) {
                m->in_doubt = true;
                manager_retry_later(m);
        }
        return reason ? reason : manager_release_reason(m, t, process, home);
}

static const char *filter(hobble_tarpit *tarpit, const struct hobble_process *process, const char *home,
                          void *userdata)
{
        struct manager *m = userdata;

        return manager_exempt_reason(m, manager_find_tarpit(m, tarpit), process, home);
}

/* What `systemctl status` shows. */
static void status_text(char *buf, size_t size, void *userdata)
{
        struct manager *m = userdata;
        unsigned n = hobble_engine_subjects(m->engine);

        sweep_tarpits(m);
        if (!m->guarded)
                snprintf(buf, size, "Waiting for the guard%s",
                         m->options.guard_socket ? " (hobble-pit.service)" : "");
        else if (m->n_tarpits > 0)
                snprintf(buf, size, "Hobbling %u subject%s in %zu tarpit%s%s", n, n == 1 ? "" : "s",
                         m->n_tarpits, m->n_tarpits == 1 ? "" : "s",
                         m->outdated ? "; the new configuration has errors and is not in force" : "");
        else if (m->outdated || (m->config && m->config->n_errors > 0))
                snprintf(buf, size, "No tarpit is in force: see \"hobblectl check-config\"");
        else
                snprintf(buf, size,
                         "No tarpit is configured: write /etc/hobbled/NAME.tarpit, see hobbled.tarpit(5)");
}

/* -- Life -------------------------------------------------------------------------------------- */

static int on_summary(_unused_ sd_event_source *source, _unused_ uint64_t usec, _unused_ void *userdata)
{
        topics_flush();
        return 0;
}

/* Some topic has left lines out: tell how many in a while. */
static void on_dropped(void *userdata)
{
        struct manager *m = userdata;
        int enabled;

        if (sd_event_source_get_enabled(m->summary, &enabled) >= 0 && enabled != SD_EVENT_OFF)
                return;
        (void) sd_event_source_set_time_relative(m->summary, USEC_PER_SEC);
        (void) sd_event_source_set_enabled(m->summary, SD_EVENT_ONESHOT);
}

static int init_summary(struct manager *m)
{
        int r;

        r = sd_event_add_time(m->event, &m->summary, CLOCK_MONOTONIC, 0, 10 * USEC_PER_MSEC, on_summary, m);
        if (r >= 0)
                r = sd_event_source_set_enabled(m->summary, SD_EVENT_OFF);
        if (r >= 0)
                topics_set_handler(on_dropped, m);
        return r;
}

static void on_news(const struct bus_news *news, void *userdata)
{
        struct manager *m = userdata;

        bus_event(m->bus, news);
}

/* Where there is no system bus, units are known by the names of their cgroups. */
static int open_bus(struct manager *m)
{
        const struct bus_options options = {
                .system = m->options.configured && sd_booted() > 0,
                .nameless = m->options.config_dir != NULL,
                .socket_path = m->options.bus_socket,
                .units = m->units,
        };
        int r;

        r = bus_new(&m->bus, m->event, m, &options);
        if (r < 0)
                message(MESSAGE_ERROR, "cannot start: %s", strerror(-r));
        else
                announce_set_listener(on_news, m);
        return r;
}

/* Why an engine could not be started, for people. */
static const char *engine_failure(int error)
{
        switch (error) {
        case -EBUSY:
                return "another hobbled has this instance name: choose one with --instance=, or see "
                       "hobblectl list "
                       "--output=+INSTANCE";
        case -ENOENT:
                return "hobble-guard is neither beside hobbled nor installed";
        default:
                return hierarchy_failure(error) ?: strerror(-error);
        }
}

static int start_engine(struct manager *m)
{
        const struct hobble_options options = {
                .size = sizeof(options),
                .instance = m->options.instance,
                .guard_socket = m->options.guard_socket,
                .rt_priority = m->config ? m->config->rt_priority : RT_PRIORITY,
                .filter = filter,
                .handler = on_event,
                .userdata = m,
        };
        int r;

        r = hobble_engine_new(&m->engine, m->event, &options);
        if (r < 0)
                message(MESSAGE_ERROR, "cannot start: %s", engine_failure(r));
        return r;
}

static int init(struct manager *m)
{
        int r;

        r = topic_init(&m->topic, NULL);
        if (r >= 0)
                r = load_config(m);
        if (r >= 0)
                r = init_summary(m);
        if (r >= 0)
                r = units_new(&m->units, NULL);
        if (r >= 0)
                r = manager_init_rounds(m);
        if (r >= 0)
                r = manager_init_patrol(m);
        if (r >= 0)
                r = manager_init_requests(m);
        if (r >= 0)
                r = exempt_new(&m->exempt);
        if (r >= 0)
                r = census_new(&m->census, m->event);
        if (r >= 0)
                r = status_new(&m->status, m->event, status_text, m);
        if (r < 0) {
                message(MESSAGE_ERROR, "cannot start: %s", strerror(-r));
                return r;
        }
        r = start_engine(m);
        return r < 0 ? r : open_bus(m);
}

int manager_new(struct manager **ret, sd_event *event, const struct manager_options *options)
{
        struct manager *m = calloc(1, sizeof(*m));
        int r;

        if (!m)
                return -ENOMEM;
        m->event = sd_event_ref(event);
        m->options = *options;
        m->since_usec = clock_usec(CLOCK_REALTIME);
        r = init(m);
        if (r < 0) {
                manager_free(m);
                return r;
        }
        status_ready(m->status);
        *ret = m;
        return 0;
}

struct manager *manager_free(struct manager *m)
{
        if (!m)
                return NULL;
        if (m->engine)
                status_stopping();
        announce_set_listener(NULL, NULL);
        m->bus = bus_free(m->bus);
        for (size_t i = 0; i < m->n_tarpits; i++)
                tarpit_free(m->tarpits[i]);
        free(m->tarpits);
        m->n_tarpits = 0;
        m->engine = hobble_engine_free(m->engine);
        m->status = status_free(m->status);
        manager_done_patrol(m);
        manager_done_rounds(m);
        manager_done_requests(m);
        m->exempt = exempt_free(m->exempt);
        m->census = census_free(m->census);
        m->units = units_free(m->units);
        m->config = config_free(m->config);
        topics_set_handler(NULL, NULL);
        topic_done(&m->topic);
        sd_event_source_disable_unref(m->summary);
        sd_event_unref(m->event);
        free(m);
        return NULL;
}
