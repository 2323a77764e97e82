/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "explain.h"
#include "clock.h"
#include "control.h"
#include "explain-text.h"
#include "macro.h"
#include "manager-internal.h"
#include "subject-text.h"
#include "text.h"
#include "whereabouts.h"

#include <stdio.h>
#include <string.h>

/* A longer line of ancestors is not followed to its end. */
#define ANCESTORS_MAX 64U

/* What a request is called as a source, see struct request. */
#define BY_HAND "hobblectl hobble "

const char *explain_verdict_name(enum explain_verdict verdict)
{
        static const char *const names[] = {
                [EXPLAIN_HOBBLED] = "hobbled",     [EXPLAIN_MEMBER] = "member",
                [EXPLAIN_IN_PLACE] = "in-place",   [EXPLAIN_WAITING] = "waiting",
                [EXPLAIN_EXEMPT] = "exempt",       [EXPLAIN_RELEASED] = "released",
                [EXPLAIN_FAILED] = "failed",       [EXPLAIN_FOREIGN] = "other-instance",
                [EXPLAIN_NOT_NAMED] = "not-named",
        };

        _Static_assert(ELEMENTSOF(names) == EXPLAIN_VERDICT_MAX, "a name for each verdict");
        return names[verdict];
}

/* One question, on its way to the answer. */
struct inquiry {
        struct manager *m;
        struct explanation *x;
        struct explain_facts f;
        const struct roster_entry *entry; /* of the process, or of the nearest one above it that is named */
        struct hobble_process over;
        char user[64], asker[64], place[4096], unit[SUBJECT_UNIT_MAX], instance[80];
};

/* -- Facts ------------------------------------------------------------------------------------- */

/* A clause that may contain anything, or be too long. */
static void set_reason(struct inquiry *q, const char *reason)
{
        size_t size = sizeof(q->x->reason), n = strlen(reason);

        if (n < size && line_is_text(reason, n))
                strcpy(q->x->reason, reason);
        else
                escape_text(reason, n, q->x->reason, size);
}

static void set_request(struct inquiry *q, const struct request *request)
{
        q->f.by_hand = true;
        q->f.asker = whereabouts_user(request->uid, q->asker, sizeof(q->asker));
        q->f.asked_usec = request->since_usec;
        q->x->until_usec = request->until_usec;
}

static void set_tarpit(struct inquiry *q, const struct tarpit *t)
{
        if (!t)
                return;
        q->x->tarpit = t->name;
        q->f.duty = t->duty;
        q->f.paused = t->paused;
}

/* What names a process (pid, start_time), and who asked for that where it is a request. */
static void set_source(struct inquiry *q, const char *source, pid_t pid, uint64_t start_time)
{
        const struct request *request;
        enum request_kind kind;

        q->x->source = source;
        if (!source || strncmp(source, BY_HAND, strlen(BY_HAND)) != 0)
                return;
        source += strlen(BY_HAND);
        if (request_kind_of(source, &kind) < 0)
                return;
        request = requests_find(control_requests(q->m), REQUEST_HOBBLE, kind, source, pid, start_time);
        if (request)
                set_request(q, request);
}

/* A zombie has ended as well, only that its parent does not know yet. */
static bool has_ended(const struct hobble_process *p)
{
        return p->state == 'Z' || p->state == 'X';
}

static void set_over(struct inquiry *q, pid_t pid, uint64_t start_time)
{
        q->f.over_pid = pid;
        if (hobble_process_read(pid, &q->over) >= 0 && q->over.start_time == start_time &&
            !has_ended(&q->over))
                q->f.over_comm = q->over.comm;
}

/* -- Somebody who is hobbled ------------------------------------------------------------------- */

static bool look_at_subject(struct inquiry *q)
{
        struct explanation *x = q->x;
        const struct subjects_item *item;
        hobble_subject *s;
        uint64_t start_time;
        pid_t root;

        if (hobble_engine_subject_of(q->m->engine, x->process.pid, &s) < 0 ||
            hobble_subject_status(s, &x->status) < 0)
                return false;
        item = subjects_find_handle(control_subjects(q->m), s);
        root = hobble_subject_pid(s);
        start_time = hobble_subject_start_time(s);
        x->subject = item ? item->id : 0;
        set_tarpit(q, manager_find_tarpit(q->m, hobble_subject_tarpit(s)));
        set_source(q, item ? item->source : NULL, root, start_time);

        x->verdict = EXPLAIN_MEMBER;
        if (x->status.in_place) {
                x->verdict = EXPLAIN_IN_PLACE;
                if (hobble_subject_path(s, q->place, sizeof(q->place)) >= 0)
                        q->f.place = q->place;
        } else if (root == x->process.pid && start_time == x->process.start_time) {
                x->verdict = EXPLAIN_HOBBLED;
        } else {
                set_over(q, root, start_time);
        }
        return true;
}

