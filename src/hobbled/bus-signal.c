/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus-signal.h"
#include "bus-internal.h"
#include "clock.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

#define QUEUE_SIZE 1024U

/* How often the numbers of the manager are told. */
#define NUMBERS_USEC USEC_PER_SEC

enum signal_kind {
        SIGNAL_EVENT,
        SIGNAL_TARPIT_NEW,
        SIGNAL_TARPIT_REMOVED,
        SIGNAL_TARPIT_CHANGED,
        SIGNAL_SUBJECT_NEW,
        SIGNAL_SUBJECT_REMOVED,
        SIGNAL_KIND_MAX,
};

/* In strings are, one after the other with a NUL each: of EVENT kind, tarpit, subject, source and text; of
 * the others the tarpit's name. */
struct signal {
        enum signal_kind kind;
        uint64_t realtime_usec;
        uint32_t number; /* pid, or the subject's number */
        char *strings;
};

struct bus_signals {
        struct bus *bus;
        struct signal of[QUEUE_SIZE];
        unsigned first, n;
        unsigned long long lost, lost_told;
        sd_event_source *work, *numbers;
        uint64_t numbers_usec;
};

unsigned long long bus_signals_lost(const struct bus_signals *s)
{
        return s->lost;
}

/* -- The queue --------------------------------------------------------------------------------- */

/* Put n texts behind each other. NULL: out of memory. */
static char *join(const char *const *texts, size_t n)
{
        size_t size = 0;
        char *strings, *p;

        for (size_t i = 0; i < n; i++)
                size += strlen(texts[i]) + 1;
        p = strings = malloc(size);
        for (size_t i = 0; strings && i < n; i++)
                p = stpcpy(p, texts[i]) + 1;
        return strings;
}

static const char *next_string(const char *s)
{
        return s + strlen(s) + 1;
}

static void put(struct bus *b, enum signal_kind kind, uint32_t number, const char *const *texts, size_t n)
{
        struct bus_signals *s;
        char *strings = NULL;

        if (!b || !b->peers)
                return;
        s = b->signals;
        if (s->n < QUEUE_SIZE)
                strings = join(texts, n);
        if (!strings) {
                s->lost++;
                return;
        }
        s->of[(s->first + s->n++) % QUEUE_SIZE] = (struct signal){
                .kind = kind,
                .realtime_usec = clock_usec(CLOCK_REALTIME),
                .number = number,
                .strings = strings,
        };
        (void) sd_event_source_set_enabled(s->work, SD_EVENT_ON);
}

void bus_event(struct bus *b, const struct bus_news *news)
{
        const char *raw[] = { news->kind, news->tarpit, news->subject, news->source, news->text };
        const char *texts[ELEMENTSOF(raw)];
        char safe[ELEMENTSOF(raw)][4096];

        if (!b || !b->peers)
                return;
        for (size_t i = 0; i < ELEMENTSOF(raw); i++)
                texts[i] = raw[i] ? bus_text(raw[i], safe[i], sizeof(safe[i])) : "";
        put(b, SIGNAL_EVENT, (uint32_t) news->pid, texts, ELEMENTSOF(texts));
}

void bus_tarpit_new(struct bus *b, const struct tarpit *tarpit)
{
        put(b, SIGNAL_TARPIT_NEW, 0, (const char *const[]){ tarpit->name }, 1);
        bus_changed(b);
}

void bus_tarpit_removed(struct bus *b, const char *name)
{
        put(b, SIGNAL_TARPIT_REMOVED, 0, &name, 1);
        bus_changed(b);
}

void bus_tarpit_changed(struct bus *b, const struct tarpit *tarpit)
{
        put(b, SIGNAL_TARPIT_CHANGED, 0, (const char *const[]){ tarpit->name }, 1);
}

void bus_subject_new(struct bus *b, unsigned id)
{
        if (id == 0)
                return;
        put(b, SIGNAL_SUBJECT_NEW, id, (const char *const[]){ "" }, 1);
        bus_changed(b);
}

void bus_subject_removed(struct bus *b, unsigned id)
{
        put(b, SIGNAL_SUBJECT_REMOVED, id, (const char *const[]){ "" }, 1);
        bus_changed(b);
}

void bus_changed(struct bus *b)
{
        int enabled;

        if (!b || !b->peers)
                return;
        if (sd_event_source_get_enabled(b->signals->numbers, &enabled) >= 0 && enabled != SD_EVENT_OFF)
                return;
        (void) sd_event_source_set_time(b->signals->numbers, b->signals->numbers_usec + NUMBERS_USEC);
        (void) sd_event_source_set_enabled(b->signals->numbers, SD_EVENT_ONESHOT);
}

