#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A long run: members come and go, and nothing grows.

    soak.py [--minutes=30] [--members=2000] [--busy=20]

So many sleepers and busy loops are hobbled by one hobbled. Every second some sleepers end and others are started; some
end while they are hobbled, some are let go before, and the file of pids is written anew, in place or by another one.
After a warm-up in which each sleeper was replaced, and at the end, the coming and going pauses: memory, descriptors and
cgroups are compared, and what the busy loops get. Exits with 1 where something grew, or a share does not hold. Needs root, and
HOBBLED, HOBBLECTL and HOBBLE_GUARD in the environment, as scripts/bench sets them; else those of build/ are taken.
Leaves nothing behind, not even when it is interrupted.
"""

import argparse
import atexit
import os
import re
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/kernel"))

import harness as h  # noqa: E402

DUTY, CPUS = 10 / 260, os.cpu_count()
BATCH = 50          # sleepers that come and go together
EACH = 1.0          # seconds from one batch to the next
MEASURE = 20        # seconds for which shares are measured
SETTLE = 12         # seconds until an admission's unrest is over, and a first burst is paid back
# An allocator does not give back all of what it had, and descriptors of those that were read lately are kept for a while:
# so much more is no growth.
SLACK_KIB, SLACK_PART = 128, 0.05
COLUMNS = ("seconds", "members", "cgroups", "descriptors", "guard_descriptors", "anon_kib", "guard_anon_kib", "share",
           "least")


class Batch:
    """Sleepers that were started together, each a tree of its own."""

    def __init__(self, place):
        self._shell = h.spawn(["sh", "-c", f"for i in $(seq {BATCH}); do sleep 100000 & echo $!; done; wait"], place,
                              stdout=subprocess.PIPE, text=True)
        self.pids = [int(self._shell.stdout.readline()) for _ in range(BATCH)]

    def end(self):
        for pid in self.pids:
            h.kill(pid)
        self._shell.wait(10)
        self._shell.stdout.close()
        h._spawned.remove(self._shell)


def anon_kib(pid):
    found = re.search(r"^RssAnon:\s+(\d+) kB", h.read(f"/proc/{pid}/status"), re.M)
    return int(found[1]) if found else 0


class Soak:
    def __init__(self, members, busy):
        self.place = h.cgroup("soak")
        self.busy = [h.busy(self.place) for _ in range(busy)]
        self.batches = [Batch(self.place) for _ in range(max(1, members // BATCH))]
        self.leaving, self.turn, self.begin = None, 0, time.monotonic()
        self.file = h.pidfile(*self._wanted())
        self.hobbled = h.Hobbled(self.file)
        self.guard = h.wait_until(self.hobbled.guard, 10, "there is a guard")
        self.wait()

    def _wanted(self):
        return self.busy + [pid for batch in self.batches for pid in batch.pids]

    def wait(self):
        """Until exactly those that are wanted are hobbled."""
        wanted = len(self._wanted())
        h.wait_until(lambda: len(self._directories()) == wanted, 60, f"{wanted} subjects")

    def _directories(self):
        pit = os.path.join(self.hobbled.home, "pit")
        return [os.path.join(pit, t, s) for t in h.entries(pit) if os.path.isdir(os.path.join(pit, t))
                for s in h.entries(os.path.join(pit, t)) if os.path.isdir(os.path.join(pit, t, s))]

    def step(self):
        """The oldest go, and as many come. Every other time they live on for a while, released."""
        self.turn += 1
        oldest = self.batches.pop(0)
        self.batches.append(Batch(self.place))
        if self.turn % 2:
            oldest.end()
        elif self.leaving:
            self.leaving.end()
        self.leaving = self.leaving if self.turn % 2 else oldest
        text = "".join(f"{pid}\n" for pid in self._wanted())
        if self.turn % 4 < 2:
            h.write(self.file, text)
        else:
            h.write(f"{self.file}.new", text)
            os.rename(f"{self.file}.new", self.file)

    def churn(self, seconds, tell):
        end, told = time.monotonic() + seconds, time.monotonic()
        while time.monotonic() < end:
            due = time.monotonic() + EACH
            self.step()
            h.check(self.hobbled.process.poll() is None, f"hobbled has ended:\n{self.hobbled.log()[-2000:]}")
            if time.monotonic() - told > 30:
                told = time.monotonic()
                tell("", self.look())
            time.sleep(max(0, due - time.monotonic()))

    def look(self):
        return {"seconds": time.monotonic() - self.begin, "members": len(self._wanted()),
                "cgroups": sum(1 for _ in os.walk(self.hobbled.home)),
                "descriptors": len(h.entries(f"/proc/{self.hobbled.pid}/fd")),
                "guard_descriptors": len(h.entries(f"/proc/{self.guard}/fd")),
                "anon_kib": anon_kib(self.hobbled.pid), "guard_anon_kib": anon_kib(self.guard)}

    def rest(self):
        """With nobody who comes or goes: what there is, and what the busy ones get."""
        if self.leaving:
            self.leaving.end()
            self.leaving = None
        self.wait()
        time.sleep(SETTLE)
        found = self.look()
        homes = [h.cgroup_of(pid) for pid in self.busy]
        at, before = time.monotonic(), [h.cpu_usec(d) for d in homes]
        time.sleep(MEASURE)
        passed = time.monotonic() - at
        used = [(h.cpu_usec(d) - b) / 1e6 / passed for d, b in zip(homes, before)]
        share = sum(used)
        return {**found, "share": share / (DUTY * min(CPUS, len(used))), "least": min(used) * len(used) / share}


def tell(label, figures):
    """One line of the table."""
    cells = [f"{figures[c]:.3f}" if c in ("share", "least") and c in figures else
             f"{figures[c]:.0f}" if c in figures else "-" for c in COLUMNS]
    print(f"{label:8}" + "".join(f"{cell:>{len(c) + 2}}" for c, cell in zip(COLUMNS, cells)), flush=True)


def verdict(first, last):
    """What grew, or does not hold, as sentences."""
    slack = {"descriptors": 0, "anon_kib": SLACK_KIB, "guard_anon_kib": SLACK_KIB}
    for name in ("cgroups", "descriptors", "guard_descriptors", "anon_kib", "guard_anon_kib"):
        most = first[name] * (1 + SLACK_PART) + slack[name] if name in slack else first[name]
        if last[name] > most:
            yield f"{name}: {first[name]} after the warm-up, {last[name]} at the end"
    if last["share"] > 1.1:
        yield f"share: {last['share']:.3f} of what the tarpit may have"
    for name in ("share", "least"):
        if last[name] < 0.9 * first[name]:
            yield f"{name}: {first[name]:.3f} after the warm-up, {last[name]:.3f} at the end"


def run(options):
    soak = Soak(options.members, options.busy)
    print(" " * 8 + "".join(f"{c:>{len(c) + 2}}" for c in COLUMNS), flush=True)
    once = len(soak.batches) * EACH * 1.5
    soak.churn(once, tell)
    first = soak.rest()
    tell("warm", first)
    soak.churn(max(EACH, options.minutes * 60 - 2 * (SETTLE + MEASURE) - once), tell)
    last = soak.rest()
    tell("end", last)
    grown = list(verdict(first, last))
    print(f"{soak.turn * BATCH} members came and went")
    print("\n".join(f"failed: {what}" for what in grown) or "nothing grew, and the shares hold")
    return 1 if grown else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--members", type=int, default=2000)
    parser.add_argument("--busy", type=int, default=20)
    options = parser.parse_args()
    if os.geteuid() or not h.CGROOT:
        sys.exit("soak.py: needs root, and a cgroup2 mount")
    for variable, name in (("HOBBLED", "hobbled"), ("HOBBLECTL", "hobblectl"), ("HOBBLE_GUARD", "hobble-guard")):
        os.environ.setdefault(variable, os.path.join(ROOT, "build", name))
    for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(s, h._stop)
    h._libc.prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
    atexit.register(h._clean_up)
    try:
        status = run(options)
    except h.Failure as e:
        print(f"failed: {e}")
        status = 1
    if left := h._clean_up():
        print(left)
        status = 1
    sys.exit(status)


main()
