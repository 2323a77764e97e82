/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which system calls a file system has to answer, and the text of /proc/TID/syscall, which tells in which one
 * a thread is blocked. Pure. */

#include <stdbool.h>
#include <stdint.h>

enum file_call {
        FILE_CALL_NONE,
        FILE_CALL_ANY,    /* a file system has to answer it */
        FILE_CALL_STREAM, /* if its descriptor is that of a file: not a pipe, socket or terminal */
};

struct file_call_state {
        long number;
        uint64_t argument; /* the first one */
        bool foreign;      /* of a process with other numbers */
};

/* Returns 0; -EAGAIN: the thread runs, or is blocked, but not in a call; -EBADMSG. */
int file_call_parse(const char *text, struct file_call_state *ret);
enum file_call file_call_kind(long number);
