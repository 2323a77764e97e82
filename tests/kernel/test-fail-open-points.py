#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Promise P1 at each named place of an admission, a freeze and a release: hobbled ends, or hangs, exactly there."""

import contextlib
import functools
import os
import re
import signal
import time

import failopen
import harness as h

SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "src")
TIMES = (1,) if failopen.SHORT else (1, 2, 7)  # at its first, second, seventh passing


@functools.lru_cache
def places():
    """The names of all places, from the sources, so that none can be forgotten here."""
    text = "".join(h.read(os.path.join(d, f)) for d, _, files in os.walk(SOURCES) for f in files if f.endswith(".c"))
    return sorted(set(re.findall(r'\bpoint\("([^"]+)"\)', text)))


def trees():
    victims = failopen.Victims()
    victims.tree("a", "b", "c")
    victims.tree("b")
    victims.sleepers(2)
    return victims


def nested():
    victims = failopen.Victims()
    victims.tree("x.scope", "x.scope/b", "x.scope/b")
    victims.sleepers(2, "y.scope")
    return victims


def in_place():
    victims = failopen.Victims()
    victims.place("p/one", 1)
    victims.place("p/two", 1)
    return victims


class Life:
    """A hobbled that ends or stops at a place."""

    def __init__(self, victims, place, action, number, *options):
        self.victims = victims
        self.file = h.pidfile(*victims.roots)
        sources = [*([self.file] if victims.roots else []), *victims.in_place]
        self.hobbled = h.Hobbled(*options, *sources, env={"HOBBLE_TEST_POINT": f"{place}:{action}:{number}"})

    def over(self):
        """Whether it has come to the place."""
        return h.state(self.hobbled.pid) in (None, "Z", "T")

    def wait(self, condition, what, timeout=5.0):
        """Wait for what comes next in its life. Returns whether it has come to the place instead."""
        h.wait_until(lambda: self.over() or condition(), timeout, what)
        return self.over()

    def lead(self):
        """Through a whole life: admission, freezing, release, end. Returns whether it came to the place."""
        victims, hobbled = self.victims, self.hobbled
        if self.wait(lambda: victims.admitted(hobbled), "everybody is in"):
            return True
        with contextlib.suppress(h.Failure):  # a busy host may leave them too little to earn a freeze
            if self.wait(lambda: victims.frozen(hobbled.home), "somebody is frozen", 2):
                return True
        if victims.roots:
            h.write(self.file, "")
            if self.wait(lambda: not hobbled.subjects() and not victims.astray(), "all trees are released"):
                return True
        hobbled.signal(signal.SIGTERM)
        self.wait(lambda: False, "it ends")
        return hobbled.process.wait(5) == -signal.SIGKILL


def ended_at(victims, place, number, times):
    life = Life(victims, place, "kill", number, *(["--freeze-idle"] if number == 2 else []))
    with life.hobbled as hobbled:
        passed = life.lead()
        failopen.wait_home(victims, [hobbled.home], time.monotonic(), times, f"SIGKILL at {place}, time {number}")
        failopen.wait_end(hobbled)
        for path in victims.in_place:
            h.check(not h.marks(path), f"{place}, time {number}: a mark is left on {path}")
        left = [d for d, _, _ in os.walk(h.OWN) if os.path.basename(d).startswith("hobbled-")]
        h.equal([], left, f"{place}, time {number}: directories that are left")
    return passed


def ended_everywhere(victims):
    """SIGKILL at each place. Returns the places that these victims lead to."""
    times, passed = failopen.Times(), []
    with failopen.ahead():
        for place in places():
            for number in TIMES:
                if ended_at(victims, place, number, times):
                    passed.append((place, number))
                elif not place.startswith("freeze."):
                    break
    times.note(f"SIGKILL at {len({p for p, _ in passed})} places")
    h.note("passed: " + ", ".join(f"{place} {number}" for place, number in passed))
    return {place for place, _ in passed}


_passed = set()


@h.test
def sigkill_at_each_place_of_a_tree():
    _passed.update(ended_everywhere(trees()))


@h.test
def sigkill_at_each_place_of_a_nested_tree():
    _passed.update(ended_everywhere(nested()))


