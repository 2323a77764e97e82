/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"
#include "keys.h"
#include "loader.h"
#include "search.h"
#include "text.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MAIN_NAME "hobbled.conf"
#define TARPIT_SUFFIX ".tarpit"
#define DROPINS_SUFFIX ".tarpit.d"

const char *config_source_name(enum config_source source)
{
        static const char *const names[CONFIG_SOURCE_MAX] = {
                [CONFIG_PIDFILE] = "PIDFile", [CONFIG_CGROUP] = "Cgroup",   [CONFIG_UNIT] = "Unit",
                [CONFIG_USER] = "User",       [CONFIG_COMMAND] = "Command", [CONFIG_EXEC] = "Exec",
        };

        return names[source];
}

/* -- Freeing ----------------------------------------------------------------------------------- */

static void free_list(struct config_list *list)
{
        for (size_t i = 0; i < list->n; i++)
                free(list->items[i].value);
        free(list->items);
}

static void free_exemptions(struct config_exemptions *exemptions)
{
        for (size_t i = 0; i < CONFIG_EXEMPT_MAX; i++)
                free_list(&exemptions->of[i]);
}

static void tarpit_done(struct config_tarpit *t)
{
        for (size_t i = 0; i < CONFIG_SOURCE_MAX; i++)
                free_list(&t->sources[i]);
        free_exemptions(&t->exempt);
        free(t->places);
        free(t->description);
        free(t->name);
}

struct config *config_free(struct config *c)
{
        if (!c)
                return NULL;
        for (size_t i = 0; i < c->n_tarpits; i++)
                tarpit_done(&c->tarpits[i]);
        for (size_t i = 0; i < c->n_findings; i++)
                free(c->findings[i].text);
        for (size_t i = 0; i < c->n_files; i++)
                free(c->files[i]);
        free_exemptions(&c->exempt);
        free(c->places);
        free(c->tarpits);
        free(c->findings);
        free(c->files);
        free(c);
        return NULL;
}

/* -- Single files ------------------------------------------------------------------------------ */

static void begin(struct loader *l)
{
        *l = (struct loader){ .config = calloc(1, sizeof(*l->config)) };
        if (!l->config)
                l->out_of_memory = true;
        else
                loader_set_defaults(l);
}

static int finish(struct loader *l, struct config **ret)
{
        if (l->out_of_memory) {
                config_free(l->config);
                return -ENOMEM;
        }
        *ret = l->config;
        return 0;
}

/* The part of a name before suffix, or 0 where it does not end so. */
static size_t stem(const char *name, size_t n, const char *suffix)
{
        return text_ends_in(name, n, suffix) ? n - strlen(suffix) : 0;
}

static void check_name(struct loader *l)
{
        if (l->out_of_memory || name_is_valid(l->tarpit->name))
                return;
        l->tarpit->broken = true;
        loader_say(l, CONFIG_ERROR, 0,
                   "a tarpit cannot have this name: up to 64 letters, digits, '_', '-' and '.', beginning "
                   "with neither of the last two; it is not used");
}

/* What kind of file is meant, by its name and that of its directory. */
static void check_file(struct loader *l, const char *path)
{
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *folder = path;
        size_t n = stem(name, strlen(name), TARPIT_SUFFIX);
        bool alone = false;

        l->tarpit = NULL;
        loader_set_file(l, path);
        if (l->out_of_memory)
                return;
        if (n == 0 && slash) {
                const char *before = memrchr(path, '/', (size_t) (slash - path));

                if (before)
                        folder = before + 1;
                n = stem(folder, (size_t) (slash - folder), DROPINS_SUFFIX);
                name = folder;
                alone = n > 0;
        }
        if (n > 0) {
                loader_add_tarpit(l, name, n);
                check_name(l);
        }

        if (loader_read(l))
                loader_say(l, CONFIG_WARNING, 0,
                           "is empty: it only hides files of its name in directories further back");
        else if (l->tarpit)
                loader_finish_tarpit(l, alone);
}

int config_load_files(struct config **ret, char *const *paths, size_t n)
{
        struct loader l;

        begin(&l);
        for (size_t i = 0; i < n && !l.out_of_memory; i++)
                check_file(&l, paths[i]);
        return finish(&l, ret);
}

/* -- Directories ------------------------------------------------------------------------------- */

static void directories_done(struct directories *directories)
{
        for (size_t i = 0; i < directories->n; i++)
                free(directories->paths[i]);
}

