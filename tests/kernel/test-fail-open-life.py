#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Promise P1 from a start, which may fail, to a clean end: instances side by side, scarce resources, origins that are
gone; and these tests themselves leave nothing behind when they are interrupted."""

import os
import signal
import subprocess
import sys
import time

import failopen
import harness as h

NOBODY = 65534


def clean(victims, hobbled, what):
    """Everybody is home, and nothing of the instance is left."""
    h.equal([], victims.astray(), f"{what}: not where they belong")
    h.equal([], victims.frozen(hobbled.home), f"{what}: frozen")
    h.check(not os.path.exists(hobbled.home), f"{what}: {hobbled.home} is gone")
    h.check(not any(h.marks(path) for path in victims.in_place), f"{what}: no mark is left in place")


# -- Instances ------------------------------------------------------------------------------------------------

@h.test
def starts_beside_rescues():
    """A home that has just been made looks like what an unfinished start has left."""
    for _ in range(3):
        h.spawn(["sh", "-c", f"while :; do {h.program('HOBBLECTL')} rescue; done"], stderr=subprocess.DEVNULL)
    empty, starts = h.pidfile(), max(20, h.rounds())
    for _ in range(0, starts, 4):
        hobbleds = [h.Hobbled(empty) for _ in range(4)]
        for hobbled in hobbleds:
            h.wait_until(lambda e=hobbled: "hobbling" in e.log() or e.process.poll() is not None, 10, "it has started")
            h.check("hobbling" in hobbled.log(), f"it starts: {hobbled.log()}")
            hobbled.stop()


@h.test
def one_of_two_instances_is_killed():
    mine, yours, times = failopen.some("mine"), failopen.some("yours"), failopen.Times()
    with h.Hobbled("--freeze-idle", *yours.sources()) as other:
        yours.wait_hobbled(other)
        guard, subjects = other.guard(), other.subjects()
        for how in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM):
            with h.Hobbled(*mine.sources()) as hobbled:
                mine.wait_hobbled(hobbled)
                begin = time.monotonic()
                hobbled.signal(how)
                failopen.wait_home(mine, [hobbled.home], begin, times, f"{how.name} of one of two")
                hobbled.signal(signal.SIGKILL)
                failopen.wait_end(hobbled)
                clean(mine, hobbled, how.name)
                h.check(yours.admitted(other), "the other one's are hobbled as before")
                h.equal((guard, subjects), (other.guard(), other.subjects()), "the other one's guard and subjects")
                h.wait_until(lambda: yours.frozen(other.home), 5, "the other one goes on")
        h.check("guard" not in other.log() and "hung" not in other.log(), f"it was left in peace:\n{other.log()}")
    clean(yours, other, "at its own end")


@h.test
def an_instance_name_is_taken_while_its_hobbled_lives():
    victims = failopen.some()
    with h.Hobbled(*victims.sources()) as hobbled:
        victims.wait_hobbled(hobbled)
        second = h.Hobbled(*victims.sources(), instance=hobbled.instance)
        h.equal(1, second.process.wait(10), "status of a second hobbled of the same name")
        h.check("another hobbled has this instance name" in second.log(), f"it says why: {second.log()}")
        h.check(victims.admitted(hobbled), "the first one's are hobbled as before")
        h._hobbleds.remove(second)  # its stop() would take the home for left over
    clean(victims, hobbled, "at the end")


@h.test
def another_of_the_same_name_takes_over():
    victims = failopen.some()
    hobbled = h.Hobbled(*victims.sources())
    for _ in range(2 if failopen.SHORT else 8):
        victims.wait_hobbled(hobbled)
        hobbled.signal(signal.SIGKILL)
        following = h.Hobbled(*victims.sources(), instance=hobbled.instance)
        hobbled.process.wait()
        h._hobbleds.remove(hobbled)
        hobbled = following
    with hobbled:
        victims.wait_hobbled(hobbled)
        time.sleep(0.3)
        h.check(victims.admitted(hobbled), "what an earlier guard had left to do takes nobody away")
    clean(victims, hobbled, "at the end")


@h.test
def another_of_the_same_name_while_the_first_guard_is_stopped():
    """It waits, and what it hobbles then is not taken away by the old guard."""
    victims = failopen.some()
    with h.Hobbled(*victims.sources()) as hobbled:
        victims.wait_hobbled(hobbled)
        guard = hobbled.guard()
        h.kill(guard, signal.SIGSTOP)
        failopen.wait_stopped(guard)
        hobbled.signal(signal.SIGKILL)
        hobbled.process.wait()
        with h.Hobbled(*victims.sources(), instance=hobbled.instance) as second:
            time.sleep(0.2)
            h.kill(guard, signal.SIGCONT)
            h.wait_until(lambda: not h.alive(guard), 5, "the old guard ends")
            second.wait_log("hobbling", 5)
            victims.wait_hobbled(second)
            subjects = second.subjects()
            time.sleep(0.3)
            h.equal(subjects, second.subjects(), "the subjects stay")
            h.check(victims.admitted(second), "everybody is still hobbled")
    clean(victims, hobbled, "at the end")


@h.test
def a_rescue_passes_over_those_that_live():
    victims = failopen.some()
    with h.Hobbled("--freeze-idle", *victims.sources()) as hobbled:
        victims.wait_hobbled(hobbled)
        done = h.hobblectl("rescue")
        h.equal(0, done.returncode, f"status of a rescue, which said {done.stdout}{done.stderr}")
        h.check("left alone" in done.stdout, f"it says so: {done.stdout}")
        done = h.hobblectl("rescue", hobbled.instance)
        h.equal(1, done.returncode, f"status of a rescue by name, which said {done.stdout}{done.stderr}")
        h.check(victims.admitted(hobbled), "everybody is hobbled as before")
        h.wait_until(lambda: victims.frozen(hobbled.home), 5, "hobbling goes on")
    clean(victims, hobbled, "at the end")


@h.test
def a_rescue_of_all_retires_those_that_live():
    victims = failopen.some()
    for stopped in (False, True):
        with h.Hobbled("--freeze-idle", *victims.sources()) as hobbled:
            victims.wait_hobbled(hobbled)
            if stopped:
                hobbled.signal(signal.SIGSTOP)
                failopen.wait_stopped(hobbled.pid)
            done = h.hobblectl("rescue", "--all", hobbled.instance)
            h.equal(0, done.returncode, f"status of the rescue, which said {done.stdout}{done.stderr}")
            h.equal([], victims.astray(), "not where they belong")
            h.equal([], victims.frozen(hobbled.home), "frozen")
            hobbled.signal(signal.SIGCONT)
            h.equal(0, hobbled.process.wait(5), "status of a hobbled that was retired")
            h.check("rescue" in hobbled.log(), f"it says why it ends: {hobbled.log()}")
            h.wait_until(lambda: not os.path.exists(hobbled.home), 5, "its home is gone")
        clean(victims, hobbled, "at the end")


# -- Starts and ends ------------------------------------------------------------------------------------------

def fails_to_start(victims, hobbled, pattern):
    status = hobbled.process.wait(10)
    h.check(status not in (0, None) and status > 0, f"a failure is the status, not {status}")
    hobbled.wait_log(pattern)
    h.equal([], victims.astray(), "moved")
    h.equal([], victims.frozen(), "frozen")
    h.check(not any(h.marks(path) for path in victims.in_place), "no mark is left in place")


@h.test
def a_start_without_a_guard_program():
    victims = failopen.some()
    with failopen.moved_programs() as place:
        os.unlink(os.path.join(place, "hobble-guard"))
        with h.Hobbled(*victims.sources()) as hobbled:
            fails_to_start(victims, hobbled, "hobble-guard")
        clean(victims, hobbled, "a start without a guard program")


@h.test
def a_start_with_a_guard_that_cannot_run():
    """It starts, freezes nothing without a guard, and says so."""
    victims = failopen.some()
    with failopen.moved_programs() as place:
        h.write(os.path.join(place, "hobble-guard"), "#!/bin/false\n")
        with h.Hobbled("--freeze-idle", *victims.sources()) as hobbled:
            end = time.monotonic() + 1.5
            while time.monotonic() < end:
                h.equal([], victims.frozen(hobbled.home), "frozen without a guard")
                time.sleep(0.01)
            hobbled.wait_log("guard")
        clean(victims, hobbled, "a guard that cannot run")


@h.test
def a_start_without_permission():
    victims = failopen.some()
    os.chmod(h.scratch(), 0o711)
    with failopen.moved_programs() as place:
        os.chmod(place, 0o755)
        with failopen.by_way_of("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"):
            with h.Hobbled(*victims.sources()) as hobbled:
                fails_to_start(victims, hobbled, "[Pp]ermi")
    clean(victims, hobbled, "a start without permission")


@h.test
def a_start_in_a_home_of_somebody_else():
    victims = failopen.some()
    instance = f"test-{os.getpid()}-foreign"
    home = os.path.join(h.CGROOT, f"hobbled-{instance}")
    os.mkdir(home)
    try:
        os.chown(home, NOBODY, NOBODY)
        hobbled = h.Hobbled(*victims.sources(), instance=instance)
        fails_to_start(victims, hobbled, "[Pp]ermi")
        h.equal(NOBODY, os.stat(home).st_uid, "owner of the home that was left alone")
        h.equal([], sorted(h.entries(home + "/pit")), "made in it")
        h._hobbleds.remove(hobbled)  # its stop() would take the home for left over
    finally:
        h.remove(home)


@h.test
def clean_ends():
    victims = failopen.some()
    for how in (signal.SIGTERM, signal.SIGINT):
        for early in (False, True):
            with h.Hobbled(*victims.sources()) as hobbled:
                if not early:
                    victims.wait_hobbled(hobbled)
                else:
                    h.wait_until(lambda: len(victims.astray()) > 2, 5, "the admission has begun")
                hobbled.signal(how)
                h.equal(0, hobbled.process.wait(5), f"status after {how.name}")
                clean(victims, hobbled, how.name)


# -- Scarce resources -----------------------------------------------------------------------------------------

def scarce(victims, *limit):
    """With so little it hobbles on, or fails to start, and in any case leaves nothing. Returns which."""
    with failopen.by_way_of("prlimit", *limit), h.Hobbled("--freeze-idle", *victims.sources()) as hobbled:
        until = time.monotonic() + 0.7
        while hobbled.process.poll() is None and not victims.admitted(hobbled) and time.monotonic() < until:
            time.sleep(0.005)
        in_all = victims.admitted(hobbled)
        begin = time.monotonic()
        hobbled.signal(signal.SIGKILL if in_all else signal.SIGTERM)
        failopen.wait_home(victims, [hobbled.home], begin, failopen.Times(), " ".join(limit))
        status = hobbled.process.wait(5)
        gone = h._wait(lambda: not os.path.exists(hobbled.home), 2)
        h.check(gone or not h.members(hobbled.home), f"{limit}: nobody is left in {hobbled.home}")
        if status > 0 and "cannot" not in hobbled.log():
            h.note(f"{limit}: status {status}, without a clear word:\n{hobbled.log()}")
        h.check(status != -signal.SIGABRT and status != -signal.SIGSEGV, f"{limit}: it crashed with {status}")
    return "all" if in_all else f"status {status}" if status else "some"


@h.test
def few_descriptors():
    victims = failopen.some()
    victims.sleepers(30, "v/e")
    for files in (16, 30, 64) if failopen.SHORT else (9, 16, 20, 25, 30, 40, 64, 100):
        h.note(f"{files} descriptors: {scarce(victims, f'--nofile={files}:{files}')}")


@h.test
def little_memory():
    if failopen.SANITIZED:
        h.skip("a sanitizer needs its own address space")
    victims = failopen.some()
    for mib in (6, 10, 14, 18, 22, 30):
        h.note(f"{mib} MiB: {scarce(victims, f'--as={mib << 20}')}")


# -- Origins --------------------------------------------------------------------------------------------------

def strayed(change, expect, *ends):
    """Victims whose origin is changed meanwhile end up where they are expected."""
    for end in ends:
        victims = failopen.Victims()
        h.cgroup("keep")
        victims.take(h.sleeper(h.cgroup("up/mid/low")))
        victims.take(h.sleeper(h.cgroup("keep")))
        stay = h.sleeper(h.cgroup("up"))
        with h.Hobbled("--freeze-idle", *victims.sources()) as hobbled:
            victims.wait_hobbled(hobbled)
            change()
            begin = time.monotonic()
            hobbled.signal(end)
            lost, kept = victims.roots
            h.wait_until(lambda: h.cgroup_of(lost) == h.cgroup(expect), 1, f"{end.name}: it is in {expect}")
            h.wait_until(lambda: h.cgroup_of(kept) == h.cgroup("keep"), 1, f"{end.name}: the other one is home")
            h.note(f"{end.name}: {1000 * (time.monotonic() - begin):.1f} ms")
            h.equal([], h.anything_frozen(h.OWN), "frozen")
            hobbled.process.wait(5)
        for pid in (*victims.roots, stay):
            h.kill(pid)
        h.wait_until(lambda: not h.members(h.OWN), 2, "the victims are dead")
        h.remove(h.cgroup("up"))


@h.test
def an_origin_that_is_gone():
    def change():
        os.rmdir(h.cgroup("up/mid/low"))
        os.rmdir(h.cgroup("up/mid"))

    strayed(change, "up", signal.SIGKILL, signal.SIGTERM)


@h.test
def an_origin_that_takes_no_processes_any_more():
    def change():
        h.write(h.cgroup("up/mid") + "/cgroup.type", "threaded")
        h.equal("domain invalid\n", h.read(h.cgroup("up/mid/low") + "/cgroup.type"), "type of the origin")

    strayed(change, "up/mid", signal.SIGKILL, signal.SIGTERM)


@h.test
def a_release_after_the_origin_is_gone():
    """Taken out of the file, which a running hobbled does, not a guard."""
    pid = h.sleeper(h.cgroup("up/low"))
    file = h.pidfile(pid)
    with h.Hobbled(file) as hobbled:
        h.wait_until(hobbled.subjects, 5, "it is in")
        os.rmdir(h.cgroup("up") + "/low")
        h.write(file, "")
        h.wait_until(lambda: h.cgroup_of(pid) == h.cgroup("up"), 2, "it is in the nearest ancestor")
        hobbled.wait_log("origin")


# -- These tests themselves -----------------------------------------------------------------------------------

def interrupted():
    """Not a test: what the test below interrupts."""
    victims = failopen.some()
    hobbled = h.Hobbled("--freeze-idle", *victims.sources())
    victims.wait_hobbled(hobbled)
    h.note("ready")
    time.sleep(100)


@h.test
def a_test_that_is_interrupted_leaves_nothing():
    for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)[:1 if failopen.SHORT else 3]:
        test = subprocess.Popen([sys.executable, os.path.abspath(__file__), "interrupted"], stdout=subprocess.PIPE,
                                text=True, start_new_session=True)
        h._spawned.append(test)
        h.check(any("ready" in line for line in test.stdout), "the inner test is ready")
        test.send_signal(how)
        test.wait(10)
        own = os.path.join(h.CGROOT, f"hobble-test-{test.pid}")
        h.check(not os.path.exists(own), f"{how.name}: {own} is gone")
        left = [name for name in h.entries(h.CGROOT) if name.startswith(f"hobbled-test-{test.pid}-")]
        h.equal([], left, f"{how.name}: homes that are left")


failopen.quiet_crashes()
if "interrupted" in sys.argv:
    h.test(interrupted)
h.main()
