/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* hobblectl tree: tarpits, their subjects, and the processes of each, as /proc and the cgroup tree show them.
 */

#include "client.h"
#include "entries.h"
#include "message.h"
#include "options.h"
#include "processes.h"
#include "table.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

enum {
        COLUMN_TREE,
        COLUMN_PID,
        COLUMN_USER,
        COLUMN_STATE,
        COLUMN_CPU,
        COLUMN_COMMAND,
        COLUMN_KIND,
        COLUMN_INSTANCE,
        COLUMN_CONTAINER,
        COLUMN_MAX,
};

static const struct column_row columns[COLUMN_MAX + 1] = {
        [COLUMN_TREE] = { "TREE", "The tarpit, the subject, or the process", .flags = SCOLS_FL_TREE },
        [COLUMN_PID] = { "PID", "The process; of a subject: its root, while it lives",
                         .flags = SCOLS_FL_RIGHT, .json = SCOLS_JSON_NUMBER },
        [COLUMN_USER] = { "USER", "Whose it is" },
        [COLUMN_STATE] = { "STATE", "That of a subject is as in list, that of a process as in ps" },
        [COLUMN_CPU] = { "CPU", "Seconds of CPU time; of a subject: since admission", .flags = SCOLS_FL_RIGHT,
                         .json = SCOLS_JSON_NUMBER },
        [COLUMN_COMMAND] = { "COMMAND", "Command line; of a subject: command name", .flags = SCOLS_FL_TRUNC },
        [COLUMN_KIND] = { "KIND", "tarpit, subject or process", .hidden = true },
        [COLUMN_INSTANCE] = { "INSTANCE", "Which hobbled has it", .hidden = true },
        [COLUMN_CONTAINER] = { "CONTAINER", "Its container, as in list", .hidden = true },
};

static const struct option_row options[] = {
        TABLE_OPTIONS,
        CLIENT_OPTIONS,
        { 0 },
};

#define NONE SIZE_MAX

/* A process within the tree of its subject; the numbers are places in the list of processes. */
struct node {
        size_t entry; /* its subject, NONE: it is not hobbled */
        size_t parent, first, next;
        bool rooted; /* its parents are known to end somewhere */
};

struct tree {
        struct entries entries;
        struct processes processes;
        const struct hobble_entry **by_cgroup;
        struct node *nodes;           /* for each process */
        struct libscols_line **lines; /* likewise, once it is in the table */
        size_t *first;                /* for each entry the first of its topmost processes */
        bool *chosen;                 /* for each entry whether it was asked for */
        const struct table_format *format;
        struct libscols_table *table;
};

static void tree_done(struct tree *t)
{
        entries_done(&t->entries);
        processes_done(&t->processes);
        free(t->by_cgroup);
        free(t->nodes);
        free(t->lines);
        free(t->first);
        free(t->chosen);
        scols_unref_table(t->table);
}

static int by_cgroup_compare(const void *a, const void *b)
{
        const struct hobble_entry *const *x = a, *const *y = b;

        return strcmp((*x)->cgroup, (*y)->cgroup);
}

/* The subject that a cgroup belongs to: the one with the longest path that is, or is above, this one. */
static size_t entry_of(const struct tree *t, const char *cgroup)
{
        _cleanup_free_ char *path = strdup(cgroup);
        struct hobble_entry key = { .cgroup = path };
        const struct hobble_entry *wanted = &key;

        while (path && *path && t->entries.n > 0) {
                const struct hobble_entry **found = bsearch(&wanted, t->by_cgroup, t->entries.n,
                                                            sizeof(*t->by_cgroup), by_cgroup_compare);
                char *slash = strrchr(path, '/');

                if (found)
                        return (size_t) (*found - t->entries.items);
                if (!slash)
                        break;
                *slash = '\0';
        }
        return NONE;
}

/* The parent within the same subject. A parent that is younger than its child is another process, which got
 * the number meanwhile. */
static size_t parent_of(const struct tree *t, size_t i)
{
        const struct process *p = &t->processes.items[i], *parent = processes_find(&t->processes, p->parent);
        size_t place = parent ? (size_t) (parent - t->processes.items) : NONE;

        return parent && parent->start_time <= p->start_time && t->nodes[place].entry == t->nodes[i].entry
                       ? place
                       : NONE;
}

/* /proc is read while it changes: what looks like a loop is cut. */
static void cut_loop(struct tree *t, size_t i)
{
        size_t steps = 0, top = i;

        while (t->nodes[top].parent != NONE && !t->nodes[top].rooted && steps++ <= t->processes.n)
                top = t->nodes[top].parent;
        if (steps > t->processes.n)
                t->nodes[top].parent = NONE;
        for (top = i; top != NONE && !t->nodes[top].rooted; top = t->nodes[top].parent)
                t->nodes[top].rooted = true;
}

