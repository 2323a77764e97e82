/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "source-cgroup.h"
#include "announce.h"

#include <errno.h>
#include <string.h>

/* The engine's own reason, where it has one. */
static const char *refusal(const struct source_cgroup *c, const struct probe *probe, int error)
{
        const char *reason = NULL;

        if (hobble_engine_may_hobble_cgroup(c->host->engine, probe->fd, &reason) == error && reason)
                return reason;
        switch (error) {
        case -EEXIST:
                return "is hobbled already";
        case -EAGAIN:
                return "has to wait for the guard's service";
        default:
                return strerror(-error);
        }
}

bool source_cgroup_offer(struct source_cgroup *c, const struct probe *probe)
{
        const struct source_host *host = c->host;
        const char *reason;
        int r;

        reason = host->refuse_cgroup ? host->refuse_cgroup(host->tarpit, probe->fd, host->userdata) : NULL;
        if (reason) {
                topic_problem(c->topic, MESSAGE_WARNING, "%s; not hobbled", reason);
                source_cgroup_leave(c);
                return c->subject;
        }
        if (c->subject) {
                if (c->dev == probe->st.st_dev && c->ino == probe->st.st_ino)
                        return !c->held;
                source_cgroup_leave(c);
                return true; /* its end leads to another look */
        }

        r = hobble_tarpit_add_cgroup(host->tarpit, probe->fd, c->userdata, &c->subject);
        if (r < 0) {
                c->subject = NULL;
                topic_problem(c->topic, MESSAGE_WARNING, "%s; not hobbled for now", refusal(c, probe, r));
                return false;
        }
        c->releasing = c->held = false;
        c->dev = probe->st.st_dev;
        c->ino = probe->st.st_ino;
        return true;
}

void source_cgroup_leave(struct source_cgroup *c)
{
        if (!c->subject || c->releasing)
                return;
        c->releasing = true;
        hobble_subject_release(c->subject);
}

bool source_cgroup_event(struct source_cgroup *c, const struct hobble_event *event)
{
        const struct announcement a = { .topic = c->topic, .directory = c->path };

        switch (event->kind) {
        case HOBBLE_EVENT_ADMITTED:
                topic_solved(c->topic, "is in order now");
                announce_event(&a, event);
                return false;
        case HOBBLE_EVENT_FAILED:
                c->subject = NULL;
                announce_refused(&a, &(struct refusal){ .error = event->error, .text = event->text });
                return true;
        case HOBBLE_EVENT_RELEASED:
                c->subject = NULL;
                announce_event(&a, event);
                return true;
        case HOBBLE_EVENT_GONE:
                c->subject = NULL;
                return true;
        case HOBBLE_EVENT_HELD:
        case HOBBLE_EVENT_UNHELD:
                c->held = event->kind == HOBBLE_EVENT_HELD;
                announce_event(&a, event);
                return c->held;
        default:
                announce_event(&a, event);
                return false;
        }
}
