/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "announce.h"
#include "container.h"
#include "message-id.h"
#include "snapshot.h"
#include "subject-text.h"
#include "text.h"
#include "timespan.h"

#include <stdio.h>
#include <string.h>

#define CGROUP_PATH_MAX 4096

/* Of a container's name, in a message. */
#define CONTAINER_SHOWN_MAX 128U

#define LABEL_MAX (SUBJECT_LABEL_MAX + CONTAINER_SHOWN_MAX + sizeof(" in container "))

/* Where a process came from, as text. */
struct origin_text {
        char unit[SUBJECT_UNIT_MAX];
        char container[CONTAINER_SHOWN_MAX]; /* escaped; "": none */
};

static struct {
        bus_news_handler fn;
        void *userdata;
} listener;

void announce_set_listener(bus_news_handler fn, void *userdata)
{
        listener.fn = fn;
        listener.userdata = userdata;
}

/* The topic fills what is left out, as it does where it says something. */
static void tell(const struct announcement *a, const char *kind, const struct message_fields *fields,
                 const char *text)
{
        const struct bus_news news = {
                .kind = kind,
                .tarpit = fields->tarpit ? fields->tarpit
                          : a->topic     ? a->topic->tarpit
                                         : NULL,
                .subject = fields->subject,
                .pid = fields->pid,
                .source = fields->source ? fields->source
                          : a->topic     ? a->topic->source
                                         : NULL,
                .text = text,
        };

        if (listener.fn)
                listener.fn(&news, listener.userdata);
}

/* How each kind is told and said; one without
 * a row is neither: a part (PART) is told of when it is a subject itself. tree
 * is what follows "process 4711 (name)", place what follows the topic's name; of both, a NULL says what the
 * event's own text says, or nothing where it has none. */
struct announcement_row {
        enum message_level level;
        const char *kind, *id, *tree, *place;
};

static const struct announcement_row rows[HOBBLE_EVENT_KIND_MAX] = {
        [HOBBLE_EVENT_ADMITTED] = { MESSAGE_INFO, "hobbled", MESSAGE_ID_HOBBLED, "hobbled",
                                    "hobbled in place" },
        [HOBBLE_EVENT_RELEASED] = { MESSAGE_INFO, "released", MESSAGE_ID_RELEASED, "released", "released" },
        [HOBBLE_EVENT_GONE] = { MESSAGE_INFO, "ended", MESSAGE_ID_ENDED, "ended", "is gone" },
        [HOBBLE_EVENT_HELD] = { MESSAGE_NOTICE, "held", MESSAGE_ID_HELD,
                                "frozen by someone else; left alone until they thaw it",
                                "is frozen by someone else; left alone until they thaw it" },
        [HOBBLE_EVENT_UNHELD] = { MESSAGE_NOTICE, "unheld", MESSAGE_ID_UNHELD,
                                  "thawed by whoever froze it; hobbling goes on",
                                  "was thawed; hobbling goes on" },
        [HOBBLE_EVENT_OUTRANKED] = { MESSAGE_WARNING, "outranked", MESSAGE_ID_OUTRANKED, NULL, NULL },
        [HOBBLE_EVENT_GUARD_READY] = { MESSAGE_NOTICE, "guard-back", MESSAGE_ID_GUARD_BACK, NULL,
                                       "a guard watches again; hobbling goes on" },
        [HOBBLE_EVENT_GUARD_LOST] = { MESSAGE_WARNING, "guard-lost", MESSAGE_ID_GUARD_LOST, NULL,
                                      "the guard has ended: everything is thawed until another one watches" },
        [HOBBLE_EVENT_FENCED] = { MESSAGE_WARNING, "rescued", MESSAGE_ID_RESCUED, NULL, NULL },
        [HOBBLE_EVENT_RETIRED] = { MESSAGE_NOTICE, "rescued", MESSAGE_ID_RESCUED, NULL,
                                   "everything was rescued by an administrator (hobblectl rescue --all): "
                                   "ending" },
        [HOBBLE_EVENT_DEGRADED] = { MESSAGE_WARNING, "degraded", MESSAGE_ID_DEGRADED, NULL, NULL },
};

static bool real_user(pid_t pid, uid_t *ret)
{
        struct snapshot_process process;

        if (snapshot_read(pid, &process) < 0)
                return false;
        *ret = process.uid;
        return true;
}

static int home_of(const hobble_engine *engine, pid_t pid, char *buf, size_t size)
{
        return engine ? hobble_engine_home_of(engine, pid, buf, size) : hobble_process_home(pid, buf, size);
}

