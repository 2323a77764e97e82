/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Properties of the daemon's objects, read into a struct. */

#include "client-internal.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

char **strv_free(char **strv)
{
        for (char **s = strv; s && *s; s++)
                free(*s);
        free(strv);
        return NULL;
}

static void *place(const struct client_property *property, void *target)
{
        return (char *) target + property->offset;
}

static int read_string(sd_bus_message *m, const char *type, char **target)
{
        const char *text, *path;
        char *copy;
        int r;

        r = sd_bus_message_read(m, type, &text, &path); /* the path in "(so)" only */
        if (r < 0)
                return r;
        copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        free(*target);
        *target = copy;
        return 0;
}

/* The message stands before a value of this property. */
static int read_value(sd_bus_message *m, const struct client_property *property, void *target)
{
        void *to = place(property, target);
        int truth, r;

        switch (*property->type) {
        case 's':
        case 'o':
        case '(':
                return read_string(m, property->type, to);
        case 'a':
                (void) strv_free(*(char ***) to);
                *(char ***) to = NULL;
                return sd_bus_message_read_strv(m, to);
        case 'b':
                r = sd_bus_message_read_basic(m, 'b', &truth);
                if (r >= 0)
                        *(bool *) to = truth;
                return r;
        default:
                return sd_bus_message_read_basic(m, *property->type, to);
        }
}

static const struct client_property *find(const struct client_property *properties, const char *name)
{
        for (; properties->name; properties++) {
                if (strcmp(properties->name, name) == 0)
                        return properties;
        }
        return NULL;
}

/* The message stands behind the name. Returns 1 where it was read, 0 where nobody wants it, -EBADMSG where it
 * is of another type, or another negative errno. */
static int read_variant(sd_bus_message *m, const struct client_property *property, void *target)
{
        const char *contents;
        int r;

        if (!property)
                return sd_bus_message_skip(m, "v") < 0 ? -EBADMSG : 0;
        r = sd_bus_message_peek_type(m, NULL, &contents);
        if (r < 0)
                return r;
        if (strcmp(contents, property->type) != 0)
                return -EBADMSG;
        r = sd_bus_message_enter_container(m, 'v', contents);
        if (r >= 0)
                r = read_value(m, property, target);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : 1;
}

int client_read_properties(sd_bus_message *m, const struct client_property *properties, void *target,
                           uint64_t *ret_seen, const char **ret_odd)
{
        int r;

        *ret_seen = 0;
        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const struct client_property *property = NULL;
                const char *name;

                r = sd_bus_message_read_basic(m, 's', &name);
                if (r < 0)
                        return r;
                property = find(properties, name);
                r = read_variant(m, property, target);
                if (r < 0) {
                        *ret_odd = property ? property->name : "its properties";
                        return r;
                }
                if (r > 0)
                        *ret_seen |= UINT64_C(1) << (property - properties);
                r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int client_get_properties(struct client *client, const char *path, const char *interface,
                          const struct client_property *properties, void *target)
{
        sd_bus_message *reply = NULL;
        const char *odd = interface ?: CLIENT_MANAGER;
        uint64_t seen = 0;
        int r, status;

        status = client_call(client, path, "org.freedesktop.DBus.Properties", "GetAll", &reply, "a{sv}", "s",
                             interface ?: CLIENT_MANAGER);
        if (status != STATUS_DONE)
                return status;

        r = client_read_properties(reply, properties, target, &seen, &odd);
        sd_bus_message_unref(reply);
        if (r == -ENOMEM)
                return client_fail(client, STATUS_FAILED, "out of memory");
        if (r < 0)
                return client_other_version(client, odd);
        for (size_t i = 0; properties[i].name; i++) {
                if (!(seen & UINT64_C(1) << i))
                        return client_other_version(client, properties[i].name);
        }
        return STATUS_DONE;
}

void client_free_properties(const struct client_property *properties, void *target)
{
        for (; properties->name; properties++) {
                void *to = place(properties, target);

                if (*properties->type == 'a')
                        (void) strv_free(*(char ***) to);
                else if (strchr("so(", *properties->type))
                        free(*(void **) to);
        }
}
