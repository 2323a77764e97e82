/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The guard as the main process of a unit, hobble-pit.service, whose cgroup is the home. It outlives the
 * engines, which connect to its socket, one at a time. */

/* Serve until SIGTERM. path: of the socket; whoever may connect may hobble. Returns the exit status. */
int service_run(const char *path, int priority);

/* After the unit's end, however it came: rescue whatever is in the pit, and leave the unit's cgroup as
 * systemd made it, without controllers for its children: with those, the unit could not be started again. */
int service_clean(int priority);
