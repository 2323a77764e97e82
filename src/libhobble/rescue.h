/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* clang-format off */
/* Thaw and restore whatever an instance has marked. No allocation; the guard uses it.
 *
 * The cgroup tree is the only state. An instance has a home, a directory that nobody but hobbled makes:
 *
 *         hobbled-INSTANCE/         home (mark: instance), flock()ed by the live engine or by whoever rescues
 *           guard/                  the guard's leaf
 *           pit/TARPIT/SUBJECT/     a process tree: members of the root's origin (mark: origin)
 *                      oN/          its members of another origin (mark: origin)
 *           pit/TARPIT/SUBJECT/     a nested tree, a cgroup in place: an empty stand-in (mark: target)
 *
 * What a stand-in names lies outside of the home:
 *
 *         …/hobbled-INSTANCE-N/     a nested tree (nest.h): members of the root's origin (mark: origin)
 *           oN/                     its members of another origin (mark: origin)
 *         …                         a cgroup that is hobbled in place (mark: instance, while it may be frozen)
 *
 * A stand-in is there, and names the other, before that one is made or marked, and goes after it. All is
 * believed only where it belongs to the user that this process acts as.
 *
 * A home is right beneath the root of the hierarchy or, of a user without privilege, in a scope of theirs
 * (run-scope.h).
 *
 * The home of a guard that is a service of its own is the cgroup of that unit, which systemd makes and
 * removes, at HOME_SERVICE_PATH; its instance is HOME_SERVICE, a name that no other instance can have. */
/* clang-format on */

#include <stdbool.h>
#include <stdint.h>

#define HOME_PREFIX "hobbled-"
#define HOME_PIT "pit"
#define HOME_GUARD "guard"
#define HOME_NAME_MAX (sizeof("/" HOME_PREFIX) + 64)
#define HOME_SERVICE "pit"
#define HOME_SERVICE_PATH "hobble.slice/hobble-pit.service"

struct rescue {
        int root_fd;          /* the hierarchy's root; borrowed */
        const char *instance; /* borrowed */
        bool keep_marks; /* in place: thaw, but keep mark and stand-in, because one freeze may still come */
        /* What was done so far. */
        unsigned subjects;  /* restored, or thawed in place */
        unsigned processes; /* moved home */
        unsigned strayed; /* of them, elsewhere than to their origin, which is gone or takes none any more */
        unsigned left;    /* subjects that could not be restored in this round; they are thawed */
};

/* One round: thaw everything in the home's pit, then restore everything, then remove what is empty, the pit
 * and its tarpits included. Returns 0 or a negative errno; r->left says whether another round is due. */
int rescue_round(struct rescue *r, int home_fd);

/* Rounds until nothing is left, at most for limit_usec. With keep_marks, subjects in place do not count as
 * left. */
int rescue_all(struct rescue *r, int home_fd, uint64_t limit_usec);

/* Whether the directory is the instance's home: made by an engine of this user's. */
bool home_is_one(int dir_fd, const char *instance);

/* Whether the instance is the one of the guard that is a service. */
bool home_is_service(const char *instance);

/* The path of an instance's home beneath its parent, with a slash before it. */
void home_path(const char *instance, char buf[static HOME_NAME_MAX]);

/* Open instance's home beneath its parent: the root, or what struct hobble_options says. -ENOENT: none;
 * -EPERM: it is none, or belongs to somebody else. */
int home_open(int parent_fd, const char *instance);

/* Take the lock on a home. -EBUSY: somebody has it; -ESTALE: it was removed meanwhile. The lock goes with the
 * descriptor. */
int home_lock(const char *instance, int home_fd);

/* Remove guard leaf, pit and home as far as they are empty; a unit's own cgroup stays. */
void home_remove(const char *instance, int home_fd);
