/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "release.h"
#include "engine.h"
#include "macro.h"
#include "origin.h"
#include "points.h"
#include "strays.h"
#include "subject.h"
#include "tarpit.h"

#include <time.h>

/* A process that is dying empties its cgroup within moments; one that does not for so long cannot be moved.
 */
#define PATIENCE_USEC (2 * USEC_PER_SEC)

struct release {
        int dir_fd;     /* the subject's, -EBADF: there is none */
        int child_fd;   /* the directory of another origin beneath it that is being emptied */
        unsigned child; /* how many of them were begun with */
        bool own;       /* so was the subject's own */
        int error;      /* of one of them */
        bool restoring; /* restore is under way */
        struct restore restore;
        struct strays strays;
        unsigned processes;
        uint64_t give_up_usec; /* 0: it goes well */
};

int release_new(struct release **ret, hobble_subject *s)
{
        struct release *r = calloc(1, sizeof(*r));

        if (!r)
                return -ENOMEM;
        r->child_fd = -EBADF;
        r->dir_fd = s->name[0] ? subject_open(s) : -EBADF;

        if (s->in_place)
                in_place_end(&s->tarpit->engine->in_place, s);
        else if (r->dir_fd >= 0)
                (void) cgroup_freeze(r->dir_fd, false);
        point("release.thawed");
        *ret = r;
        return 0;
}

struct release *release_free(struct release *r)
{
        if (!r)
                return NULL;
        if (r->restoring)
                restore_done(&r->restore);
        strays_done(&r->strays);
        close_fd(r->child_fd);
        close_fd(r->dir_fd);
        free(r);
        return NULL;
}

struct nth {
        unsigned left;
        int fd;
};

static int on_child(int dir_fd, const char *name, void *userdata)
{
        struct nth *n = userdata;

        if (n->left-- > 0)
                return 0;
        n->fd = cgroup_open(dir_fd, name);
        return 1;
}

/* The directory to empty next: those of other origins first, because the subject's own counts as populated
 * for as long as one of them is. -ENOENT: none is left. */
static int next_directory(struct release *r)
{
        struct nth n = { .left = r->child, .fd = -ENOENT };

        if (r->own)
                return -ENOENT;
        (void) cgroup_for_each_child(r->dir_fd, on_child, &n);
        r->child_fd = close_fd(r->child_fd);
        if (n.fd >= 0) {
                r->child++;
                r->child_fd = n.fd;
                return n.fd;
        }
        r->own = true;
        return r->dir_fd;
}

static void on_stray(struct restore *restore, pid_t id, void *userdata)
{
        strays_add(userdata, restore->dir_fd, restore->path, id);
}

static void end_restore(hobble_subject *s, int error)
{
        struct release *r = s->release;

        r->processes += r->restore.moved;
        restore_done(&r->restore);
        r->restoring = false;
        if (error < 0)
                r->error = error;
}

/* Returns 1: more to do, 0: all is home, or a negative errno: somebody is not. */
static int empty(hobble_subject *s, uint64_t deadline_usec)
{
        struct release *r = s->release;

        for (;;) {
                int k = 0;

                if (!r->restoring) {
                        int dir_fd = next_directory(r);

                        if (dir_fd < 0)
                                return r->error;
                        k = restore_init(&r->restore, s->tarpit->engine->root_fd, dir_fd);
                        r->restore.on_stray = on_stray;
                        r->restore.userdata = &r->strays;
                        r->restoring = true;
                }
                if (k >= 0)
                        k = restore_step(&r->restore, deadline_usec);
                if (k > 0)
                        return 1;
                end_restore(s, k);
                point("release.moved");
        }
}

/* Somebody is still there: dying, or come since. Begin again, for some time. */
static int try_again(struct release *r)
{
        uint64_t now = clock_now();

        r->child = 0;
        r->own = false;
        r->error = 0;
        if (!r->give_up_usec)
                r->give_up_usec = now + PATIENCE_USEC;
        return now < r->give_up_usec;
}

/* Returns 0 where the subject has ended, 1: more to do at once, 2: more to do after a pause. */
static int step(hobble_subject *s, uint64_t deadline_usec)
{
        struct release *r = s->release;
        int k = 0;

        if (r->dir_fd >= 0 && !s->in_place)
                k = empty(s, deadline_usec);
        if (k == 0)
                k = subject_remove_directory(s);
        if (k > 0)
                return 1;
        if (k < 0 && try_again(r))
                return 2;

        point("release.removed");
        strays_tell(&r->strays, s);
        subject_end(s, (struct hobble_event){
                               .kind = s->end_error ? HOBBLE_EVENT_FAILED : HOBBLE_EVENT_RELEASED,
                               .pid = s->pid,
                               .processes = r->processes,
                               .error = s->end_error ?: k,
                       });
        return 0;
}

void release_step(hobble_subject *s, uint64_t deadline_usec)
{
        struct worker *w = &s->tarpit->engine->worker;

        switch (step(s, deadline_usec)) {
        case 1:
                worker_enqueue(w, s);
                break;
        case 2:
                worker_enqueue_later(w, s);
                break;
        }
}

void release_now(hobble_subject *s)
{
        const struct timespec pause = { .tv_nsec = 1000 * 1000 };
        hobble_engine *e = s->tarpit->engine;

        worker_remove(&e->worker, s);
        while (step(s, 0) > 0) {
                (void) guard_link_beat(&e->guard);
                (void) nanosleep(&pause, NULL);
        }
}
