#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Containers in a booted systemd: scopes that are called as those of docker and systemd-machined are, with processes in
pid and cgroup namespaces of their own."""

import os
import subprocess

import harness as h  # before those that import it from beside them
from following import Following, is_nested, wait_in

DOCKER = "docker-" + "0123456789abcdef" * 4 + ".scope"
MACHINE = r"machine-my\x2dbox.scope"
SOON = "CheckSec=300ms\n"

# Who is the first process of a pid namespace is ended only by a signal that it handles, or by SIGKILL.
SCRIPT = f"trap 'exit 0' TERM; ({h.LOOP}) & ({h.LOOP}) & wait"


class Scope:
    """A scope in which a busy tree of two runs in namespaces of its own, as a user where one is named."""

    def __init__(self, name, slice_name, user=None):
        self.name = name
        become = ["setpriv", f"--reuid={h.user(user)}", "--clear-groups"] if user else []
        self.process = subprocess.Popen(
            ["systemd-run", "--quiet", "--scope", f"--unit={name}", f"--slice={slice_name}", "unshare", "--cgroup", "--pid",
             "--fork", "--mount-proc", "--kill-child", *become, "sh", "-c", SCRIPT], stdin=subprocess.DEVNULL)
        h.wait_until(lambda: h.active(name) and len(h.members(h.unit_cgroup(name))) == 4, 10, f"{name} runs")
        self.cgroup = h.unit_cgroup(name)
        self.root = h.children(self.process.pid)[0]
        self.pids = [self.root, *h.children(self.root)]

    def stop(self):
        h.systemctl("stop", self.name, timeout=20)
        h.wait_until(lambda: not any(map(h.alive, self.pids)), 5, "its processes have ended")
        self.process.wait()
        h.equal("inactive", h.show(self.name, "ActiveState"), self.name)
        h.check(not os.path.exists(self.cgroup), "its cgroup is gone")


def containers():
    """The names that are shown, by the pids of the subjects."""
    out = h.hobblectl("list", "--raw", "--no-headings", "--output=PID,CONTAINER").stdout
    return {int(pid): name for pid, name in (line.split() for line in out.splitlines())}


def hobbled_shown_and_stopped(scope, name, source, by_root):
    """by_root: the source names the tree's root, else all processes of the scope, or of the user."""
    with Following(box=f"[Source]\n{source}\n{SOON}") as f:
        wait_in("box", *scope.pids)
        for pid in scope.pids:
            h.check(is_nested(pid, scope.cgroup), f"{pid} is in {h.cgroup_of(pid)}, in {scope.cgroup}")
        h.check(h.active(scope.name), "the scope is active")
        h.check(set(containers().values()) == {name}, f"the list has {containers()}")
        f.said(rf"process \d+ \(\S+\) in container {name}: hobbled")
        for pid in scope.pids[:1] if by_root else scope.pids:
            h.check(f" in container {name} is hobbled" in " ".join(h.hobblectl("why", str(pid)).stdout.split()), "why")
        subject = next(iter(containers()))
        h.check(f"Container: {name}\n" in h.hobblectl("status", str(subject)).stdout, "status")
        h.wait_until(lambda: h.anything_frozen(scope.cgroup), 5, "it is frozen")
        scope.stop()
        h.wait_until(lambda: not h.listing(), 5, "nothing is hobbled any more")


@h.test
def a_container_of_docker_is_hobbled_by_the_pid_of_its_root():
    scope = Scope(DOCKER, "system.slice")
    hobbled_shown_and_stopped(scope, "docker:0123456789ab", f"PIDFile={h.pidfile(scope.root)}", True)


@h.test
def a_machine_is_hobbled_by_its_unit():
    """With unshare, which is not in the namespaces, but in the unit."""
    scope = Scope(MACHINE, "machine.slice")
    hobbled_shown_and_stopped(scope, "machine:my-box", "Unit=machine-*.scope", False)


@h.test
def a_container_is_hobbled_by_its_user():
    """Of a user in a slice of theirs, as what a user's processes are elsewhere is not theirs."""
    scope = Scope(DOCKER, f"user-{h.user('ann')}.slice", "ann")
    hobbled_shown_and_stopped(scope, "docker:0123456789ab", "User=ann", False)


@h.test
def a_release_leaves_the_machine_as_it_was():
    scope = Scope(MACHINE, "machine.slice")
    with Following(box=f"[Source]\nUnit=machine-*.scope\n{SOON}") as f:
        wait_in("box", *scope.pids)
        f.change(box=None)
        wait_in(None, *scope.pids)
        h.equal({scope.cgroup}, {h.cgroup_of(pid) for pid in scope.pids}, "where they are")
        h.check(h.active(scope.name), "the scope is active")
    scope.stop()


h.main()
