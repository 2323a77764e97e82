#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests left behind on this machine, one a line: cgroups and hierarchies of theirs, of hobbled, or frozen; processes.

    leftovers.py                          what is here now
    leftovers.py --since=FILE [--run=ID]  what is here and not in FILE, after some seconds of grace; and processes that
                                          have HOBBLE_TEST_RUN=ID in their environment

What belongs to someone who is alive is not left: the cgroups of a test that runs, the home of an instance that runs.
"""

import argparse
import fcntl
import os
import re
import time

from observe import CGROOT, alive, entries, frozen, freeze_wanted, read


def in_use(name):
    """Whether the test or the instance that made a cgroup of this name at the hierarchy's root is alive."""
    test = re.match(r"hobbled?-test-(\d+)", name)
    if test:
        return alive(test[1])
    try:
        fd = os.open(os.path.join(CGROOT, name), os.O_RDONLY)
    except FileNotFoundError:
        return True  # it has just gone
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def cgroups():
    for path, folders, _ in os.walk(CGROOT or os.devnull):
        if path == CGROOT:
            folders[:] = [f for f in folders if not (re.match(r"hobbled?-", f) and in_use(f))]
        if re.match(r"hobbled?-", os.path.basename(path)):
            yield path
        if frozen(path) or freeze_wanted(path):
            yield f"{path} (frozen)"


def hierarchies():
    """Of cgroup v1, which the kernel may keep after they were unmounted."""
    for name in re.findall(r":name=(hobble-test-\d+):", read("/proc/self/cgroup")):
        if not in_use(name):
            yield f"hierarchy {name}"


def processes(run):
    for pid in filter(str.isdigit, entries("/proc")):
        try:
            mine = f"HOBBLE_TEST_RUN={run}\0" in read(f"/proc/{pid}/environ")
        except PermissionError:
            mine = False
        if mine and int(pid) not in (os.getpid(), os.getppid()) and alive(pid):
            command = read(f"/proc/{pid}/cmdline").replace("\0", " ")
            yield f"process {pid}: {command}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--since")
    parser.add_argument("--run")
    options = parser.parse_args()

    before = set(read(options.since).splitlines()) if options.since else set()
    end = time.monotonic() + (5 if options.since else 0)
    while True:
        left = sorted({*cgroups(), *hierarchies(), *(processes(options.run) if options.run else ())} - before)
        if not left or time.monotonic() >= end:
            break
        time.sleep(0.1)
    print("".join(f"{line}\n" for line in left), end="")


main()
