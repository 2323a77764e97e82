/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* All keys that there are, in one table. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

enum key_scope {
        KEY_GLOBAL, /* in hobbled.conf: of struct config */
        KEY_TARPIT, /* in NAME.tarpit: of struct config_tarpit */
};

struct key;

/* What a value's parser has to add: behind an error what may have been meant, else a warning. "" for none. */
struct remark {
        char text[320];
};

/* A kind of value. */
struct kind {
        /* Parse text to target, which is left as it is where it cannot be used. Returns 0, -EINVAL, -ERANGE
         * or -ENOMEM. The kind of a list gets one item and keeps nothing. */
        int (*parse)(const struct key *key, const char *text, void *target, struct remark *remark);
        /* Returns buf, or the text itself. NULL: a list. */
        const char *(*format)(const struct key *key, const void *target, char *buf, size_t size);
};

struct key {
        enum key_scope scope;
        const char *section, *name;
        const struct kind *kind;
        size_t offset;      /* of the value in the scope's structure */
        uint64_t min, max;  /* where the kind has bounds */
        const char *preset; /* the default, as it would be written */
        const char *wants;  /* what it takes, for "this takes …" */
};

extern const struct key keys[];
extern const size_t keys_n;

/* NULL: there is none. */
const struct key *key_find(enum key_scope scope, const char *section, const char *name);

/* Whether there is such a section. */
bool key_section_exists(enum key_scope scope, const char *section);

/* What was probably meant, as a clause: "did you mean FrozenSec=?", "it belongs in [Source]". Returns buf;
 * "": nobody knows. */
char *key_suggest(enum key_scope scope, const char *section, const char *name, char *buf, size_t size);
char *key_suggest_section(enum key_scope scope, const char *section, char *buf, size_t size);