@h.test
def sigkill_at_each_place_in_place():
    _passed.update(ended_everywhere(in_place()))


@h.test
def no_place_was_left_out():
    h.check(_passed, "the tests before this one have run") if _passed else h.skip("needs the tests before it")
    h.equal([], sorted(set(places()) - _passed), "places that nobody came to")


# -- Stopped exactly where a freeze may be under way ----------------------------------------------------------

def stopped_at(victims, place, number, *options):
    """A hobbled that hangs at a place, with its victims home again, as the guard found it hung."""
    life = Life(victims, place, "stop", number, *options)
    failopen.wait_stopped(life.hobbled.pid)
    begin, times = time.monotonic(), failopen.Times()
    failopen.wait_fenced(life.hobbled)
    failopen.wait_home(victims, [life.hobbled.home], begin, times, f"stopped at {place}, time {number}")
    times.note(f"stopped at {place}, time {number}")
    return life.hobbled


def goes_on(victims, hobbled):
    """Continued, it hobbles everybody again."""
    hobbled.signal(signal.SIGCONT)
    h.wait_until(lambda: victims.admitted(hobbled), 5, "everybody is in again")
    h.wait_until(lambda: victims.frozen(hobbled.home), 5, "somebody is frozen again")


def stays_thawed(victims, hobbled, seconds):
    """Nothing is frozen at any look for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        h.equal([], victims.frozen(hobbled.home), "frozen while hobbled is stopped")
        time.sleep(0.01)


def hang_around_a_freeze(victims):
    foreign = h.cgroup("foreign")
    h.busy(foreign)
    h.freeze(foreign)
    for place in ("freeze.looked", "freeze.written"):
        for number, options in ((1, []), (2, ["--freeze-idle"]))[failopen.SHORT:]:
            with stopped_at(victims, place, number, *options, foreign) as hobbled:
                stays_thawed(victims, hobbled, 0.3)
                goes_on(victims, hobbled)
                h.check(h.freeze_wanted(foreign), "what someone else froze stays frozen")
            failopen.wait_home(victims, [hobbled.home], time.monotonic(), failopen.Times(), "a clean end")
            h.check(h.freeze_wanted(foreign) and not h.marks(foreign), "what someone else froze stays as it was")


@h.test
def stopped_around_a_freeze_of_a_tree():
    hang_around_a_freeze(trees())


@h.test
def stopped_around_a_freeze_in_place():
    hang_around_a_freeze(in_place())


@h.test
def stopped_around_a_freeze_then_killed():
    """The one freeze that was under way must not outlive a hobbled that is killed right after it goes on."""
    victims, times = in_place(), failopen.Times()
    with failopen.ahead():
        for place in ("freeze.looked", "freeze.written"):
            for msec in (0, 0.2, 1, 3, 10)[::2 if failopen.SHORT else 1]:
                with stopped_at(victims, place, 1) as hobbled:
                    hobbled.signal(signal.SIGCONT)
                    time.sleep(msec / 1000)
                    failopen.wait_home(victims, [hobbled.home], failopen.killed(hobbled), times, f"{place}, {msec} ms")
                    failopen.wait_end(hobbled)
                    h.equal([], victims.frozen(), f"frozen at last, {place}, {msec} ms")
    times.note("SIGKILL right after SIGCONT")


@h.test
def stopped_two_seconds_at_random():
    """The issue's own case: SIGSTOP, two seconds, SIGCONT, and all is hobbled again."""
    victims = trees() + in_place()
    victims.file = h.pidfile(*victims.roots)
    with h.Hobbled(*victims.sources()) as hobbled:
        victims.wait_hobbled(hobbled)
        for _ in range(1 if failopen.SHORT else 2):
            begin = time.monotonic()
            hobbled.signal(signal.SIGSTOP)
            failopen.wait_home(victims, [hobbled.home], begin, failopen.Times(), "SIGSTOP")
            stays_thawed(victims, hobbled, begin + 2 - time.monotonic())
            goes_on(victims, hobbled)


os.environ["HOBBLED"] = os.environ.get("HOBBLED_POINTS", "")
failopen.quiet_crashes()
h.main()
