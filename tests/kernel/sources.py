# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of hobbled's SOURCEs share: who its subjects are, and files of pids that change."""

import os
import re
import time

import harness as h

CHECK = 0.3
QUICK = f"--check={CHECK}s"

# Longer than any machine takes; what is measured is measured for itself.
LONG = 15.0


def hobbled_roots(hobbled):
    """The roots of its subjects."""
    marks = (h.marks(d).get("root") for d in hobbled.subjects())
    return sorted(int(m.split()[0]) for m in marks if m)


def wait_roots(hobbled, pids, timeout=LONG):
    pids = sorted(pids)
    h.wait_until(lambda: hobbled_roots(hobbled) == pids, timeout, f"subjects {pids} (they are {hobbled_roots(hobbled)})")


def is_in(pid, hobbled):
    return (h.cgroup_of(pid) or "").startswith(hobbled.home + "/")


def wait_in(pid, hobbled, timeout=LONG):
    h.wait_until(lambda: is_in(pid, hobbled), timeout, f"{pid} is hobbled")


def wait_home(pid, home, timeout=LONG):
    h.wait_until(lambda: h.cgroup_of(pid) == home, timeout, f"{pid} is back in {home}")


def said(hobbled, pattern):
    return re.findall(pattern, hobbled.log(), re.M)


def name_pids(path, *pids):
    """Write the file anew, in place."""
    h.write(path, "".join(f"{pid}\n" for pid in pids))


def replace(path, *pids):
    """Put another file in its place."""
    h.write(path + ".new", "".join(f"{pid}\n" for pid in pids))
    os.rename(path + ".new", path)


def new_path(name):
    path = os.path.join(h.scratch(), f"{name}-{time.monotonic_ns()}")
    return path


def wait_cycles(directory, n=2):
    """Wait until the cgroup was frozen and thawed n times."""
    for _ in range(n):
        h.wait_until(lambda: h.frozen(directory), LONG, f"{directory} is frozen")
        h.wait_until(lambda: not h.frozen(directory), LONG, f"{directory} is thawed")
