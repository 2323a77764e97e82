/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "message-record.h"
#include "journal.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

struct head {
        uint32_t n_fields;
        uint32_t tree_size; /* of the snapshot that follows, a multiple of 8 */
};

struct encoder {
        char *buf;
        size_t used, size;
        uint32_t n;
};

_Static_assert(sizeof(struct snapshot) + 8192 <= JOURNAL_RECORD_MAX, "a record has room for all fields");
_Static_assert(_Alignof(struct snapshot) <= 8 && sizeof(struct snapshot_process) % 8 == 0,
               "it stays aligned");

static const int priorities[] = {
        [MESSAGE_ERROR] = LOG_ERR, [MESSAGE_WARNING] = LOG_WARNING, [MESSAGE_NOTICE] = LOG_NOTICE,
        [MESSAGE_INFO] = LOG_INFO, [MESSAGE_DEBUG] = LOG_DEBUG,
};

_Static_assert(ELEMENTSOF(priorities) == MESSAGE_LEVEL_MAX, "a priority for each level");

/* Append NAME=VALUE with its length before it; NULL and "" are no values. */
static void put(struct encoder *e, const char *name, const char *value)
{
        size_t n_name = strlen(name), n_value = value ? strlen(value) : 0;
        uint32_t length = (uint32_t) (n_name + 1 + n_value);

        if (n_value == 0 || e->n >= MESSAGE_FIELDS_MAX || e->size - e->used < sizeof(length) + length)
                return;
        memcpy(e->buf + e->used, &length, sizeof(length));
        e->used += sizeof(length);
        e->used += (size_t) (stpcpy(stpcpy(stpcpy(e->buf + e->used, name), "="), value) - (e->buf + e->used));
        e->n++;
}

static void put_number(struct encoder *e, const char *name, unsigned long long value)
{
        char text[24];

        snprintf(text, sizeof(text), "%llu", value);
        put(e, name, text);
}

static void put_fields(struct encoder *e, const struct message_fields *f)
{
        put(e, "MESSAGE_ID", f->id);
        put(e, "TARPIT", f->tarpit);
        put(e, "SUBJECT", f->subject);
        put(e, "SOURCE", f->source);
        put(e, "UNIT", f->unit);
        /* By this one "journalctl -u" finds what is about a unit, whoever says it as root. */
        put(e, "OBJECT_SYSTEMD_UNIT", f->unit);
        if (f->pid > 0)
                put_number(e, "OBJECT_PID", (unsigned) f->pid);
        if (f->has_uid)
                put_number(e, "OBJECT_UID", f->uid);
        put(e, "CONFIG_FILE", f->config_file);
        if (f->config_line > 0)
                put_number(e, "CONFIG_LINE", f->config_line);
        if (f->error < 0)
                put_number(e, "ERRNO", (unsigned) -f->error);
}

size_t message_record_encode(enum message_level level, const struct message_fields *fields, const char *text,
                             void *buf, size_t size)
{
        struct encoder e = { .buf = buf, .used = sizeof(struct head), .size = size };
        struct head head = { 0 };

        if (size < sizeof(head))
                return 0;
        if (fields->tree) {
                size_t tree = offsetof(struct snapshot, of) + fields->tree->n * sizeof(*fields->tree->of);

                if (size - e.used >= tree) {
                        memcpy(e.buf + e.used, fields->tree, tree);
                        e.used += tree;
                        head.tree_size = (uint32_t) tree;
                }
        }
        put(&e, "MESSAGE", text);
        if (e.n == 0)
                return 0;
        put_number(&e, "PRIORITY", (unsigned) priorities[level]);
        put_fields(&e, fields);
        head.n_fields = e.n;
        memcpy(buf, &head, sizeof(head));
        return e.used;
}

size_t message_record_decode(const void *record, struct iovec *ret_fields, const struct snapshot **ret_tree)
{
        const char *p = record;
        struct head head;
        uint32_t length;

        memcpy(&head, p, sizeof(head));
        p += sizeof(head);
        *ret_tree = head.tree_size > 0 ? (const struct snapshot *) (const void *) p : NULL;
        p += head.tree_size;
        for (size_t i = 0; i < head.n_fields; i++) {
                memcpy(&length, p, sizeof(length));
                p += sizeof(length);
                ret_fields[i] = (struct iovec){ .iov_base = (char *) p, .iov_len = length };
                p += length;
        }
        return head.n_fields;
}
