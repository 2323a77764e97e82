#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Everybody goes back to where they came from: from trees of several origins, after moves between tarpits, out of a fork
storm; and where that cannot be, to what is nearest, which is told once."""

import os
import re
import signal
import subprocess
import time

import harness as h
from tarpits import MILD, SEVERE, Host
from trees import CHECK, admitted, hobbled_and_home, released, rewrite, wait_cycles

NOBODY = 61237


# -- Helpers --------------------------------------------------------------------------------------------------

def path_of(directory):
    """A cgroup's path in the hierarchy."""
    return "/" + os.path.relpath(directory, h.CGROOT)


def scattered(*paths):
    """A busy tree of four, its members in these cgroups by turns. Returns where each is: {pid: cgroup}, root first."""
    root = h.busy_tree(paths[0])
    places = {p: paths[i % len(paths)] for i, p in enumerate([root, *h.descendants(root)])}
    for p, place in places.items():
        h.attach(p, place)
    time.sleep(2 / os.sysconf("SC_CLK_TCK"))  # who began in the tick of the admission is found as a child only
    return places


def all_home(places):
    h.equal(places, {p: h.cgroup_of(p) for p in places}, "where all are")


def recorded(pid):
    """The origin that is written down for a hobbled process, as a directory."""
    return h.CGROOT + h.marks(h.cgroup_of(pid))["origin"]


def warnings(hobbled):
    return re.findall(r".*\borigin\b.* moved to .*", hobbled.log())


# -- Home -----------------------------------------------------------------------------------------------------

@h.test
def each_goes_back_to_its_own_origin():
    places = scattered(h.cgroup("top"), h.cgroup("top/deep"), h.cgroup("other"))
    hobbled_and_home(*places)
    all_home(places)


@h.test
def what_is_forked_meanwhile_goes_with_its_parent():
    """A child of a process that came from another cgroup than the root, born while hobbled."""
    top, other = h.cgroup("top"), h.cgroup("other")
    root = h.spawn(["sh", "-c", "exec 3<&0; (read _ <&3; sleep 1000 & sleep 1000 & wait) & wait"], top,
                   stdin=subprocess.PIPE)
    parent = h.wait_until(lambda: h.children(root.pid), 5, "the child is there")[0]
    h.attach(parent, other)
    time.sleep(2 / os.sysconf("SC_CLK_TCK"))
    file = h.pidfile(root.pid)
    with h.Hobbled(CHECK, file) as hobbled:
        directory = admitted(hobbled, root.pid)
        root.stdin.close()
        h.wait_until(lambda: len(h.children(parent)) == 2, 10, "it has forked")
        born = h.children(parent)
        h.equal({root.pid, parent, *born}, h.members(directory), "members")
        rewrite(file)
        released(hobbled, root.pid)
        all_home({root.pid: top, **dict.fromkeys([parent, *born], other)})


