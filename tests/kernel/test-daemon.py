#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""hobbled, the real binary: its cost, its guard, other instances, signals, options and exit status."""

import os
import re
import signal
import subprocess
import threading
import time

import harness as h
from sources import *


@h.test
def a_file_that_is_rewritten_all_the_time():
    a, b = h.sleeper(), h.sleeper()
    path = h.pidfile(a)
    stop = threading.Event()
    count = 0

    def rewrite():
        nonlocal count
        while not stop.is_set():
            replace(path, a, *([b] if stop_adding.is_set() else []))
            count += 1
            time.sleep(0.001)

    stop_adding = threading.Event()
    with h.Hobbled(path) as hobbled:
        wait_roots(hobbled, [a])
        writer = threading.Thread(target=rewrite)
        writer.start()
        try:
            cpu, begin = h.cpu_usec_of(hobbled.pid), time.monotonic()
            time.sleep(1)
            used = (h.cpu_usec_of(hobbled.pid) - cpu) / 1e6 / (time.monotonic() - begin)
            h.note(f"{count} times written")
            h.between(0, used, 0.1, "share of a core")
            stop_adding.set()
            wait_roots(hobbled, [a, b])
        finally:
            stop.set()
            writer.join()
        h.equal([], said(hobbled, "released"), "releases")


@h.test
def an_ordinary_file_costs_no_wake_ups():
    dead = h.spawn(["true"])
    dead.wait()
    with h.Hobbled(h.pidfile(dead.pid), h.pidfile(), "--check=100ms") as hobbled:
        hobbled.wait_log(rf"process {dead.pid} does not exist", LONG)
        time.sleep(0.2)

        def wake_ups():
            return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", h.read(f"/proc/{hobbled.pid}/status"), re.M)[1])

        before = wake_ups()
        time.sleep(1)
        h.between(0, wake_ups() - before, 2, "wake-ups in a second")


@h.test
def after_a_hang_everything_is_hobbled_again():
    a, tarpit = h.sleeper(), h.cgroup("tarpit")
    h.busy(tarpit)
    with h.Hobbled(h.pidfile(a), tarpit, QUICK) as hobbled:
        wait_roots(hobbled, [a])

        def stop_while_frozen():
            h.wait_until(lambda: h.freeze_wanted(tarpit), LONG, "it is frozen")
            hobbled.signal(signal.SIGSTOP)
            h.wait_until(lambda: h.state(hobbled.pid) == "T", LONG, "hobbled is stopped")
            return h.freeze_wanted(tarpit) or hobbled.signal(signal.SIGCONT)

        h.wait_until(stop_while_frozen, LONG, "hobbled is stopped while something is frozen")
        h.wait_until(lambda: not is_in(a, hobbled), LONG, "the guard has released it")
        hobbled.signal(signal.SIGCONT)
        hobbled.wait_log("was taken for hung, and everything was released meanwhile: hobbling it again$", LONG)
        wait_in(a, hobbled)
        h.wait_until(lambda: h.freeze_wanted(tarpit), LONG, "the cgroup is hobbled again")


@h.test
def a_lost_guard_is_told():
    a = h.sleeper()
    with h.Hobbled(h.pidfile(a)) as hobbled:
        wait_roots(hobbled, [a])
        h.kill(h.wait_until(hobbled.guard, LONG, "the guard"))
        hobbled.wait_log("the guard has ended: everything is thawed until another one watches$", LONG)
        hobbled.wait_log("a guard watches again; hobbling goes on$", LONG)
        wait_roots(hobbled, [a])


@h.test
def another_instances_subject_is_tried_again():
    a = h.sleeper()
    path = h.pidfile(a)
    first = h.Hobbled(path)
    wait_roots(first, [a])
    with h.Hobbled(path, QUICK) as second:
        second.wait_log(rf"process {a} \(sleep\): not hobbled for now: .*; trying again every 300ms$", LONG)
        time.sleep(2 * CHECK)
        h.equal(1, len(said(second, "not hobbled for now")), "messages")
        first.stop()
        wait_roots(second, [a])


