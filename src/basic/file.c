/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "file.h"
#include "macro.h"

#include <fcntl.h>
#include <string.h>

ssize_t file_read(int fd, char *buf, size_t size)
{
        size_t n = 0;

        for (;;) {
                ssize_t k = pread(fd, buf + n, size - n, (off_t) n);

                if (k < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                n += (size_t) k;
                if (k == 0)
                        break;
                if (n == size)
                        return -EFBIG;
        }

        buf[n] = '\0';
        return (ssize_t) n;
}

ssize_t file_read_at(int dir_fd, const char *name, char *buf, size_t size)
{
        _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);

        return fd < 0 ? -errno : file_read(fd, buf, size);
}

ssize_t file_read_piece_at(int dir_fd, const char *name, char *buf, size_t size)
{
        _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        ssize_t n;

        if (fd < 0)
                return -errno;
        do
                n = read(fd, buf, size);
        while (n < 0 && errno == EINTR);

        if (n < 0)
                return -errno;
        if ((size_t) n == size)
                return -EFBIG;
        buf[n] = '\0';
        return n;
}

int file_write(int fd, const char *text)
{
        ssize_t k;

        do
                k = write(fd, text, strlen(text));
        while (k < 0 && errno == EINTR);

        return k < 0 ? -errno : 0;
}

int file_write_at(int dir_fd, const char *name, const char *text)
{
        _cleanup_close_ int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC | O_NOCTTY);

        return fd < 0 ? -errno : file_write(fd, text);
}
