#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Promise P1 where the guard is a service of its own, hobble-pit.service: either side ends, hangs or is killed, in any
order. Here without systemd; tests/system has the unit itself."""

import os
import signal
import socket
import time

import failopen
import harness as h
from pit import Hosted, Pit


def clean(victims, what):
    """Everybody is alive and home, nothing is frozen, no mark is left."""
    h.equal([], [tid for tid in victims.origin if not h.alive(f"{tid}/task/{tid}")], f"{what}: dead")
    h.equal([], victims.astray(), f"{what}: not where they belong")
    h.equal([], victims.frozen(), f"{what}: frozen")
    h.check(not any(h.marks(path) for path in victims.in_place), f"{what}: a mark is left in place")


def subjects(pit):
    return [d for d, _, _ in os.walk(os.path.join(pit.home, "pit")) if "origin" in h.marks(d)]


@h.test
def one_hobbled_after_the_other():
    """The service outlives them, and what each had is home when it has ended, in whatever way."""
    victims, times = failopen.some(), failopen.Times()
    with Pit() as pit:
        for end in (signal.SIGTERM, signal.SIGKILL, signal.SIGABRT):
            with Hosted(pit, "--freeze-idle", *victims.sources()) as hobbled:
                victims.wait_hobbled(hobbled)
                h.equal(pit.pid, hobbled.guard(), "the guard")
                begin = time.monotonic()
                hobbled.signal(end)
                failopen.wait_home(victims, [pit.home], begin, times, f"signal {end}")
                hobbled.process.wait(5)
            h.wait_until(lambda: not subjects(pit), 2, "the pit is empty")
            clean(victims, f"after signal {end}")
            h.check(h.alive(pit.pid), "the service lives")
        h.equal(0, pit.stop(), "exit status of the service")
        h.check(os.path.isdir(pit.home), "the unit's own cgroup stays")
        h.equal([], [d for d in h.entries(pit.home) if os.path.isdir(os.path.join(pit.home, d)) and d != ".control"],
                "cgroups left in it")
        pit.start()
    times.note("ends of hobbled")


@h.test
def hobbled_hangs():
    victims, times = failopen.some(), failopen.Times()
    with Pit() as pit, Hosted(pit, "--freeze-idle", *victims.sources()) as hobbled:
        victims.wait_hobbled(hobbled)
        begin = time.monotonic()
        hobbled.signal(signal.SIGSTOP)
        failopen.wait_home(victims, [pit.home], begin, times, "SIGSTOP for hobbled")
        failopen.wait_fenced(hobbled)
        hobbled.signal(signal.SIGCONT)
        hobbled.wait_log("taken for hung")
        victims.wait_hobbled(hobbled)


@h.test
def the_service_is_stopped_and_started():
    victims, times = failopen.some(), failopen.Times()
    with Pit() as pit, Hosted(pit, "--freeze-idle", *victims.sources()) as hobbled:
        for count in range(1, 4):
            victims.wait_hobbled(hobbled)
            begin = time.monotonic()
            h.equal(0, pit.stop(), "exit status of the service")
            failopen.wait_home(victims, [pit.home], begin, times, "SIGTERM for the service")
            clean(victims, "stopped")
            hobbled.wait_log("the guard has ended", count=count)
            time.sleep(0.3)  # what would be hobbled now, would be without a guard
            clean(victims, "without a service")
            pit.start()
            hobbled.wait_log("the guard was away, and everything was released", count=count)
        victims.wait_hobbled(hobbled)
    clean(victims, "at the end")
    times.note("SIGTERM for the service")


@h.test
def the_service_is_killed():
    """Nothing is frozen any more, though not all is home until the unit's end has been cleaned up."""
    victims, times = failopen.some(), failopen.Times()
    with Pit() as pit, Hosted(pit, "--freeze-idle", *victims.sources()) as hobbled:
        for count in range(1, 4):
            victims.wait_hobbled(hobbled)
            begin = time.monotonic()
            pit.kill()
            h.wait_until(lambda: not victims.frozen(pit.home), 1, "everything is thawed")
            pit.clean()
            failopen.wait_home(victims, [pit.home], begin, times, "SIGKILL for the service")
            clean(victims, "cleaned up")
            h.equal("", h.read(f"{pit.home}/cgroup.subtree_control").strip(), "controllers for the unit's children")
            pit.start()
            hobbled.wait_log("the guard was away, and everything was released", count=count)
        victims.wait_hobbled(hobbled)


@h.test
def the_service_is_killed_and_comes_again_without_cleaning_up():
    """The next life rescues what it finds before it answers anybody."""
    victims, times = failopen.some(), failopen.Times()
    with Pit() as pit:
        with Hosted(pit, "--freeze-idle", *victims.sources()) as hobbled:
            victims.wait_hobbled(hobbled)
            hobbled.signal(signal.SIGSTOP)
            failopen.wait_stopped(hobbled.pid)
            pit.kill()
            begin = time.monotonic()
            pit.start()
            failopen.wait_home(victims, [pit.home], begin, times, "the next start")
            hobbled.signal(signal.SIGCONT)
            hobbled.wait_log("the guard was away, and everything was released")
            victims.wait_hobbled(hobbled)
        clean(victims, "at the end")


