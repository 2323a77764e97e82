/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* src/libhobble/file-wait, file-call: which calls are a file system's, and when a subject is worth a probe.
 */

#include "file-call.h"
#include "file-wait.h"
#include "macro.h"
#include "unit.h"

#include <sys/syscall.h>

static void which_calls(void **state)
{
        static const long files[] = {
                SYS_openat,     SYS_statx, SYS_getdents64, SYS_unlinkat, SYS_renameat2, SYS_readlinkat,
                SYS_execve,     SYS_fsync, SYS_getxattr,   SYS_pread64,
#ifdef SYS_open
                SYS_open,       SYS_stat,  SYS_lstat,      SYS_access,   SYS_rename,    SYS_rmdir,
#endif
#ifdef SYS_newfstatat
                SYS_newfstatat,
#endif
        };
        static const long others[] = {
                SYS_nanosleep,   SYS_clock_nanosleep, SYS_futex, SYS_ppoll,         SYS_pselect6,
                SYS_epoll_pwait, SYS_wait4,           SYS_flock, SYS_fcntl,         SYS_recvmsg,
                SYS_accept4,     SYS_connect,         SYS_ioctl, SYS_rt_sigsuspend, SYS_msgrcv,
#ifdef SYS_poll
                SYS_poll,        SYS_select,          SYS_pause, SYS_epoll_wait,
#endif
        };

        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                assert_int_equal(file_call_kind(files[i]), FILE_CALL_ANY);
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                assert_int_equal(file_call_kind(others[i]), FILE_CALL_NONE);
        assert_int_equal(file_call_kind(SYS_read), FILE_CALL_STREAM);
        assert_int_equal(file_call_kind(SYS_writev), FILE_CALL_STREAM);
        assert_int_equal(file_call_kind(-1), FILE_CALL_NONE);
        assert_int_equal(file_call_kind(1000000), FILE_CALL_NONE);
}

static void the_text_is_parsed(void **state)
{
        struct file_call_state c = { .number = 77 };

        assert_int_equal(file_call_parse("running\n", &c), -EAGAIN);
        assert_int_equal(file_call_parse("-1 0x7ffe5c9b0a50 0x7f2a3c1d0e47\n", &c), -EAGAIN);
        assert_int_equal(file_call_parse("", &c), -EBADMSG);
        assert_int_equal(file_call_parse("blocked", &c), -EBADMSG);
        assert_int_equal(file_call_parse("262 0x3 0x558e", &c), -EBADMSG);
        assert_int_equal(c.number, 77);

        assert_int_equal(
                file_call_parse("262 0xffffff9c 0x558e797813c3 0x7ffead54b050 0x100 0x558e797a2000 0x21001 "
                                "0x7ffead54b048 0x7fa43203786a\n",
                                &c),
                0);
        assert_int_equal(c.number, 262);
        assert_int_equal(c.argument, 0xffffff9c);
        assert_false(c.foreign);

        /* a 32-bit process, whose numbers mean something else on a 64-bit kernel */
        assert_int_equal(file_call_parse("3 0x0 0xffd3c1a0 0x400 0x0 0x0 0x0 0xffd3c170 0xf7f3a549\n", &c),
                         0);
        assert_int_equal(c.foreign, sizeof(long) > 4);
}

/* Neither who sleeps, nor whose waits io.pressure tells of, nor too often. */
static void when_a_probe_is_due(void **state)
{
        struct file_wait w = { 0 };
        uint64_t t = 1000000;

        file_wait_begin(&w, t);
        assert_false(file_wait_is_due(&w, 100, 0, false, t));
        assert_false(file_wait_is_due(&w, 100, 0, false, t + 10000));
        assert_true(file_wait_is_due(&w, 100, 0, true, t + 10000)); /* at a window's end */
        assert_true(file_wait_is_due(&w, 100, 0, false, t + 40000));
        assert_false(file_wait_is_due(&w, 0, 0, false, t + 40000));

        /* a good part of it was charged: the next stretch begins */
        assert_false(file_wait_is_due(&w, 100, 30000, false, t + 60000));
        assert_false(file_wait_is_due(&w, 100, 0, false, t + 90000));
        assert_true(file_wait_is_due(&w, 100, 0, false, t + 100000));
        file_wait_done(&w);
}

/* Without a cgroup there is nobody to be found: after many probes in vain they become rarer. */
static void in_vain(void **state)
{
        struct file_wait w = { 0 };
        uint64_t t = 1000000;

        file_wait_begin(&w, t);
        for (int i = 0; i < 25; i++) {
                t += 40000;
                assert_true(file_wait_is_due(&w, 100, 0, false, t));
                assert_int_equal(file_wait_probe(&w, -1, 50000, t), 0);
        }
        assert_false(file_wait_is_due(&w, 100, 0, false, t + 319999));
        assert_true(file_wait_is_due(&w, 100, 0, false, t + 320000));
        assert_false(file_wait_is_suspect(&w));
        file_wait_done(&w);
}

UNIT_MAIN(cmocka_unit_test(which_calls), cmocka_unit_test(the_text_is_parsed),
          cmocka_unit_test(when_a_probe_is_due), cmocka_unit_test(in_vain))