static void link_nodes(struct tree *t)
{
        for (size_t i = 0; i < t->processes.n; i++)
                t->nodes[i] =
                        (struct node){ entry_of(t, t->processes.items[i].cgroup), NONE, NONE, NONE, false };
        for (size_t i = 0; i < t->processes.n; i++) {
                if (t->nodes[i].entry != NONE)
                        t->nodes[i].parent = parent_of(t, i);
        }
        for (size_t i = 0; i < t->processes.n; i++)
                cut_loop(t, i);

        /* From the end, so that each list is in the order of pids. */
        for (size_t i = t->processes.n; i-- > 0;) {
                struct node *n = &t->nodes[i];
                size_t *list;

                if (n->entry == NONE)
                        continue;
                list = n->parent == NONE ? &t->first[n->entry] : &t->nodes[n->parent].first;
                n->next = *list;
                *list = i;
        }
}

/* As in list, but with the tarpits of an instance together. */
static int entry_compare(const void *a, const void *b)
{
        const struct hobble_entry *x = a, *y = b;
        int r = strverscmp(x->tarpit, y->tarpit);

        if (r == 0)
                r = strverscmp(x->instance, y->instance);
        return r != 0 ? r : strverscmp(x->subject, y->subject);
}

static int tree_read(struct tree *t, const char *socket)
{
        size_t n;
        int r = entries_read_all(&t->entries, socket);

        if (r >= 0)
                r = processes_read(&t->processes);
        if (r < 0)
                return r;

        n = t->entries.n + 1;
        t->by_cgroup = calloc(n, sizeof(*t->by_cgroup));
        t->first = calloc(n, sizeof(*t->first));
        t->chosen = calloc(n, sizeof(*t->chosen));
        t->nodes = calloc(t->processes.n + 1, sizeof(*t->nodes));
        t->lines = calloc(t->processes.n + 1, sizeof(struct libscols_line *));
        if (!t->by_cgroup || !t->first || !t->chosen || !t->nodes || !t->lines)
                return -ENOMEM;

        if (t->entries.n > 0)
                qsort(t->entries.items, t->entries.n, sizeof(*t->entries.items), entry_compare);
        for (size_t i = 0; i < t->entries.n; i++) {
                t->by_cgroup[i] = &t->entries.items[i];
                t->first[i] = NONE;
        }
        qsort(t->by_cgroup, t->entries.n, sizeof(*t->by_cgroup), by_cgroup_compare);
        link_nodes(t);
        return 0;
}

/* Choose what an argument means: the name of a tarpit, or the number of a process in a subject. Returns
 * whether there is any. */
static bool choose(struct tree *t, const char *word)
{
        const struct process *p = NULL;
        bool any = false;
        uint64_t pid;
        size_t entry = NONE;

        if (parse_u64(word, &pid) >= 0 && pid <= INT32_MAX)
                p = processes_find(&t->processes, (pid_t) pid);
        if (p)
                entry = t->nodes[p - t->processes.items].entry;

        for (size_t i = 0; i < t->entries.n; i++) {
                if (i == entry || strcmp(t->entries.items[i].tarpit, word) == 0)
                        any = t->chosen[i] = true;
        }
        return any;
}

static int choose_all(struct tree *t, char *words[])
{
        int status = STATUS_DONE;
        char name[SHOWN_MAX];

        for (size_t i = 0; !*words && i < t->entries.n; i++)
                t->chosen[i] = true;
        for (; *words; words++) {
                if (choose(t, *words))
                        continue;
                complain("'%s' is neither a tarpit with subjects nor a process that is hobbled",
                         shown(*words, name));
                status = STATUS_NO_SUCH;
        }
        return status;
}

/* What a line is about: a tarpit has neither process nor subject, but of its first subject the names. */
struct item {
        const struct hobble_entry *entry;
        const struct process *process;
        bool tarpit;
};

static char *number(pid_t pid)
{
        char buf[16];

        (void) snprintf(buf, sizeof(buf), "%d", pid);
        return strdup(pid > 0 ? buf : "");
}

static char *command_line(const struct process *p, const struct table_format *format)
{
        _cleanup_free_ char *line = process_command_line(p);

        return line ? table_text(line, format) : NULL;
}

static char *process_cell(const struct process *p, unsigned column, const struct table_format *format)
{
        switch (column) {
        case COLUMN_TREE:
                return table_text(p->comm, format);
        case COLUMN_PID:
                return number(p->pid);
        case COLUMN_USER:
                return table_user(p->uid, format);
        case COLUMN_STATE:
                return strdup(process_state(p));
        case COLUMN_CPU:
                return table_decimal(p->cpu_usec, "", format);
        case COLUMN_COMMAND:
                return command_line(p, format);
        case COLUMN_KIND:
                return strdup("process");
        default:
                return strdup("");
        }
}