@h.test
def signals():
    home = h.cgroup("origin")
    a = h.sleeper(home)
    for sig in (signal.SIGINT, signal.SIGTERM):
        hobbled = h.Hobbled(h.pidfile(a))
        wait_in(a, hobbled)
        hobbled.signal(signal.SIGHUP)
        hobbled.signal(signal.SIGPIPE)
        hobbled.wait_log("reading all sources again$", LONG)
        h.check(is_in(a, hobbled), "SIGHUP keeps it hobbled")
        hobbled.signal(sig)
        h.equal(0, hobbled.process.wait(LONG), "exit status")
        h.equal(home, h.cgroup_of(a), "where it is after the end")
        h.equal(False, os.path.exists(hobbled.home), "home left behind")
        hobbled.stop()


def run(*arguments):
    return subprocess.run([h.program("HOBBLED"), *arguments], capture_output=True, text=True, timeout=20, check=False)


@h.test
def exit_status_and_usage():
    for arguments in ((), ("--nonsense", "x"), ("--frozen=abc", "x"), ("--thawed=11s", "x"), ("--duty=0%", "x"),
                      ("--duty=101%", "x"), ("--duty=5%", "--frozen=1s", "x"), ("--check=1ms", "x"),
                      ("--instance=a/b", "x"), ("--log-level=loud", "x"), ("",)):
        done = run(*arguments)
        h.equal(2, done.returncode, f"exit status of {arguments}")
        h.equal(1, len(done.stderr.splitlines()), f"lines about {arguments}: {done.stderr}")
    for arguments, text in ((["--help"], "Usage: hobbled"), (["--version"], "hobbled ")):
        done = run(*arguments)
        h.check(done.returncode == 0 and done.stdout.startswith(text) and not done.stderr, f"{arguments}: {done}")

    with h.Hobbled(h.pidfile()) as hobbled:
        hobbled.wait_log("hobbling 1 source", LONG)
        done = run(f"--instance={hobbled.instance}", h.pidfile())
        h.equal((1, "hobbled: cannot start: another hobbled has this instance name: choose one with --instance=, or see "
                 "hobblectl list --output=+INSTANCE\n"), (done.returncode, done.stderr),
                "of a second one")


@h.test
def duty_is_computed():
    with h.Hobbled("--duty=5%", h.pidfile()) as hobbled:
        hobbled.wait_log(r"at 190ms/10ms \(5 %\)$", LONG)
    with h.Hobbled("--duty=50%", "--thawed=20ms", h.pidfile()) as hobbled:
        hobbled.wait_log(r"at 20ms/20ms \(50 %\)$", LONG)


@h.test
def an_administrator_takes_everything_away():
    home = h.cgroup("origin")
    a = h.sleeper(home)
    hobbled = h.Hobbled(h.pidfile(a))
    wait_roots(hobbled, [a])
    done = h.hobblectl("rescue", "--all", hobbled.instance)
    if done.returncode == 2:
        hobbled.stop()
        h.skip("hobblectl cannot rescue a single live instance, and this one is not alone")
    hobbled.wait_log(r"everything was rescued by an administrator \(hobblectl rescue --all\): ending$", LONG)
    h.equal(0, hobbled.process.wait(LONG), "exit status")
    wait_home(a, home)


@h.test
def a_reader_that_sleeps_does_not_hold_it_up():
    a, b = h.sleeper(), h.sleeper()
    path = h.pidfile()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        pass
    os.set_blocking(writer, True)
    hobbled = h.spawn([h.program("HOBBLED"), "--instance=" + (name := f"test-{os.getpid()}-pipe"), path],
                      stderr=writer)
    home = os.path.join(h.CGROOT, f"hobbled-{name}")
    try:
        for pids in ([a], [a, b]):
            name_pids(path, *pids)
            h.wait_until(lambda p=pids[-1]: h.cgroup_of(p).startswith(home + "/"), LONG, "it is hobbled")
    finally:
        hobbled.terminate()
        h.equal(0, hobbled.wait(LONG), "exit status")
        os.close(reader)
        os.close(writer)


h.main()
