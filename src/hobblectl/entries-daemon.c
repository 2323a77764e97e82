/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is hobbled for whoever is not root: the homes of root's instances are closed to them, so it is the
 * daemon that tells what is in its own. */

#include "client.h"
#include "entries.h"
#include "file.h"
#include "macro.h"
#include "processes.h"
#include "rows.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* The daemon answers so many calls only before it asks its clients to wait. */
#define ASKED_MAX 100

struct telling {
        struct client *client;
        char *instance;
        struct rows rows;
        unsigned asked;
        struct processes processes; /* read once they are needed */
        struct entries *entries;
};

static void telling_done(struct telling *t)
{
        processes_done(&t->processes);
        rows_done(&t->rows);
        free(t->instance);
        (void) client_free(t->client);
}

static enum hobble_state state_of(const struct subject_row *row)
{
        return strcmp(row->state, "frozen") == 0 ? HOBBLE_FROZEN
               : strcmp(row->state, "held") == 0 ? HOBBLE_HELD
                                                 : HOBBLE_THAWED;
}

/* Where a process is; NULL: it has ended, or is not shown to us. */
static char *cgroup_of_process(uint32_t pid)
{
        char name[32], text[8192];
        struct process process = { 0 };

        (void) snprintf(name, sizeof(name), "/proc/%u/cgroup", pid);
        if (pid == 0 || file_read_at(AT_FDCWD, name, text, sizeof(text)) < 0)
                return NULL;
        return process_parse_cgroup(&process, text) < 0 ? NULL : process.cgroup;
}

static char *cgroup_the_daemon_tells(struct telling *t, const struct subject_row *row)
{
        char *cgroup = NULL;

        if (t->asked++ >= ASKED_MAX ||
            sd_bus_get_property_string(client_bus(t->client), CLIENT_NAME, row->path, CLIENT_SUBJECT,
                                       "ControlGroup", NULL, &cgroup) < 0)
                return NULL;
        return cgroup;
}

static bool is_beneath(const char *cgroup, const char *above)
{
        size_t n = strlen(above);

        return n > 0 && strncmp(cgroup, above, n) == 0 && (!cgroup[n] || cgroup[n] == '/');
}

/* The root has ended, and the daemon tells of no other: whose it is, and what it is called, is as a member
 * has it. */
static int look_at_member(struct telling *t, struct hobble_entry *entry)
{
        int r = t->processes.n == 0 ? processes_read(&t->processes) : 0;

        entry->pid = 0;
        for (size_t i = 0; i < t->processes.n; i++) {
                const struct process *p = &t->processes.items[i];

                if (is_beneath(p->cgroup, entry->cgroup)) {
                        entry->uid = p->uid;
                        entry->command = p->comm;
                        break;
                }
        }
        return r == -ENOMEM ? r : 0;
}

static int add(struct telling *t, const struct subject_row *row)
{
        _cleanup_free_ char *cgroup =
                *row->subject == '/' ? strdup(row->subject) : cgroup_of_process(row->pid);
        struct hobble_entry entry = {
                .instance = t->instance,
                .alive = true,
                .tarpit = row->tarpit,
                .subject = row->subject,
                .pid = (pid_t) row->pid,
                .uid = (uid_t) row->uid,
                .command = row->command,
                .state = state_of(row),
                .cpu_usec = row->cpu_usec,
                .since_usec = row->since_usec,
                .origin = "",
        };

        if (!cgroup)
                cgroup = cgroup_the_daemon_tells(t, row);
        entry.cgroup = cgroup ?: "";
        if (entry.uid == (uid_t) -1 && *row->subject != '/') {
                int r = look_at_member(t, &entry);

                if (r < 0)
                        return r;
        }
        return entries_add(t->entries, &entry);
}

static bool has_instance(const struct entries *entries, const char *instance)
{
        for (size_t i = 0; i < entries->n; i++) {
                if (strcmp(entries->items[i].instance, instance) == 0)
                        return true;
        }
        return false;
}

static int add_told(struct entries *entries, const char *socket)
{
        _cleanup_(telling_done) struct telling t = { .entries = entries };
        int r = client_try(&t.client, socket);

        if (r < 0)
                return r == -ENOMEM ? r : 0;
        if (sd_bus_get_property_string(client_bus(t.client), CLIENT_NAME, CLIENT_PATH, CLIENT_MANAGER,
                                       "Instance", NULL, &t.instance) < 0 ||
            has_instance(entries, t.instance) || rows_subjects(t.client, "", &t.rows) != STATUS_DONE)
                return 0;
        for (size_t i = 0; i < t.rows.n; i++) {
                r = add(&t, &t.rows.subjects[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

int entries_read_all(struct entries *ret, const char *socket)
{
        _cleanup_(entries_done) struct entries entries = { 0 };
        int r = entries_read(&entries);

        if (r >= 0 && geteuid() != 0)
                r = add_told(&entries, socket);
        if (r < 0)
                return r;
        entries_sort(&entries);
        *ret = TAKE(entries, (struct entries){ 0 });
        return 0;
}
