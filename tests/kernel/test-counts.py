#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What hobbling costs, in what can be counted, since counts do not depend on the mood of the machine: how often hobbled
and its guard wake up for loads that do not change, how much hobbled reads and writes meanwhile, and that it wakes
nobody who is left alone. Each load has a hobbled of its own; all are counted at the same time."""

import json
import os
import re
import subprocess
import time

import harness as h

SANITIZED = os.environ.get("HOBBLE_SANITIZERS", "none") != "none"
CALM = 12    # seconds until the unrest of the admission is over: the longest tick begins 10 s after the last one
SECONDS = 4  # that are counted
EDGE = 1.5 / SECONDS  # a second: an event that falls into the stretch by chance
DUTY, WINDOWS, TICK = 10 / 260, 1 / 0.26, 0.010
CPUS = os.cpu_count()
HUNT = 16  # sleepers that a look may be at, where somebody runs
COUNTERS = ("looks", "samples", "freezes", "thaws", "windows")


class Load:
    """A hobbled with so many busy trees and sleepers."""

    def __init__(self, name, busy=0, sleepers=0, nested=False):
        self.name = name
        self.place = h.cgroup(name)
        self.sleepers = self._start("exec sleep 1000", sleepers, nested, "idle")
        self.busy = self._start(h.LOOP, busy, nested, "busy")
        self.socket = os.path.join(h.scratch(), f"socket-{name}")
        self.hobbled = h.Hobbled(f"--bus-socket={self.socket}", h.pidfile(*self.sleepers, *self.busy))

    def _start(self, script, count, nested, kind):
        """Each in a scope of its own, or all of them by one shell."""
        if nested:
            return [h.spawn(["sh", "-c", script], h.cgroup(f"{self.name}/{kind}-{i}.scope")).pid for i in range(count)]
        if count == 0:
            return []
        shell = h.spawn(["sh", "-c", f"for i in $(seq {count}); do ({script}) & echo $!; done; exec sleep 1000"],
                        self.place, stdout=subprocess.PIPE, text=True)
        return [int(shell.stdout.readline()) for _ in range(count)]

    def wait(self):
        """Until all of them are hobbled and there is a guard."""
        subjects = len(self.sleepers) + len(self.busy)
        h.wait_until(lambda: self.status()["subjects"] == subjects, 30, f"all of {self.name} are hobbled")
        self.guard = h.wait_until(self.hobbled.guard, 5, "there is a guard")

    def status(self):
        h.wait_until(lambda: os.path.exists(self.socket), 5, "the socket is there")
        done = h.hobblectl("status", "--stats", "--json", f"--socket={self.socket}")
        h.equal(0, done.returncode, f"status of hobblectl, which said {done.stderr}")
        return json.loads(done.stdout)

    def begin(self):
        # Times are taken around the counts: what was counted lies within.
        self._at, self._thawed_before = time.monotonic(), self._thawed()
        self._ran, self._woken = self._runs(), (wakeups(self.hobbled.pid), wakeups(self.guard))

    def _runs(self):
        """How often the sleepers were put on a CPU."""
        return {pid: h.read(f"/proc/{pid}/schedstat").split()[2] for pid in self.sleepers}

    def _thawed(self):
        """For how many seconds until now the busy ones have been thawed, all together, but for a constant; None where
        the kernel does not count that."""
        found = [re.search(r"^frozen_usec (\d+)", h.read(os.path.join(h.cgroup_of(pid), "cgroup.stat.local")), re.M)
                 for pid in self.busy]
        return sum(time.monotonic() - int(f[1]) / 1e6 for f in found) if all(found) else None

    def end(self):
        """What was counted a second."""
        woken = [a - b for a, b in zip((wakeups(self.hobbled.pid), wakeups(self.guard)), self._woken)]
        ran, thawed, passed = self._runs(), self._thawed(), time.monotonic() - self._at
        self.disturbed = [pid for pid in self.sleepers if ran[pid] != self._ran[pid]]
        self.counts = {"hobbled": woken[0] / passed, "guard": woken[1] / passed}
        # Who got no CPU in a window, on a busy host, is owed it, and looked at until it had it, tick by tick.
        part = (thawed - self._thawed_before) / passed if thawed is not None else 1 + DUTY
        self.owed = 1.2 * max(0, part - DUTY) / TICK if self.busy else 0

    def begin_stats(self):
        self._stats_at, self._stats = time.monotonic(), self.status()["stats"]

    def end_stats(self):
        stats, passed = self.status()["stats"], time.monotonic() - self._stats_at
        self.counts |= {name: (stats[name] - self._stats[name]) / passed for name in COUNTERS}
        h.note(f"{self.name}, a second: " + ", ".join(f"{name} {n:.1f}" for name, n in self.counts.items()) +
               f"; looks at who is owed CPU: {self.owed:.1f} at most")

    def at_most(self, **bounds):
        """So much a second; what is owed to the busy comes on top of it."""
        h.equal([], self.disturbed, f"{self.name}: sleepers that were woken")
        for name, bound in bounds.items():
            edges = len(self.busy) if name in ("freezes", "thaws") else 1
            most = bound + (EDGE * edges if bound else 0)
            most += self.owed if name in ("hobbled", "looks", "samples") else 0
            h.between(0, self.counts[name], most, f"{self.name}: {name} a second")


def wakeups(pid):
    """How often its threads have waited."""
    return sum(int(n) for t in h.entries(f"/proc/{pid}/task") for n in
               re.findall(r"^voluntary_ctxt_switches:\t(\d+)", h.read(f"/proc/{pid}/task/{t}/status"), re.M))


@h.test
def wake_ups_and_work_a_second():
    if SANITIZED:
        h.skip("counts only, and runs nothing of hobbled that others do not run")
    nobody, idle, one = Load("nobody"), Load("idle", sleepers=200), Load("one", busy=1)
    crowd, mixed = Load("crowd", busy=20), Load("mixed", busy=1, sleepers=1000)
    nested = Load("nested", busy=2, sleepers=50, nested=True)
    loads = nobody, idle, one, crowd, mixed, nested
    for load in loads:
        load.wait()
    time.sleep(CALM)  # what is to be gone is unrest: there is no event to wait for
    for load in loads:
        load.begin_stats()
    time.sleep(0.2)  # hobbled wakes up once more for the end of the question
    for load in loads:
        load.begin()
    time.sleep(SECONDS)
    for load in loads:
        load.end()
    for load in loads:
        load.end_stats()

    nobody.at_most(hobbled=0, guard=0, looks=0)
    idle.at_most(hobbled=5, guard=3, samples=1, freezes=0, thaws=0)
    one.at_most(hobbled=8, guard=3, samples=8, freezes=WINDOWS, thaws=WINDOWS)
    # While the busy one runs on, some of the others are looked at, too: it is not known yet that it is alone.
    mixed.at_most(hobbled=30, guard=3, samples=30 + HUNT * mixed.owed, freezes=WINDOWS, thaws=WINDOWS)
    crowd.at_most(hobbled=30, guard=3, samples=60, freezes=2 * CPUS * WINDOWS, thaws=2 * CPUS * WINDOWS)
    # Nobody tells which of them runs: the tick is calm, and at most so many are read in each.
    nested.at_most(hobbled=30, guard=3, samples=32 * nested.counts["looks"], freezes=2 * WINDOWS, thaws=2 * WINDOWS)


h.main()
