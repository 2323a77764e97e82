#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Promise P1 where the guard itself is hit: lost, signalled, stopped, or gone together with hobbled."""

import os
import signal
import time

import failopen
import harness as h


def wait_guard(hobbled, other_than=None):
    """Wait for its guard, which is to be another one and to lie in its leaf. Returns its pid."""
    def ready():
        guard = hobbled.guard()
        return guard if guard != other_than and h.cgroup_of(guard or 0) == f"{hobbled.home}/guard" else None

    return h.wait_until(ready, 5, "a guard is there")


def dead_together(hobbled):
    """SIGKILL for the guard and for hobbled, with no moment in between at which either could act."""
    guard = wait_guard(hobbled)
    hobbled.signal(signal.SIGSTOP)
    failopen.wait_stopped(hobbled.pid)
    h.kill(guard)
    hobbled.signal(signal.SIGKILL)
    hobbled.process.wait()
    h.wait_until(lambda: not h.alive(guard), 2, "the guard is dead")


def clean(hobbled, victims):
    """Everybody is home, and nothing of the instance is left."""
    h.equal([], victims.astray(), "not where they belong")
    h.equal([], victims.frozen(), "frozen")
    h.check(not os.path.exists(hobbled.home), f"{hobbled.home} is gone")
    h.check(not any(h.marks(path) for path in victims.in_place), "no mark is left in place")


@h.test
def the_guard_is_killed_again_and_again():
    victims = failopen.some()
    with h.Hobbled("--freeze-idle", *victims.sources()) as hobbled:
        victims.wait_hobbled(hobbled)
        guard = wait_guard(hobbled)
        subjects = hobbled.subjects()
        for _ in range(3 if failopen.SHORT else 8):
            h.kill(guard)
            guard = wait_guard(hobbled, other_than=guard)
            h.wait_until(lambda: victims.frozen(hobbled.home), 5, "hobbling goes on")
        h.equal(subjects, hobbled.subjects(), "the subjects")
        h.check(victims.admitted(hobbled), "everybody is hobbled as before")
        failopen.wait_home(victims, [hobbled.home], failopen.killed(hobbled), failopen.Times(), "SIGKILL after that")
        failopen.wait_end(hobbled)


@h.test
def without_a_guard_nothing_is_frozen():
    victims = failopen.some()
    with failopen.moved_programs() as place:
        guard, away = os.path.join(place, "hobble-guard"), os.path.join(place, "away")
        with h.Hobbled(*victims.sources()) as hobbled:
            victims.wait_hobbled(hobbled)
            os.rename(guard, away)
            begin = time.monotonic()
            h.kill(wait_guard(hobbled))
            h.wait_until(lambda: not victims.frozen(hobbled.home), 1, "everything is thawed")
            hobbled.wait_log("guard")
            while time.monotonic() < begin + 0.7:
                h.equal([], victims.frozen(hobbled.home), "frozen without a guard")
                time.sleep(0.01)
            os.rename(away, guard)
            wait_guard(hobbled)
            h.wait_until(lambda: victims.frozen(hobbled.home), 10, "hobbling goes on")
            h.check(victims.admitted(hobbled), "everybody is hobbled as before")
        clean(hobbled, victims)


@h.test
def the_guard_is_killed_in_the_middle_of_an_admission():
    victims, times = failopen.Victims(), failopen.Times()
    shell = h.spawn(["sh", "-c", "for i in $(seq 200); do sleep 1000 & done; wait"], h.cgroup("many"))
    h.wait_until(lambda: len(h.descendants(shell.pid)) == 200, 5, "the tree is complete")
    victims.take(shell.pid)
    victims.busy(2)
    for some_are_in in (1, 20, 100)[failopen.SHORT:]:
        with h.Hobbled(*victims.sources()) as hobbled:
            h.wait_until(lambda: len(victims.astray()) >= some_are_in, 5, "the admission has begun")
            guard = hobbled.guard()
            h.kill(guard)
            wait_guard(hobbled, other_than=guard)
            victims.wait_hobbled(hobbled)
            failopen.wait_home(victims, [hobbled.home], failopen.killed(hobbled), times, f"{some_are_in} were in")
            failopen.wait_end(hobbled)
    times.note("SIGKILL with a tree of 201 processes")


@h.test
def the_guard_ignores_what_ends_others():
    victims = failopen.some()
    with h.Hobbled(*victims.sources()) as hobbled:
        victims.wait_hobbled(hobbled)
        guard = wait_guard(hobbled)
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE, signal.SIGUSR1,
                    signal.SIGUSR2, signal.SIGTSTP, signal.SIGTTIN):
            h.kill(guard, sig)
        failopen.wait_home(victims, [hobbled.home], failopen.killed(hobbled), failopen.Times(), "SIGKILL after signals")
        failopen.wait_end(hobbled)
        clean(hobbled, victims)


