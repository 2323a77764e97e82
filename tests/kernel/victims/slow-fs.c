/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A file system that takes its time: slow-fs DIRECTORY MSEC. For every call, also several at once, it takes
 * so long, and its answers are not kept. It has one directory, with files that are all alike. It is unmounted
 * when this ends, after two minutes at the latest. */

#define FUSE_USE_VERSION 35

#include <errno.h>
#include <fuse.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#define LIFE_SEC 120
#define FILES 50
#define FILE_SIZE (16 << 20)

static void take_time(void)
{
        const struct timespec *delay = fuse_get_context()->private_data;

        (void) nanosleep(delay, NULL);
}

static int slow_getattr(const char *path, struct stat *st, struct fuse_file_info *file)
{
        (void) file;
        take_time();
        if (strcmp(path, "/") == 0)
                *st = (struct stat){ .st_mode = S_IFDIR | 0755, .st_nlink = 2 };
        else
                *st = (struct stat){ .st_mode = S_IFREG | 0644, .st_nlink = 1, .st_size = FILE_SIZE };
        return 0;
}

static int slow_readdir(const char *path, void *buf, fuse_fill_dir_t fill, off_t offset,
                        struct fuse_file_info *file, enum fuse_readdir_flags flags)
{
        char name[16];

        (void) path, (void) offset, (void) file, (void) flags;
        take_time();
        for (int i = 0; i < FILES; i++) {
                snprintf(name, sizeof(name), "file-%d", i);
                if (fill(buf, name, NULL, 0, 0) != 0)
                        return -ENOMEM;
        }
        return 0;
}

static int slow_open(const char *path, struct fuse_file_info *file)
{
        (void) path;
        take_time();
        file->direct_io = 1;
        return 0;
}

static int slow_read(const char *path, char *buf, size_t size, off_t offset, struct fuse_file_info *file)
{
        (void) path, (void) offset, (void) file;
        take_time();
        memset(buf, 0, size);
        return (int) size;
}

static void *slow_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
        (void) connection;
        config->entry_timeout = config->attr_timeout = config->negative_timeout = 0;
        return fuse_get_context()->private_data;
}

int main(int argc, char **argv)
{
        static const struct fuse_operations operations = {
                .getattr = slow_getattr,
                .readdir = slow_readdir,
                .open = slow_open,
                .read = slow_read,
                .init = slow_init,
        };
        struct timespec delay;
        char *arguments[] = { argv[0], "-f", "-o", "fsname=slow-fs,allow_other", argc > 1 ? argv[1] : NULL,
                              NULL };
        long msec = argc == 3 ? atol(argv[2]) : 0;

        if (msec <= 0) {
                fprintf(stderr, "slow-fs: DIRECTORY and MSEC are missing\n");
                return 2;
        }
        delay = (struct timespec){ .tv_sec = msec / 1000, .tv_nsec = msec % 1000 * 1000000 };
        alarm(LIFE_SEC);
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
                fprintf(stderr, "slow-fs: no mount namespace: %s\n", strerror(errno));
                return 1;
        }
        return fuse_main(5, arguments, &operations, &delay);
}
