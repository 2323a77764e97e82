/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Completion of the shells: what may stand in the place of the last word of a command line.
 *
 * A candidate is a line, "word<TAB>description". A line that begins with a TAB tells the shell something
 * else:
 *
 *     <TAB>files         files are candidates too
 *     <TAB>nospace       what is chosen may go on: no space behind it
 *     <TAB>command N     from the word N on, counted from 0, it is another command's line
 *
 * Whatever is a candidate is printable, and what would change the meaning of a line is left to the shells to
 * quote. */

#include "verb.h"

#include <stdbool.h>
#include <stddef.h>

/* hobblectl --complete: words are what stands behind hobblectl, the last being the one that is completed.
 * Returns the exit status. */
int complete(const struct verb *const verbs[], size_t n_verbs, char *const words[], size_t n_words);

/* -- Within it --------------------------------------------------------------------------------- */

struct completion {
        const char *word;  /* what candidates have to begin with */
        const char *begin; /* what stands before them in the word: "--output=", of `begin_size` bytes */
        size_t begin_size;
        bool remote;        /* the command line is for another host: nothing of this one counts */
        const char *socket; /* --socket=; NULL: none is given */
        char **seen;
        size_t n_seen, allocated;
};

/* Print a candidate, once, where it begins with the word; one that cannot be printed is passed over. What is
 * in the description is escaped. */
void offer(struct completion *c, const char *word, const char *description, ...)
        __attribute__((format(printf, 3, 4)));

/* Go on where the word has this much at its beginning that is not to be completed. */
void completion_skip(struct completion *c, size_t n);

/* -- What is there on this host ---------------------------------------------------------------- */

void offer_processes(struct completion *c);
void offer_processes_units_and_users(struct completion *c);
void offer_hobbled(struct completion *c);
void offer_instances(struct completion *c);
void offer_tarpits(struct completion *c);
void offer_hosts(struct completion *c);
