/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which controllers a cgroup has for its children. No allocation; the guard uses it. */

/* Give the children of dir the controller ("cpu"). -ENOENT or -EINVAL: it is not available here; -EBUSY: the
 * cgroup has members of its own. */
int controllers_enable(int dir_fd, const char *name);

/* Take all controllers from the children of dir, whose own children must have none. */
int controllers_disable_all(int dir_fd);
