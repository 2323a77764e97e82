/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cgroup-mount.h"
#include "macro.h"

#include <linux/magic.h>
#include <stdint.h>
#include <string.h>
#include <sys/vfs.h>

const char *cgroup_mount(void)
{
        static const char *const paths[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
        struct statfs fs;

        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                if (statfs(paths[i], &fs) >= 0 && (uint64_t) (uint32_t) fs.f_type == CGROUP2_SUPER_MAGIC)
                        return paths[i];
        }
        return NULL;
}

const char *cgroup_mount_strip(const char *path)
{
        const char *mount = cgroup_mount();
        size_t size = mount ? strlen(mount) : 0;

        return mount && strncmp(path, mount, size) == 0 && path[size] == '/' ? path + size : NULL;
}