/* Whose process it is and where it came from, while it is there. engine may be NULL. */
static void look_up(const hobble_engine *engine, struct message_fields *fields, struct origin_text *origin)
{
        char home[CGROUP_PATH_MAX], container[CONTAINER_MAX];

        *origin->container = '\0';
        if (fields->pid <= 0)
                return;
        if (message_has_fields())
                fields->has_uid = real_user(fields->pid, &fields->uid);
        if (home_of(engine, fields->pid, home, sizeof(home)) < 0)
                return;
        if (message_has_fields() && subject_unit(home, origin->unit, sizeof(origin->unit)))
                fields->unit = origin->unit;
        if (container_of_cgroup(home, container))
                escape_text(container, strlen(container), origin->container, sizeof(origin->container));
}

static void look_up_subject(const hobble_subject *subject, struct message_fields *fields,
                            struct origin_text *origin)
{
        const hobble_tarpit *tarpit = hobble_subject_tarpit(subject);

        fields->subject = hobble_subject_name(subject);
        fields->tarpit = hobble_tarpit_name(tarpit);
        look_up(hobble_tarpit_engine(tarpit), fields, origin);
        if (fields->pid <= 0 && message_has_fields() &&
            subject_unit(fields->subject, origin->unit, sizeof(origin->unit)))
                fields->unit = origin->unit;
}

/* "process 4711 (sh) in container nspawn:web" */
static void label_process(pid_t pid, const struct origin_text *origin, char label[static LABEL_MAX])
{
        size_t n;

        subject_label_process(pid, label);
        n = strlen(label);
        if (*origin->container)
                snprintf(label + n, LABEL_MAX - n, " in container %s", origin->container);
}

/* The subject's processes now, where anybody wants to know. */
static bool take_snapshot(const struct announcement *a, const struct hobble_event *event,
                          enum message_level level, struct snapshot *s)
{
        if (event->kind != HOBBLE_EVENT_ADMITTED || !message_has_tree() || !topic_has_room(a->topic, level))
                return false;
        if (a->directory)
                snapshot_take_cgroup(s, a->directory, event->processes);
        else
                snapshot_take_tree(s, event->pid, event->processes);
        return s->n > 0;
}

static void announce_tree(const struct announcement *a, const struct hobble_event *event,
                          const struct announcement_row *row, const struct message_fields *fields,
                          const struct origin_text *origin)
{
        const char *text = row->tree ? row->tree : event->text;
        char label[LABEL_MAX], said[1024];

        if (event->kind == HOBBLE_EVENT_GONE)
                snprintf(label, sizeof(label), "process %d", (int) fields->pid);
        else
                label_process(fields->pid, origin, label);

        if (!text)
                return;
        if (event->kind == HOBBLE_EVENT_ADMITTED || event->kind == HOBBLE_EVENT_RELEASED)
                snprintf(said, sizeof(said), "%s: %s, %u process%s", label, text, event->processes,
                         event->processes == 1 ? "" : "es");
        else
                snprintf(said, sizeof(said), "%s: %s", label, text);
        tell(a, row->kind, fields, said);
        topic_event(a->topic, row->level, fields, "%s", said);
}

/* Of the engine: rare, and never to be left out. */
static void announce_engine(const struct announcement *a, const struct hobble_event *event,
                            const struct announcement_row *row, const struct message_fields *fields,
                            const char *text)
{
        char said[1024];

        if (event->kind == HOBBLE_EVENT_FENCED)
                snprintf(said, sizeof(said), "%s: hobbling it again", text);
        else if (event->error)
                snprintf(said, sizeof(said), "%s (%s)", text, strerror(-event->error));
        else
                snprintf(said, sizeof(said), "%s", text);
        tell(a, row->kind, fields, said);
        message_event(row->level, fields, "%s", said);
}

/* A cgroup that is hobbled in place: the topic's name says which. */
static void announce_place(const struct announcement *a, const struct announcement_row *row,
                           const struct message_fields *fields, const char *text)
{
        tell(a, row->kind, fields, text);
        topic_event(a->topic, row->level, fields, "%s", text);
}

