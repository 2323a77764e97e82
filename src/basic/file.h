/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Small files, without allocation: the guard uses these too. */

#include <stddef.h>
#include <sys/types.h>

/* Read the file from its beginning, at most size - 1 bytes, and end it with a NUL. Returns the number of
 * bytes, or a negative errno; -EFBIG: it is longer. */
ssize_t file_read(int fd, char *buf, size_t size);
ssize_t file_read_at(int dir_fd, const char *name, char *buf, size_t size);

/* The same of a file that the kernel gives in one piece, as those in /proc/PID that tell one thing (stat,
 * comm, cgroup): asked for the rest, it would make all of it once more to find that there is none. */
ssize_t file_read_piece_at(int dir_fd, const char *name, char *buf, size_t size);

/* Write the text with one write(2). Returns 0 or a negative errno. */
int file_write(int fd, const char *text);
int file_write_at(int dir_fd, const char *name, const char *text);
