/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A room with configuration files of a test's own: a temporary directory that stands for the root. */

#include "config.h"
#include "unit.h"

struct room {
        char path[64];
        struct config *config; /* what was loaded last */
};

/* For cmocka: the state is a struct room. */
int room_setup(void **state);
int room_teardown(void **state);

/* Write a file beneath the room, with the directories above it. */
void room_put(struct room *room, const char *name, const char *text);
void room_put_bytes(struct room *room, const char *name, const void *bytes, size_t size);

/* Load all of it, or one file alone. What was loaded before is freed. */
const struct config *room_load(struct room *room);
const struct config *room_load_file(struct room *room, const char *name);

/* The whole path of a name beneath the room. Returns buf. */
char *room_path(const struct room *room, const char *name, char buf[static 512]);

/* Fail unless the findings are these: a line each, "NAME:LINE: error|warning: TEXT", where a text that ends
 * in "*" stands for all that begin so. Paths are relative to the room. */
void room_expect(const struct room *room, const char *wanted);

/* The value of a key as config_for_each() gives it, items of a list with "|" between them, each with
 * "@NAME:LINE" behind it unless it is the default. tarpit NULL: hobbled.conf. Returns buf. */
char *room_value(const struct room *room, const char *tarpit, const char *section, const char *key,
                 char buf[static 4096]);

/* Fail unless that is wanted. */
#define room_expect_value(room, tarpit, section, key, wanted)                                          \
        do {                                                                                           \
                char value_[4096];                                                                     \
                                                                                                       \
                assert_string_equal(room_value((room), (tarpit), (section), (key), value_), (wanted)); \
        } while (0)

const struct config_tarpit *room_tarpit(const struct room *room, const char *name);
