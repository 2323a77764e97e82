/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Settings of a tarpit that are asked for by hand: a drop-in, in force at once. */

#include "config.h"
#include "control.h"
#include "file.h"
#include "macro.h"
#include "manager-internal.h"
#include "text.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SHOWN_MAX 256U
#define DROPIN_SIZE_MAX 65536U
#define SETTINGS_MAX 64U

/* The runtime one comes later in the order of names, so that it counts. */
#define PERSISTENT_DIR "/etc/hobbled"
#define PERSISTENT_NAME "90-set.conf"
#define RUNTIME_DIR "/run/hobbled"
#define RUNTIME_NAME "91-set-runtime.conf"

struct setting {
        const char *section; /* static */
        char *key, *value;
};

struct settings {
        const struct config *config;
        const char *tarpit;
        struct setting items[SETTINGS_MAX];
        size_t n;
        char *old; /* text of the drop-in as it was, that items point into */
        char *fresh[SETTINGS_MAX];
        size_t n_fresh;
};

static void settings_done(struct settings *s)
{
        for (size_t i = 0; i < s->n_fresh; i++)
                free(s->fresh[i]);
        free(s->old);
}

/* -- Keys -------------------------------------------------------------------------------------- */

struct search {
        const char *tarpit, *key;
        const char *section;
};

static int match_key(const struct config_tarpit *tarpit, const char *section, const char *key,
                     _unused_ const char *value, _unused_ const struct config_place *place, void *userdata)
{
        struct search *search = userdata;

        if (!tarpit || strcmp(tarpit->name, search->tarpit) != 0 || strcmp(key, search->key) != 0)
                return 0;
        /* Of several sections that have such a key, the one whose keys can be set. */
        if (!search->section || strcmp(section, "Tarpit") == 0 || strcmp(section, "Limits") == 0)
                search->section = section;
        return 0;
}

static int find_section(const struct settings *s, const char *key, const char **ret, sd_bus_error *error)
{
        struct search search = { .tarpit = s->tarpit, .key = key };
        char buf[SHOWN_MAX];

        (void) config_for_each(s->config, match_key, &search);
        escape_text(key, strlen(key), buf, sizeof(buf));
        if (!search.section)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "\"%s\" is no key of a tarpit: see hobbled.tarpit(5)", buf);
        *ret = strcmp(search.section, "Tarpit") == 0 ? "Tarpit" : "Limits";
        if (strcmp(search.section, "Tarpit") != 0 && strcmp(search.section, "Limits") != 0 &&
            strcmp(key, "CheckSec") != 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "%s= is a list, which can only be changed in the file", buf);
        if (strcmp(key, "CheckSec") == 0)
                *ret = "Source";
        return 0;
}

/* -- Settings ---------------------------------------------------------------------------------- */

static void forget(struct settings *s, const char *key)
{
        for (size_t i = 0; i < s->n; i++) {
                if (strcmp(s->items[i].key, key) == 0) {
                        memmove(s->items + i, s->items + i + 1, (--s->n - i) * sizeof(*s->items));
                        return;
                }
        }
}

/* Text is changed, and has to live as long. An empty value takes back what was set. */
static int assign(struct settings *s, char *text, sd_bus_error *error)
{
        char *value = strchr(text, '='), buf[SHOWN_MAX];
        const char *section;
        int r;

        if (!value || value == text || !line_is_text(text, strlen(text)))
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "\"%s\" is not KEY=VALUE",
                                         escape_text(text, strlen(text), buf, sizeof(buf)));
        *value++ = '\0';
        r = find_section(s, text, &section, error);
        if (r < 0)
                return r;
        forget(s, text);
        /* Duty= and FrozenSec= say the same. */
        if (strcmp(text, "Duty") == 0)
                forget(s, "FrozenSec");
        else if (strcmp(text, "FrozenSec") == 0)
                forget(s, "Duty");
        if (!*value)
                return 0;
        if (s->n == SETTINGS_MAX)
                return sd_bus_error_setf(error, CONTROL_ERROR_TOO_MANY, "There are too many settings");
        s->items[s->n++] = (struct setting){ section, text, value };
        return 0;
}

