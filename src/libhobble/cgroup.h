/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One cgroup v2 directory, through a descriptor: attach, freeze, thaw, usage, marks. No allocation; the guard
 * uses it.
 *
 * Directories are opened O_RDONLY, not O_PATH, because extended attributes and flock need it. A cgroup that
 * was removed answers ENODEV through an open file of it and ENOENT by name: both functions and callers take
 * either for "gone". */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Longest path within the hierarchy, and room for the text of a small control file. */
#define CGROUP_PATH_MAX 4096
#define CGROUP_TEXT_MAX 4096

/* The marks, extended attributes of a subject's directory (see rescue.h). */
#define CGROUP_MARK_ORIGIN "user.hobble.origin"     /* path of the cgroup that the members came from */
#define CGROUP_MARK_TARGET "user.hobble.target"     /* of a stand-in: path of the cgroup that is frozen */
#define CGROUP_MARK_INSTANCE "user.hobble.instance" /* whose home, or whose target, it is */
#define CGROUP_MARK_ROOT "user.hobble.root"         /* "PID START_TIME" of the tree's root */
#define CGROUP_MARK_SINCE "user.hobble.since"       /* CLOCK_REALTIME of the admission, in microseconds */
#define CGROUP_MARK_BASE "user.hobble.base"         /* in place: usage_usec at admission */

/* Whether error, a negative errno, says that the cgroup is not there any more. */
static inline bool cgroup_is_gone(int error)
{
        return error == -ENOENT || error == -ENODEV;
}

/* Open the directory at path beneath dir_fd, whatever is linked or mounted there (RESOLVE_BENEATH, no links).
 * A leading slash stands for dir_fd; "" and "/" are dir_fd itself. Returns a descriptor or a negative errno.
 */
int cgroup_open(int dir_fd, const char *path);

/* Make the directory, which everybody may read as any cgroup. Returns 0 or a negative errno. */
int cgroup_mkdir(int dir_fd, const char *name);

/* Make the directory so, or take it as it is. Returns a descriptor or a negative errno. */
int cgroup_make(int dir_fd, const char *name);

/* Remove an empty directory. Gone is fine. -EBUSY: it has members or children. */
int cgroup_remove(int dir_fd, const char *name);

/* The same, with the empty directories right beneath it. */
int cgroup_remove_all(int dir_fd, const char *name);

/* Whether the directory belongs to the user that this process acts as: only then is a mark on it believed. */
bool cgroup_is_ours(int dir_fd);

/* Move the process that pid, a process or thread id, belongs to into the cgroup. -ESRCH: none (any more). */
int cgroup_attach(int dir_fd, pid_t pid);

/* Write cgroup.freeze. */
int cgroup_freeze(int dir_fd, bool freeze);

/* Whether cgroup.freeze is 1 here. Returns 0, 1 or a negative errno. */
int cgroup_freeze_is_set(int dir_fd);

/* Whether cgroup.freeze is 1 in a cgroup above the one at path, which freezes that one as well. */
bool cgroup_is_frozen_above(int root_fd, const char *path);

/* Whether cgroup.events says "frozen 1", here or from an ancestor. Returns 0, 1 or a negative errno. */
int cgroup_is_frozen(int dir_fd);

/* Whether there is a live process here or beneath. Returns 0, 1 or a negative errno. */
int cgroup_is_populated(int dir_fd);

/* Call fn for the ids in a file of ids ("cgroup.procs" or "cgroup.threads"). fn returns 0 to go on, else the
 * walk ends with that value; it may move the process. Returns 0 or a negative errno. */
int cgroup_for_each_id(int dir_fd, const char *file, int (*fn)(pid_t id, void *userdata), void *userdata);

/* Call fn for each child directory. A child that goes or comes meanwhile may be missed. Returns as above. */
int cgroup_for_each_child(int dir_fd, int (*fn)(int dir_fd, const char *name, void *userdata),
                          void *userdata);

/* The value of `usage_usec` in an open cpu.stat, and of the "some" total in an open io.pressure, in
 * microseconds. */
int cgroup_read_usage(int stat_fd, uint64_t *ret_usec);
int cgroup_read_pressure(int pressure_fd, uint64_t *ret_usec);

/* The parsers behind them. `key` must stand at the beginning of a line. Return 0 or -EBADMSG. */
int cgroup_parse_key(const char *text, const char *key, uint64_t *ret);
int cgroup_parse_pressure(const char *text, uint64_t *ret_usec);

/* Marks. Getting returns the length, -ENODATA where there is none, -EFBIG where it does not fit. */
int cgroup_mark_set(int dir_fd, const char *mark, const char *value);
int cgroup_mark_get(int dir_fd, const char *mark, char *buf, size_t size);
int cgroup_mark_clear(int dir_fd, const char *mark);

/* The path of a process's cgroup in the v2 hierarchy, as this process sees it. -ESRCH: no such process;
 * -EXDEV: it lives outside of this process's cgroup namespace; -ENAMETOOLONG. */
int cgroup_of_process(pid_t pid, char *buf, size_t size);

/* The same for a thread; a process whose leader has exited shows its true cgroup only there. */
int cgroup_of_thread(pid_t pid, pid_t tid, char *buf, size_t size);
int cgroup_parse_membership(const char *text, char *buf, size_t size);