static bool look_at_others(struct inquiry *q)
{
        char path[4096];

        if (whereabouts_cgroup(q->x->process.pid, path, sizeof(path)) < 0 ||
            !whereabouts_instance(path, q->instance, sizeof(q->instance)) ||
            strcmp(q->instance, hobble_engine_instance(q->m->engine)) == 0)
                return false;
        q->x->verdict = EXPLAIN_FOREIGN;
        set_reason(q, q->instance);
        return true;
}

/* -- Somebody who is not ----------------------------------------------------------------------- */

/* Whether a source names it at this moment. */
static bool entry_counts(const struct roster_entry *entry, bool own)
{
        switch (entry->state) {
        case ROSTER_IDLE:
                return entry->wanted || entry->up;
        case ROSTER_WAITING:
        case ROSTER_ADDED:
        case ROSTER_FAILED:
                return true;
        case ROSTER_REFUSED:
                return own;
        case ROSTER_DROPPING:
        case ROSTER_RELEASING:
                return entry->wanted;
        default:
                return false;
        }
}

/* The tarpit that an entry is for; a tarpit that has ended may still be in it. */
static const struct tarpit *tarpit_of(const struct manager *m, const struct roster_entry *entry)
{
        for (size_t i = 0; entry && i < m->n_tarpits; i++) {
                if (m->tarpits[i] == entry->claim.tarpit)
                        return m->tarpits[i];
        }
        return NULL;
}

/* Who names it: an entry of its own, unless that only means that it belongs to one above. */
static void look_for_entry(struct inquiry *q)
{
        const struct roster_entry *own = NULL;
        struct hobble_process p = q->x->process;

        for (unsigned i = 0; i < ANCESTORS_MAX; i++) {
                const struct roster_entry *entry = roster_find(q->m->roster, p.pid, p.start_time);

                if (entry && entry_counts(entry, i == 0)) {
                        if (i == 0)
                                own = entry;
                        if (i > 0 || !entry->up)
                                q->entry = entry;
                }
                if (q->entry || p.parent <= 1 || hobble_process_read(p.parent, &p) < 0)
                        break;
        }
        if (own && !q->entry)
                q->entry = own;
        if (!q->entry)
                return;
        set_tarpit(q, tarpit_of(q->m, q->entry));
        set_source(q, q->entry->claim.source, q->entry->pid, q->entry->start_time);
        if (q->entry->pid != q->x->process.pid)
                set_over(q, q->entry->pid, q->entry->start_time);
}

/* Without a look at who was let go by hand. */
static const char *exempt_of(struct inquiry *q, const struct tarpit *t)
{
        struct manager *m = q->m;
        const struct hobble_process *p = &q->x->process;
        bool force = t && requests_match(control_requests(m), REQUEST_HOBBLE, t->name, true, p, q->x->home);

        return manager_rule_reason(m, t, p, q->x->home, force);
}

static bool look_at_exemption(struct inquiry *q)
{
        const char *reason = NULL;

        if (hobble_engine_may_hobble(q->m->engine, &q->x->process, &reason) != -EPERM)
                reason = exempt_of(q, tarpit_of(q->m, q->entry));
        else if (strcmp(reason, "is hobbled itself") == 0)
                reason = "is the daemon hobbled"; /* after "it" the words would mean something else */
        if (!reason)
                return false;
        q->x->verdict = EXPLAIN_EXEMPT;
        set_reason(q, reason);
        return true;
}

/* Who was asked for after that is hobbled all the same. */
static bool look_at_release(struct inquiry *q)
{
        const struct requests *requests = control_requests(q->m);
        const struct tarpit *t = tarpit_of(q->m, q->entry);
        const char *tarpit = t ? t->name : NULL;
        const struct request *release, *hobble;

        release = requests_match(requests, REQUEST_RELEASE, tarpit, false, &q->x->process, q->x->home);
        if (!release)
                return false;
        hobble = requests_match(requests, REQUEST_HOBBLE, tarpit, false, &q->x->process, q->x->home);
        if (hobble && hobble->id > release->id)
                return false;
        q->x->verdict = EXPLAIN_RELEASED;
        set_request(q, release);
        return true;
}

