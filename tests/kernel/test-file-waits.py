#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What CPU time does not show: who keeps a disk or a file server busy is slowed like who keeps a CPU busy, with PSI and
without; who only talks to others is left alone. What is compared are calls a second, before and while hobbled, of the same
process."""

import os
import tempfile
import time

import harness as h
from slow import Counter, SlowFs

DUTY = 10 / 260
# How much of a disk somebody gets at most; with a sanitizer's hobbled, which looks later, more.
PART_OF_A_DISK = 0.25 if os.environ.get("HOBBLE_SANITIZERS", "none") == "none" else 0.6


def victim(*arguments, before=()):
    return h.spawn([*before, h.program("HOBBLE_VICTIM"), *map(str, arguments)], h.cgroup("origin")).pid


def wait_subjects(hobbled, *pids):
    """Wait until all of these are hobbled. Returns the directory of each."""
    def directories():
        found = [h.cgroup_of(p) or "" for p in pids]
        return all(d.startswith(hobbled.home + "/") for d in found) and found
    return h.wait_until(directories, 10, "they are hobbled")


def pressure(directory):
    """What io.pressure has counted, in seconds; None: nothing."""
    text = h.read(os.path.join(directory, "io.pressure"))
    return int(text.split("total=")[1].split()[0]) / 1e6 if "total=" in text else None


def with_and_without_psi(*directories):
    """What to do twice: as it is, and with PSI switched off for these cgroups."""
    yield "with PSI" if pressure(directories[0]) is not None else "there is no PSI here"
    if pressure(directories[0]) is not None:
        for d in directories:
            h.write(os.path.join(d, "cgroup.pressure"), "0")
        yield "without PSI"


def wait_frozen(*directories):
    for d in directories:
        h.wait_until(lambda d=d: h.frozen(d), 10, "it is frozen")


@h.test
def a_walk_through_a_slow_file_system_is_slowed():
    """Also where a call lasts longer than a window: one that is under way when the freeze comes is answered all the same.
    There are too few of these to be counted in half of the time."""
    walks = []
    for msec in (5, 20):
        fs, counter = SlowFs(msec), Counter()
        walks.append((counter, victim("walk", fs.path, counter.path, before=fs.before)))
    (short, _), (long, _) = walks
    for counter in (short, long):
        counter.until(3)
    begin, first = time.monotonic(), long.value()
    short_before = short.rate(1.2)
    long_before = (long.value() - first) / (time.monotonic() - begin)
    with h.Hobbled(h.pidfile(*(pid for _, pid in walks))) as hobbled:
        directories = wait_subjects(hobbled, *(pid for _, pid in walks))
        wait_frozen(*directories)
        begin, first = time.monotonic(), long.value()
        for psi in with_and_without_psi(*directories):
            used = h.cpu_usec(directories[0])
            rate = short.rate(3.5)
            h.note(f"CPU {(h.cpu_usec(directories[0]) - used) / 3.5e4:.2f} %, io.pressure {pressure(directories[0])} s")
            h.between(0.1 * DUTY, rate / short_before, 1.5 * DUTY, f"part of {short_before:.1f} calls a second, {psi}")
        rate = (long.value() - first) / (time.monotonic() - begin)
        h.between(0.1 * DUTY, rate / long_before, 1.5 * DUTY, f"part of {long_before:.1f} longer calls a second")
        for d in directories:
            h.wait_until(lambda d=d: not h.frozen(d), 20, "it is thawed again")


@h.test
def who_only_reads_and_writes_a_disk_is_slowed():
    """A disk that others use too is not there for it all the time, so that much of what it uses may be CPU time."""
    counter = Counter()
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="hobble-test-") as folder:
        pid = victim("blocks", os.path.join(folder, "blocks"), counter.path)
        try:
            h.wait_until(lambda: counter.value() > 5 or not h.alive(pid), 10, "it works")
            if not h.alive(pid):
                h.skip("/var/tmp is not on a disk")
            before = counter.rate(1)
            with h.Hobbled(h.pidfile(pid)) as hobbled:
                directory, = wait_subjects(hobbled, pid)
                wait_frozen(directory)
                for psi in with_and_without_psi(directory):
                    h.between(0, counter.rate(1.5) / before, PART_OF_A_DISK, f"part of {before:.1f} blocks a second, {psi}")
        finally:
            h.kill(pid)


@h.test
def who_waits_for_others_is_left_alone():
    """A chat is never frozen. Where one of its threads waits in a call that takes a path, for the other end of a FIFO,
    it is at first, as a call to a file server looks the same; but not for long."""
    fifo = os.path.join(h.scratch(), "fifo")
    os.mkfifo(fifo)
    pids = victim("chatty"), victim("chatty", fifo)
    with h.Hobbled(h.pidfile(*pids)) as hobbled:
        directories = wait_subjects(hobbled, *pids)
        chat = h.Watched(directories[:1])
        wait_frozen(directories[1])
        time.sleep(2)
        h.wait_until(lambda: not h.frozen(directories[1]), 5, "it is thawed")
        both = h.Watched(directories)
        both.wait(2)
        h.equal([], chat.frozen() + both.frozen(), "frozen")


h.main()