@h.test
def the_end_of_a_whole_session_leaves_the_guard():
    victims = failopen.some()
    with failopen.by_way_of("setsid"), h.Hobbled(*victims.sources()) as hobbled:
        victims.wait_hobbled(hobbled)
        h.equal(hobbled.pid, os.getpgid(hobbled.pid), "hobbled's process group")
        h.check(os.getsid(wait_guard(hobbled)) != os.getsid(hobbled.pid), "the guard has a session of its own")
        begin = time.monotonic()
        os.killpg(hobbled.pid, signal.SIGKILL)
        failopen.wait_home(victims, [hobbled.home], begin, failopen.Times(), "SIGKILL of the process group")
        failopen.wait_end(hobbled)
        clean(hobbled, victims)


@h.test
def the_guard_is_stopped_while_hobbled_dies():
    victims, times = failopen.some(), failopen.Times()
    for _ in range(1 if failopen.SHORT else 3):
        with h.Hobbled("--freeze-idle", *victims.sources()) as hobbled:
            victims.wait_hobbled(hobbled)
            guard = wait_guard(hobbled)
            h.kill(guard, signal.SIGSTOP)
            failopen.wait_stopped(guard)
            hobbled.signal(signal.SIGKILL)
            hobbled.process.wait()
            begin = time.monotonic()
            h.kill(guard, signal.SIGCONT)
            failopen.wait_home(victims, [hobbled.home], begin, times, "SIGCONT for the guard")
            failopen.wait_end(hobbled)
            clean(hobbled, victims)
    times.note("SIGCONT for a guard whose hobbled was killed")


@h.test
def hobbled_hangs_and_its_guard_dies():
    """The guard has rescued, and is lost before hobbled learns of it: the next guard's hobbled starts anew."""
    victims = failopen.some()
    with h.Hobbled(*victims.sources()) as hobbled:
        victims.wait_hobbled(hobbled)
        for _ in range(2):
            guard = wait_guard(hobbled)
            begin = time.monotonic()
            hobbled.signal(signal.SIGSTOP)
            failopen.wait_fenced(hobbled)
            failopen.wait_home(victims, [hobbled.home], begin, failopen.Times(), "SIGSTOP")
            h.kill(guard)
            hobbled.signal(signal.SIGCONT)
            wait_guard(hobbled, other_than=guard)
            victims.wait_hobbled(hobbled)
    clean(hobbled, victims)


@h.test
def a_source_lets_go_of_some_after_a_hang_and_before_the_guard_answers():
    """They were rescued, and their subjects are no more: there is nothing to release."""
    victims = failopen.some()
    with h.Hobbled(*victims.sources()) as hobbled:
        victims.wait_hobbled(hobbled)
        guard, begin = wait_guard(hobbled), time.monotonic()
        hobbled.signal(signal.SIGSTOP)
        failopen.wait_fenced(hobbled)
        failopen.wait_home(victims, [hobbled.home], begin, failopen.Times(), "SIGSTOP")
        h.kill(guard, signal.SIGSTOP)
        failopen.wait_stopped(guard)
        hobbled.signal(signal.SIGCONT)
        for roots in [], victims.roots[:1], victims.roots[1:], victims.roots:
            h.write(victims.file, "".join(f"{pid}\n" for pid in roots))
            time.sleep(0.1)  # it may do nothing about it that could be waited for
        h.kill(guard, signal.SIGCONT)
        victims.wait_hobbled(hobbled)
    clean(hobbled, victims)


@h.test
def both_die_and_a_rescue_comes():
    victims = failopen.some()
    with h.Hobbled("--freeze-idle", *victims.sources()) as hobbled:
        victims.wait_hobbled(hobbled)
        dead_together(hobbled)
        h.check(victims.astray(), "nobody has brought them home")
        done = h.hobblectl("rescue", hobbled.instance)
        h.equal(0, done.returncode, f"status of the rescue, which said {done.stdout}{done.stderr}")
        clean(hobbled, victims)


@h.test
def both_die_and_another_hobbled_starts():
    victims = failopen.some()
    for instance in (None, "same"):
        with h.Hobbled("--freeze-idle", *victims.sources()) as hobbled:
            victims.wait_hobbled(hobbled)
            dead_together(hobbled)
            h.check(victims.astray(), "nobody has brought them home")
            with h.Hobbled(h.pidfile(), instance=instance and hobbled.instance) as other:
                wait_guard(other)
                h.equal([], victims.astray(), "not where they belong")
                h.equal([], victims.frozen(other.home), "frozen")
            clean(hobbled, victims)


failopen.quiet_crashes()
h.main()
