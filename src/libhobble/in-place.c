/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "in-place.h"
#include "engine.h"
#include "file.h"
#include "macro.h"
#include "points.h"
#include "subject.h"
#include "tarpit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

/* An event is that much behind its write at most, unless the writer was kept from running in between. */
#define DOUBT_USEC USEC_PER_MSEC

int in_place_new(struct in_place **ret, hobble_subject *s, int dir_fd, const char *path)
{
        struct in_place *p;
        int fd;

        fd = openat(dir_fd, "cgroup.freeze", O_RDWR | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        p = calloc(1, sizeof(*p) + strlen(path) + 1);
        if (!p) {
                close_fd(fd);
                return -ENOMEM;
        }
        p->subject = s;
        p->dir_fd = dir_fd;
        p->freeze_fd = fd;
        p->watch = -1;
        strcpy(p->path, path);
        *ret = p;
        return 0;
}

struct in_place *in_place_free(struct in_place *p)
{
        if (!p)
                return NULL;
        close_fd(p->dir_fd);
        close_fd(p->freeze_fd);
        free(p);
        return NULL;
}

/* A tool that reads the state, freezes, and writes back what it read does so within moments; who reads
 * without that, as monitoring does, is not taken for one later. */
#define READ_AND_FREEZE_USEC (100 * USEC_PER_MSEC)

/* They close it after their freeze, and after giving back what they found. */
#define CLOSES_RETURN 2U

/* Returns 0, 1 or a negative errno. */
static int is_frozen(const struct in_place_watch *w, struct in_place *p)
{
        char value;

        p->looked_in = w->drains;
        if (pread(p->freeze_fd, &value, 1, 0) != 1)
                return errno ? -errno : -EIO;
        return value == '1';
}

static int mark(struct in_place_watch *w, const struct in_place *p)
{
        return cgroup_mark_set(p->dir_fd, CGROUP_MARK_INSTANCE, w->engine->instance);
}

static void hold(struct in_place *p, uint64_t now)
{
        hobble_subject *s = p->subject;

        /* An event comes after the write that it tells of: what was a thaw just before our own freeze looks
         * like a freeze now. */
        p->doubtful = p->frozen && now - p->written_usec < DOUBT_USEC;
        if (!p->doubtful)
                (void) cgroup_mark_clear(p->dir_fd, CGROUP_MARK_INSTANCE);
        p->held = p->wrote = true;
        p->closes = p->saw_ours_usec && now - p->saw_ours_usec < READ_AND_FREEZE_USEC ? CLOSES_RETURN : 0;
        if (s->state == SUBJECT_LIVE) {
                planner_hold(s->tarpit->planner, &s->plan, true, now);
                subject_note_frozen(s, now);
                subject_tell(s, (struct hobble_event){ .kind = HOBBLE_EVENT_HELD });
        }
}

/* Hear of what others do to it, and of their reads or not. Anybody may read it, again and again: of reads we
 * hear once between two writes of ours. */
static int listen_to(struct in_place_watch *w, struct in_place *p, bool reads)
{
        uint32_t mask = IN_MODIFY | IN_CLOSE_WRITE | (reads ? IN_ACCESS : 0U);
        char file[64];
        int watch;

        snprintf(file, sizeof(file), "/proc/self/fd/%d", p->freeze_fd);
        watch = inotify_add_watch(w->inotify_fd, file, mask);
        if (watch < 0)
                return -errno;
        p->watch = watch;
        p->hears_reads = reads;
        return 0;
}

/* Someone else read it: whether what they saw was our freeze. */
static void note_read(struct in_place_watch *w, struct in_place *p)
{
        if (p->looked_in == w->drains || !p->hears_reads)
                return;
        (void) listen_to(w, p, false);
        if (!p->held)
                p->saw_ours_usec = p->frozen ? clock_now() : 0;
}

/* It is thawed: what they had frozen or, where we had it frozen, what is ours to freeze again when its time
 * comes. */
static void go_on(struct in_place_watch *w, struct in_place *p, uint64_t now)
{
        hobble_subject *s = p->subject;
        struct planner *planner = s->tarpit->planner;

        if (s->state != SUBJECT_LIVE)
                return;
        if (p->held) {
                p->held = p->doubtful = false;
                (void) mark(w, p);
                subject_tell(s, (struct hobble_event){ .kind = HOBBLE_EVENT_UNHELD });
        } else {
                p->frozen = false;
                subject_note_frozen(s, now);
                planner_hold(planner, &s->plan, true, now);
        }
        planner_hold(planner, &s->plan, false, now);
        tarpit_set_clock(s->tarpit);
}

/* Someone else wrote to the subject's cgroup.freeze. */
static void heed(struct in_place_watch *w, struct in_place *p)
{
        uint64_t now = clock_now();
        int frozen = is_frozen(w, p);

        p->wrote = true;
        if (frozen > 0 && !p->held)
                hold(p, now);
        else if (frozen == 0)
                go_on(w, p, now);
}

/* Someone else closed it, who could write. A shell that opens it to write changes it twice, so what counts is
 * that. Who read our freeze, froze, and froze once more has given back what they found: it is ours to thaw,
 * and nobody else would. */
static void note_close(struct in_place_watch *w, struct in_place *p)
{
        if (!p->held || !TAKE(p->wrote, false) || p->closes == 0 || --p->closes > 0)
                return;
        if (p->subject->state != SUBJECT_LIVE || is_frozen(w, p) <= 0)
                return;
        (void) mark(w, p);
        p->frozen = false;
        if (file_write(p->freeze_fd, "0") >= 0)
                go_on(w, p, clock_now());
}

static struct in_place *find(struct in_place_watch *w, int watch)
{
        for (struct ilist_link *k = w->watched.first; k; k = k->next) {
                struct in_place *p = CONTAINER_OF(k, struct in_place, link);

                if (p->watch == watch)
                        return p;
        }
        return NULL;
}

/* Heed what others wrote. The events of `own` are our own doing. */
static void drain(struct in_place_watch *w, const struct in_place *own)
{
        _Alignas(struct inotify_event) char buf[4096];
        ssize_t n;

        while ((n = read(w->inotify_fd, buf, sizeof(buf))) > 0) {
                for (ssize_t i = 0; i < n;) {
                        const struct inotify_event *event = (const void *) (buf + i);
                        struct in_place *p;

                        i += (ssize_t) (sizeof(*event) + event->len);
                        p = find(w, event->wd);
                        if (!p || p == own)
                                continue;
                        if (event->mask & IN_ACCESS)
                                note_read(w, p);
                        if (event->mask & IN_MODIFY)
                                heed(w, p);
                        if (event->mask & IN_CLOSE_WRITE)
                                note_close(w, p);
                }
        }
        w->drains++;
}

static int on_write(_unused_ sd_event_source *s, _unused_ int fd, _unused_ uint32_t revents, void *userdata)
{
        drain(userdata, NULL);
        return 0;
}

static int watch(struct in_place_watch *w, struct in_place *p)
{
        int r;

        if (!w->on_write) {
                w->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
                if (w->inotify_fd < 0)
                        return -errno;
                r = sd_event_add_io(w->engine->event, &w->on_write, w->inotify_fd, EPOLLIN, on_write, w);
                if (r < 0) {
                        w->inotify_fd = close_fd(w->inotify_fd);
                        return r;
                }
                (void) sd_event_source_set_priority(w->on_write, PRIORITY_GUARD);
        }

        r = listen_to(w, p, true);
        if (r < 0)
                return r;
        ilist_append(&w->watched, &p->link);
        return 0;
}

int in_place_begin(struct in_place_watch *w, hobble_subject *s)
{
        struct in_place *p = s->in_place;
        int r;

        /* Watched first, so that nobody freezes it unseen between the look and the mark. */
        r = watch(w, p);
        if (r < 0)
                return r;
        r = is_frozen(w, p);
        if (r < 0)
                return r;
        p->held = r > 0;
        if (p->held)
                return 0;
        r = mark(w, p);
        point("admit.mark");
        return r;
}

void in_place_forget(struct in_place_watch *w, hobble_subject *s)
{
        struct in_place *p = s->in_place;

        if (!p->link.list)
                return;
        (void) inotify_rm_watch(w->inotify_fd, p->watch);
        ilist_remove(&p->link);
}

void in_place_end(struct in_place_watch *w, hobble_subject *s)
{
        struct in_place *p = s->in_place;

        if (!p->link.list)
                return;
        drain(w, NULL);
        in_place_forget(w, s);
        if (p->held && !p->doubtful)
                return;
        (void) file_write(p->freeze_fd, "0");
        point("release.written");
        (void) cgroup_mark_clear(p->dir_fd, CGROUP_MARK_INSTANCE);
}

int in_place_write(struct in_place_watch *w, hobble_subject *s, bool freeze)
{
        struct in_place *p = s->in_place;
        int r;

        drain(w, NULL);
        if (p->held)
                return -EBUSY;
        r = file_write(p->freeze_fd, freeze ? "1" : "0");
        if (r < 0)
                return r;
        p->frozen = freeze;
        p->written_usec = clock_now();
        if (!p->hears_reads)
                (void) listen_to(w, p, true);

        drain(w, p);
        /* They may have written the contrary in between; their event looked like ours. */
        if (is_frozen(w, p) != freeze)
                heed(w, p);
        drain(w, NULL);
        return 0;
}

void in_place_watch_done(struct in_place_watch *w)
{
        w->on_write = sd_event_source_disable_unref(w->on_write);
        w->inotify_fd = close_fd(w->inotify_fd);
}
