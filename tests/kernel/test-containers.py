#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Containers: their processes hobbled from the host, and hobbled within one."""

import os
import re
import signal
import subprocess

import harness as h
from container import CGROUP, Container

CHECK = "--check=200ms"
ID = "0123456789abcdef" * 4
DOCKER, SCOPE = f"docker/{ID}", f"docker-{ID}.scope"
TREE = f"({h.LOOP}) & {h.LOOP}"


# -- From the host --------------------------------------------------------------------------------------------

def admitted(hobbled, pid):
    """Wait until the tree of a container's process is hobbled. Returns the directory that it is in."""
    hobbled.wait_log(rf"process {pid} \(sh\) in container docker:0123456789ab: hobbled, 2 processes", 5)
    return h.cgroup_of(pid)


def released(hobbled, file, container, pids):
    h.write(file, "")
    h.wait_until(lambda: not hobbled.subjects() and {h.cgroup_of(p) for p in pids} == {container.path}, 3, "all are home")
    h.equal([], [n for n in h.entries(container.path) if n.startswith("hobbled-")], "what is left in its cgroup")


def tree_in(container):
    """A busy tree in it. Returns the host's pids, the root first."""
    root = container.spawn("sh", "-c", TREE)
    h.wait_until(lambda: h.children(root), 3, "the tree is complete")
    return [root, *h.children(root)]


def shown(hobbled, pid):
    """The column of the list; it is told in JSON and by `why`, too."""
    said = h.hobblectl("list", "--raw", "--no-headings", "--output=SUBJECT,INSTANCE,CONTAINER").stdout
    h.check('"container": "docker:0123456789ab"' in h.hobblectl("why", "--json", str(pid)).stdout, "why, in JSON")
    h.check("(sh) in container docker:0123456789ab is" in " ".join(h.hobblectl("why", str(pid)).stdout.split()), "why")
    return next(line.split()[2] for line in said.splitlines() if line.split()[1] == hobbled.instance)


def hobbled_from_the_host(name, **kind):
    container = Container(name, **kind)
    pids = tree_in(container)
    file = h.pidfile(pids[0])
    h.check(container.inner(pids[0]) != pids[0], "the container has other pids")
    with h.Hobbled(CHECK, file) as hobbled:
        directory = admitted(hobbled, pids[0])
        above = os.path.dirname(container.path) if kind.get("delegated") else container.path
        h.equal(above, os.path.dirname(directory), "where it is nested")
        h.equal(set(pids), h.members(directory), "who is in")
        h.wait_until(lambda: h.frozen(directory), 5, "it is frozen")
        h.equal("docker:0123456789ab", shown(hobbled, pids[0]), "the container's name")
        said = h.hobblectl("tree", "--raw", "--no-headings", "--output=KIND,CONTAINER", str(pids[1])).stdout
        h.equal(["tarpit -", "subject docker:0123456789ab", "process -", "process -"], said.splitlines(), "the tree")
        own = "/../" if kind.get("delegated") else "/"
        h.equal(own + os.path.basename(directory), container.inner_cgroup(pids[0]), "what it sees itself in")
        released(hobbled, file, container, pids)

        h.write(file, f"{pids[0]}\n")
        h.wait_until(lambda: h.frozen(h.cgroup_of(pids[0])), 5, "it is frozen again")
        hobbled.signal(signal.SIGKILL)
        h.wait_until(lambda: {h.cgroup_of(p) for p in pids} == {container.path}, 5, "all are home after a crash")
        h.equal([], h.anything_frozen(container.path), "what is frozen")


@h.test
def hobbled_from_the_host_by_its_cgroup_namespace():
    hobbled_from_the_host(DOCKER)


@h.test
def hobbled_from_the_host_in_a_scope_with_users_of_its_own():
    hobbled_from_the_host(SCOPE, user=True)


@h.test
def hobbled_from_the_host_above_what_is_the_containers_own():
    """Its root owns its cgroup, and could walk out of a directory in it."""
    hobbled_from_the_host(DOCKER, user=True, delegated=True)


@h.test
def the_name_of_a_container_is_shown_escaped():
    path = h.cgroup("machine.slice/machine-a\\x1b\\x5b31m.scope")
    pid = h.busy(path)
    with h.Hobbled(CHECK, h.pidfile(pid)) as hobbled:
        hobbled.wait_log(rf"process {pid} \(sh\) in container machine:a\\x1b\[31m: hobbled, 1 process", 5)
        said = h.hobblectl("list", "--no-headings", "--output=INSTANCE,CONTAINER").stdout
        h.check([hobbled.instance, "machine:a\\x1b[31m"] in [line.split() for line in said.splitlines()], f"it is in {said!r}")


# -- Within ---------------------------------------------------------------------------------------------------

class Within:
    """A hobbled in a container."""

    def __init__(self, container, *arguments):
        self.log_path = os.path.join(h.scratch(), f"within-{container.init}")
        self.home = f"{container.path}/hobbled-inner"
        with open(self.log_path, "wb") as log:
            self.pid = container.spawn("/mnt/hobbled", "--instance=inner", *arguments, stdout=log, stderr=log)

    def wait_log(self, pattern):
        try:
            return h.wait_until(lambda: re.search(pattern, h.read(self.log_path), re.M), 5, f"{pattern!r} is said")
        except h.Failure:
            h.note(f"hobbled said:\n{h.read(self.log_path)}")
            raise


