/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tree.h"
#include "macro.h"

#include <string.h>

/* Sweeps that leave the members running; sweeps in all. Each sweep of a frozen tree can only find what was
 * forked by somebody who was not in yet, a generation less each time. */
#define SWEEPS_THAWED 3
#define SWEEPS_MAX 64

/* One sweep looks at the members one after the other, and may miss what is handed from one who is still to be
 * looked at to one who was: a child whose parent ends goes to another thread or to an adopter. So one that
 * finds nothing is repeated, unless there is only one to look at. */
#define SWEEPS_QUIET 2

/* A tree that grows while it is gathered is swept up later: this only keeps the gathering from going on for
 * ever. */
#define GATHER_MAX 65536

static int pids_push(struct pids *p, pid_t pid)
{
        if (p->n == p->allocated) {
                size_t n = p->allocated ? 2 * p->allocated : 16;
                pid_t *grown = reallocarray(p->pid, n, sizeof(*grown));

                if (!grown)
                        return -ENOMEM;
                p->pid = grown;
                p->allocated = n;
        }
        p->pid[p->n++] = pid;
        return 0;
}

static int compare_pids(const void *a, const void *b)
{
        pid_t x = *(const pid_t *) a, y = *(const pid_t *) b;

        return (x > y) - (x < y);
}

static bool pids_contain(const struct pids *sorted, pid_t pid)
{
        return sorted->n > 0 && bsearch(&pid, sorted->pid, sorted->n, sizeof(pid), compare_pids);
}

void tree_init(struct tree *t, const struct tree_host *host, void *userdata, pid_t root)
{
        *t = (struct tree){ .host = host, .userdata = userdata, .root = root };
}

static void refreeze(struct tree *t, bool freeze)
{
        if (t->frozen != freeze && t->host->freeze(freeze, t->userdata) >= 0)
                t->frozen = freeze;
}

static int on_gathered(pid_t pid, void *userdata)
{
        struct tree *t = userdata;

        if (t->queue.n >= GATHER_MAX)
                return 0;
        t->error = pids_push(&t->queue, pid);
        return t->error;
}

static int gather_one(struct tree *t)
{
        if (t->queue.n == 0)
                return pids_push(&t->queue, t->root);
        if (t->at == t->queue.n) {
                t->phase = TREE_ATTACH;
                t->at = 0;
                return 0;
        }
        /* One that has ended meanwhile has no children any more. */
        (void) t->host->children(t->queue.pid[t->at++], on_gathered, t, t->userdata);
        return t->error;
}

static int attach_one(struct tree *t)
{
        int r;

        if (t->at == t->queue.n) {
                t->phase = TREE_SWEEP;
                t->queue.n = t->at = 0;
                return 0;
        }

        r = t->host->attach(t->queue.pid[t->at], true, t->userdata);
        if (r > 0)
                t->attached++;
        if (t->at++ == 0 && r <= 0)
                return r < 0 ? r : -ESRCH;
        return 0;
}

static int on_member(pid_t tid, void *userdata)
{
        struct tree *t = userdata;

        t->error = pids_push(&t->queue, tid);
        return t->error;
}

static int on_member_child(pid_t pid, void *userdata)
{
        struct tree *t = userdata;

        if (pids_contain(&t->inside, pid) || t->host->attach(pid, false, t->userdata) <= 0)
                return 0;
        t->attached++;
        t->found++;
        /* What it has forked before is looked for in this same sweep. */
        t->error = pids_push(&t->queue, pid);
        return t->error;
}

static int begin_sweep(struct tree *t)
{
        if (t->sweeps >= SWEEPS_THAWED && t->found > 0)
                refreeze(t, true);
        t->sweeps++;
        t->found = 0;
        t->queue.n = t->at = 0;
        (void) t->host->members(on_member, t, t->userdata);
        if (t->error < 0)
                return t->error;

        t->inside.n = 0;
        for (size_t i = 0; i < t->queue.n; i++) {
                int r = pids_push(&t->inside, t->queue.pid[i]);

                if (r < 0)
                        return r;
        }
        if (t->inside.n > 0)
                qsort(t->inside.pid, t->inside.n, sizeof(pid_t), compare_pids);
        return 0;
}

static int sweep_one(struct tree *t)
{
        if (t->sweeps == 0)
                return begin_sweep(t);
        if (t->at < t->queue.n) {
                (void) t->host->member_children(t->queue.pid[t->at++], on_member_child, t, t->userdata);
                return t->error;
        }
        t->quiet = t->found > 0 ? 0 : t->quiet + 1;
        if (t->quiet < (t->inside.n > 1 ? SWEEPS_QUIET : 1) && t->sweeps < SWEEPS_MAX)
                return begin_sweep(t);

        refreeze(t, false);
        t->phase = TREE_DONE;
        return 0;
}

int tree_step(struct tree *t, uint64_t deadline_usec)
{
        int r;

        do {
                switch (t->phase) {
                case TREE_GATHER:
                        r = gather_one(t);
                        break;
                case TREE_ATTACH:
                        r = attach_one(t);
                        break;
                case TREE_SWEEP:
                        r = sweep_one(t);
                        break;
                default:
                        return 0;
                }
                if (r < 0)
                        return r;
        } while (t->phase != TREE_DONE && t->host->now(t->userdata) < deadline_usec);

        return t->phase != TREE_DONE;
}

void tree_done(struct tree *t)
{
        refreeze(t, false);
        free(t->queue.pid);
        free(t->inside.pid);
        t->queue = t->inside = (struct pids){ 0 };
}
