/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config-room.h"
#include "macro.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int remove_one(const char *path, _unused_ const struct stat *st, _unused_ int kind,
                      _unused_ struct FTW *where)
{
        return remove(path);
}

int room_setup(void **state)
{
        struct room *room = calloc(1, sizeof(*room));

        assert_non_null(room);
        strcpy(room->path, "/tmp/test-config-XXXXXX");
        assert_non_null(mkdtemp(room->path));
        assert_int_equal(setenv("HOBBLED_CONFIG_ROOT", room->path, true), 0);
        (void) umask(022);
        *state = room;
        return 0;
}

int room_teardown(void **state)
{
        struct room *room = *state;

        config_free(room->config);
        assert_int_equal(nftw(room->path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
        free(room);
        return 0;
}

char *room_path(const struct room *room, const char *name, char buf[static 512])
{
        assert_true(snprintf(buf, 512, "%s/%s", room->path, name) < 512);
        return buf;
}

void room_put_bytes(struct room *room, const char *name, const void *bytes, size_t size)
{
        _cleanup_close_ int fd = -EBADF;
        char path[512];

        room_path(room, name, path);
        for (char *p = path + strlen(room->path) + 1; (p = strchr(p, '/')); p++) {
                *p = '\0';
                assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
                *p = '/';
        }
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, size), size);
}

void room_put(struct room *room, const char *name, const char *text)
{
        room_put_bytes(room, name, text, strlen(text));
}

const struct config *room_load(struct room *room)
{
        room->config = config_free(room->config);
        assert_int_equal(config_load(&room->config, NULL), 0);
        return room->config;
}

const struct config *room_load_file(struct room *room, const char *name)
{
        char path[512];

        room->config = config_free(room->config);
        assert_int_equal(config_load_files(&room->config, (char *[]){ room_path(room, name, path) }, 1), 0);
        return room->config;
}

static const char *relative(const struct room *room, const char *path)
{
        size_t n = strlen(room->path);

        return strncmp(path, room->path, n) == 0 && path[n] == '/' ? path + n + 1 : path;
}

/* Fail unless the line begins with the words, or is them. */
static void expect_line(const char *line, const char *words, size_t n, const char *all)
{
        bool open = n > 0 && words[n - 1] == '*';

        if (n == 0 || strncmp(line, words, n - open) != 0 || (!open && line[n]))
                fail_msg("the findings are\n%s\nnot as wanted: \"%s\" is no \"%.*s\"", all, line, (int) n,
                         words);
}

void room_expect(const struct room *room, const char *wanted)
{
        const struct config *c = room->config;
        char all[65536] = "";
        size_t used = 0, errors = 0;

        for (size_t i = 0; i < c->n_findings; i++) {
                const struct config_finding *f = &c->findings[i];

                errors += f->severity == CONFIG_ERROR;
                used += (size_t) snprintf(all + used, sizeof(all) - used, "%s:%u: %s: %s\n",
                                          relative(room, f->place.file), f->place.line,
                                          f->severity == CONFIG_ERROR ? "error" : "warning", f->text);
                assert_true(used < sizeof(all));
        }
        assert_int_equal(errors, c->n_errors);

        for (char *line = all, *end; (end = strchr(line, '\n')); line = end + 1) {
                size_t n = strcspn(wanted, "\n");
                _cleanup_free_ char *copy = strndup(line, (size_t) (end - line));

                expect_line(copy, wanted, n, all);
                wanted += n + (wanted[n] == '\n');
        }
        if (*wanted)
                fail_msg("the findings are\n%s\nwithout \"%s\"", all, wanted);
}

struct question {
        const struct room *room;
        const char *tarpit, *section, *key;
        char *buf;
        size_t used;
};

static int on_key(const struct config_tarpit *tarpit, const char *section, const char *key, const char *value,
                  const struct config_place *place, void *userdata)
{
        struct question *q = userdata;

        if (!tarpit != !q->tarpit || (tarpit && strcmp(tarpit->name, q->tarpit) != 0) ||
            strcmp(section, q->section) != 0 || strcmp(key, q->key) != 0)
                return 0;
        q->used += (size_t) snprintf(q->buf + q->used, 4096 - q->used, "%s%s", q->used ? "|" : "", value);
        if (place->file)
                q->used += (size_t) snprintf(q->buf + q->used, 4096 - q->used, "@%s:%u",
                                             relative(q->room, place->file), place->line);
        assert_true(q->used < 4096);
        return 0;
}

char *room_value(const struct room *room, const char *tarpit, const char *section, const char *key,
                 char buf[static 4096])
{
        struct question q = { .room = room, .tarpit = tarpit, .section = section, .key = key, .buf = buf };

        strcpy(buf, "");
        assert_int_equal(config_for_each(room->config, on_key, &q), 0);
        return buf;
}

const struct config_tarpit *room_tarpit(const struct room *room, const char *name)
{
        for (size_t i = 0; i < room->config->n_tarpits; i++) {
                if (strcmp(room->config->tarpits[i].name, name) == 0)
                        return &room->config->tarpits[i];
        }
        return NULL;
}