/* Take the directory where it can be read. Returns whether there is one. */
static bool directories_add(struct directories *directories, struct loader *l, const char *root,
                            const char *path)
{
        _cleanup_free_ char *whole = NULL;
        _cleanup_close_ int fd = -EBADF;

        if (l->out_of_memory || asprintf(&whole, "%s%s", root, path) < 0) {
                whole = NULL;
                l->out_of_memory = true;
                return true;
        }
        fd = open(whole, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0) {
                directories->paths[directories->n++] = TAKE_PTR(whole);
                return true;
        }
        if (errno == ENOENT)
                return false;
        loader_set_broken(l, whole, errno);
        return true;
}

static void directories_init(struct directories *directories, struct loader *l, const char *dir)
{
        static const char *const usual[] = { "/etc/hobbled", "/run/hobbled", "/usr/lib/hobbled" };
        const char *root = secure_getenv("HOBBLED_CONFIG_ROOT");

        *directories = (struct directories){ 0 };
        if (dir) {
                if (!directories_add(directories, l, "", dir))
                        loader_set_broken(l, dir, ENOENT);
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(usual); i++)
                (void) directories_add(directories, l, root ? root : "", usual[i]);
}

static void read_dropins(struct loader *l, const struct directories *directories, const char *name)
{
        _cleanup_(search_done) struct search dropins = { 0 };

        if (l->out_of_memory)
                return;
        search_run(&dropins, l, directories, name, ".conf");
        for (size_t i = 0; i < dropins.n && !l->out_of_memory; i++) {
                loader_set_file(l, dropins.hits[i].path);
                (void) loader_read(l);
        }
}

static void read_main(struct loader *l, const struct directories *directories)
{
        l->tarpit = NULL;
        for (size_t i = 0; i < directories->n && !l->out_of_memory; i++) {
                _cleanup_free_ char *path = NULL;
                struct stat st;

                if (asprintf(&path, "%s/" MAIN_NAME, directories->paths[i]) < 0) {
                        path = NULL;
                        l->out_of_memory = true;
                        return;
                }
                if (lstat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR))
                        continue;
                loader_set_file(l, path);
                (void) loader_read(l);
                break;
        }
        read_dropins(l, directories, MAIN_NAME ".d");
}

static void read_tarpit(struct loader *l, const struct directories *directories, const struct search_hit *hit)
{
        _cleanup_free_ char *folder = NULL;
        size_t n = l->config->n_tarpits;

        loader_set_file(l, hit->path);
        loader_add_tarpit(l, hit->name, strlen(hit->name));
        if (loader_read(l)) { /* masked: as if it were not there */
                tarpit_done(l->tarpit);
                l->config->n_tarpits = n;
                l->tarpit = NULL;
                return;
        }
        check_name(l);
        if (asprintf(&folder, "%s" DROPINS_SUFFIX, hit->name) < 0) {
                folder = NULL;
                l->out_of_memory = true;
                return;
        }
        read_dropins(l, directories, folder);
        loader_finish_tarpit(l, false);
}

/* Drop-ins that belong to nothing are mostly a slip of the pen in the directory's name. */
static void check_orphans(struct loader *l, const struct directories *directories, const struct search *mains)
{
        _cleanup_(search_done) struct search folders = { 0 };

        l->tarpit = NULL;
        search_run(&folders, l, directories, NULL, DROPINS_SUFFIX);
        for (size_t i = 0; i < folders.n && !l->out_of_memory; i++) {
                bool found = false;

                for (size_t j = 0; j < mains->n && !found; j++)
                        found = strcmp(mains->hits[j].name, folders.hits[i].name) == 0;
                if (found)
                        continue;
                loader_set_file(l, folders.hits[i].path);
                loader_say(l, CONFIG_WARNING, 0, "there is no tarpit file of this name; ignored");
        }
}

int config_load(struct config **ret, const char *dir)
{
        _cleanup_(directories_done) struct directories directories = { 0 };
        _cleanup_(search_done) struct search mains = { 0 };
        struct loader l;

        begin(&l);
        directories_init(&directories, &l, dir);
        if (!l.out_of_memory)
                read_main(&l, &directories);
        if (!l.out_of_memory) {
                l.tarpit = NULL;
                search_run(&mains, &l, &directories, NULL, TARPIT_SUFFIX);
        }
        for (size_t i = 0; i < mains.n && !l.out_of_memory; i++)
                read_tarpit(&l, &directories, &mains.hits[i]);
        if (!l.out_of_memory)
                check_orphans(&l, &directories, &mains);
        return finish(&l, ret);
}