def from_tarpit_to_tarpit(places):
    """From the severe one to the mild one, back, and home: what is written down is where they came from all the while."""
    root = next(iter(places))
    host, both, severe = Host(), h.pidfile(root), h.pidfile(root)
    host.write("mild", MILD, f"PIDFile={both}")
    host.write("severe", SEVERE, f"PIDFile={severe}")
    with host.start() as hobbled:
        for round_, tarpit in enumerate(("severe", "mild", "severe", "mild")):
            h.write(severe, f"{root}\n" if tarpit == "severe" else "")
            says = rf'tarpit "{tarpit}": process {root}\b.*: hobbled, 4 processes'
            h.wait_until(lambda: len(re.findall(says, hobbled.log())) > round_ // 2, 5, f"all are in {tarpit}")
            h.equal(places, {p: recorded(p) for p in places}, f"origins that are written down in {tarpit}")
        h.write(both, "")
        h.wait_until(lambda: len(re.findall(rf"process {root}\b.*: released", hobbled.log())) == 4, 5, "it is released")
        all_home(places)
        h.equal([], warnings(hobbled), "warnings")


@h.test
def a_tree_of_several_origins_moves_between_tarpits():
    from_tarpit_to_tarpit(scattered(h.cgroup("top"), h.cgroup("top/deep"), h.cgroup("other")))


@h.test
def a_nested_tree_of_several_origins_moves_between_tarpits():
    from_tarpit_to_tarpit(scattered(h.cgroup("session-1.scope/a"), h.cgroup("session-1.scope")))


# -- What is nearest ------------------------------------------------------------------------------------------

@h.test
def an_origin_that_is_gone_is_replaced_by_its_ancestor():
    """Which is told once, with how many they are; another origin of the same tree is not concerned."""
    top, other = h.cgroup("top"), h.cgroup("other")
    gone = h.cgroup("top/deep/er")
    places = scattered(gone, other, gone, gone)
    root = next(iter(places))
    file = h.pidfile(root)
    with h.Hobbled(CHECK, file) as hobbled:
        admitted(hobbled, root)
        os.rmdir(gone)
        os.rmdir(os.path.dirname(gone))
        rewrite(file)
        released(hobbled, root)
        all_home({p: top if place == gone else other for p, place in places.items()})
        hobbled.wait_log(rf"process {root}\b.*: the origin {path_of(gone)} is gone; 3 processes moved to {path_of(top)}$")
        h.equal(1, len(warnings(hobbled)), "warnings")


@h.test
def an_origin_that_takes_no_processes_any_more():
    """It is beneath what has become threaded since. Released, which is told; and brought home by the guard."""
    top, middle = h.cgroup("top"), h.cgroup("top/middle")
    for rescued in (False, True):
        origin = h.cgroup("top/middle/origin")
        places = dict.fromkeys(scattered(origin), middle)
        root = next(iter(places))
        file = h.pidfile(root)
        with h.Hobbled(CHECK, file) as hobbled:
            admitted(hobbled, root)
            h.write(f"{middle}/cgroup.type", "threaded")
            h.equal("domain invalid\n", h.read(f"{origin}/cgroup.type"), "type of the origin")
            if rescued:
                hobbled.signal(signal.SIGKILL)
                h.wait_until(lambda: not os.path.exists(hobbled.home), 5, "the guard has ended")
            else:
                rewrite(file)
                released(hobbled, root)
                hobbled.wait_log(rf"the origin {path_of(origin)} takes no processes any more; 4 processes moved to "
                                 rf"{path_of(middle)}$")
                h.equal(1, len(warnings(hobbled)), "warnings")
            all_home(places)
            h.equal([], h.anything_frozen(h.OWN), "frozen")
        for p in places:
            h.kill(p)
        h.wait_until(lambda: h.remove(top), 5, "its cgroups are removed")
        middle = h.cgroup("top/middle")


@h.test
def a_rescue_tells_how_many_went_elsewhere():
    """By hobblectl, where hobbled and its guard are both dead."""
    top, origin = h.cgroup("top"), h.cgroup("top/origin")
    places = dict.fromkeys(scattered(origin), top) | {h.sleeper(top): top}
    root, stayed = next(iter(places)), list(places)[-1]
    with h.Hobbled(CHECK, h.pidfile(root, stayed)) as hobbled:
        admitted(hobbled, root)
        admitted(hobbled, stayed)
        hobbled.die_with_guard()
        os.rmdir(origin)
        done = h.hobblectl("rescue", hobbled.instance)
        h.equal((0, "rescued 2 subjects (5 processes) of 1 instance\n"
                 "4 of the processes went to the nearest cgroup above their origin, which is gone or takes none any more\n"),
                (done.returncode, done.stdout), "what it says")
        all_home(places)


# -- A fork storm ---------------------------------------------------------------------------------------------

@h.test
def a_fork_storm_comes_home():
    """Of two origins; by a release, and by the guard once hobbled is killed. It storms on, and nobody is frozen."""
    places = h.cgroup("origin"), h.cgroup("other")
    limits = ["prlimit", "--nproc=100", "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
              "--pdeathsig=KILL"]
    bomb = f"read _ <&3; exec {h.program('HOBBLE_VICTIM')} bomb"
    root = h.spawn([*limits, "sh", "-c", f"exec 3<&0; ({bomb}) & {bomb}"], places[0], stdin=subprocess.PIPE)
    h.attach(h.wait_until(lambda: h.children(root.pid), 5, "the second one is there")[0], places[1])
    try:
        root.stdin.close()
        h.wait_until(lambda: sum(len(h.members(place)) for place in places) >= 80, 10, "it storms")
        for rescued in (False, True):
            file = h.pidfile(root.pid)
            with h.Hobbled(CHECK, file) as hobbled:
                directory = admitted(hobbled, root.pid, 10)
                wait_cycles(directory)
                h.equal(set(), h.members(h.OWN), "who is not hobbled")
                if rescued:
                    hobbled.signal(signal.SIGKILL)
                    h.wait_until(lambda: not os.path.exists(hobbled.home), 5, "all are home, and the guard has ended")
                else:
                    rewrite(file)
                    released(hobbled, root.pid, 10)
                    h.equal([], hobbled.subjects(), "subjects that are left")
                h.note(f"home: {[len(h.members(place)) for place in places]}")
                for place in places:
                    h.check(h.members(place), f"some are in {place}")
                h.equal([], h.anything_frozen(h.OWN), "frozen")
                before = h.cpu_usec(h.OWN)
                h.wait_until(lambda b=before: h.cpu_usec(h.OWN) > b + 100000, 5, "it storms on")
                h.equal([], warnings(hobbled), "warnings")
    finally:
        for place in places:
            h.write(os.path.join(place, "cgroup.kill"), 1)


h.main()
