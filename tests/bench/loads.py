# SPDX-License-Identifier: LGPL-2.1-or-later
"""The processes that are hobbled, and the cgroups that they and all else of the benchmark live in."""

import contextlib
import ctypes
import mmap
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time

from observe import CGROOT, attach, cgroup_of, entries, freeze, remove, write

GAPS = 256
HEAD, SUBJECT, TRACK = struct.Struct("IIII"), struct.Struct("3II"), struct.Struct(f"QQ{2 * GAPS}Q")
NO_TRACK = 0xFFFFFFFF
_libc = ctypes.CDLL(None)


class Place:
    """What the benchmark makes: a cgroup with all of its processes in it, and a directory for files. Leaves nothing of
    them behind."""

    def __init__(self):
        self.name = f"bench-{os.getpid()}"
        self.path = os.path.join(CGROOT, f"hobble-{self.name}")
        self.files = tempfile.mkdtemp(prefix="hobble-bench-")
        os.makedirs(self.path)

    def cgroup(self, name):
        path = os.path.normpath(os.path.join(self.path, name))
        os.makedirs(path, exist_ok=True)
        return path

    def file(self, name, text=""):
        path = os.path.join(self.files, name)
        write(path, text)
        return path

    def spawn(self, argv, cgroup, **popen):
        """Start a process, born in this cgroup of the place, in a session of its own: what is typed at the terminal is for
        the benchmark alone. It ends with this thread."""
        path = self.cgroup(cgroup)

        def before_exec():
            attach(os.getpid(), path)
            _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: also where the benchmark is killed and cannot clean up

        popen.setdefault("stdin", subprocess.DEVNULL)
        popen.setdefault("stdout", subprocess.DEVNULL)
        return subprocess.Popen(argv, preexec_fn=before_exec, start_new_session=True, **popen)

    def empty(self, name):
        """Kill what is in a cgroup, frozen or not, and remove it."""
        path = os.path.normpath(os.path.join(self.path, name))
        with contextlib.suppress(FileNotFoundError):
            write(os.path.join(path, "cgroup.kill"), 1)
            freeze(path, False)
        end = time.monotonic() + 20
        while not remove(path):
            if time.monotonic() > end:
                raise OSError(f"{path} cannot be removed")
            time.sleep(0.01)

    def close(self):
        self.empty(".")
        shutil.rmtree(self.files, ignore_errors=True)


class Subject:
    def __init__(self, pids, track):
        self.pids, self.track = [p for p in pids if p], track


class Track:
    """What a busy victim has noted; times are CLOCK_MONOTONIC, in seconds."""

    def __init__(self, memory, offset):
        self._memory, self._offset = memory, offset

    def last(self):
        return struct.unpack_from("Q", self._memory, self._offset)[0] / 1e9

    def gaps(self):
        """When it could not run: (from, to), the oldest first."""
        _, count, *flat = TRACK.unpack_from(self._memory, self._offset)
        return [(flat[2 * (i % GAPS)] / 1e9, flat[2 * (i % GAPS) + 1] / 1e9) for i in range(max(0, count - GAPS), count)]


class Load:
    """A crowd: `kinds` as the program crowd takes them. With `users` each subject is a session of its own, and so many
    users have them; `tarpits` says into how many of them hobbled is to put the subjects."""

    def __init__(self, name, *kinds, users=0, tarpits=1):
        self.name, self.kinds, self.users, self.tarpits = name, kinds, users, tarpits
        count = {k.split(":")[0]: 0 for k in kinds}
        for kind in kinds:
            count[kind.split(":")[0]] += int(kind.split(":")[1])
        self.sleepers, self.wants = count.get("sleeper", 0), count.get("busy", 0) + count.get("shell", 0)
        self.members = self.sleepers + self.wants

    def start(self, place, program):
        """Make it, at rest still, in the cgroup `origin` of the place."""
        self._place = place
        path = place.file("crowd")
        self.process = place.spawn([program, path, *self.kinds], "origin", stdin=subprocess.PIPE)
        while not (os.path.getsize(path) and self._read(path)):
            if self.process.poll() is not None:
                raise OSError(f"{self.name}: the crowd cannot be made")
            time.sleep(0.01)
        if self.users:
            self._make_sessions()

    def _read(self, path):
        with open(path, "rb") as f:
            self._memory = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
        n, _, ready, _ = HEAD.unpack_from(self._memory)
        if not ready:
            return False
        base = HEAD.size + n * SUBJECT.size
        self.subjects = []
        for i in range(n):
            *pids, track = SUBJECT.unpack_from(self._memory, HEAD.size + i * SUBJECT.size)
            self.subjects.append(Subject(pids, None if track == NO_TRACK else
                                         Track(self._memory, base + track * TRACK.size)))
        self.busy = [s for s in self.subjects if s.track]
        self.idle = [s for s in self.subjects if not s.track]
        self.homes = {p: self._place.cgroup("origin") for p in self.pids()}
        return True

    def _make_sessions(self):
        for i, subject in enumerate(self.subjects):
            user = 1000 + i % self.users
            home = self._place.cgroup(f"origin/user-{user}.slice/session-{i + 1}.scope")
            for pid in subject.pids:
                attach(pid, home)
                self.homes[pid] = home

    def go(self):
        """Have the busy ones begin."""
        self.process.stdin.close()

    def pids(self):
        return [p for s in self.subjects for p in s.pids]

    def roots(self):
        return [s.pids[0] for s in self.subjects]

    def tracks(self):
        return [s.track for s in self.busy]

    def last_run(self):
        return max((t.last() for t in self.tracks()), default=0)

    def at_home(self):
        """Whether all are where they came from; the last are looked at first, as they most often come last."""
        return all(cgroup_of(p) == self.homes[p] for p in reversed(self.pids()))

    def bring_home(self):
        for pid, home in self.homes.items():
            if cgroup_of(pid) != home:
                attach(pid, home)

    def stop(self):
        self._place.empty("origin")
        self.process.wait()
        self._memory.close()


def leftovers(place):
    """What of an instance of hobbled that was started here is left in the hierarchy."""
    return [n for n in entries(CGROOT) if n == f"hobbled-{place.name}"]


LOADS = [
    Load("sleepers-1", "sleeper:1"),
    Load("sleepers-10", "sleeper:10"),
    Load("sleepers-100", "sleeper:100"),
    Load("sleepers-200", "sleeper:200"),
    Load("sleepers-1000", "sleeper:1000"),
    Load("sleepers-2000", "sleeper:2000"),
    Load("sleepers-10000", "sleeper:10000"),
    Load("busy-1", "busy:1"),
    Load("busy-10", "busy:10"),
    Load("busy-20", "busy:20"),
    Load("busy-100", "busy:100"),
    Load("busy-200", "busy:200"),
    Load("busy-1000", "busy:1000"),
    Load("busy-1-sleepers-5000", "busy:1", "sleeper:5000"),
    Load("mixed", "busy:15", "shell:5", "sleeper:1000"),
    Load("sessions", "busy:10", "sleeper:990", users=100),
    Load("tarpits-1", "busy:10", "sleeper:990"),
    Load("tarpits-100", "busy:10", "sleeper:990", tarpits=100),
]
