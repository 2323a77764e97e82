#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Cgroups of version 2 that are hobbled where they are: nothing of them changes but cgroup.freeze and a mark, and neither
outlives hobbled. Others freeze them, too, and what is theirs stays theirs, as far as can be known."""

import json
import os
import re
import signal
import time

import harness as h
from tarpits import Host
from failopen import by_way_of
from sources import *

SEVERE = "FrozenSec=250ms"
WIDE = "--thawed=60ms"  # time enough to do something within a window on a busy host


# -- Helpers --------------------------------------------------------------------------------------------------

def settings(path):
    """What a cgroup and those below are set to, and who is in each: all but the freezer's own."""
    left_out = {"cgroup.freeze", "cgroup.kill", "cgroup.pressure", "cgroup.procs", "cgroup.threads"}
    found = {}
    for d, _, files in os.walk(path):
        st = os.stat(d)
        found[d] = (st.st_ino, st.st_mode, st.st_uid, st.st_gid)
        for name in files:
            if os.stat(os.path.join(d, name)).st_mode & 0o200 and name not in left_out and "pressure" not in name:
                found[d, name] = h.read(os.path.join(d, name))
        found[d, "members"] = sorted(h.read(os.path.join(d, "cgroup.procs")).split())
    return found


def untouched(*paths):
    """Whether nothing of hobbled's is left: thawed, and without a mark."""
    return not any(h.freeze_wanted(d) or h.marks(d) for path in paths for d, _, _ in os.walk(path))


def hobbled_places(hobbled):
    """The cgroups that hobblectl lists of this instance: path and state."""
    listed = json.loads(h.hobblectl("list", "--json", "--output=SUBJECT,STATE,INSTANCE").stdout)["subjects"]
    return {e["subject"]: e["state"] for e in listed if e["instance"] == hobbled.instance}


def in_hierarchy(path):
    return path.removeprefix(h.CGROOT)


def wait_place(hobbled, path):
    """Wait until the cgroup has its mark and was frozen."""
    h.wait_until(lambda: h.marks(path).get("instance") == hobbled.instance, LONG, f"{path} is marked")
    wait_cycles(path, 1)


def remove_cgroup(path):
    """Remove a cgroup whose last process is ending."""
    h.wait_until(lambda: h.remove(path), LONG, f"{path} is removed")


def stays(truth, periods, what):
    """It holds at each look over so many periods of 260 ms."""
    end = time.monotonic() + periods * 0.26
    while time.monotonic() < end:
        h.check(truth(), what)
        time.sleep(0.001)


def theirs(path):
    return h.freeze_wanted(path) and "instance" not in h.marks(path)


def wait_frozen(path):
    """Wait until hobbled has it frozen, and for a while: the first time after an admission may be a short one. Within a
    millisecond of its own freeze hobbled cannot tell a freeze of theirs from a thaw of theirs just before: it holds, but
    keeps the mark, so that a rescue thaws it."""
    while True:
        for _ in range(2):
            h.wait_until(lambda: not h.frozen(path), LONG, "it is thawed")
            h.wait_until(lambda: h.frozen(path), LONG, "it is frozen")
        time.sleep(0.02)
        if h.frozen(path):  # cgroup.freeze itself is not read, as that counts
            return


def wait_held(path):
    h.wait_until(lambda: "instance" not in h.marks(path), LONG, "hobbled has noticed")


# -- In its place ---------------------------------------------------------------------------------------------

