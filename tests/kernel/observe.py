# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the kernel says about cgroups and processes, for the tests. harness.py hands all of this on."""

import errno
import os
import re
import time


def read(path):
    """The text of a small file, "" where it is gone (a process or a cgroup that ended meanwhile)."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as f:
            return f.read()
    except OSError as e:
        # ESRCH and ENODEV: the process or the cgroup ended while its file was open.
        if e.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESRCH, errno.ENODEV):
            return ""
        raise


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(str(text))


def entries(path):
    """The names in a directory, none where it is gone."""
    try:
        return os.listdir(path)
    except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
        return []


# -- Cgroups: each is named by the path of its directory ------------------------------------------------------

def _find_hierarchy():
    """The cgroup2 mount, and which cgroup it shows; (None, None) where nothing is mounted."""
    for line in read("/proc/self/mountinfo").splitlines():
        left, right = line.split(" - ")
        root, where = left.split()[3:5]
        if right.split()[0] == "cgroup2" and os.access(where, os.W_OK):
            return where.encode().decode("unicode_escape"), root
    return None, None


CGROOT, _cgroot_shows = _find_hierarchy()


def cgroup_of(pid):
    """The process's cgroup in the v2 hierarchy, None where there is no such process."""
    for line in read(f"/proc/{pid}/cgroup").splitlines():
        if line.startswith("0::"):
            path = os.path.relpath(line[3:].removesuffix(" (deleted)"), _cgroot_shows)
            return os.path.normpath(os.path.join(CGROOT, path))
    return None


def attach(pid, path):
    write(os.path.join(path, "cgroup.procs"), pid)


def members(path):
    """The processes in a cgroup and below, by their threads: also those whose leader has exited."""
    tids = {t for d, _, _ in os.walk(path) for t in read(os.path.join(d, "cgroup.threads")).split()}
    found = (re.search(r"^Tgid:\t(\d+)", read(f"/proc/{t}/status"), re.M) for t in tids)
    return {int(m[1]) for m in found if m}


def freeze(path, how=True):
    write(os.path.join(path, "cgroup.freeze"), int(how))


def freeze_wanted(path):
    """Whether the cgroup's own cgroup.freeze is set; not that of an ancestor."""
    return read(os.path.join(path, "cgroup.freeze")).strip() == "1"


def frozen(path):
    """Whether all of the cgroup is frozen at this moment, by itself or by an ancestor."""
    return "frozen 1" in read(os.path.join(path, "cgroup.events"))


def anything_frozen(path, wanted=False):
    """The cgroups at and below path that are frozen or about to be; wanted: only those that are to be."""
    return [d for d, _, _ in os.walk(path) if freeze_wanted(d) or (not wanted and frozen(d))]


def frozen_usec(path):
    """How long the cgroup was frozen, in microseconds; None where the kernel does not count that."""
    found = re.search(r"^frozen_usec (\d+)", read(os.path.join(path, "cgroup.stat.local")), re.M)
    return int(found[1]) if found else None


def cpu_usec(path):
    """CPU time of a cgroup with all that is below, in microseconds."""
    found = re.search(r"^usage_usec (\d+)", read(os.path.join(path, "cpu.stat")), re.M)
    return int(found[1]) if found else 0


def share(path, seconds=5.0):
    """The share of one CPU that a cgroup gets over the next so many seconds (1.0: a whole CPU)."""
    begin, before = time.monotonic(), cpu_usec(path)
    time.sleep(seconds)
    after, end = cpu_usec(path), time.monotonic()
    return (after - before) / 1e6 / (end - begin)


class Watched:
    """Notices whether any of the subjects is ever frozen."""

    def __init__(self, directories):
        self._before = {d: frozen_usec(d) for d in directories}
        self._caught = set()

    def wait(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if None in self._before.values():
                self._caught |= {d for d in self._before if freeze_wanted(d)}
            time.sleep(min(0.1, max(0.0, end - time.monotonic())))

    def frozen(self):
        return sorted(self._caught | {d for d, n in self._before.items() if n is not None and frozen_usec(d) != n})


def marks(path):
    """The user.hobble.* attributes of a directory, without that prefix: {"origin": "…", …}."""
    prefix = "user.hobble."
    try:
        return {a.removeprefix(prefix): os.getxattr(path, a).decode(errors="surrogateescape")
                for a in os.listxattr(path) if a.startswith(prefix)}
    except OSError:
        return {}


def remove(path):
    """Thaw a cgroup and all below, and remove what is empty. Returns whether it is gone."""
    for d, _, _ in os.walk(path, topdown=False):
        try:
            freeze(d, False)
            os.rmdir(d)
        except OSError:
            pass
    return not os.path.exists(path)


# -- Processes ------------------------------------------------------------------------------------------------

def children(pid):
    return [int(c) for t in entries(f"/proc/{pid}/task") for c in read(f"/proc/{pid}/task/{t}/children").split()]


def descendants(pid):
    """All descendants, parents before children."""
    found = children(pid)
    for child in found:
        found += children(child)  # the list grows while it is walked
    return found


def _stat(pid):
    """The fields of /proc/PID/stat from the third (state) on; none where there is no such process."""
    return read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def state(pid):
    """The process's state letter, None where there is none."""
    fields = _stat(pid)
    return fields[0] if fields else None


def start_time(pid):
    """Field 22, in clock ticks since boot; None where there is no such process."""
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def alive(pid):
    """Whether the process is there and no zombie."""
    return state(pid) not in (None, "Z", "X")


def cpu_usec_of(pid):
    """CPU time of a process's living threads, in microseconds."""
    return sum(int((read(f"/proc/{pid}/task/{t}/schedstat") or "0").split()[0])
               for t in entries(f"/proc/{pid}/task")) / 1000
