/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The tree of one process, as an admission would gather it: parents before children. Each step is small,
 * however many threads and children a process has. */

#include "macro.h"
#include "preview-internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* A tree that grows while it is gathered is not followed without end. */
#define ITEMS_MAX 65536U

static int push(struct preview_tree *t, pid_t pid, size_t group)
{
        int r;

        if (pid <= 0 || t->n >= ITEMS_MAX || pidmap_get(&t->seen, pid))
                return 0;
        if (t->n == t->n_allocated) {
                size_t n = MAX(t->n_allocated * 2, (size_t) 64);
                struct preview_item *items = reallocarray(t->items, n, sizeof(*items));

                if (!items)
                        return -ENOMEM;
                t->items = items;
                t->n_allocated = n;
        }
        r = pidmap_put(&t->seen, pid, t);
        if (r < 0)
                return r;
        t->items[t->n++] = (struct preview_item){ .pid = pid, .group = group };
        return 0;
}

int preview_tree_begin(struct preview *p, pid_t root)
{
        p->tree = (struct preview_tree){ .children_fd = -EBADF };
        return push(&p->tree, root, 0);
}

static void end_listing(struct preview_tree *t)
{
        t->children_fd = close_fd(t->children_fd);
        if (t->tasks)
                (void) closedir(t->tasks);
        t->tasks = NULL;
}

void preview_tree_done(struct preview *p)
{
        struct preview_tree *t = &p->tree;

        end_listing(t);
        for (size_t i = 0; i < t->n_groups; i++)
                free(t->groups[i].home);
        free(t->groups);
        free(t->items);
        pidmap_clear(&t->seen, NULL);
}

/* -- Children ---------------------------------------------------------------------------------- */

static void begin_listing(struct preview_tree *t, pid_t pid, size_t group)
{
        char path[32];

        snprintf(path, sizeof(path), "/proc/%d/task", (int) pid);
        t->tasks = opendir(path);
        t->group = group;
}

/* Numbers with blanks between them and after the last. */
static int read_children(struct preview_tree *t)
{
        char text[2048];
        ssize_t n = read(t->children_fd, text, sizeof(text));
        int r = 0;

        if (n <= 0) {
                t->children_fd = close_fd(t->children_fd);
                return 0;
        }
        for (ssize_t i = 0; i < n && r >= 0; i++) {
                if (text[i] >= '0' && text[i] <= '9')
                        t->number = t->number * 10 + (text[i] - '0');
                else
                        r = push(t, TAKE(t->number, 0), t->group);
        }
        return r;
}

static int list_one(struct preview_tree *t)
{
        const struct dirent *d;
        char path[64];

        if (t->children_fd >= 0)
                return read_children(t);
        do {
                d = readdir(t->tasks);
                if (!d) {
                        end_listing(t);
                        return 0;
                }
        } while (d->d_name[0] == '.');
        snprintf(path, sizeof(path), "%.16s/children", d->d_name);
        t->children_fd = openat(dirfd(t->tasks), path, O_RDONLY | O_CLOEXEC);
        t->number = 0;
        return 0;
}

/* -- Processes --------------------------------------------------------------------------------- */

static int begin_group(struct preview *p, size_t *ret)
{
        struct preview_tree *t = &p->tree;
        struct preview_group *grown = reallocarray(t->groups, t->n_groups + 1, sizeof(*grown));

        if (!grown)
                return -ENOMEM;
        t->groups = grown;
        grown[t->n_groups] = (struct preview_group){
                .root = p->line.process.pid,
                .home = strdup(p->home),
                .nested = preview_is_nested(p, p->line.process.pid, p->home),
        };
        if (!grown[t->n_groups].home)
                return -ENOMEM;
        *ret = t->n_groups++;
        return 0;
}

static bool is_of_group(const struct preview *p, size_t group)
{
        const struct preview_group *g = p->tree.groups + group;

        return !preview_is_apart(g->home, g->nested, p->line.process.pid, p->home);
}

/* What becomes of somebody who may be hobbled. *group: of the parent, then its own. */
static int judge(struct preview *p, size_t *group)
{
        int r;

        if (p->tree.n_groups > 0 && (is_of_group(p, 0) || is_of_group(p, *group))) {
                *group = is_of_group(p, 0) ? 0 : *group;
                preview_say_member(p, p->tree.groups[*group].root);
                return 0;
        }
        r = begin_group(p, group);
        if (r >= 0)
                preview_say_root(p, p->tree.groups[*group].nested, *group > 0);
        return r;
}

int preview_tree_one(struct preview *p, preview_fn fn, void *userdata)
{
        struct preview_tree *t = &p->tree;
        struct preview_item item;
        bool root = t->at == 0;
        int r = 0;

        if (t->tasks) {
                r = list_one(t);
                return r < 0 ? r : 1;
        }
        if (t->at == t->n)
                return 0;
        item = t->items[t->at++];
        if (!preview_look(p, item.pid))
                return 1;
        if (!preview_stays_out(p))
                r = judge(p, &item.group);
        else if (root && p->line.verdict != PREVIEW_ALREADY)
                t->n = t->at; /* without its root the tree is not hobbled */
        else if (root)
                r = begin_group(p, &item.group);
        if (r >= 0)
                r = fn(&p->line, userdata);
        if (r < 0)
                return r;
        if (t->n_groups > 0)
                begin_listing(t, item.pid, item.group);
        return 1;
}