@h.test
def only_its_freezer_is_written_and_members_come_and_go():
    tarpit, inner, other = h.cgroup("tarpit"), h.cgroup("tarpit/inner"), h.cgroup("other")
    h.write(f"{tarpit}/cgroup.max.descendants", 7)
    h.write(f"{tarpit}/cgroup.max.depth", 3)
    stays_in, leaves, comes = h.busy(tarpit), h.busy(inner), h.busy(other)
    before = settings(tarpit)
    with h.Hobbled(tarpit, QUICK) as hobbled:
        hobbled.wait_log(r"hobbled in place$", LONG)
        wait_place(hobbled, tarpit)
        h.equal(before, settings(tarpit), "what it is set to while it is hobbled")
        h.equal({in_hierarchy(tarpit)}, set(hobbled_places(hobbled)), "what is hobbled")
        h.check(not h.marks(inner) and not h.freeze_wanted(inner), "what is below has no mark and no freeze of its own")
        # Whoever manages it moves processes in, out and from one to another, frozen or not.
        for moment in (True, False):
            h.wait_until(lambda f=moment: h.frozen(tarpit) == f, LONG, "the moment")
            h.attach(comes, inner)
            h.attach(leaves, other)
            h.attach(stays_in, inner)
            ran = h.cpu_usec_of(leaves)
            h.wait_until(lambda r=ran: h.cpu_usec_of(leaves) > r + 100000, LONG, "who has left runs")
            wait_cycles(tarpit, 1)
            h.equal({comes, stays_in}, h.members(inner), "who is in it")
            h.attach(comes, other)
            h.attach(leaves, inner)
            h.attach(stays_in, tarpit)
    h.equal(before, settings(tarpit), "what it is set to")
    h.check(untouched(tarpit), "nothing is left in it")


@h.test
def the_members_of_a_cgroup_stand_for_it():
    tarpit = h.cgroup("tarpit")
    pid = h.busy(tarpit)
    with h.Hobbled(f"{tarpit}/cgroup.procs") as hobbled:
        hobbled.wait_log(r"is the list of a cgroup's members: the cgroup itself is hobbled in place$", LONG)
        h.wait_until(lambda: h.freeze_wanted(tarpit), LONG, "it is frozen")
        h.equal(tarpit, h.cgroup_of(pid), "the member's cgroup")


@h.test
def each_match_of_a_glob_is_a_subject():
    top = h.cgroup("tarpit")
    first, second = h.cgroup("tarpit/one"), h.cgroup("tarpit/two")
    pid = h.busy(first)
    h.busy(second)
    h.busy(top)
    host = Host()
    host.write("pool", SEVERE, f"Cgroup={top}/*")
    with host.start() as hobbled:
        for path in (first, second):
            wait_place(hobbled, path)
        third = h.cgroup("tarpit/three")
        h.busy(third)
        wait_place(hobbled, third)
        h.equal({in_hierarchy(p) for p in (first, second, third)}, set(hobbled_places(hobbled)), "subjects")
        h.check(not h.marks(top) and not h.freeze_wanted(top), "what is above is left alone")
        h.kill(pid)
        remove_cgroup(first)
        h.wait_until(lambda: in_hierarchy(first) not in hobbled_places(hobbled), LONG, "what disappears is forgotten")
        h.busy(h.cgroup("tarpit/one"))
        wait_place(hobbled, first)
        host.write("pool", SEVERE, f"Cgroup={top}/t*")
        host.reload()
        h.wait_until(lambda: untouched(first), LONG, "what no longer matches is let go")
        wait_place(hobbled, third)
    h.check(untouched(top), "nothing is left")


@h.test
def named_twice():
    """Once by each of two names, and again by another instance: it is hobbled once, and nobody takes a freeze of hobbled's
    for somebody else's."""
    place = h.cgroup("place")
    h.busy(place)
    with h.Hobbled(place, place + "/", "--check=100ms") as hobbled:
        hobbled.wait_log(r"hobbled in place$", LONG)
        hobbled.wait_log(r"is hobbled already", LONG)
        with h.Hobbled(place, "--check=100ms") as other:
            other.wait_log(r"is hobbled by another instance", LONG)
            for frozen in (True, False, True, False):
                h.wait_until(lambda: h.frozen(place) == frozen, LONG, "the duty cycle goes on")
            h.equal(hobbled.instance, h.marks(place).get("instance"), "whose it is")
            h.equal([], said(other, "someone else"), "what the other takes for theirs")
        h.equal([], said(hobbled, "someone else"), "what is taken for theirs")
    h.check(untouched(place), "thawed and unmarked at the end")


# -- The end --------------------------------------------------------------------------------------------------

