/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Taking a subject in: mkdir, origin, attach, and only then freeze, so that a crash at any instant can be
 * undone. */

#include <stdint.h>

#include "hobble.h"

struct admission;

/* Begin with a tree whose root is held by pid_fd, which becomes the admission's. -ENOMEM. */
int admission_new_tree(struct admission **ret, hobble_subject *s, int pid_fd);

/* Begin with a cgroup in place: s->in_place is set. -ENOMEM. */
int admission_new_cgroup(struct admission **ret, hobble_subject *s);

struct admission *admission_free(struct admission *a);

/* Go on until deadline_usec; the subject then is live, has ended, or is in the worker's queue again. */
void admission_step(hobble_subject *s, uint64_t deadline_usec);
