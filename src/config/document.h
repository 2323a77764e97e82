/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One configuration file, read as a whole after a look at whether it may be. */

#include <stdbool.h>
#include <stddef.h>

#define DOCUMENT_SIZE_MAX (1024U * 1024U)
#define DOCUMENT_WHY_MAX 128

struct document {
        char *text; /* ends with a NUL that is not counted; may contain others */
        size_t size;
        bool masked; /* empty, or a link to /dev/null: as if there were none of that name further back */
};

/* Never waits for a FIFO or a device. Returns 0; -ENOMEM; or another negative errno with a clause in why:
 * -ENOENT: there is no such name (any more). */
int document_read(const char *path, struct document *ret, char why[static DOCUMENT_WHY_MAX]);

void document_done(struct document *document);
