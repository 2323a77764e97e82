/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A message with its fields as one block of memory, on its way to the thread that writes it to the journal.
 */

#include <stddef.h>
#include <sys/uio.h>

#include "message.h"
#include "snapshot.h"

#define MESSAGE_FIELDS_MAX 20U

/* Write a record to buf, which is aligned to 8 bytes. A field that does not fit is left out; values may have
 * any bytes in them. Returns the record's size; 0: not even the text fits. */
size_t message_record_encode(enum message_level level, const struct message_fields *fields, const char *text,
                             void *buf, size_t size);

/* The fields of a record, as "NAME=value", in ret_fields, which has room for MESSAGE_FIELDS_MAX, and its
 * snapshot, or NULL. All point into the record. Returns how many fields there are. */
size_t message_record_decode(const void *record, struct iovec *ret_fields, const struct snapshot **ret_tree);
