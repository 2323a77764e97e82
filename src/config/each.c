/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Walking through all keys of a configuration. */

#include "config.h"
#include "keys.h"

#include <string.h>

typedef int (*each_fn)(const struct config_tarpit *tarpit, const char *section, const char *key,
                       const char *value, const struct config_place *place, void *userdata);

static int each_item(const struct key *key, const struct config_list *list,
                     const struct config_tarpit *tarpit, each_fn fn, void *userdata)
{
        static const struct config_place nowhere;
        int r = 0;

        if (list->n == 0)
                return fn(tarpit, key->section, key->name, "", &nowhere, userdata);
        for (size_t i = 0; i < list->n && r == 0; i++)
                r = fn(tarpit, key->section, key->name, list->items[i].value, &list->items[i].place,
                       userdata);
        return r;
}

static int each_key(enum key_scope scope, const void *object, const struct config_place *places,
                    const struct config_tarpit *tarpit, each_fn fn, void *userdata)
{
        int r = 0;

        for (size_t i = 0; i < keys_n && r == 0; i++) {
                const struct key *key = keys + i;
                const void *target = (const char *) object + key->offset;
                char buf[64];

                if (key->scope != scope)
                        continue;
                if (!key->kind->format)
                        r = each_item(key, target, tarpit, fn, userdata);
                else
                        r = fn(tarpit, key->section, key->name,
                               key->kind->format(key, target, buf, sizeof(buf)), places + i, userdata);
        }
        return r;
}

int config_for_each(const struct config *c, each_fn fn, void *userdata)
{
        int r;

        r = each_key(KEY_GLOBAL, c, c->places, NULL, fn, userdata);
        for (size_t i = 0; i < c->n_tarpits && r == 0; i++)
                r = each_key(KEY_TARPIT, &c->tarpits[i], c->tarpits[i].places, &c->tarpits[i], fn, userdata);
        return r;
}

int config_each_setting(int (*fn)(const char *section, const char *key, const char *wants, void *userdata),
                        void *userdata)
{
        int r = 0;

        for (size_t i = 0; i < keys_n && r == 0; i++) {
                const struct key *key = keys + i;

                if (key->scope == KEY_TARPIT && key->kind->format &&
                    (strcmp(key->section, "Tarpit") == 0 || strcmp(key->section, "Limits") == 0))
                        r = fn(key->section, key->name, key->wants ?: "", userdata);
        }
        return r;
}