/* Those of the drop-in that is there; what it has beside them is none of ours. */
static int read_old(struct settings *s, int dir_fd, const char *name)
{
        char *rest;
        ssize_t n;

        s->old = malloc(DROPIN_SIZE_MAX);
        if (!s->old)
                return -ENOMEM;
        n = file_read_at(dir_fd, name, s->old, DROPIN_SIZE_MAX);
        if (n == -ENOENT)
                return 0;
        if (n < 0)
                return (int) n;
        rest = s->old;
        for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
                sd_bus_error ignored = SD_BUS_ERROR_NULL;

                if (*line && *line != '[' && *line != '#')
                        (void) assign(s, line, &ignored);
                sd_bus_error_free(&ignored);
        }
        return 0;
}

static int write_file(const struct settings *s, int dir_fd, const char *name)
{
        static const char *const sections[] = { "Tarpit", "Source", "Limits" };
        _cleanup_free_ char *text = malloc(DROPIN_SIZE_MAX);
        size_t used;
        _cleanup_close_ int fd = -EBADF;

        if (!text)
                return -ENOMEM;
        used = (size_t) snprintf(text, DROPIN_SIZE_MAX, "# Written by hobblectl set.\n");
        for (size_t i = 0; i < ELEMENTSOF(sections); i++) {
                bool headed = false;

                for (size_t k = 0; k < s->n; k++) {
                        if (strcmp(s->items[k].section, sections[i]) != 0)
                                continue;
                        used += (size_t) snprintf(text + used, DROPIN_SIZE_MAX - used, "%s%s%s%s=%s\n",
                                                  headed ? "" : "[", headed ? "" : sections[i],
                                                  headed ? "" : "]\n", s->items[k].key, s->items[k].value);
                        headed = true;
                        if (used >= DROPIN_SIZE_MAX)
                                return -E2BIG;
                }
        }
        (void) unlinkat(dir_fd, name, 0);
        fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
        /* As a service, it would be for nobody else to read. */
        return fd < 0 || fchmod(fd, 0644) < 0 ? -errno : file_write(fd, text);
}

/* As nothing is set at all, that it is ignored is no news. */
static int refuse_finding(const char *text, sd_bus_error *error)
{
        const char *end = strstr(text, "; ignored");

        return sd_bus_error_setf(error, CONTROL_ERROR_CONFIGURATION, "%.*s",
                                 (int) (end ? (size_t) (end - text) : strlen(text)), text);
}

/* Whether the new drop-in makes sense by itself. */
static int check_file(const char *path, sd_bus_error *error)
{
        struct config *c;
        int r;

        r = config_load_files(&c, (char *[]){ (char *) path }, 1);
        if (r < 0)
                return sd_bus_error_set_errno(error, r);
        if (c->n_findings > 0)
                r = refuse_finding(c->findings[0].text, error);
        config_free(c);
        return r;
}

/* -- The drop-in ------------------------------------------------------------------------------- */

/* The directory, and the name in it. */
static int choose(const struct manager *m, const struct control_caller *caller, const char *tarpit,
                  char **ret_dir, const char **ret_name, sd_bus_error *error)
{
        const char *root = getenv("HOBBLED_CONFIG_ROOT") ?: "";
        bool persistent = caller->flags & CONTROL_PERSISTENT;
        int n;

        if (m->options.config_dir && !persistent)
                return sd_bus_error_setf(
                        error, SD_BUS_ERROR_NOT_SUPPORTED,
                        "This hobbled reads %s only, where what is set is persistent: ask for "
                        "that (--persistent)",
                        m->options.config_dir);
        *ret_name = persistent ? PERSISTENT_NAME : RUNTIME_NAME;
        if (m->options.config_dir)
                n = asprintf(ret_dir, "%s/%s.tarpit.d", m->options.config_dir, tarpit);
        else
                n = asprintf(ret_dir, "%s%s/%s.tarpit.d", root, persistent ? PERSISTENT_DIR : RUNTIME_DIR,
                             tarpit);
        if (n < 0) {
                *ret_dir = NULL;
                return sd_bus_error_set_errno(error, -ENOMEM);
        }
        return 0;
}

