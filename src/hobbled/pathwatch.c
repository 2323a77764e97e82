/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "pathwatch.h"
#include "macro.h"

#include <limits.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

/* What exists is watched itself, with what leads to it, for going away, and a file for changing. Only where
 * something is missing its directory is watched for its name, so that what happens to neighbours wakes nobody
 * (with IN_ATTRIB it would, too). A file that another one replaces tells that its number of links has
 * changed. */
#define MASK_WAY (IN_DELETE_SELF | IN_MOVE_SELF | IN_DONT_FOLLOW)
#define MASK_FILE (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)
#define MASK_NAMES (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR)

#define STEPS_MAX 64U

struct step {
        int wd;
        char *name; /* what matters in a directory, NULL: only itself */
};

struct pathwatch {
        sd_event_source *io;
        int fd;
        pathwatch_handler handler;
        void *userdata;
        struct step steps[STEPS_MAX];
        size_t n_steps;
        bool noticed;
};

/* Whether an event concerns the path. */
static bool event_matters(const struct pathwatch *w, const struct inotify_event *event)
{
        if (event->mask & IN_Q_OVERFLOW)
                return true;

        for (size_t i = 0; i < w->n_steps; i++) {
                const struct step *step = w->steps + i;

                if (step->wd != event->wd || event->mask & IN_IGNORED)
                        continue;
                if (event->len == 0 || (step->name && strcmp(step->name, event->name) == 0))
                        return true;
        }
        return false;
}

/* Read all events that there are, a bounded number. */
static void pathwatch_drain(struct pathwatch *w)
{
        alignas(struct inotify_event) char buf[16384];

        for (unsigned rounds = 0; rounds < 64; rounds++) {
                ssize_t n = read(w->fd, buf, sizeof(buf));

                if (n <= 0)
                        return;
                for (const char *p = buf; p < buf + n;) {
                        const struct inotify_event *event = (const void *) p;

                        w->noticed |= event_matters(w, event);
                        p += sizeof(*event) + event->len;
                }
        }
        w->noticed = true;
}

static int pathwatch_on_io(_unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t revents,
                           void *userdata)
{
        struct pathwatch *w = userdata;

        pathwatch_drain(w);
        if (w->noticed) {
                (void) sd_event_source_set_enabled(w->io, SD_EVENT_OFF);
                w->handler(w->userdata);
        }
        return 0;
}

int pathwatch_new(struct pathwatch **ret, sd_event *event, pathwatch_handler handler, void *userdata)
{
        struct pathwatch *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;
        w->handler = handler;
        w->userdata = userdata;
        w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        r = w->fd < 0 ? -errno : 0;
        if (r >= 0)
                r = sd_event_add_io(event, &w->io, w->fd, EPOLLIN, pathwatch_on_io, w);
        if (r >= 0)
                r = sd_event_source_set_enabled(w->io, SD_EVENT_OFF);
        if (r < 0) {
                pathwatch_free(w);
                return r;
        }
        *ret = w;
        return 0;
}

struct pathwatch *pathwatch_free(struct pathwatch *w)
{
        if (!w)
                return NULL;
        sd_event_source_disable_unref(w->io);
        for (size_t i = 0; i < w->n_steps; i++)
                free(w->steps[i].name);
        close_fd(w->fd);
        free(w);
        return NULL;
}

/* Add a step; the same thing can be watched for several reasons. Returns 1, 0 where there is nothing at the
 * path, or a negative errno. */
static int step_add(struct pathwatch *w, const char *path, uint32_t mask, const char *name, size_t name_size)
{
        struct step *step = w->steps + w->n_steps;

        if (w->n_steps == STEPS_MAX)
                return -ENAMETOOLONG;
        step->wd = inotify_add_watch(w->fd, path, mask | IN_MASK_ADD);
        if (step->wd < 0)
                return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
        step->name = NULL;
        if (name) {
                step->name = strndup(name, name_size);
                if (!step->name)
                        return -ENOMEM;
        }
        w->n_steps++;
        return 1;
}

/* Watch all that the path leads through, and what is missing to be made. Returns 1 where nothing is missing,
 * 0, or a negative errno. */
static int steps_add_way(struct pathwatch *w, const char *path)
{
        char part[PATH_MAX];
        const char *name = path + strspn(path, "/");
        int r;

        if (strlen(path) >= sizeof(part))
                return -ENAMETOOLONG;

        while (*name) {
                size_t before = (size_t) (name - path), size = strcspn(name, "/");

                snprintf(part, sizeof(part), "%.*s", (int) (before + size), path);
                r = step_add(w, part, MASK_WAY, NULL, 0);
                if (r < 0)
                        return r;
                if (r == 0) {
                        snprintf(part, sizeof(part), "%.*s", (int) before, before > 0 ? path : ".");
                        return MIN(step_add(w, before > 0 ? part : ".", MASK_NAMES, name, size), 0);
                }
                name += size;
                name += strspn(name, "/");
        }
        return 1;
}

/* Where the path leads through symbolic links: watch the real way, too. Returns 1, 0 where a link leads
 * nowhere, or a negative errno. */
static int steps_add_real_way(struct pathwatch *w, const char *path)
{
        _cleanup_free_ char *real = realpath(path, NULL);

        if (!real)
                return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
        return strcmp(real, path) == 0 ? 1 : steps_add_way(w, real);
}

/* Watch the file, or the directory and the files in it that matter. */
static int steps_add_end(struct pathwatch *w, const char *path, const char *const *inside)
{
        char file[PATH_MAX];
        struct stat st;
        int r = 0;

        if (stat(path, &st) < 0)
                return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
        if (S_ISREG(st.st_mode))
                return step_add(w, path, MASK_FILE, NULL, 0);
        if (!S_ISDIR(st.st_mode))
                return 0;

        for (; r >= 0 && inside && *inside; inside++) {
                if ((size_t) snprintf(file, sizeof(file), "%s/%s", path, *inside) >= sizeof(file))
                        return -ENAMETOOLONG;
                r = step_add(w, path, MASK_NAMES, *inside, strlen(*inside));
                if (r >= 0 && stat(file, &st) >= 0 && S_ISREG(st.st_mode))
                        r = step_add(w, file, MASK_FILE, NULL, 0);
        }
        return r;
}

int pathwatch_aim(struct pathwatch *w, const char *path, const char *const *inside)
{
        bool untold = false;
        int r;

        for (size_t i = 0; i < w->n_steps; i++) {
                (void) inotify_rm_watch(w->fd, w->steps[i].wd);
                free(w->steps[i].name);
        }
        w->n_steps = 0;
        pathwatch_drain(w);
        w->noticed = false;

        r = steps_add_way(w, path);
        if (r > 0) {
                r = steps_add_real_way(w, path);
                untold = r == 0;
        }
        if (r > 0)
                r = steps_add_end(w, path, inside);
        (void) sd_event_source_set_enabled(w->io, SD_EVENT_ON);
        return r < 0 ? r : untold;
}