def hobbled_within(**kind):
    container = Container(SCOPE, **kind)
    victim = container.spawn("sh", "-c", h.LOOP)
    inner, outer = container.inner(victim), h.busy(h.cgroup("outside"))
    container.write("pids", f"{inner}\n{outer}\n")
    within = Within(container, CHECK, "/mnt/pids")
    within.wait_log(rf"process {inner} \(sh\): hobbled, 1 process")
    within.wait_log(rf"process {outer} does not exist; skipped")
    directory = h.cgroup_of(victim)
    h.equal(f"{within.home}/pit/command-line/{inner}", directory, "where it is")
    h.wait_until(lambda: h.frozen(directory), 5, "it is frozen")
    h.equal(f"/hobbled-inner/pit/command-line/{inner}", container.inner_cgroup(victim), "what it sees itself in")
    h.equal((0, f"{inner} {inner} inner\n"),
            container.run("/mnt/hobblectl", "list", "--raw", "--no-headings", "--output=SUBJECT,PID,INSTANCE"), "the list")
    status, said = container.run("/mnt/hobblectl", "run", "cat", "/proc/self/cgroup")
    h.equal(0, status, "status of run")
    h.check(re.search(r"^0::/hobbled-run-\d+/pit/run/\d+$", said, re.M), f"where run is: {said}")
    h.equal(int("user" in kind), len(re.findall("no real-time priority", h.read(within.log_path))),
            "how often it is told that it has no real-time priority")

    container.write("pids", "")
    h.wait_until(lambda: h.cgroup_of(victim) == container.path, 3, "it is released to where it was")
    container.write("pids", f"{inner}\n")
    h.wait_until(lambda: h.frozen(h.cgroup_of(victim)), 5, "it is frozen again")
    h.kill(within.pid)
    h.wait_until(lambda: h.cgroup_of(victim) == container.path, 5, "the guard has brought it home")
    h.wait_until(lambda: not os.path.exists(within.home), 5, "the home is gone")
    h.equal([], h.anything_frozen(container.path), "what is frozen")


@h.test
def within_a_container_of_root():
    hobbled_within()


@h.test
def within_a_container_with_users_of_its_own():
    hobbled_within(user=True, delegated=True)


@h.test
def who_is_hobbled_within_is_left_to_that_one_by_the_hosts():
    container = Container(SCOPE)
    victim = container.spawn("sh", "-c", h.LOOP)
    container.write("pids", f"{container.inner(victim)}\n")
    within = Within(container, CHECK, "/mnt/pids")
    within.wait_log("hobbled, 1 process")
    directory = h.cgroup_of(victim)
    with h.Hobbled(CHECK, h.pidfile(victim)) as hobbled:
        hobbled.wait_log(rf"process {victim} \(sh\).*: not hobbled for now: is hobbled by another instance")
    h.equal(directory, h.cgroup_of(victim), "where it is")
    h.kill(within.pid, signal.SIGTERM)
    h.wait_until(lambda: h.cgroup_of(victim) == container.path, 5, "it is released")


@h.test
def a_read_only_hierarchy_is_told_of():
    container = Container(SCOPE, read_only=True)
    container.write("pids", "")
    status, said = container.run("/mnt/hobbled", "/mnt/pids")
    h.equal(1, status, "exit status")
    h.check("the cgroup hierarchy is mounted read-only, as in a container" in said, said)
    status, said = container.run("/mnt/hobblectl", "run", "true")
    h.check("the cgroup hierarchy is mounted read-only, as in a container" in said, said)
    h.equal((0, ""), container.run("/mnt/hobblectl", "list"), "the list")


@h.test
def without_a_hierarchy_of_its_own_it_is_told():
    """The host's is mounted, but only what the namespace has as its root could be worked with."""
    container = Container(SCOPE)
    container.write("pids", "")
    unmounted = ("sh", "-c", f'umount {CGROUP}; exec setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin "$@"', "-")
    status, said = container.run(*unmounted, "/mnt/hobbled", "/mnt/pids")
    h.equal(1, status, "exit status")
    h.check("is mounted nowhere, and mounting it is not permitted here" in said, said)


def alone(flags, *arguments):
    """A hobbled in namespaces, without any mount of them."""
    return h.spawn(["unshare", *flags, h.program("HOBBLED"), CHECK, f"--instance=test-{os.getpid()}-alone", *arguments],
                   h.cgroup("alone"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@h.test
def who_is_outside_of_the_cgroup_namespace_is_refused():
    """It is seen, and has a pid, but no path; the hierarchy is mounted by hobbled for itself."""
    outside, inside = h.busy(h.cgroup("outside")), h.busy(h.cgroup("alone"))
    process = alone(["-C"], h.pidfile(outside, inside))
    said = ""
    while f"process {inside} (sh): hobbled, 1 process" not in said:
        line = process.stdout.readline().decode()
        h.check(line, f"it has ended and said {said}")
        said += line
    h.check(f"process {outside} (sh) lives outside of hobbled's cgroup namespace; not hobbled" in said, said)
    h.equal(h.cgroup("outside"), h.cgroup_of(outside), "where it is")
    h.check(h.cgroup_of(inside).startswith(h.cgroup("alone") + "/hobbled-"), f"{h.cgroup_of(inside)} is beneath")
    h.kill(process.pid, signal.SIGTERM)
    h.equal(0, process.wait(5), "exit status")
    h.equal(h.cgroup("alone"), h.cgroup_of(inside), "where it is at the end")


@h.test
def the_pids_of_another_namespace_are_not_taken_for_its_own():
    """Where /proc is not mounted anew."""
    process = alone(["-p", "-f", "-C"], h.pidfile(h.busy()))
    h.equal(1, process.wait(5), "exit status")
    said = process.stdout.read().decode()
    h.check("/proc is not there, or is that of another pid namespace" in said, said)


h.main()
