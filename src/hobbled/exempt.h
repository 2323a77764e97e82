/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who is never hobbled, whoever asks for it.
 *
 * The built-in list: PID 1, systemd's own services and every `systemd --user`, dbus, logind, sshd's listener
 * and the privileged part of each ssh session, hobbled's own services. Then what [Exempt] says, in
 * hobbled.conf for all tarpits and in a tarpit's file for that one, and any cgroup of root's with the
 * attribute user.hobble.omit=1, for all that is beneath. What the engine itself refuses
 * (hobble_engine_may_hobble()) is not repeated here. */

#include "config.h"
#include "hobble.h"

struct exempt;

/* Returns 0 or a negative errno. */
int exempt_new(struct exempt **ret);

/* NULL is fine. Returns NULL. */
struct exempt *exempt_free(struct exempt *x);

/* Why a cgroup must not be frozen in place, as a clause like those below; NULL: it may be. [Exempt] is asked
 * for its unit; its members are not looked at. global and tarpit may be NULL. path: in the hierarchy.
 * force: only the built-in list counts. */
const char *exempt_cgroup_reason(struct exempt *x, const struct config_exemptions *global,
                                 const struct config_exemptions *tarpit, const char *path, bool force);

/* Why the process must not be hobbled, as a clause ("is exempt: User=root in /etc/hobbled/hobbled.conf:7",
 * "belongs to dbus.service, which the host needs"), valid until the next call; NULL: it may be. global and
 * tarpit may be NULL. home: the path of its cgroup in the hierarchy. force: only the built-in list counts. */
const char *exempt_reason(struct exempt *x, const struct config_exemptions *global,
                          const struct config_exemptions *tarpit, const struct hobble_process *process,
                          const char *home, bool force);

/* Whether the process is, or may be, one that a service manager has forked to start something: it runs the
 * manager's own executable still. */
bool exempt_is_forked(struct exempt *x, const struct hobble_process *process);

/* Whether, since this was asked last, somebody was taken for exempt only because it was not known yet who a
 * user is: then ask again in a while. */
bool exempt_take_doubt(struct exempt *x);
