/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A configuration that is being read: which file, what was found. */

#include "config.h"
#include "macro.h"

#include <sys/types.h>

struct loader {
        struct config *config;
        struct config_tarpit
                *tarpit;    /* that the file is about; NULL: hobbled.conf. Moves with the next one */
        const char *file;   /* as config->files has it */
        unsigned told;      /* findings in it */
        bool out_of_memory; /* the end of it all */

        /* The header that was looked at last in this file, and whether its keys are worth a look. */
        unsigned section_line;
        bool section_known, section_judged;

        /* Which of FrozenSec= and Duty= came last in the tarpit, and whether both are in one file. */
        unsigned turn, frozen_turn, duty_turn;
        uint64_t frozen_usec; /* what FrozenSec= said last */
};

/* A finding in the present file; line 0: about all of it. */
void loader_say(struct loader *l, enum config_severity severity, unsigned line, const char *fmt, ...)
        _printf_(4, 5);

/* The same anywhere. */
void loader_say_at(struct loader *l, enum config_severity severity, const struct config_place *place,
                   const char *fmt, ...) _printf_(4, 5);

/* From here on findings are in that file. */
void loader_set_file(struct loader *l, const char *path);

/* Something cannot be read: say so, and call the tarpit, or what is global, broken. error: an errno. */
void loader_set_broken(struct loader *l, const char *path, int error);

/* A tarpit with the defaults of all keys, which is from here on what files are about. */
void loader_add_tarpit(struct loader *l, const char *name, size_t name_size);

/* The defaults of hobbled.conf. */
void loader_set_defaults(struct loader *l);

/* Read the present file into the tarpit, or into what is global. Returns whether it masks. */
bool loader_read(struct loader *l);

/* All of the tarpit was read: what its values mean together. */
void loader_finish_tarpit(struct loader *l, bool alone);
