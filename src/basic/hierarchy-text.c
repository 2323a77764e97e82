/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "hierarchy-text.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#define FREEZER_V1                                                                                           \
        "; the freezer of cgroup v1 is not supported, as what it has frozen cannot be killed (see \"cgroup " \
        "v1\" in hobbled(8))"

const char *hierarchy_failure(int error)
{
        switch (error) {
        case -EPERM:
        case -EACCES:
                return geteuid() != 0 ? "not permitted to change the cgroup hierarchy: run it as root"
                                      : "not permitted to change the cgroup hierarchy, although root: a "
                                        "container has to have a writable mount of it";
        case -EOPNOTSUPP:
                return "this kernel has no cgroup v2 with a freezer: Linux 5.7 or later is needed" FREEZER_V1;
        case -ENXIO:
                return "cgroup v2 is mounted nowhere, and mounting it is not permitted here: run it as root, "
                       "or in a container have the host mount it at /sys/fs/cgroup/unified" FREEZER_V1;
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
