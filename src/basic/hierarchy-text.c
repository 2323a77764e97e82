/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "hierarchy-text.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

const char *hierarchy_failure(int error)
{
        switch (error) {
        case -EPERM:
        case -EACCES:
                return geteuid() != 0 ? "not permitted to change the cgroup hierarchy: run it as root"
                                      : "not permitted to mount or change the cgroup hierarchy, although "
                                        "root: a container has to have a writable mount of it";
        case -EOPNOTSUPP:
                return "there is no cgroup v2 hierarchy with a freezer here";
        case -EROFS:
                return "the cgroup hierarchy is mounted read-only, as in a container that may not change it: "
                       "give it a writable one";
        case -EXDEV:
                return "/proc is not there, or is that of another pid namespace: mount one of this "
                       "namespace";
        default:
                return NULL;
        }
}
