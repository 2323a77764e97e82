/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "document.h"
#include "file.h"
#include "macro.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static int refuse(char *why, int error, const char *text)
{
        (void) snprintf(why, DOCUMENT_WHY_MAX, "%s", text);
        return error;
}

static int refuse_error(char *why, int error)
{
        (void) snprintf(why, DOCUMENT_WHY_MAX, "cannot be read: %s", strerror(-error));
        return error;
}

/* Whether what was found may be read. Returns 1, 0 where it masks, or a negative errno. */
static int check_kind(const struct stat *st, char *why)
{
        if (S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3))
                return 0;
        if (S_ISDIR(st->st_mode))
                return refuse(why, -EISDIR, "is a directory, not a file");
        if (!S_ISREG(st->st_mode))
                return refuse(why, -EINVAL, "is not a regular file");
        if (st->st_uid != 0 && st->st_uid != geteuid()) {
                (void) snprintf(why, DOCUMENT_WHY_MAX,
                                "belongs to user %u, so it is not trusted: give it to root",
                                (unsigned) st->st_uid);
                return -EPERM;
        }
        if (st->st_mode & S_IWOTH)
                return refuse(why, -EPERM,
                              "can be written by everybody, so it is not trusted: chmod o-w mends that");
        if (st->st_size > (off_t) DOCUMENT_SIZE_MAX)
                return refuse(why, -EFBIG, "is larger than 1 MiB");
        return st->st_size > 0;
}

static int read_text(int fd, size_t size, struct document *ret, char *why)
{
        _cleanup_free_ char *text = NULL;
        ssize_t n;

        /* One byte for the NUL, and one more, which shows that nothing came after. */
        text = malloc(size + 2);
        if (!text)
                return -ENOMEM;
        n = file_read(fd, text, size + 2);
        if (n == -EFBIG)
                return refuse(why, -EFBIG, "grew while it was being read");
        if (n < 0)
                return refuse_error(why, (int) n);

        ret->size = (size_t) n;
        ret->masked = n == 0;
        ret->text = TAKE_PTR(text);
        return 0;
}

int document_read(const char *path, struct document *ret, char why[static DOCUMENT_WHY_MAX])
{
        _cleanup_close_ int place = -EBADF, fd = -EBADF;
        char again[64];
        struct stat st;
        int r;

        /* To look at it does no harm, whatever it is; to open a device may. */
        place = open(path, O_PATH | O_CLOEXEC);
        if (place < 0) {
                r = -errno;
                if (r == -ENOENT && lstat(path, &st) == 0)
                        return refuse(why, -ENOLINK, "is a link to nothing");
                return refuse_error(why, r);
        }
        if (fstat(place, &st) < 0)
                return refuse_error(why, -errno);
        r = check_kind(&st, why);
        if (r < 0)
                return r;
        if (r == 0) {
                *ret = (struct document){ .masked = true };
                return 0;
        }

        (void) snprintf(again, sizeof(again), "/proc/self/fd/%d", place);
        fd = open(again, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
                return refuse_error(why, -errno);

        *ret = (struct document){ 0 };
        return read_text(fd, (size_t) st.st_size, ret, why);
}

void document_done(struct document *document)
{
        free(document->text);
        *document = (struct document){ 0 };
}
