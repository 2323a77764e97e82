# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of whole trees share: odd processes, and to hobble them and let them go."""

import os

import harness as h
from sources import wait_cycles

CHECK = "--check=200ms"


def victim(*arguments, cgroup=None, **popen):
    """Start a victim (victims/victim.c). Returns its pid."""
    return h.spawn([h.program("HOBBLE_VICTIM"), *map(str, arguments)], cgroup, **popen).pid


def environment(tag):
    return {**os.environ, "HOBBLE_TREE": tag}


def admitted(hobbled, pid, timeout=3.0):
    """Wait until it says that the tree is hobbled. Returns the directory of the subject."""
    hobbled.wait_log(rf"process {pid}\b.*: hobbled, \d+ process", timeout)
    return next(d for d in hobbled.subjects() if h.marks(d)["root"].split()[0] == str(pid))


def released(hobbled, pid, timeout=3.0):
    hobbled.wait_log(rf"process {pid}\b.*: released", timeout)


def is_in(pid, directory):
    """Whether the process is in a cgroup, or below; by a thread of it that lives."""
    if not h.alive(pid):
        return pid in h.members(directory)
    return ((h.cgroup_of(pid) or "") + "/").startswith(directory + "/")  # none: it has just ended


def rewrite(path, *pids):
    """Another content for a pid file, all at once."""
    h.write(path + ".new", "".join(f"{pid}\n" for pid in pids))
    os.rename(path + ".new", path)


def hobbled_and_home(pid, *others, cycles=2):
    """The tree of pid is hobbled with all the others, for some cycles, then released, and all are where they were."""
    origins = {p: h.cgroup_of(p) for p in (pid, *others)}
    file = h.pidfile(pid)
    with h.Hobbled(CHECK, file) as hobbled:
        directory = admitted(hobbled, pid)
        for p in (pid, *others):
            h.check(is_in(p, directory), f"{p} is not in the subject but in {h.cgroup_of(p)}")
        wait_cycles(directory, cycles)
        rewrite(file)
        released(hobbled, pid)
        for p, origin in origins.items():
            h.check(is_in(p, origin), f"{p} is in {h.cgroup_of(p)}, not {origin}")
            h.check(p in h.members(origin), f"{p} is no member of {origin}")
        h.equal([], hobbled.subjects(), "subjects that are left")
        return hobbled.log()