/* -- Sending ----------------------------------------------------------------------------------- */

static int send_event(sd_bus *to, const struct signal *signal)
{
        const char *kind = signal->strings, *tarpit = next_string(kind), *subject = next_string(tarpit),
                   *source = next_string(subject), *text = next_string(source);

        return sd_bus_emit_signal(to, BUS_PATH, BUS_INTERFACE_MANAGER, "Event", "tsssuss",
                                  signal->realtime_usec, kind, tarpit, subject, signal->number, source, text);
}

static int send_one(sd_bus *to, const struct signal *signal, const char *path)
{
        switch (signal->kind) {
        case SIGNAL_EVENT:
                return send_event(to, signal);
        case SIGNAL_TARPIT_CHANGED:
                return sd_bus_emit_properties_changed_strv(to, path, BUS_INTERFACE_TARPIT, NULL);
        case SIGNAL_TARPIT_NEW:
        case SIGNAL_TARPIT_REMOVED:
                return sd_bus_emit_signal(to, BUS_PATH, BUS_INTERFACE_MANAGER,
                                          signal->kind == SIGNAL_TARPIT_NEW ? "TarpitNew" : "TarpitRemoved",
                                          "so", signal->strings, path);
        default:
                return sd_bus_emit_signal(to, BUS_PATH, BUS_INTERFACE_MANAGER,
                                          signal->kind == SIGNAL_SUBJECT_NEW ? "SubjectNew"
                                                                             : "SubjectRemoved",
                                          "uo", signal->number, path);
        }
}

static void send_to_all(struct bus *b, const struct signal *signal)
{
        _cleanup_free_ char *path = NULL;

        if (signal->kind == SIGNAL_SUBJECT_NEW || signal->kind == SIGNAL_SUBJECT_REMOVED)
                path = bus_subject_path(signal->number);
        else
                path = bus_tarpit_path(signal->strings);
        for (struct bus_peer *p = b->peers; path && p; p = p->next) {
                if (bus_peer_has_room(p))
                        (void) send_one(p->handle, signal, path);
        }
}

static void send_numbers(struct bus *b)
{
        for (struct bus_peer *p = b->peers; p; p = p->next) {
                if (bus_peer_has_room(p))
                        (void) sd_bus_emit_properties_changed_strv(p->handle, BUS_PATH, BUS_INTERFACE_MANAGER,
                                                                   NULL);
        }
}

/* How many are left out, in their place. */
static void tell_lost(struct bus_signals *s)
{
        char text[64];

        snprintf(text, sizeof(text), "%llu signals were left out", s->lost - s->lost_told);
        s->lost_told = s->lost;
        bus_event(s->bus, &(struct bus_news){ .kind = "lost", .text = text });
}

static int on_work(_unused_ sd_event_source *source, void *userdata)
{
        struct bus_signals *s = userdata;
        uint64_t end = clock_now() + BUS_SLICE_USEC;

        do {
                struct signal *signal = s->of + s->first;

                if (s->n == 0)
                        return sd_event_source_set_enabled(s->work, SD_EVENT_OFF);
                send_to_all(s->bus, signal);
                signal->strings = (free(signal->strings), NULL);
                s->first = (s->first + 1) % QUEUE_SIZE;
                s->n--;
                if (s->lost > s->lost_told)
                        tell_lost(s);
        } while (clock_now() < end);
        return 0;
}

static int on_numbers(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata)
{
        struct bus_signals *s = userdata;

        s->numbers_usec = clock_now();
        send_numbers(s->bus);
        return 0;
}

/* -- Life -------------------------------------------------------------------------------------- */

struct bus_signals *bus_signals_new(struct bus *b)
{
        struct bus_signals *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return NULL;
        s->bus = b;
        r = sd_event_add_defer(b->event, &s->work, on_work, s);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->work, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(s->work, BUS_PRIORITY_SLICES);
        if (r >= 0)
                r = sd_event_add_time(b->event, &s->numbers, CLOCK_MONOTONIC, 0, 10 * USEC_PER_MSEC,
                                      on_numbers, s);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->numbers, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(s->numbers, BUS_PRIORITY_SLICES);
        return r < 0 ? bus_signals_free(s) : s;
}

struct bus_signals *bus_signals_free(struct bus_signals *s)
{
        if (!s)
                return NULL;
        for (unsigned i = 0; i < s->n; i++)
                free(s->of[(s->first + i) % QUEUE_SIZE].strings);
        sd_event_source_disable_unref(s->work);
        sd_event_source_disable_unref(s->numbers);
        free(s);
        return NULL;
}