void announce_event(const struct announcement *a, const struct hobble_event *event)
{
        const struct announcement_row *row = rows + event->kind;
        struct message_fields fields = { .id = row->id, .source = a->source, .error = event->error };
        struct origin_text origin;
        struct snapshot snapshot;
        const char *text;

        if (event->kind < 0 || event->kind >= HOBBLE_EVENT_KIND_MAX || !row->id)
                return;
        if (event->subject) {
                fields.pid = event->pid > 0 ? event->pid : hobble_subject_pid(event->subject);
                look_up_subject(event->subject, &fields, &origin);
                if (take_snapshot(a, event, row->level, &snapshot))
                        fields.tree = &snapshot;
        }
        text = row->place ? row->place : event->text;
        if (event->subject && !a->directory)
                announce_tree(a, event, row, &fields, &origin);
        else if (event->subject && text)
                announce_place(a, row, &fields, text);
        else if (text)
                announce_engine(a, event, row, &fields, text);
}

void announce_strayed(const struct announcement *a, const char *tarpit, const char *subject, pid_t pid,
                      const char *text)
{
        struct message_fields fields = {
                .id = MESSAGE_ID_STRAY,
                .tarpit = tarpit,
                .subject = subject,
                .source = a->source,
                .pid = pid,
        };
        char label[LABEL_MAX], said[1024];
        struct origin_text origin;

        look_up(NULL, &fields, &origin);
        label_process(pid, &origin, label);
        snprintf(said, sizeof(said), "%s: %s", label, text);
        tell(a, "strayed", &fields, said);
        topic_event(a->topic, MESSAGE_WARNING, &fields, "%s", said);
}

void announce_watchdog(const struct announcement *a, const char *unit, const char *text)
{
        const struct message_fields fields = { .id = MESSAGE_ID_WATCHDOG, .unit = unit };

        tell(a, "watchdog", &fields, text);
        topic_event(a->topic, MESSAGE_WARNING, &fields, "%s", text);
}

void announce_refused(const struct announcement *a, const struct refusal *refusal)
{
        struct message_fields fields = {
                .id = MESSAGE_ID_REFUSED,
                .tarpit = refusal->tarpit,
                .subject = refusal->subject,
                .source = a->source,
                .pid = refusal->pid,
                .error = refusal->error,
        };
        const char *text = refusal->text, *kind = refusal->error == -EPERM ? "refused" : "failed";
        char label[LABEL_MAX], span[64], said[1024];
        struct origin_text origin;

        if (!text)
                text = refusal->error == -EBUSY ? "is hobbled by another instance"
                                                : strerror(-refusal->error);
        if (a->directory) {
                snprintf(said, sizeof(said), "cannot be hobbled: %s", text);
                tell(a, kind, &fields, said);
                topic_problem_event(a->topic, MESSAGE_WARNING, &fields, "%s", said);
                return;
        }
        look_up(NULL, &fields, &origin);
        label_process(refusal->pid, &origin, label);
        if (refusal->retry_usec == USEC_INFINITY)
                snprintf(said, sizeof(said), "%s: not hobbled: %s", label, text);
        else
                snprintf(said, sizeof(said), "%s: not hobbled for now: %s; trying again every %s", label,
                         text, timespan_format(refusal->retry_usec, span, sizeof(span)));
        tell(a, kind, &fields, said);
        topic_event(a->topic,
                    refusal->found && refusal->retry_usec == USEC_INFINITY ? MESSAGE_DEBUG : MESSAGE_WARNING,
                    &fields, "%s", said);
}

void announce_moved(const struct announcement *a, const hobble_subject *subject, pid_t pid, const char *where)
{
        struct message_fields fields = { .id = MESSAGE_ID_MOVED, .source = a->source, .pid = pid };
        char label[LABEL_MAX], path[CGROUP_PATH_MAX], said[CGROUP_PATH_MAX + LABEL_MAX + 128];
        struct origin_text origin;

        look_up_subject(subject, &fields, &origin);
        label_process(pid, &origin, label);
        snprintf(said, sizeof(said), "%s: was moved to %s by someone else; hobbling it again", label,
                 escape_text(where, strlen(where), path, sizeof(path)));
        tell(a, "moved", &fields, said);
        topic_event(a->topic, MESSAGE_NOTICE, &fields, "%s", said);
}

void announce_config(enum message_level level, const char *file, unsigned line, const char *text)
{
        const struct message_fields fields = {
                .id = MESSAGE_ID_CONFIG_ERROR,
                .config_file = file,
                .config_line = line,
        };
        char shown[512];

        escape_text(file, strlen(file), shown, sizeof(shown));
        if (line > 0)
                message_event(level, &fields, "%s:%u: %s", shown, line, text);
        else
                message_event(level, &fields, "%s: %s", shown, text);
}
