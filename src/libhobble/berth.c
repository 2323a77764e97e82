/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "berth.h"
#include "clock.h"
#include "engine.h"
#include "file.h"
#include "macro.h"
#include "nest.h"
#include "placement.h"
#include "points.h"
#include "subject.h"
#include "tarpit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Numbers to try: an earlier life may have left directories that could not be emptied. */
#define NEST_TRIES 64U

void berths_init(struct berths *b, hobble_subject *s)
{
        *b = (struct berths){ .subject = s };
}

void berths_done(struct berths *b)
{
        for (size_t i = 0; i < b->n; i++) {
                free(b->berth[i].origin);
                close_fd(b->berth[i].dir_fd);
                close_fd(b->berth[i].procs_fd);
        }
        free(b->berth);
        free(b->path);
        *b = (struct berths){ 0 };
}

static bool frozen_by_someone(const struct berths *b, const char *origin)
{
        _cleanup_close_ int fd = cgroup_open(b->subject->tarpit->engine->root_fd, origin);

        /* The root has no such file, and cannot be frozen. */
        return fd >= 0 && cgroup_is_frozen(fd) > 0;
}

/* Nobody is attached before the origin is written. */
static int berth_mark(struct berth *b)
{
        int r = cgroup_mark_set(b->dir_fd, CGROUP_MARK_ORIGIN, b->origin);

        if (r < 0)
                return r;
        point("admit.origin");
        b->procs_fd = openat(b->dir_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        return b->procs_fd < 0 ? -errno : 0;
}

static int berth_new(struct berths *b, const char *origin, struct berth **ret)
{
        struct berth *grown = reallocarray(b->berth, b->n + 1, sizeof(*grown)), *new;

        if (!grown)
                return -ENOMEM;
        b->berth = grown;
        new = grown + b->n;
        *new = (struct berth){ .origin = strdup(origin), .dir_fd = -EBADF, .procs_fd = -EBADF };
        if (!new->origin)
                return -ENOMEM;
        b->n++;
        new->left_out = frozen_by_someone(b, origin);
        *ret = new;
        return 0;
}

/* -- The subject's own directory --------------------------------------------------------------- */

void berth_mark_since(hobble_subject *s, int dir_fd)
{
        char text[32];

        s->since_usec = clock_usec(CLOCK_REALTIME);
        snprintf(text, sizeof(text), "%llu", (unsigned long long) s->since_usec);
        (void) cgroup_mark_set(dir_fd, CGROUP_MARK_SINCE, text);
}

static void mark_root(const hobble_subject *s, int dir_fd)
{
        char text[64];

        snprintf(text, sizeof(text), "%d %llu", s->pid, (unsigned long long) s->start_time);
        (void) cgroup_mark_set(dir_fd, CGROUP_MARK_ROOT, text);
}

/* Make the subject's directory in the tarpit, with what a list shows. A name that is taken is that of a tree
 * whose root has ended and whose pid has been used again. */
static int make_directory(hobble_subject *s)
{
        hobble_tarpit *t = s->tarpit;
        int fd;

        snprintf(s->name, sizeof(s->name), "%d", s->pid);
        for (unsigned i = 2; faccessat(t->dir_fd, s->name, F_OK, 0) == 0; i++)
                snprintf(s->name, sizeof(s->name), "%d-%u", s->pid, i);
        fd = cgroup_make(t->dir_fd, s->name);
        if (fd < 0)
                return fd;
        point("admit.mkdir");
        berth_mark_since(s, fd);
        mark_root(s, fd);
        return fd;
}

/* Make the nested directory. The stand-in names it before it is there, so that a rescue finds it. */
static int nest_make(hobble_engine *e, int stand_in_fd, int host_fd, const char *host, char **ret_path)
{
        _cleanup_free_ char *path = NULL;

        for (unsigned i = 0; i < NEST_TRIES; i++) {
                int r;

                path = (free(path), NULL);
                if (asprintf(&path, "%s/" HOME_PREFIX "%s-%u", host, e->instance, ++e->nests) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                if (strlen(path) >= CGROUP_PATH_MAX)
                        return -ENAMETOOLONG;
                r = cgroup_mark_set(stand_in_fd, CGROUP_MARK_TARGET, path);
                if (r < 0)
                        return r;
                point("admit.target");
                r = cgroup_mkdir(host_fd, strrchr(path, '/') + 1);
                if (r >= 0) {
                        point("admit.nest");
                        *ret_path = TAKE_PTR(path);
                        return 0;
                }
                if (r != -EEXIST)
                        return r;
        }
        return -EEXIST;
}

/* Whether it may have members: beneath a threaded cgroup it may not. */
static int check_type(int dir_fd)
{
        char text[32];
        ssize_t n = file_read_piece_at(dir_fd, "cgroup.type", text, sizeof(text));

        if (n < 0)
                return (int) n;
        return strcmp(text, "domain\n") == 0 ? 0 : -EOPNOTSUPP;
}

/* Nest the subject in the cgroup that its root is in, or in one above it. Returns a descriptor. */
static int nest(hobble_subject *s, int stand_in_fd, const char *origin)
{
        hobble_engine *e = s->tarpit->engine;
        _cleanup_close_ int host_fd = -EBADF, fd = -EBADF;
        char host[CGROUP_PATH_MAX];
        int r;

        r = placement_host(e->root_fd, origin, host, sizeof(host));
        if (r < 0)
                return r;
        host_fd = cgroup_open(e->root_fd, host);
        if (host_fd < 0)
                return host_fd;
        r = nest_make(e, stand_in_fd, host_fd, host, &s->nest);
        if (r < 0)
                return r;

        fd = subject_open(s);
        r = fd < 0 ? fd : check_type(fd);
        /* A rescue that read the stand-in before has not seen it, and removes the stand-in alone. But a
         * rescue begins with a fence; one that begins from now on sees it. */
        if (r >= 0 && !engine_may_freeze(e))
                r = -ENODEV;
        if (r >= 0) {
                mark_root(s, fd);
                return TAKE_FD(fd);
        }
        (void) nest_remove(e->root_fd, s->nest);
        s->nest = (free(s->nest), NULL);
        return r;
}

static void tell_degraded(hobble_subject *s, int error)
{
        char text[256];

        snprintf(text, sizeof(text),
                 "cannot be hobbled within its own cgroup (%s), so it is moved out of it: it leaves its "
                 "unit's limits, and a session that it is the last process of ends",
                 error == -EAGAIN ? "cgroup.max.descendants or cgroup.max.depth is reached"
                 : error == -EOPNOTSUPP
                         ? "it is the hierarchy's root, or threaded, or belongs to another user up to the top"
                         : strerror(-error));
        subject_tell(s, (struct hobble_event){
                                .kind = HOBBLE_EVENT_DEGRADED, .pid = s->pid, .error = error, .text = text });
}

static bool wants_nest(const hobble_subject *s, const char *origin)
{
        return s->placement == HOBBLE_PLACEMENT_NESTED ||
               (s->placement == HOBBLE_PLACEMENT_AUTO &&
                placement_is_bound(s->tarpit->engine->root_fd, s->pid, origin));
}

int berths_begin(struct berths *b, const char *origin, const char **ret_reason)
{
        hobble_subject *s = b->subject;
        hobble_tarpit *t = s->tarpit;
        struct berth *first;
        int r;

        r = berth_new(b, origin, &first);
        if (r < 0)
                return r;
        if (first->left_out) {
                *ret_reason = "is in a cgroup that someone else has frozen";
                return -EAGAIN;
        }

        first->dir_fd = make_directory(s);
        if (first->dir_fd < 0)
                return first->dir_fd;
        if (wants_nest(s, origin)) {
                int fd = nest(s, first->dir_fd, origin);

                if (fd == -ENOMEM || cgroup_is_gone(fd))
                        return fd;
                if (fd < 0) {
                        tell_degraded(s, fd);
                        r = cgroup_mark_clear(first->dir_fd, CGROUP_MARK_TARGET);
                        if (r < 0)
                                return r;
                } else {
                        close_fd(first->dir_fd);
                        first->dir_fd = fd;
                }
        }

        if (s->nest)
                b->path = strdup(s->nest);
        else if (asprintf(&b->path, "%s/%s/%s", t->engine->pit_path, t->name, s->name) < 0)
                b->path = NULL;
        r = b->path ? subject_set_place(s, b->path) : -ENOMEM;
        return r < 0 ? r : berth_mark(first);
}

/* -- Those of other origins -------------------------------------------------------------------- */

/* Whether the process has to stay in its unit, which is not the root's. */
static bool is_elsewhere(const struct berths *b, const struct hobble_process *p, const char *origin)
{
        if (placement_same_unit(origin, b->berth[0].origin))
                return false;
        return b->subject->nest || placement_is_bound(b->subject->tarpit->engine->root_fd, p->pid, origin);
}

int berths_find(struct berths *b, const struct hobble_process *p, const char *origin, struct berth **ret)
{
        struct berth *new;
        char name[16];
        int r;

        for (size_t i = 0; i < b->n; i++) {
                if (strcmp(b->berth[i].origin, origin) == 0) {
                        *ret = b->berth + i;
                        return 0;
                }
        }

        r = berth_new(b, origin, &new);
        if (r < 0)
                return r;
        new->elsewhere = is_elsewhere(b, p, origin);
        new->left_out = new->left_out || new->elsewhere;
        *ret = new;
        if (new->left_out)
                return 0;
        snprintf(name, sizeof(name), "o%zu", b->n - 1);
        new->dir_fd = cgroup_make(b->berth[0].dir_fd, name);
        if (new->dir_fd < 0)
                return new->dir_fd;
        point("admit.mkdir");
        return berth_mark(new);
}
