/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "file-call.h"
#include "macro.h"

#include <stdio.h>
#include <sys/syscall.h>

/* What takes a path, or a descriptor on which only files can do it. Calls that wait for somebody else's doing
 * (flock, fcntl) are not among them. Architectures that came later lack the calls that others replace. */
static const long any[] = {
        SYS_openat,
        SYS_statx,
        SYS_faccessat,
        SYS_readlinkat,
        SYS_unlinkat,
        SYS_mkdirat,
        SYS_linkat,
        SYS_symlinkat,
        SYS_mknodat,
        SYS_renameat2,
        SYS_fchmod,
        SYS_fchmodat,
        SYS_fchown,
        SYS_fchownat,
        SYS_utimensat,
        SYS_truncate,
        SYS_ftruncate,
        SYS_fallocate,
        SYS_statfs,
        SYS_fstatfs,
        SYS_getdents64,
        SYS_lseek,
        SYS_close,
        SYS_chdir,
        SYS_fchdir,
        SYS_execve,
        SYS_execveat,
        SYS_fsync,
        SYS_fdatasync,
        SYS_syncfs,
        SYS_sync_file_range,
        SYS_pread64,
        SYS_pwrite64,
        SYS_preadv,
        SYS_pwritev,
        SYS_preadv2,
        SYS_pwritev2,
        SYS_copy_file_range,
        SYS_name_to_handle_at,
        SYS_getxattr,
        SYS_lgetxattr,
        SYS_fgetxattr,
        SYS_listxattr,
        SYS_llistxattr,
        SYS_flistxattr,
        SYS_setxattr,
        SYS_lsetxattr,
        SYS_fsetxattr,
        SYS_removexattr,
        SYS_lremovexattr,
        SYS_fremovexattr,
#ifdef SYS_openat2
        SYS_openat2,
#endif
#ifdef SYS_faccessat2
        SYS_faccessat2,
#endif
#ifdef SYS_newfstatat
        SYS_newfstatat,
#endif
#ifdef SYS_fstat
        SYS_fstat,
#endif
#ifdef SYS_renameat
        SYS_renameat,
#endif
#ifdef SYS_open
        SYS_open,
        SYS_creat,
        SYS_stat,
        SYS_lstat,
        SYS_access,
        SYS_readlink,
        SYS_unlink,
        SYS_rename,
        SYS_mkdir,
        SYS_rmdir,
        SYS_link,
        SYS_symlink,
        SYS_mknod,
        SYS_chmod,
        SYS_chown,
        SYS_lchown,
        SYS_utimes,
        SYS_futimesat,
        SYS_getdents,
#endif
#ifdef SYS_utime
        SYS_utime,
#endif
#ifdef SYS_stat64
        SYS_stat64,
        SYS_lstat64,
        SYS_fstat64,
        SYS_fstatat64,
        SYS_statfs64,
        SYS_fstatfs64,
        SYS_truncate64,
        SYS_ftruncate64,
        SYS__llseek,
#endif
#ifdef SYS_chown32
        SYS_chown32,
        SYS_lchown32,
        SYS_fchown32,
#endif
#ifdef SYS_utimensat_time64
        SYS_utimensat_time64,
#endif
};

static const long stream[] = { SYS_read, SYS_write, SYS_readv, SYS_writev };

static bool is_in(const long *numbers, size_t n, long number)
{
        for (size_t i = 0; i < n; i++)
                if (numbers[i] == number)
                        return true;
        return false;
}

enum file_call file_call_kind(long number)
{
        if (is_in(stream, ELEMENTSOF(stream), number))
                return FILE_CALL_STREAM;
        return is_in(any, ELEMENTSOF(any), number) ? FILE_CALL_ANY : FILE_CALL_NONE;
}

int file_call_parse(const char *text, struct file_call_state *ret)
{
        unsigned long long argument, stack;
        long number;
        int n;

        /* "NUMBER ARGUMENT*6 STACK COUNTER"; "-1 STACK COUNTER" outside of a call; "running" */
        n = sscanf(text, "%ld %llx %*x %*x %*x %*x %*x %llx", &number, &argument, &stack);
        if (n < 1)
                return text[0] == 'r' ? -EAGAIN : -EBADMSG;
        if (number < 0)
                return -EAGAIN;
        if (n != 3)
                return -EBADMSG;
        *ret = (struct file_call_state){
                .number = number,
                .argument = argument,
                .foreign = sizeof(long) > 4 && stack <= UINT32_MAX,
        };
        return 0;
}