@h.test
def taken_out_stopped_or_killed_it_is_as_it_was():
    tarpit, inner = h.cgroup("tarpit"), h.cgroup("tarpit/inner")
    h.write(f"{tarpit}/cgroup.max.descendants", 7)
    h.busy(tarpit)
    h.busy(inner)
    before = settings(tarpit)

    def as_it_was(what):
        h.wait_until(lambda: untouched(tarpit), LONG, f"{what}: thawed and unmarked")
        h.equal(before, settings(tarpit), f"{what}: what it is set to, and who is in it")

    host = Host()
    host.write("one", SEVERE, f"Cgroup={tarpit}")
    with host.start() as hobbled:
        wait_place(hobbled, tarpit)
        wait_frozen(tarpit)
        host.write("one", SEVERE)
        host.reload()
        as_it_was("taken out")
        host.write("one", SEVERE, f"Cgroup={tarpit}")
        host.reload()
        wait_place(hobbled, tarpit)
        wait_frozen(tarpit)
        hobbled.stop()
        as_it_was("stopped")
    with h.Hobbled(tarpit) as hobbled:
        wait_place(hobbled, tarpit)
        wait_frozen(tarpit)
        begin = time.monotonic()
        hobbled.signal(9)
        as_it_was("killed")
        h.between(0, time.monotonic() - begin, 1, "seconds until it was as it was")


@h.test
def it_goes_and_comes_back():
    tarpit = os.path.join(h.cgroup("there"), "tarpit")
    with h.Hobbled(tarpit, QUICK) as hobbled:
        hobbled.wait_log("does not exist; waiting for it$", LONG)
        for times in (1, 2):
            pid = h.busy(h.cgroup("there/tarpit"))
            wait_place(hobbled, tarpit)
            h.kill(pid)
            remove_cgroup(tarpit)
            h.wait_until(lambda n=times: len(said(hobbled, "does not exist")) == n + 1, LONG, "hobbled says so")


# -- Others freeze, too ---------------------------------------------------------------------------------------

@h.test
def frozen_by_someone_else_before():
    place = h.cgroup("place")
    h.busy(place)
    h.freeze(place)
    h.wait_until(lambda: h.frozen(place), 2, "it is frozen")
    with h.Hobbled(QUICK, place) as hobbled:
        hobbled.wait_log("is frozen by someone else; left alone until they thaw it$", LONG)
        h.equal({in_hierarchy(place): "held"}, hobbled_places(hobbled), "what the list says")
        stays(lambda: theirs(place), 2, "theirs holds, unmarked")
        h.freeze(place, False)
        hobbled.wait_log("was thawed; hobbling goes on$", LONG)
        wait_place(hobbled, place)
        wait_cycles(place)
    h.check(untouched(place), "thawed and unmarked at the end")


@h.test
def frozen_by_someone_else_meanwhile():
    place = h.cgroup("place")
    h.busy(place)
    with h.Hobbled(QUICK, WIDE, place) as hobbled:
        wait_cycles(place)
        for round in range(4):
            # In turns while it is thawed, which is at an edge on a busy host, so that the mark may stay, and while hobbled
            # has it frozen, which changes nothing in the file.
            wait_frozen(place)
            if round % 2 == 0:
                h.wait_until(lambda: not h.frozen(place), 2, "the moment")
            h.freeze(place)
            h.wait_until(lambda: len(said(hobbled, "is frozen by someone else")) == round + 1, LONG, "hobbled has noticed")
            stays(lambda: theirs(place) if round % 2 else h.freeze_wanted(place), 1.5, "theirs holds")
            h.freeze(place, False)
            h.wait_until(lambda: h.marks(place).get("instance") == hobbled.instance, 1, "hobbled goes on")
            wait_cycles(place, 1)
        h.equal((4, 4), (len(said(hobbled, "is frozen by someone else")), len(said(hobbled, "was thawed; hobbling goes on"))),
                "what it said")
        # It ends while they hold it: it stays frozen.
        wait_frozen(place)
        h.freeze(place)
        wait_held(place)
        hobbled.stop()
        h.check(theirs(place), "theirs holds beyond the end")
        h.freeze(place, False)


@h.test
def removed_while_someone_else_has_it_frozen():
    tarpit = h.cgroup("tarpit")
    pid = h.busy(tarpit)
    h.freeze(tarpit)
    with h.Hobbled(tarpit, QUICK) as hobbled:
        hobbled.wait_log("is frozen by someone else", LONG)
        h.kill(pid)
        remove_cgroup(tarpit)
        hobbled.wait_log("(is gone|does not exist|has been gone for 300ms).*waiting for it$", LONG)
        h.busy(h.cgroup("tarpit"))
        h.wait_until(lambda: h.freeze_wanted(tarpit), LONG, "it is hobbled")


