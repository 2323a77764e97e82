/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* hobblectl check-config and cat-config: what the configuration's files say, with or without a daemon. */

#include "config.h"
#include "message.h"
#include "options.h"
#include "text.h"

#include <grp.h>
#include <linux/magic.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

static int out_of_memory(void)
{
        complain("the configuration cannot be read: %s", strerror(ENOMEM));
        return STATUS_FAILED;
}

static void print_place(const struct config_place *place)
{
        char name[1024];

        (void) fputs(escape_text(place->file, strlen(place->file), name, sizeof(name)), stdout);
        if (place->line > 0)
                (void) printf(":%u", place->line);
}

/* -- check-config ------------------------------------------------------------------------------ */

static const struct option_row check_options[] = {
        { 'c', "config", "DIR", "Read DIR in the place of /etc/hobbled", OPTION_WORDS_FILES },
        { 0 },
};

/* A user or %group that has no number and is nobody's name here. */
static bool is_unknown(const char *user)
{
        const char *name = user + (*user == '%');

        if (name[strspn(name, "0123456789")] == '\0')
                return false;
        return *user == '%' ? !getgrnam(name) : !getpwnam(name);
}

static void check_users(const struct config_list *users)
{
        char name[SHOWN_MAX];

        for (size_t i = 0; i < users->n; i++) {
                const char *user = users->items[i].value;
                bool group = *user == '%';

                if (!is_unknown(user))
                        continue;
                print_place(&users->items[i].place);
                (void) printf(": warning: there is no %s \"%s\" (yet)\n", group ? "group" : "user",
                              shown(user + group, name));
        }
}

/* A file of pids, most probably. The list of a cgroup's members will do. */
static bool is_plain_file(const char *path)
{
        struct statfs fs;
        struct stat st;

        return stat(path, &st) >= 0 && S_ISREG(st.st_mode) && statfs(path, &fs) >= 0 &&
               (uint32_t) fs.f_type != CGROUP_SUPER_MAGIC && (uint32_t) fs.f_type != CGROUP2_SUPER_MAGIC;
}

static void check_cgroups(const struct config_list *cgroups)
{
        char name[SHOWN_MAX];

        for (size_t i = 0; i < cgroups->n; i++) {
                if (!is_plain_file(cgroups->items[i].value))
                        continue;
                print_place(&cgroups->items[i].place);
                (void) printf(": warning: \"%s\" is a file, not a cgroup: name it with PIDFile=\n",
                              shown(cgroups->items[i].value, name));
        }
}

static void check_host(const struct config *config)
{
        check_users(&config->exempt.of[CONFIG_EXEMPT_USER]);
        for (size_t i = 0; i < config->n_tarpits; i++) {
                check_cgroups(&config->tarpits[i].sources[CONFIG_CGROUP]);
                check_users(&config->tarpits[i].sources[CONFIG_USER]);
                check_users(&config->tarpits[i].exempt.of[CONFIG_EXEMPT_USER]);
        }
}

static int check(struct config *config)
{
        size_t errors = config->n_errors;

        for (size_t i = 0; i < config->n_findings; i++) {
                const struct config_finding *finding = &config->findings[i];

                print_place(&finding->place);
                (void) printf(": %s: %s\n", finding->severity == CONFIG_ERROR ? "error" : "warning",
                              finding->text);
        }
        check_host(config);
        config_free(config);
        return finish_output() < 0 || errors > 0 ? STATUS_FAILED : STATUS_DONE;
}

static int check_main(const struct verb *verb, int argc, char *argv[])
{
        struct option_reader reader;
        struct config *config;
        const char *dir = NULL;
        int r;

        options_begin(&reader, verb, argc, argv);
        while ((r = options_next(&reader)) > 0)
                dir = reader.value;
        if (r < 0)
                return reader.status;

        if (dir && optind < argc) {
                complain("--config and single files exclude each other");
                return usage_error(verb);
        }
        if (optind < argc)
                r = config_load_files(&config, argv + optind, (size_t) (argc - optind));
        else
                r = config_load(&config, dir);
        return r < 0 ? out_of_memory() : check(config);
}

const struct verb verb_check_config = {
        .name = "check-config",
        .arguments = "[FILE…]",
        .summary = "Say what is wrong in the configuration",
        .options = check_options,
        .words = WORDS_FILES,
        .arguments_max = -1,
        .usage_status = STATUS_USAGE,
        .main = check_main,
};

/* -- cat-config -------------------------------------------------------------------------------- */

static const struct option_row cat_options[] = {
        { 'c', "config", "DIR", "Read DIR in the place of /etc/hobbled", OPTION_WORDS_FILES },
        { 't', "tarpit", "NAME", "Show this tarpit alone", OPTION_WORDS_TARPITS },
        { 0 },
};

struct cat {
        const struct config *config;
        const char *wanted; /* a tarpit's name, NULL: everything */
        bool begun;
        const struct config_tarpit *tarpit;
        const char *section; /* printed last */
};

static void print_heading(const struct cat *cat, const struct config_tarpit *tarpit)
{
        bool broken = tarpit ? tarpit->broken : cat->config->broken;
        char name[SHOWN_MAX];

        (void) printf("# %s%s%s\n", tarpit ? "tarpit " : "hobbled", tarpit ? shown(tarpit->name, name) : "",
                      broken ? ": not used, see hobblectl check-config" : "");
}

static int cat_key(const struct config_tarpit *tarpit, const char *section, const char *key,
                   const char *value, const struct config_place *place, void *userdata)
{
        struct cat *cat = userdata;

        if (cat->wanted && (!tarpit || strcmp(tarpit->name, cat->wanted) != 0))
                return 0;
        if (!cat->begun || tarpit != cat->tarpit) {
                if (cat->begun)
                        (void) putchar('\n');
                print_heading(cat, tarpit);
                cat->section = NULL;
        }
        if (!cat->section || strcmp(section, cat->section) != 0)
                (void) printf("\n[%s]\n", section);
        cat->begun = true;
        cat->tarpit = tarpit;
        cat->section = section;

        (void) fputs("# ", stdout);
        if (place->file)
                print_place(place);
        else
                (void) fputs("default", stdout);
        (void) printf("\n%s=%s\n", key, value);
        return 0;
}

static int cat_main(const struct verb *verb, int argc, char *argv[])
{
        struct cat cat = { 0 };
        struct option_reader reader;
        struct config *config;
        const char *dir = NULL;
        char name[SHOWN_MAX];
        size_t findings;
        int r;

        options_begin(&reader, verb, argc, argv);
        while ((r = options_next(&reader)) > 0)
                *(r == 'c' ? &dir : &cat.wanted) = reader.value;
        if (r < 0)
                return reader.status;

        if (config_load(&config, dir) < 0)
                return out_of_memory();
        cat.config = config;
        (void) config_for_each(config, cat_key, &cat);
        findings = config->n_findings;
        config_free(config);
        if (finish_output() < 0)
                return STATUS_FAILED;

        if (!cat.begun) {
                complain("there is no tarpit '%s' in the configuration", shown(cat.wanted, name));
                return STATUS_NO_SUCH;
        }
        if (findings > 0)
                complain("not everything in the configuration is right: 'hobblectl check-config' tells");
        return STATUS_DONE;
}

const struct verb verb_cat_config = {
        .name = "cat-config",
        .arguments = "",
        .summary = "Show the configuration, and where it is from",
        .options = cat_options,
        .arguments_max = 0,
        .usage_status = STATUS_USAGE,
        .main = cat_main,
};
