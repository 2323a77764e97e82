/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where the cgroup v2 hierarchy is. */

/* Open the hierarchy's root, as this process's cgroup namespace has it: where it is mounted or, where it is
 * not, on a mount that exists for this descriptor only. Returns a descriptor. -EOPNOTSUPP: the kernel has no
 * cgroup v2; -ENXIO: not mounted, and mounting is not permitted. */
int hierarchy_open(void);