# -- Who writes back what they read ---------------------------------------------------------------------------

def read_state(path):
    return h.read(os.path.join(path, "cgroup.freeze")).strip()


def find_state(path, wanted):
    """Read it as it is to be found; on a busy host an edge may come between the look and the read."""
    for _ in range(20):
        wait_cycles(path, 1)
        if wanted == "1":
            wait_frozen(path)
        if read_state(path) == wanted:
            return
    h.check(False, f"it is never {wanted}")


@h.test
def a_tool_reads_freezes_and_writes_back_what_it_read():
    """What it finds may be hobbled's own freeze: given back, it is hobbled's again, and not frozen for good."""
    place = h.cgroup("place")
    h.busy(place)
    with h.Hobbled(QUICK, WIDE, place) as hobbled:
        for found in "1", "0", "1":
            find_state(place, found)
            h.freeze(place)
            wait_held(place)
            read_state(place)  # whether it is done
            stays(lambda: theirs(place), 2, "theirs holds, unmarked")
            h.write(f"{place}/cgroup.freeze", found)
            h.wait_until(lambda: h.marks(place).get("instance") == hobbled.instance, LONG, "it is hobbled's again")
            wait_cycles(place, 1)
        h.equal(3, len(said(hobbled, "was thawed; hobbling goes on")), "times that it was told")
    h.check(untouched(place), "thawed and unmarked at the end")


@h.test
def who_only_reads_or_freezes_twice_is_not_taken_for_that():
    place = h.cgroup("place")
    h.busy(place)
    with h.Hobbled(QUICK, place) as hobbled:
        wait_frozen(place)
        h.equal("1", read_state(place), "what monitoring reads")
        wait_cycles(place)
        h.equal([], said(hobbled, "someone else"), "what it made of that")
        time.sleep(0.15)  # monitoring is forgotten
        wait_frozen(place)
        for _ in range(3):
            h.freeze(place)
            wait_held(place)
            stays(lambda: theirs(place), 1, "theirs holds, unmarked")
        h.freeze(place, False)
        wait_place(hobbled, place)


def wakeups(pid, seconds):
    """How often a process's main thread woke up, a second."""
    def count():
        return int(re.search(r"^voluntary_ctxt_switches:\t(\d+)", h.read(f"/proc/{pid}/status"), re.M)[1])

    before = count()
    time.sleep(seconds)
    return (count() - before) / seconds


@h.test
def who_reads_it_all_the_time_costs_nothing():
    """Anybody may read the state of a cgroup."""
    place = h.cgroup("place")
    h.busy(place)
    with h.Hobbled(QUICK, place) as hobbled:
        wait_cycles(place)
        quiet = wakeups(hobbled.pid, 1)
        reader = h.spawn(["sh", "-c", f"while :; do read x <{place}/cgroup.freeze; done"], h.cgroup("reader")).pid
        h.between(0, wakeups(hobbled.pid, 1), 6 * quiet, "wake-ups a second with a reader")
        h.kill(reader)
        h.equal([], said(hobbled, "someone else"), "what it made of that")


@h.test
def written_back_after_hobbled_has_died():
    """Nobody knows then whose the freeze was. It is theirs, as is any: the next hobbled says so, and waits."""
    place = h.cgroup("place")
    h.busy(place)
    with h.Hobbled(QUICK, place) as hobbled:
        wait_place(hobbled, place)
        wait_frozen(place)
        state = read_state(place)
        hobbled.signal(9)
        h.wait_until(lambda: untouched(place), LONG, "the guard has thawed it")
    h.freeze(place)
    h.write(f"{place}/cgroup.freeze", state)
    h.check(theirs(place), "it is frozen, and nobody's")
    with h.Hobbled(QUICK, place) as hobbled:
        hobbled.wait_log("is frozen by someone else; left alone until they thaw it$", LONG)
        h.freeze(place, False)
        wait_place(hobbled, place)
    h.check(untouched(place), "thawed and unmarked at the end")


# -- What is not hobbled --------------------------------------------------------------------------------------