static char *subject_cell(const struct hobble_entry *e, unsigned column, const struct table_format *format)
{
        char container[CONTAINER_MAX];

        switch (column) {
        case COLUMN_TREE:
                return table_text(e->subject, format);
        case COLUMN_PID:
                return number(e->pid);
        case COLUMN_USER:
                return e->uid == (uid_t) -1 ? strdup("") : table_user(e->uid, format);
        case COLUMN_STATE:
                return strdup(entry_state(e));
        case COLUMN_CPU:
                return table_decimal(e->cpu_usec, "", format);
        case COLUMN_COMMAND:
                return table_text(e->command, format);
        case COLUMN_KIND:
                return strdup("subject");
        case COLUMN_CONTAINER:
                return table_text(entry_container(e, container), format);
        default:
                return strdup("");
        }
}

static char *cell(const struct item *item, unsigned column, const struct table_format *format)
{
        if (column == COLUMN_INSTANCE)
                return table_text(item->entry->instance, format);
        if (item->process)
                return process_cell(item->process, column, format);
        if (!item->tarpit)
                return subject_cell(item->entry, column, format);
        return column == COLUMN_TREE ? table_text(item->entry->tarpit, format)
                                     : strdup(column == COLUMN_KIND ? "tarpit" : "");
}

static int add_line(struct tree *t, const struct item *item, struct libscols_line *parent,
                    struct libscols_line **ret)
{
        struct libscols_line *line = scols_table_new_line(t->table, parent);

        if (!line)
                return -ENOMEM;
        for (size_t i = 0; i < t->format->n_shown; i++) {
                int r = table_put(line, i, cell(item, t->format->shown[i], t->format), t->format);

                if (r < 0)
                        return r;
        }
        *ret = line;
        return 0;
}

/* Parents before children, without recursion: a chain of processes may be long. */
static int add_processes(struct tree *t, size_t entry, struct libscols_line *subject)
{
        size_t i = t->first[entry];

        while (i != NONE) {
                const struct node *n = &t->nodes[i];
                struct item item = { &t->entries.items[entry], &t->processes.items[i], false };
                int r = add_line(t, &item, n->parent == NONE ? subject : t->lines[n->parent], &t->lines[i]);

                if (r < 0)
                        return r;
                if (n->first != NONE) {
                        i = n->first;
                        continue;
                }
                while (i != NONE && t->nodes[i].next == NONE)
                        i = t->nodes[i].parent;
                if (i != NONE)
                        i = t->nodes[i].next;
        }
        return 0;
}

static int add_entries(struct tree *t)
{
        const struct hobble_entry *before = NULL;
        struct libscols_line *tarpit = NULL, *subject;

        for (size_t i = 0; i < t->entries.n; i++) {
                struct item item = { &t->entries.items[i], NULL, true };
                int r;

                if (!t->chosen[i])
                        continue;
                if (!before || strcmp(before->tarpit, item.entry->tarpit) != 0 ||
                    strcmp(before->instance, item.entry->instance) != 0) {
                        r = add_line(t, &item, NULL, &tarpit);
                        if (r < 0)
                                return r;
                        before = item.entry;
                }
                item.tarpit = false;
                r = add_line(t, &item, tarpit, &subject);
                if (r >= 0)
                        r = add_processes(t, i, subject);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int tree_main(const struct verb *verb, int argc, char *argv[])
{
        _cleanup_(tree_done) struct tree t = { 0 };
        struct table_format format;
        const char *socket = NULL;
        int r, status, printed;

        if (!table_read_options(verb, argc, argv, &format, &socket, &status))
                return status;

        t.format = &format;
        r = tree_read(&t, socket);
        if (r < 0)
                return entries_failed(r);
        status = choose_all(&t, argv + optind);
        r = table_new(&t.table, "tarpits", &format);
        if (r >= 0)
                r = add_entries(&t);
        if (r < 0)
                return entries_failed(r);
        printed = table_finish(TAKE_PTR(t.table), &format);
        return printed != STATUS_DONE ? printed : status;
}

static void tree_help(void)
{
        table_print_columns(columns);
}

const struct verb verb_tree = {
        .name = "tree",
        .arguments = "[TARPIT|PID…]",
        .summary = "Show processes in their tarpits as trees",
        .options = options,
        .words = WORDS_TARPITS,
        .columns = columns,
        .arguments_max = -1,
        .usage_status = STATUS_USAGE,
        .help = tree_help,
        .main = tree_main,
};
