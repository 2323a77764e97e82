/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Completion: what there is on this host at the moment. */

#include "client.h"
#include "complete.h"
#include "config.h"
#include "hobble.h"
#include "macro.h"
#include "message.h"
#include "text.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* -- Processes, units, users ------------------------------------------------------------------- */

static void offer_user(struct completion *c, uid_t uid, const char *description)
{
        struct passwd *pw;
        char text[SHOWN_MAX];

        if (*c->word && *c->word != '@')
                return;
        pw = getpwuid(uid);
        if (pw)
                (void) snprintf(text, sizeof(text), "@%s", pw->pw_name);
        else
                (void) snprintf(text, sizeof(text), "@%u", uid);
        offer(c, text, "%s", description);
}

/* The units whose cgroups are on the path, the innermost first. */
static void offer_units(struct completion *c, char *path)
{
        static const char *const endings[] = { ".service", ".scope", ".slice" };
        char *slash;

        while ((slash = strrchr(path, '/'))) {
                const char *dot = strrchr(slash, '.');

                for (size_t i = 0; dot && i < ELEMENTSOF(endings); i++) {
                        if (dot > slash + 1 && strcmp(dot, endings[i]) == 0)
                                offer(c, slash + 1, "%s", "unit");
                }
                *slash = '\0';
        }
}

/* Each process that may be meant, of others too where root asks. */
static void each_process(struct completion *c,
                         void (*fn)(struct completion *c, const struct hobble_process *process, uid_t uid))
{
        uid_t self = geteuid();
        const struct dirent *entry;
        DIR *proc = opendir("/proc");

        while (proc && (entry = readdir(proc))) {
                struct hobble_process process;
                struct stat st;
                uint64_t pid;

                if (parse_u64(entry->d_name, &pid) < 0 || pid > INT_MAX || (pid_t) pid == getpid() ||
                    fstatat(dirfd(proc), entry->d_name, &st, 0) < 0 || (self != 0 && st.st_uid != self) ||
                    hobble_process_read((pid_t) pid, &process) < 0 || process.kernel || process.state == 'Z')
                        continue;
                fn(c, &process, st.st_uid);
        }
        if (proc)
                (void) closedir(proc);
}

static void offer_process(struct completion *c, const struct hobble_process *process, uid_t uid)
{
        char text[16];

        (void) uid;
        (void) snprintf(text, sizeof(text), "%d", process->pid);
        offer(c, text, "%s", process->comm);
}

static void offer_unit_and_user(struct completion *c, const struct hobble_process *process, uid_t uid)
{
        char home[4096];

        offer_user(c, uid, "user");
        if (*c->word != '@' && hobble_process_home(process->pid, home, sizeof(home)) >= 0)
                offer_units(c, home);
}

static bool is_number(const char *word)
{
        return *word && strspn(word, "0123456789") == strlen(word);
}

void offer_processes(struct completion *c)
{
        if (!c->remote)
                each_process(c, offer_process);
}

void offer_processes_units_and_users(struct completion *c)
{
        if (c->remote)
                return;
        if (!*c->word || is_number(c->word))
                each_process(c, offer_process);
        if (!is_number(c->word))
                each_process(c, offer_unit_and_user);
}

/* -- What is hobbled --------------------------------------------------------------------------- */