def script(text):
    """A program that hobbled is started by: it does something first, and execs what it is given."""
    path = os.path.join(h.scratch(), f"script-{time.monotonic_ns()}")
    h.write(path, f"#!/bin/sh\n{text}\n")
    os.chmod(path, 0o755)
    return path


def refused(place, reason, says="not hobbled for now"):
    """hobbled, started as it is now, refuses the cgroup for this reason, once."""
    with h.Hobbled(place, "--check=100ms") as hobbled:
        hobbled.wait_log(rf"{re.escape(reason)}; {says}$", LONG)
        time.sleep(0.25)
        h.equal(1, len(said(hobbled, "not hobbled")), "messages")
        h.check(untouched(h.OWN), "nothing is frozen or marked")


@h.test
def what_contains_hobbled_its_callers_or_pid_1_is_refused_each_with_a_reason():
    place, elsewhere = h.cgroup("place"), h.cgroup("elsewhere")
    refused(h.CGROOT, "is the root of the cgroup hierarchy, which cannot be frozen")
    with by_way_of(script(f'echo $$ >"{place}/cgroup.procs"; exec "$@"')):
        refused(place, "contains hobbled itself")
    inner, home = h.cgroup("place/inner"), h.cgroup_of(os.getpid())
    h.attach(os.getpid(), inner)
    try:
        with by_way_of(script(f'echo $$ >"{elsewhere}/cgroup.procs"; exec "$@"')):
            refused(place, "contains an ancestor of hobbled")
    finally:
        h.attach(os.getpid(), home)
    os.chown(place, 1, -1)
    refused(place, "belongs to another user")


@h.test
def what_contains_pid_1_is_refused():
    """In a pid namespace, of which the PID 1 is not in the root of the hierarchy."""
    place, elsewhere = h.cgroup("place"), h.cgroup("elsewhere")
    inner = script(f'echo $$ >"{elsewhere}/cgroup.procs"; exec "$@"')
    first = script(f'"{inner}" "$@" & wait')
    with by_way_of(script(f'echo $$ >"{place}/cgroup.procs"; exec unshare --pid --fork --mount-proc "{first}" "$@"')), \
         h.Hobbled(place, QUICK) as hobbled:
        hobbled.wait_log(r"contains PID 1; not hobbled for now$", LONG)
        h.check(untouched(place), "nothing is frozen or marked")
        for pid in h.descendants(hobbled.pid):
            if h.read(f"/proc/{pid}/comm") == "hobbled\n":
                h.kill(pid, signal.SIGTERM)
        hobbled.process.wait(LONG)


# -- Units ----------------------------------------------------------------------------------------------------

@h.test
def a_units_own_cgroup_is_hobbled_as_a_unit_is():
    """Where systemd runs, by the name of the directory alone: there is no bus here."""
    if h.CGROOT not in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        h.skip(f"cgroup2 is mounted at {h.CGROOT}, where systemd never has it")
    unit, service = h.cgroup("lab.slice"), h.cgroup("lab.slice/one.service")
    pid = h.busy(service)
    host = Host()
    with by_way_of("unshare", "--mount", script('mount -t tmpfs none /run && mkdir -p /run/systemd/system && exec "$@"')):
        for named in unit, service:
            host.write("lab", SEVERE, f"Cgroup={named}")
            with host.start() as hobbled:
                hobbled.wait_log(r"is a systemd unit's own cgroup, in which systemd starts processes, so it is not frozen "
                                 r"itself: its processes are hobbled in children of it, as with Unit=$", LONG)
                nest = h.wait_until(lambda: h.cgroup_of(pid) != service and h.cgroup_of(pid), LONG, "it is hobbled")
                h.equal(service, os.path.dirname(nest), "where it is nested")
                wait_cycles(nest)
                h.check(not any(h.freeze_wanted(p) or h.marks(p) for p in (unit, service)), "the unit itself is left alone")
            h.equal(service, h.cgroup_of(pid), "where it is at the end")
        refused(unit, "is a systemd unit's own cgroup, in which systemd starts processes: name it by Unit=", says="not hobbled")
    if not os.path.exists("/run/systemd/system"):
        with h.Hobbled(unit) as hobbled:  # without systemd it is a name like any other
            wait_place(hobbled, unit)


h.main()
