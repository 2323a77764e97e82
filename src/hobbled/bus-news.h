/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Something that happened, as the bus tells it: the signal Event. */

#include <sys/types.h>

/* Everything stays the caller's; a NULL is told as "". */
struct bus_news {
        const char *kind; /* "hobbled", "released" and so on, org.hobbled1(5) */
        const char *tarpit, *subject;
        pid_t pid; /* 0: none */
        const char *source;
        const char *text; /* for people: escaped */
};

typedef void (*bus_news_handler)(const struct bus_news *news, void *userdata);
