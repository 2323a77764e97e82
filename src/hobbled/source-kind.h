/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a kind of source is made of. For source*.c only. */

#include "macro.h"
#include "source.h"

/* The beginning of each kind's own structure. */
struct source {
        const struct source_ops *ops;
        const struct source_host *host;
        enum source_kind kind;
        char *value;
        char *text;            /* see source_text() */
        struct source *parent; /* whose source it is, NULL: nobody's */
        struct topic topic;
        bool ending;
};

/* Functions that a kind has no use for are NULL. */
struct source_ops {
        size_t size;                   /* of the kind's own structure */
        int (*init)(struct source *s); /* of what is not zero; done() is called where it fails, too */
        void (*done)(struct source *s);
        void (*reread)(struct source *s);
        int (*for_each)(const struct source *s, source_process_fn fn, void *userdata);
        int (*for_each_cgroup)(const struct source *s, source_cgroup_fn fn, void *userdata);
        void (*process_ended)(struct source *s, pid_t pid, uint64_t start_time);
        void (*event)(struct source *s, const struct hobble_event *event);
        void (*void_all)(struct source *s);
        void (*end)(struct source *s);
        enum hobble_placement (*placement)(const struct source *s);
        bool (*is_over)(const struct source *s); /* NULL: always */
        void (*child_over)(struct source *s);    /* one of its own may be over: free it */
};

extern const struct source_ops source_path_ops, source_glob_ops, source_unit_ops, source_user_ops,
        source_command_ops, source_exec_ops;

/* source_new() for a source of a source. */
int source_new_child(struct source **ret, struct source *parent, enum source_kind kind, const char *value);