/* Make it where it is not there, for everybody to read. Returns the descriptor, or a negative errno. */
static int open_dir(const char *dir)
{
        _cleanup_close_ int fd = -EBADF;
        bool made = mkdir(dir, 0755) >= 0;

        if (!made && errno != EEXIST)
                return -errno;
        fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || (made && fchmod(fd, 0755) < 0))
                return -errno;
        return TAKE_FD(fd);
}

static int install(const struct settings *s, const char *dir, int dir_fd, const char *name,
                   sd_bus_error *error)
{
        _cleanup_free_ char *temporary = NULL, *path = NULL;
        int r;

        if (asprintf(&temporary, "%s.new", name) < 0) {
                temporary = NULL;
                return sd_bus_error_set_errno(error, -ENOMEM);
        }
        if (asprintf(&path, "%s/%s", dir, temporary) < 0) {
                path = NULL;
                return sd_bus_error_set_errno(error, -ENOMEM);
        }
        r = write_file(s, dir_fd, temporary);
        if (r < 0)
                return sd_bus_error_set_errnof(error, r, "%s cannot be written: %s", path, strerror(-r));
        r = check_file(path, error);
        if (r >= 0 && renameat(dir_fd, temporary, dir_fd, name) < 0)
                r = sd_bus_error_set_errnof(error, -errno, "%s/%s cannot be written: %m", dir, name);
        if (r < 0)
                (void) unlinkat(dir_fd, temporary, 0);
        return r;
}

static int settings_take(struct settings *s, char *const *assignments, sd_bus_error *error)
{
        int r = 0;

        for (; *assignments && r >= 0; assignments++) {
                if (s->n_fresh == SETTINGS_MAX)
                        return sd_bus_error_setf(error, CONTROL_ERROR_TOO_MANY,
                                                 "There are too many settings");
                s->fresh[s->n_fresh] = strdup(*assignments);
                if (!s->fresh[s->n_fresh])
                        return sd_bus_error_set_errno(error, -ENOMEM);
                r = assign(s, s->fresh[s->n_fresh++], error);
        }
        return r;
}

int control_set(struct manager *m, const struct control_caller *caller, const char *tarpit,
                char *const *assignments, sd_bus_error *error)
{
        _cleanup_(settings_done) struct settings s = { .config = m->config, .tarpit = tarpit };
        _cleanup_free_ char *dir = NULL;
        _cleanup_close_ int dir_fd = -EBADF;
        const struct tarpit *t = manager_find_by_name(m, tarpit);
        const char *name = NULL;
        bool configured = false;
        int r;

        for (size_t i = 0; m->config && i < m->config->n_tarpits; i++)
                configured = configured || strcmp(m->config->tarpits[i].name, tarpit) == 0;
        if (!t || !configured) {
                char buf[SHOWN_MAX];

                return sd_bus_error_setf(error, CONTROL_ERROR_NO_SUCH_TARPIT,
                                         "No tarpit \"%s\" is configured: write its file, NAME.tarpit, first",
                                         escape_text(tarpit, strlen(tarpit), buf, sizeof(buf)));
        }
        r = choose(m, caller, tarpit, &dir, &name, error);
        if (r < 0)
                return r;
        dir_fd = open_dir(dir);
        if (dir_fd < 0)
                return sd_bus_error_set_errnof(error, dir_fd, "%s cannot be made: %s", dir,
                                               strerror(-dir_fd));
        r = read_old(&s, dir_fd, name);
        if (r < 0)
                return sd_bus_error_set_errnof(error, r, "%s/%s cannot be read: %s", dir, name, strerror(-r));
        r = settings_take(&s, assignments, error);
        if (r >= 0)
                r = install(&s, dir, dir_fd, name, error);
        return r < 0 ? r : control_reload(m, error);
}