/* A cgroup by the path that it has in the file system. */
static void offer_cgroup(struct completion *c, const char *path, const char *tarpit)
{
        static const char *const mounts[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
        char text[4096];

        for (size_t i = 0; i < ELEMENTSOF(mounts); i++) {
                if (snprintf(text, sizeof(text), "%s%s", mounts[i], path) < (int) sizeof(text) &&
                    access(text, F_OK) == 0)
                        offer(c, text, "cgroup, in %s", tarpit);
        }
}

static int offer_entry(const struct hobble_entry *entry, void *userdata)
{
        struct completion *c = userdata;
        char text[16], home[4096];

        if (!entry->alive)
                return 0;
        if (entry->pid > 0) {
                (void) snprintf(text, sizeof(text), "%d", entry->pid);
                offer(c, text, "%s, in %s", entry->command, entry->tarpit);
                if (hobble_process_home(entry->pid, home, sizeof(home)) >= 0)
                        offer_units(c, home);
        } else if (*entry->subject == '/')
                offer_cgroup(c, entry->subject, entry->tarpit);
        if (entry->uid != (uid_t) -1)
                offer_user(c, entry->uid, "user");
        return 0;
}

/* What hobbled answers to a method that takes nothing, NULL: nothing. */
static sd_bus_message *ask(const struct completion *c, struct client **client, const char *method,
                           const char *wanted)
{
        sd_bus_message *reply = NULL;

        if (!*client && client_try(client, c->socket) < 0)
                return NULL;
        return client_call(*client, NULL, NULL, method, &reply, wanted, "") == 0 ? reply : NULL;
}

static void offer_requests(struct completion *c, sd_bus_message *reply)
{
        const char *id, *verb, *what, *tarpit, *who;
        uint64_t since, until;
        int persistent;

        if (!reply || sd_bus_message_enter_container(reply, 'a', "(ssssttsb)") < 0)
                return;
        while (sd_bus_message_read(reply, "(ssssttsb)", &id, &verb, &what, &tarpit, &since, &until, &who,
                                   &persistent) > 0) {
                if (strcmp(verb, "hobble") == 0)
                        offer(c, what, "asked for by hand, in %s", tarpit);
        }
}

void offer_hobbled(struct completion *c)
{
        struct client *client = NULL;
        sd_bus_message *reply;

        if (c->remote)
                return;
        (void) hobble_list(offer_entry, c);
        reply = ask(c, &client, "ListRequests", "a(ssssttsb)");
        offer_requests(c, reply);
        sd_bus_message_unref(reply);
        client_free(client);
}

static int offer_instance(const struct hobble_entry *entry, void *userdata)
{
        offer(userdata, entry->instance, "%s", entry->alive ? "alive" : "no longer alive");
        return 0;
}

void offer_instances(struct completion *c)
{
        if (!c->remote)
                (void) hobble_list(offer_instance, c);
}

/* -- Tarpits ----------------------------------------------------------------------------------- */

static int offer_tarpit_of(const struct hobble_entry *entry, void *userdata)
{
        offer(userdata, entry->tarpit, "of %s", entry->instance);
        return 0;
}

static void offer_live_tarpits(struct completion *c)
{
        const char *name, *description, *path;
        struct client *client = NULL;
        uint64_t frozen, thawed;
        unsigned subjects;
        int idle, paused;
        sd_bus_message *reply = ask(c, &client, "ListTarpits", "a(ssttbbuo)");

        if (reply && sd_bus_message_enter_container(reply, 'a', "(ssttbbuo)") >= 0) {
                while (sd_bus_message_read(reply, "(ssttbbuo)", &name, &description, &frozen, &thawed, &idle,
                                           &paused, &subjects, &path) > 0)
                        offer(c, name, "%s", description);
        }
        sd_bus_message_unref(reply);
        client_free(client);
}

void offer_tarpits(struct completion *c)
{
        struct config *config;

        if (c->remote)
                return;
        if (config_load(&config, NULL) >= 0) {
                for (size_t i = 0; i < config->n_tarpits; i++) {
                        if (!config->tarpits[i].broken)
                                offer(c, config->tarpits[i].name, "%s", config->tarpits[i].description);
                }
                config_free(config);
        }
        (void) hobble_list(offer_tarpit_of, c);
        offer_live_tarpits(c);
}

/* -- Hosts ------------------------------------------------------------------------------------- */

/* The hosts that ssh knows, but those whose names are hashed; user names before them stay. */
void offer_hosts(struct completion *c)
{
        const char *home = getenv("HOME"), *at = strrchr(c->word, '@');
        _cleanup_free_ char *path = NULL, *line = NULL;
        size_t size = 0;
        FILE *f;

        if (!home || asprintf(&path, "%s/.ssh/known_hosts", home) < 0)
                return;
        f = fopen(path, "re");
        if (!f)
                return;
        if (at)
                completion_skip(c, (size_t) (at - c->word) + 1);
        while (getline(&line, &size, f) > 0) {
                char *rest = line, *name;

                rest[strcspn(rest, " \t\n")] = '\0';
                while ((name = strsep(&rest, ",")))
                        if (*name && !strchr("#@|[-*?!", *name))
                                offer(c, name, "%s", "host");
        }
        (void) fclose(f);
}
