#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A walk through a slow file system is slowed by hobbled.service as well: its sandbox lets it see in which calls other
users' threads are blocked."""

import os

import harness as h  # before those that import it from beside it
import following
import slow

DUTY = 10 / 260


@h.test
def a_walk_is_slowed_from_within_the_sandbox():
    os.mknod("/dev/fuse", 0o600 | 0o020000, os.makedev(10, 229))
    os.mkdir("/run/slow")
    fs, counter = slow.SlowFs(5, "/run/slow"), slow.Counter("/run/walked")
    h.write(counter.path, "")
    os.chmod(counter.path, 0o666)
    walk = [*fs.before, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", h.program("HOBBLE_VICTIM"),
            "walk", fs.path, counter.path]
    pid = h.service("walker", f"exec {' '.join(walk)}")
    counter.until(5)
    before = counter.rate(1.5)
    with following.Following(walkers="[Source]\nUnit=walker.service\n"):
        following.wait_in("walkers", pid)
        h.wait_until(lambda: h.frozen(h.cgroup_of(pid)), 10, "it is frozen")
        rate = counter.rate(5)
        h.between(0.2 * DUTY, rate / before, 1.5 * DUTY, f"part of {before:.1f} calls a second")
    h.systemctl("stop", "walker")


h.main()
