/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where people find the cgroup v2 hierarchy: "/sys/fs/cgroup", or "/sys/fs/cgroup/unified" where v1 is
 * mounted as well; NULL where it is at neither. Static. */
const char *cgroup_mount(void);

/* The rest of a path that lies beneath it, from the root of the hierarchy ("/system.slice"), or NULL. */
const char *cgroup_mount_strip(const char *path);
