# SPDX-License-Identifier: LGPL-2.1-or-later
"""What concerns hobbled alone: how soon it is ready, what it does with nobody to hobble, how it admits, and whether its
clock and the share hold on a host that has other things to do."""

import os
import subprocess
import threading
import time

import bus
import measure as m
from hobblers import Hobbled
from loads import Load
from observe import read, write

SECONDS = {"started": 8, "one-at-a-time": 2, "many-at-once": 12, "loaded": 35, "without-real-time": 25}
LATE_BOUNDS = [64 << i for i in range(9)]  # of the counters, in microseconds; what is later is in one more
EXPEDITED = "/sys/kernel/rcu_expedited"


class Idle:
    """A load of nobody, for a hobbled without one."""

    def bring_home(self):
        pass

    def pids(self):
        return []


def started(place, programs):
    """How long hobbled takes to be ready, in seconds, and what it does with nobody to hobble."""
    found = {"ready_sec": []}
    for _ in range(5):
        hobbled = Hobbled(place, programs)
        found["ready_sec"].append(hobbled.prepare())
        hobbled.clean(Idle())
    hobbled.prepare()
    try:
        time.sleep(3)  # what is due a moment after the start is done then
        before = m.Meter(hobbled.parts())
        time.sleep(4)
        found["nobody"] = m.Meter(hobbled.parts()).since(before)
    finally:
        hobbled.clean(Idle())
    return found


def one_at_a_time(place, programs):
    """How long it takes until a process that is added to the file is hobbled, in seconds."""
    load, hobbled, took = Load("one-at-a-time", "sleeper:20"), Hobbled(place, programs), []
    load.start(place, programs["BENCH_CROWD"])
    try:
        hobbled.prepare()
        roots = load.roots()
        hobbled.write(roots[:10])
        hobbled.wait_all(roots[:10])
        for n in range(11, 21):
            time.sleep(0.1)
            begin = time.monotonic()
            hobbled.write(roots[:n])
            while not hobbled.mine(roots[n - 1]):
                time.sleep(0.0005)
            took.append(time.monotonic() - begin)
    finally:
        hobbled.clean(load)
        load.stop()
    return {"admission_sec": took}


class Late:
    """How late the clock was from now on."""

    def __init__(self, hobbled):
        self._hobbled, self._before = hobbled, hobbled.property("Late")

    def tell(self):
        """How often it was how late, and bounds that 99 % and all of it were below, in microseconds (None: above all)."""
        counts = [after - before for before, after in zip(self._before, self._hobbled.property("Late"))]
        return {"late_counts": counts, "late_p99_usec": self._below(counts, 0.99), "late_most_usec": self._below(counts, 1),
                "late_max_sec": self._hobbled.property("LateMaxUSec") / 1e6}

    def _below(self, counts, part):
        seen = 0
        for i, n in enumerate(counts):
            seen += n
            if seen >= part * sum(counts):
                return LATE_BOUNDS[i] if i < len(LATE_BOUNDS) else None
        return None


def many_at_once(place, programs, count):
    """So many pids written at once, beside one that is busy; and their release."""
    load, hobbled = Load("many-at-once", "busy:1", f"sleeper:{count}"), Hobbled(place, programs)
    load.start(place, programs["BENCH_CROWD"])
    try:
        load.go()
        roots = load.roots()
        hobbled.prepare()
        hobbled.write(roots[:1])
        hobbled.wait_all(roots[:1])
        time.sleep(1)
        late, begin = Late(hobbled), time.monotonic()
        hobbled.write(roots)
        hobbled.wait_all(roots)
        found = {"members": count, "admission_sec": time.monotonic() - begin, **late.tell()}
        time.sleep(0.5)
        found["release_sec"] = hobbled.release(load)
    finally:
        hobbled.clean(load)
        load.stop()
    return found


def spin(place, number):
    """Busy loops that nobody hobbles."""
    return [place.spawn(["sh", "-c", "while :; do :; done"], "others", stderr=subprocess.DEVNULL) for _ in range(number)]


class Starter:
    """A neighbour that starts five processes a second, each in a cgroup of its own."""

    def __init__(self, place):
        self._place, self._ended = place, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        number = 0
        while not self._ended.wait(0.2):
            name = f"others/{number}"
            self._place.spawn(["true"], name).wait()
            os.rmdir(self._place.cgroup(name))
            number += 1

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()


class Expedited:
    """The kernel's grace periods expedited, or not, as they were before afterwards."""

    def __init__(self, on):
        self._on = on

    def __enter__(self):
        self._before = read(EXPEDITED)
        write(EXPEDITED, self._on)

    def __exit__(self, *_):
        write(EXPEDITED, self._before)


def share_over(load, seconds):
    before = m.Victims(load)
    time.sleep(seconds)
    return m.Victims(load).since(before)["share_sum"]


def loaded(place, programs, seconds):
    """Lateness of windows of 20 busy beside as many others as keep all CPUs busy, and what they get in all."""
    load, hobbled, found = Load("loaded", "busy:20"), Hobbled(place, programs), {}
    load.start(place, programs["BENCH_CROWD"])
    try:
        load.go()
        hobbled.start(load)
        spin(place, 2 * m.CPUS)
        time.sleep(1)
        late = Late(hobbled)
        time.sleep(seconds)
        found["busy"] = late.tell()
        for on in (0, 1) if os.access(EXPEDITED, os.W_OK) else ():
            with Expedited(on), Starter(place):
                time.sleep(0.3)
                late = Late(hobbled)
                time.sleep(seconds)
                found[f"starting, rcu_expedited={on}"] = late.tell()
        if not found.get("starting, rcu_expedited=0"):
            with Starter(place):
                late = Late(hobbled)
                time.sleep(seconds)
                found["starting"] = late.tell()
    finally:
        place.empty("others")
        hobbled.clean(load)
        load.stop()
    return found


def without_real_time(place, programs):
    """What 20 busy get of a hobbled that has no real-time priority, alone and beside others, in percent of a core."""
    load, hobbled, found = Load("without-real-time", "busy:20"), Hobbled(place, programs), {}
    load.start(place, programs["BENCH_CROWD"])
    try:
        load.go()
        hobbled.prepare(common="RealTimePriority=0")
        hobbled.write(load.roots())
        hobbled.wait_all(load.pids())
        time.sleep(10)
        m.wait_edge(load)
        found["alone"] = share_over(load, 20 * m.PERIOD)
        spin(place, 2 * m.CPUS)
        time.sleep(2)
        found["beside others"] = share_over(load, 20 * m.PERIOD)
    finally:
        place.empty("others")
        hobbled.clean(load)
        load.stop()
    return found


TRIALS = {
    "started": started,
    "one-at-a-time": one_at_a_time,
    "many-at-once": lambda place, programs: many_at_once(place, programs, 10000),
    "loaded": lambda place, programs: loaded(place, programs, 10),
    "without-real-time": without_real_time,
}
QUICK = ["started", "one-at-a-time"]


def run(place, programs, names, progress):
    """The trials of these names. Returns {trial: figures}; a trial that failed has {"failed": why}."""
    found = {}
    for name in names:
        try:
            found[name] = TRIALS[name](place, programs)
        except (OSError, subprocess.SubprocessError, bus.Refused) as e:
            found[name] = {"failed": str(e)}
        progress(f"trial: {name}" + (f" failed: {found[name]['failed']}" if "failed" in found[name] else ""))
    return found
