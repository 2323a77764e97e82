/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "members.h"
#include "clock.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

/* After this many rounds every number is looked at again, whether it is still the same process. */
#define REVIEW_ROUNDS 16U

static int look(pid_t number, uint64_t known, struct binding_fact *ret, void *userdata)
{
        struct members *m = userdata;
        struct hobble_process process, after;
        int r;

        r = hobble_process_read(number, &process);
        if (r < 0)
                return r;
        *ret = (struct binding_fact){ .pid = process.pid, .start_time = process.start_time };
        memcpy(ret->comm, process.comm, sizeof(ret->comm));
        if (known > 0 && known == process.start_time)
                return 0;

        /* The number may have got to another process since it was seen: ask about this one. */
        if (m->is_meant) {
                if (!m->is_meant(process.pid, m->userdata))
                        return -ESRCH;
                r = hobble_process_read(number, &after);
                if (r < 0 || after.start_time != process.start_time)
                        return -ESRCH;
        }
        (void) hobble_engine_may_hobble(m->host->engine, &process, &ret->refusal);
        return 0;
}

static void change(const struct binding *binding, _unused_ enum binding_state before,
                   const struct binding_fact *fact, void *userdata)
{
        struct members *m = userdata;
        char comm[64 * 4 + 4];

        if (m->is_meant || !fact || binding->state != BINDING_REFUSED)
                return;
        topic_say(m->topic, MESSAGE_WARNING, "process %d (%s) %s; not hobbled", (int) binding->pid,
                  escape_text(fact->comm, strlen(fact->comm), comm, sizeof(comm)), fact->refusal);
}

static const struct binding_handler binding_handler = { .look = look, .change = change };

/* Bind numbers until the slice is used up: new ones, or those that were bound before. */
static void members_bind(struct members *m)
{
        bool new = m->bindings.n_new > 0;
        uint64_t begin = clock_now(), now = begin;

        while (now - begin < CLOCK_SLICE_USEC && (m->bindings.n_new > 0) == new) {
                if (!bindings_step(&m->bindings, &binding_handler, m, &m->changed))
                        break;
                now = clock_now();
        }

        if (m->changed && m->bindings.n_new == 0) {
                m->changed = false;
                m->host->changed(m->host->userdata);
        }
        if (m->bindings.n_new > 0)
                return;
        (void) sd_event_source_set_enabled(m->work, SD_EVENT_OFF);
        if (m->bindings.n_verify == 0)
                return;
        (void) sd_event_source_set_time(m->timer, now + (now - begin) * VERIFY_PAUSE);
        (void) sd_event_source_set_enabled(m->timer, SD_EVENT_ONESHOT);
}

static int members_on_work(_unused_ sd_event_source *source, void *userdata)
{
        members_bind(userdata);
        return 0;
}

static int members_on_time(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata)
{
        members_bind(userdata);
        return 0;
}

int members_init(struct members *m, const struct source_host *host, struct topic *topic,
                 bool (*is_meant)(pid_t pid, void *userdata), void *userdata)
{
        int r;

        *m = (struct members){ .host = host, .topic = topic, .is_meant = is_meant, .userdata = userdata };
        r = sd_event_add_defer(host->event, &m->work, members_on_work, m);
        if (r >= 0)
                r = sd_event_source_set_enabled(m->work, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(m->work, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_event_add_time(host->event, &m->timer, CLOCK_MONOTONIC, 0, USEC_PER_MSEC,
                                      members_on_time, m);
        if (r >= 0)
                r = sd_event_source_set_enabled(m->timer, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(m->timer, SD_EVENT_PRIORITY_IDLE);
        return r;
}

void members_done(struct members *m)
{
        m->work = sd_event_source_disable_unref(m->work);
        m->timer = sd_event_source_disable_unref(m->timer);
        bindings_done(&m->bindings);
}

int members_take(struct members *m, const pid_t *numbers, size_t n, enum members_news news)
{
        unsigned flags = BINDINGS_RETRY;
        int r;

        if (news == MEMBERS_NAMED || ++m->rounds % REVIEW_ROUNDS == 0)
                flags |= BINDINGS_VERIFY;
        r = bindings_merge(&m->bindings, numbers, n, flags, clock_now());
        if (r < 0)
                return r;
        m->changed |= r > 0;
        if (m->changed || m->bindings.n_new + m->bindings.n_verify > 0)
                (void) sd_event_source_set_enabled(m->work, SD_EVENT_ON);
        return 0;
}

void members_clear(struct members *m)
{
        bool any = m->bindings.n > 0;

        bindings_done(&m->bindings);
        m->changed = false;
        if (any)
                m->host->changed(m->host->userdata);
}

int members_for_each(const struct members *m, source_process_fn fn, void *userdata)
{
        return bindings_for_each(&m->bindings, fn, userdata);
}

void members_process_ended(struct members *m, pid_t pid, uint64_t start_time)
{
        if (!bindings_suspect(&m->bindings, pid, start_time))
                return;
        (void) sd_event_source_set_enabled(m->work, SD_EVENT_ON);
}
