/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What preview.c (the question, and a walk over all processes), preview-tree.c (the tree of one process) and
 * preview-judge.c (what would become of a process) share. */

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>

#include "manager-internal.h"
#include "pidmap.h"
#include "preview.h"
#include "requests.h"

/* A tree, or a part of one that has to stay in its own unit: each has a subject of its own. */
struct preview_group {
        pid_t root;
        char *home;
        bool nested;
};

struct preview_item {
        pid_t pid;
        size_t group; /* of its parent */
};

/* Who is still to be looked at, parents first. */
struct preview_tree {
        struct preview_item *items;
        size_t n, n_allocated, at;
        struct preview_group *groups;
        size_t n_groups;
        struct pidmap seen;

        /* whose children are being listed */
        DIR *tasks;
        int children_fd;
        size_t group;
        pid_t number; /* that the last piece read ended with, 0: none */
};

/* A cgroup that the question matches, as it was found last. */
struct preview_place {
        char *path;
        bool unit;          /* systemd's: its processes are hobbled in children of it */
        const char *reason; /* why it cannot be frozen; NULL: it can */
        char text[512];
};

struct preview {
        struct manager *m;
        enum request_kind kind;
        char *what;   /* what a process is compared with */
        char *tarpit; /* name */
        bool force;

        const struct tarpit *t; /* valid in a step; NULL: it would be made */
        enum hobble_placement placement;

        struct preview_tree tree;
        DIR *proc;
        struct userset *users;
        uint64_t users_until_usec; /* CLOCK_MONOTONIC: they are waited for until then */
        struct preview_place place;

        /* of the process that is being looked at */
        struct preview_line line;
        char home[4096];
        char text[1024];
};

typedef int (*preview_fn)(const struct preview_line *line, void *userdata);

/* -- preview-judge.c --------------------------------------------------------------------------- */

/* Look at the process: fill line.process, home. Returns whether there is one that could be hobbled: not a
 * zombie, nor a kernel thread. */
bool preview_look(struct preview *p, pid_t pid);

/* The verdict, and what is said about it. */
_printf_(3, 4) void preview_say(struct preview *p, enum preview_verdict verdict, const char *fmt, ...);

/* Whether it may not be hobbled, cannot be, or is so already; says so. */
bool preview_stays_out(struct preview *p);

/* Why the process may not be hobbled, as a clause that is valid until the next call; NULL: it may. */
const char *preview_exempt(struct preview *p, const struct hobble_process *process, const char *home);

/* Whether a tree with this root would be hobbled within the cgroup that it is in. */
bool preview_is_nested(const struct preview *p, pid_t root, const char *home);

/* Whether the process would be left out of a tree, to be hobbled in its own unit. */
bool preview_is_apart(const char *root_home, bool nested, pid_t pid, const char *home);

/* It would be the root of a tree, or go with one. */
void preview_say_root(struct preview *p, bool nested, bool part);
void preview_say_member(struct preview *p, pid_t root);

/* -- preview-tree.c ---------------------------------------------------------------------------- */

/* Returns 0 or -ENOMEM. */
int preview_tree_begin(struct preview *p, pid_t root);
void preview_tree_done(struct preview *p);

/* Look at one process, or read a piece of a list of children. Returns 1, 0 at the end, or a negative errno.
 */
int preview_tree_one(struct preview *p, preview_fn fn, void *userdata);