static const char *failure(int error)
{
        switch (error) {
        case -EBUSY:
                return "is a part of what somebody else hobbles";
        case -EAGAIN:
                return "is in a cgroup that somebody else has frozen, or there is no guard";
        case -EPERM:
        case -EACCES:
                return "may not be moved, or may not be hobbled";
        default:
                return NULL;
        }
}

static void set_failure(struct inquiry *q)
{
        uint64_t retry_usec = USEC_INFINITY;
        char text[128];

        q->x->verdict = EXPLAIN_FAILED;
        q->x->error = q->entry->error;
        for (size_t i = 0; q->entry->state == ROSTER_FAILED && i < q->m->n_tarpits; i++)
                retry_usec = MIN(retry_usec, q->m->tarpits[i]->host.check_usec);
        q->f.retry_usec = retry_usec;
        if (q->f.over_pid > 0)
                snprintf(text, sizeof(text), "has to wait for that one, which %s",
                         failure(q->x->error) ?: "could not be moved");
        else if (failure(q->x->error))
                snprintf(text, sizeof(text), "%s", failure(q->x->error));
        else
                snprintf(text, sizeof(text), "could not be moved (%s)", strerror(-q->x->error));
        set_reason(q, text);
}

/* What the roster knows of it. */
static bool look_at_entry(struct inquiry *q)
{
        const struct roster_entry *entry = q->entry;

        if (!entry)
                return false;
        q->x->verdict = EXPLAIN_WAITING;
        if (entry->state == ROSTER_FAILED || entry->state == ROSTER_REFUSED) {
                set_failure(q);
        } else if (entry->state == ROSTER_ADDED && entry->admitted && q->f.over_pid > 0) {
                /* It is in none of the subjects, so it was left out of that one. */
                q->x->verdict = EXPLAIN_NOT_NAMED;
                q->f.over_hobbled = true;
                set_reason(q, "was left out, as it belongs to another unit or was moved away");
        } else if (entry->waits > 0) {
                set_reason(q, "has to wait until a tree that it is a part of, or that is a part of it, has "
                              "been let go");
        }
        return true;
}

/* Somebody has just asked for it, and it was not looked at since. */
static bool look_at_request(struct inquiry *q)
{
        const struct request *request;

        request = requests_match(control_requests(q->m), REQUEST_HOBBLE, NULL, false, &q->x->process,
                                 q->x->home);
        if (!request)
                return false;
        q->x->verdict = EXPLAIN_WAITING;
        q->x->tarpit = request->tarpit;
        set_tarpit(q, control_find_tarpit(q->m, request->tarpit));
        q->x->source = request->source;
        set_request(q, request);
        return true;
}

static void look_at_rest(struct inquiry *q)
{
        q->x->verdict = EXPLAIN_NOT_NAMED;
        q->f.n_tarpits = q->m->n_tarpits;
        if (subject_unit(q->x->home, q->unit, sizeof(q->unit)))
                q->f.unit = q->unit;
}

static void look(struct inquiry *q)
{
        if (look_at_subject(q) || look_at_others(q))
                return;
        q->f.ended = has_ended(&q->x->process);
        if (q->f.ended) {
                q->x->verdict = EXPLAIN_NOT_NAMED;
                return;
        }
        look_for_entry(q);
        if (!look_at_exemption(q) && !look_at_release(q) && !look_at_entry(q) && !look_at_request(q))
                look_at_rest(q);
}

int explain(struct manager *m, pid_t pid, struct explanation *ret, sd_bus_error *error)
{
        struct explanation x = { .verdict = EXPLAIN_NOT_NAMED };
        struct inquiry q = { .m = m, .x = &x, .f.guarded = m->guarded };
        uid_t uid;

        if (pid <= 0 || hobble_process_read(pid, &x.process) < 0)
                return sd_bus_error_setf(error, CONTROL_ERROR_NO_SUCH_PROCESS, "There is no process %d",
                                         (int) pid);
        if (hobble_engine_home_of(m->engine, x.process.pid, x.home, sizeof(x.home)) < 0)
                *x.home = '\0';
        uid = whereabouts_uid(x.process.pid);
        if (uid != (uid_t) -1)
                q.f.user = whereabouts_user(uid, q.user, sizeof(q.user));
        look(&q);
        (void) explain_write(&x, &q.f, x.text, sizeof(x.text));
        *ret = x;
        return 0;
}
