/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Why an engine could not be started, for people, where that lies in the cgroup hierarchy or in /proc, as
 * hobble_engine_new() returns it: a clause (static), or NULL for any other negative errno. */
const char *hierarchy_failure(int error);