@h.test
def both_are_killed():
    victims, times = failopen.some(), failopen.Times()
    with Pit() as pit:
        with Hosted(pit, "--freeze-idle", *victims.sources()) as hobbled:
            victims.wait_hobbled(hobbled)
            hobbled.signal(signal.SIGSTOP)
            failopen.wait_stopped(hobbled.pid)
            pit.kill()
            hobbled.signal(signal.SIGKILL)
            hobbled.process.wait()
            begin = time.monotonic()
            pit.clean()
            failopen.wait_home(victims, [pit.home], begin, times, "--clean")
        clean(victims, "cleaned up")
        pit.start()


@h.test
def hobbled_is_first():
    """It waits for the service, and moves nobody meanwhile."""
    victims, pit = failopen.some(), Pit()
    with Hosted(pit, *victims.sources()) as hobbled:
        hobbled.wait_log("hobble-pit.service.* is not there")
        time.sleep(0.3)
        clean(victims, "without a service")
        with pit:
            victims.wait_hobbled(hobbled)
            hobbled.stop()
    h.equal(1, hobbled.log().count("is not there"), "how often it says so")


@h.test
def one_hobbled_at_a_time():
    victims = failopen.some()
    with Pit() as pit, Hosted(pit, *victims.sources()) as first:
        victims.wait_hobbled(first)
        with Hosted(pit, *victims.sources()) as second:
            second.wait_log("has another hobbled")
            h.check(victims.admitted(first), "the first one keeps everybody")
            first.signal(signal.SIGKILL)
            first.process.wait()
            second.wait_log("^hobbled: instance pit: hobbling")
            victims.wait_hobbled(second)
        h.equal(1, second.log().count("has another hobbled"), "how often it says so")


@h.test
def the_service_is_stopped_while_hobbled_hangs():
    """It does not wait for long, and hobbled, when it goes on, freezes nothing."""
    victims, times = failopen.some(), failopen.Times()
    with Pit() as pit, Hosted(pit, "--freeze-idle", *victims.sources()) as hobbled:
        victims.wait_hobbled(hobbled)
        hobbled.signal(signal.SIGSTOP)
        failopen.wait_stopped(hobbled.pid)
        begin = time.monotonic()
        h.equal(0, pit.stop(), "exit status of the service")
        failopen.wait_home(victims, [pit.home], begin, times, "SIGTERM for the service")
        hobbled.signal(signal.SIGCONT)
        time.sleep(0.3)
        clean(victims, "without a service")
        pit.start()
        victims.wait_hobbled(hobbled)


@h.test
def the_service_is_stopped_and_killed_in_the_middle_of_an_admission():
    victims, times = failopen.Victims(), failopen.Times()
    shell = h.spawn(["sh", "-c", "for i in $(seq 200); do sleep 1000 & done; wait"], h.cgroup("many"))
    h.wait_until(lambda: len(h.descendants(shell.pid)) == 200, 5, "the tree is complete")
    victims.take(shell.pid)
    with Pit() as pit:
        for some_are_in in (1, 20, 100):
            for end in (pit.stop, pit.restart_after_kill):
                with Hosted(pit, *victims.sources()) as hobbled:
                    h.wait_until(lambda n=some_are_in: len(victims.astray()) >= n, 5, "the admission has begun")
                    begin = time.monotonic()
                    end()
                    if end == pit.stop:
                        failopen.wait_home(victims, [pit.home], begin, times, f"{some_are_in} were in")
                        pit.start()
                    victims.wait_hobbled(hobbled)
                clean(victims, "hobbled has ended")
    times.note("stop with a tree of 201 processes")


@h.test
def signals_that_end_others():
    victims = failopen.some()
    with Pit() as pit, Hosted(pit, *victims.sources()) as hobbled:
        victims.wait_hobbled(hobbled)
        for sig in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
            h.kill(pit.pid, sig)
        time.sleep(0.1)
        h.check(h.alive(pit.pid), "the service lives")
        h.check(victims.admitted(hobbled), "everybody is hobbled")


@h.test
def what_is_no_engine_is_endured():
    """Connections that say nothing, too much or nonsense."""
    victims = failopen.some()
    with Pit() as pit:
        for messages in ([], [b"R"], [b"A", b"D"], [b"x" * 5000], [b""], [b"A"] * 50):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
                s.connect(pit.socket)
                for message in messages:
                    s.send(message)
        with Hosted(pit, *victims.sources()) as hobbled:
            victims.wait_hobbled(hobbled)
        h.equal(0o600, os.stat(pit.socket).st_mode & 0o777, "mode of the socket")


h.main()
