/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where `hobblectl run` without privilege runs: in a scope of the user's systemd, named after the process id
 * of hobblectl, which holds hobblectl, the command and the home of the engine, whose instance has the same
 * number:
 *
 *         user.slice/user-UID.slice/user@UID.service/app.slice/app-hobble.slice/hobble-run-PID.scope/
 *                 hobbled-run-PID/
 */

#define RUN_SLICE "app-hobble.slice"
#define RUN_SLICE_IN_MANAGER "app.slice/" RUN_SLICE
#define RUN_SCOPE_PREFIX "hobble-run-"
#define RUN_SCOPE_SUFFIX ".scope"
#define RUN_INSTANCE_PREFIX "run-"
