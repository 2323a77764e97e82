#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Units whose processes are hobbled nested in them: what systemd shows and does, what an administrator does to them, and how
they end."""

import os
import signal
import time

import harness as h  # before those that import it from beside them
from following import CHILD, Following, is_nested, stays_in, wait_in


def following(*units):
    return Following(units="[Source]\nCheckSec=300ms\n" + "".join(f"Unit={unit}\n" for unit in units))


def scope(name, script=h.LOOP):
    """A scope with a shell that runs a script. Returns its pid."""
    pid = h.spawn(["systemd-run", "--quiet", "--scope", f"--unit={name}", "sh", "-c", script]).pid
    h.wait_until(lambda: h.in_unit(pid, f"{name}.scope"), 5, f"{name}.scope")
    return pid


def nests(unit):
    path = h.unit_cgroup(unit)
    return [f"{path}/{name}" for name in os.listdir(path) if name.startswith(CHILD)]


def state(unit):
    return tuple(h.show(unit, name) for name in ("ActiveState", "SubState", "MainPID", "NRestarts", "Result"))


def ended(unit):
    h.wait_until(lambda: h.show(unit, "ActiveState") in ("inactive", "failed"), 10, f"{unit} has ended")
    return h.show(unit, "ActiveState"), h.show(unit, "Result"), h.show(unit, "ExecMainStatus")


def cgroup_is_gone(path):
    h.wait_until(lambda: not os.path.exists(path), 5, f"{path} is gone")


# -- While it is hobbled --------------------------------------------------------------------------------------

@h.test
def states_and_administration_are_the_same_and_it_stays_hobbled():
    """Neither a reload of systemd nor properties that are set make a difference."""
    h.service("steady", f"({h.LOOP}) & trap 'echo >>/tmp/usr1' USR1; {h.LOOP}", "Restart=always",
              "ExecReload=touch /tmp/steady-reloaded")
    one, two = h.main_pid("steady.service"), scope("steady")
    tree = [one, *h.descendants(one), two]
    before = state("steady.service"), state("steady.scope")
    with following("steady.service", "steady.scope") as f:
        wait_in("units", *tree)
        where = {pid: h.cgroup_of(pid) for pid in tree}
        shown = h.systemctl("status", "--no-pager", "steady.service", "steady.scope").stdout
        h.equal([], [pid for pid in tree if f"─{pid} " not in shown], "processes that status does not show")
        for command in (["daemon-reload"], ["set-property", "--runtime", "steady.service", "TasksMax=50", "CPUWeight=20"],
                        ["set-property", "--runtime", "steady.scope", "MemoryMax=1G"], ["reload", "steady.service"],
                        ["daemon-reexec"]):
            h.systemctl(*command)
            h.equal(before, (state("steady.service"), state("steady.scope")), f"states after {command[0]}")
            h.equal(where, {pid: h.cgroup_of(pid) for pid in tree}, f"where they are after {command[0]}")
        h.equal("50", h.show("steady.service", "TasksMax"), "what was set")
        h.check(os.path.exists("/tmp/steady-reloaded"), "the service was reloaded")
        h.systemctl("kill", "--signal=USR1", "--kill-whom=main", "steady.service")
        h.wait_until(lambda: os.path.exists("/tmp/usr1"), 5, "the signal has arrived")
        stays_in("units", *tree)
        h.equal(1, f.count(rf"process {one} .*: hobbled"), "how often it was hobbled")
    h.equal({h.unit_cgroup("steady.service"), h.unit_cgroup("steady.scope")}, {h.cgroup_of(pid) for pid in tree},
            "where they are after the release")
    h.systemctl("stop", "steady.service", "steady.scope")


@h.test
def an_administrators_freeze_of_the_unit_holds():
    """It is frozen with its unit, also when it is released meanwhile, and hobbled again when that is thawed."""
    for unit in ("cold.service", "cold.scope"):
        pid = h.service("cold", h.LOOP) if unit == "cold.service" else scope("cold")
        home = h.unit_cgroup(unit)
        with following(unit) as f:
            wait_in("units", pid)
            nest = h.cgroup_of(pid)
            h.systemctl("freeze", unit)
            h.check(h.frozen(home) and h.frozen(nest), f"{unit} is frozen")
            used = h.cpu_usec(home)
            time.sleep(0.7)
            h.equal(used, h.cpu_usec(home), "CPU time")
            h.systemctl("thaw", unit)
            h.wait_until(lambda: h.cpu_usec(home) > used, 5, "it runs again")
            h.equal(nest, h.cgroup_of(pid), "where it is")
            share = h.share(nest, 2)
            h.check(share < 0.1, f"a share of {share:.3f}")

            h.systemctl("freeze", unit)
            f.change(units="[Tarpit]\n")
            wait_in(None, pid)
            h.check(h.frozen(home), "it is home, and frozen")
            used = h.cpu_usec(home)
            time.sleep(0.3)
            h.equal(used, h.cpu_usec(home), "CPU time")
            h.systemctl("thaw", unit)
            h.wait_until(lambda: h.cpu_usec(home) > used, 5, "it runs again")
        h.systemctl("stop", unit)


# -- Ends -----------------------------------------------------------------------------------------------------

@h.test
def a_stop_lets_it_end_as_it_does_by_itself():
    """With its own handler and its own status, and not by the time limit."""
    pid = h.service("polite", f"(exec sleep 1000) & trap 'echo bye >/tmp/polite; exit 0' TERM; {h.LOOP}",
                    "ExecStop=touch /tmp/polite-stop", "TimeoutStopSec=20s")
    tree, home = [pid, *h.descendants(pid)], h.unit_cgroup("polite.service")
    with following("polite.service"):
        wait_in("units", *tree)
        begin = time.monotonic()
        h.systemctl("stop", "polite")
        h.check(time.monotonic() - begin < 10, "it ends before the time limit")
        h.check(os.path.exists("/tmp/polite-stop"), "ExecStop= has run")
        h.equal("bye\n", h.read("/tmp/polite"), "what it did at the end")
        h.check(not any(h.alive(p) for p in tree), "nobody is left")
        cgroup_is_gone(home)


@h.test
def a_service_ends_with_its_own_status_and_is_started_again():
    go = "while ! [ -e /tmp/go ]; do :; done; exit"
    for code, wanted in ((0, ("inactive", "success", "0")), (7, ("failed", "exit-code", "7"))):
        pid = h.service("ending", f"{go} {code}", "RemainAfterExit=no")
        home = h.unit_cgroup("ending.service")
        with following("ending.service") as f:
            wait_in("units", pid)
            h.check(is_nested(pid, home), h.cgroup_of(pid))
            h.write("/tmp/go", "")
            if code:
                h.equal(wanted, ended("ending.service"), "how it ended")
                h.systemctl("reset-failed", "ending")
            cgroup_is_gone(home)
            f.said(rf"process {pid}: ended")
            h.equal([], h.listing(), "what is hobbled")
        os.unlink("/tmp/go")

    pid = h.service("again", h.LOOP, "Restart=always", "RestartSec=100ms")
    with following("again.service"):
        for number in (signal.SIGKILL, signal.SIGTERM):
            wait_in("units", pid)
            os.kill(pid, number)
            pid = h.wait_until(lambda p=pid: h.main_pid("again.service") not in (None, p) and h.main_pid("again.service"), 5,
                               "it is started again")
        wait_in("units", pid)
        h.equal(("active", "running", str(pid), "2", "success"), state("again.service"), "its state")
        h.equal(1, len(nests("again.service")), "nested directories")
    h.systemctl("stop", "again")


@h.test
def what_a_main_process_leaves_behind_ends_with_it():
    """systemd kills the rest of the unit, in our directory too."""
    pid = h.service("parent", f"(trap '' TERM HUP; {h.LOOP}) & {h.LOOP}", "TimeoutStopSec=1s")
    child, = h.wait_until(lambda: h.descendants(pid), 5, "a child")
    home = h.unit_cgroup("parent.service")
    with following("parent.service"):
        wait_in("units", pid, child)
        h.kill(pid)
        h.equal("failed", ended("parent.service")[0], "how it ended")
        h.check(not h.alive(child), "the child is dead")
        cgroup_is_gone(home)
    h.systemctl("reset-failed", "parent")


@h.test
def a_scope_ends_with_its_last_process():
    pid = scope("last", f"({h.LOOP}) & {h.LOOP}")
    child, = h.wait_until(lambda: h.descendants(pid), 5, "a child")
    home = h.unit_cgroup("last.scope")
    with following("last.scope") as f:
        wait_in("units", pid, child)
        h.kill(pid)
        stays_in("units", child)
        h.check(h.active("last.scope"), "it goes on with the child")
        h.kill(child)
        h.wait_until(lambda: h.show("last.scope", "ActiveState") == "inactive", 5, "the scope has ended")
        cgroup_is_gone(home)
        f.said(r"process \d+: ended")
        h.equal([], h.listing(), "what is hobbled")


h.main()
