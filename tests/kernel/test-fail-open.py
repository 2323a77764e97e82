#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Promise P1: a hobbled that ends or hangs at any instant leaves nothing frozen and everybody at home, soon."""

import os
import random
import signal
import time

import failopen
import harness as h

LANES = 4  # hobbleds that live side by side
ROUNDS = {"idle": 0.66, "busy": 0.34}  # shares of all rounds

SPIN = "import os, time\nos.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))\n" \
       "end = time.monotonic() + 1\nwhile time.monotonic() < end: pass\n"


def everybody(name="x"):
    """Trees, single processes and a cgroup in place, of several origins."""
    victims = failopen.Victims()
    victims.tree(f"{name}/a", f"{name}/b", f"{name}/a/c", f"{name}/d")
    victims.tree(f"{name}/b")
    victims.sleepers(5, f"{name}/e")
    victims.forker(f"{name}/d")
    victims.leaderless(f"{name}/e/f")
    victims.place(f"{name}/in-place")
    return victims


def hobbled_is_gone(hobbled):
    """Wait for the end of its home. False where it was killed before it had a guard: an empty home stays then."""
    hobbled.process.wait(5)
    end = time.monotonic() + 5
    while os.path.exists(hobbled.home):
        if not os.path.exists(f"{hobbled.home}/guard") and not hobbled.guard():
            h.check(not h.members(hobbled.home), f"{hobbled.home} has processes, and no guard")
            return False
        h.check(time.monotonic() < end, f"{hobbled.home} is removed")
        time.sleep(0.002)
    return True


class Crashes:
    """Lives of hobbleds, several at a time, each from its start to a random end."""

    def __init__(self, lanes):
        seed = int(os.environ.get("HOBBLE_TEST_SEED", random.randrange(1 << 30)))
        h.note(f"seed {seed} (HOBBLE_TEST_SEED)")
        self.chance, self.lanes, self.empty = random.Random(seed), lanes, 0
        self.crashed, self.hung = failopen.Times(), failopen.Times()

    def crash(self, victims, hobbled):
        how = self.chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGSEGV])
        begin = time.monotonic()
        hobbled.signal(how)
        failopen.wait_home(victims, [hobbled.home], begin, self.crashed, f"{how.name}, {self.crashed.rounds} before")

    def hang(self, hobbleds):
        begin = time.monotonic()
        for hobbled in hobbleds:
            hobbled.signal(signal.SIGSTOP)
        failopen.wait_home(sum(self.lanes[1:], self.lanes[0]), [e.home for e in hobbleds], begin, self.hung, "SIGSTOP")
        for hobbled in hobbleds:
            hobbled.signal(signal.SIGKILL)

    def batch(self):
        # Half of them freeze their tarpit as a whole, the others who earns it.
        hobbleds = [h.Hobbled(*([], ["--freeze-idle"])[i % 2], *victims.sources())
                    for i, victims in enumerate(self.lanes)]
        hang, early = self.chance.random() < 0.1, self.chance.random() < 0.7
        for victims, hobbled in zip(self.lanes, hobbleds):
            if not early:
                victims.wait_hobbled(hobbled)
            early = self.chance.random() < 0.1
            time.sleep(self.chance.uniform(0, 0.05))
            if not hang:
                self.crash(victims, hobbled)
        if hang:
            self.hang(hobbleds)
        self.empty += sum(not hobbled_is_gone(hobbled) for hobbled in hobbleds)
        for hobbled in hobbleds:
            hobbled.stop()

    def run(self, rounds, what):
        while self.crashed.rounds + self.hung.rounds < rounds:
            self.batch()
        self.crashed.note(f"{what}: crashes")
        self.hung.note(f"{what}: hangs")
        h.note(f"{self.empty} ended before they had a guard, and left an empty directory")
        for place in [p for victims in self.lanes for p in victims.in_place]:
            h.check(not h.marks(place), f"{place}: no mark is left")


def share(of):
    return max(LANES, round(h.rounds() * ROUNDS[of]))


@h.test
def crashes_and_hangs_at_random_instants():
    lanes = [everybody(f"lane-{i}") for i in range(LANES)]
    with failopen.ahead():
        Crashes(lanes).run(share("idle"), "idle host")


@h.test
def crashes_and_hangs_on_a_busy_host():
    lanes = [everybody(f"lane-{i}") for i in range(LANES)]
    for _ in range(2 * os.cpu_count()):
        h.busy(h.cgroup("neighbours"))
    with failopen.ahead():
        Crashes(lanes).run(share("busy"), "busy host")


def beside_real_time(victims, loops, *signals):
    times = failopen.Times()
    for how in signals:
        with h.Hobbled("--freeze-idle", *victims.sources()) as hobbled:
            victims.wait_hobbled(hobbled)
            spinners = [h.spawn(["python3", "-S", "-c", SPIN]) for _ in range(loops)]
            h.wait_until(lambda s=spinners: all(os.sched_getscheduler(p.pid) == os.SCHED_FIFO for p in s), 5,
                         "the real-time loops run")
            begin = time.monotonic()
            hobbled.signal(how)
            failopen.wait_home(victims, [hobbled.home], begin, times, f"{how.name} beside real-time loops")
            for p in spinners:
                p.wait()
            hobbled.signal(signal.SIGKILL)
            failopen.wait_end(hobbled)
    times.note(f"crashes beside {loops} real-time loops of a second")


@h.test
def crashes_beside_real_time_loops():
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    except PermissionError:
        h.skip("real-time scheduling is not permitted here")
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))

    victims = everybody()
    victims.starved = True
    with failopen.ahead():
        for loops in (1, os.cpu_count()):
            beside_real_time(victims, loops, signal.SIGKILL, *([] if failopen.SHORT else [signal.SIGSTOP]))


@h.test
def two_hundred_sleepers_and_five_busy():
    victims, times = failopen.Victims(), failopen.Times()
    victims.sleepers(150, "many")
    victims.sleepers(50, "many/more")
    victims.busy(5)
    with failopen.ahead():
        for how in (signal.SIGKILL, signal.SIGSTOP, signal.SIGKILL, signal.SIGSEGV):
            with h.Hobbled(*victims.sources()) as hobbled:
                victims.wait_hobbled(hobbled, 20)
                begin = time.monotonic()
                hobbled.signal(how)
                failopen.wait_home(victims, [hobbled.home], begin, times, f"{how.name} with 205 subjects")
                hobbled.signal(signal.SIGKILL)
                failopen.wait_end(hobbled)
    times.note("crashes with 205 subjects")


failopen.quiet_crashes()
h.main()
