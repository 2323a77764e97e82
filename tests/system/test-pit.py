#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""hobble-pit.service: whatever happens to it or to a hobbled that uses it, no victim is killed, lost, or frozen for
good, and hobbling goes on within a second."""

import os
import re
import signal
import subprocess
import time

import harness as h  # before those that import it from beside them
import booted
import failopen
from booted import show, systemctl

PIT = "hobble-pit.service"
HOME = f"{h.CGROOT}/hobble.slice/{PIT}"
HOBBLED = "hobbled-test.service"


class Engine:
    """What failopen asks of a hobbled, for the one that runs in HOBBLED."""
    instance, home = "pit", HOME


def victims(units):
    """Services with a busy loop and sleepers, a tree each; other sleepers, and a cgroup that is hobbled in place."""
    found = failopen.Victims()
    for unit in units:
        found.take(booted.start_service(unit, f"sleep 1000 & ({h.LOOP}) & exec sleep 1000"))
    name = units[0].removesuffix(".service")
    found.sleepers(5, f"{name}/sleepers")
    found.place(f"{name}/place")
    return found


class Hobbling:
    """A hobbled of these victims in a unit; at the end nothing has happened to any of them."""

    def __init__(self, name, count=3):
        self.units = [f"{name}-{i}.service" for i in range(count)]
        self.victims = victims(self.units)

    def __enter__(self):
        booted.write_unit(HOBBLED, f"""
[Unit]
Wants={PIT}
After={PIT}
[Service]
ExecStart={h.program("HOBBLED")} --freeze-idle --guard-socket={booted.SOCKET} {" ".join(self.victims.sources())}
ExecStopPost=-{h.program("HOBBLECTL")} rescue --quiet pit
Restart=on-failure
RestartSec=100ms
""")
        systemctl("start", HOBBLED)
        self.wait()
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            h.note(booted.journal(HOBBLED) + booted.journal("hobbled.service") + booted.journal(PIT))
            h.note(booted.run("systemctl", "status", "--no-pager", PIT, HOBBLED, check=False))
        systemctl("stop", HOBBLED, check=False)
        if not kind:
            self.home("after the end")
            h.equal([], [d for d, _, _ in os.walk(f"{HOME}/pit")][1:], "left in the pit")
        systemctl("stop", *self.units)

    def wait(self, timeout=5.0):
        """Wait until all are hobbled. Returns how long that took."""
        begin = time.monotonic()
        self.victims.wait_hobbled(Engine, timeout)
        return time.monotonic() - begin

    def again(self, what):
        took = self.wait()
        h.note(f"{what}: everybody was hobbled again after {took:.2f} s")
        self.alive(what)

    def alive(self, what):
        dead = [tid for tid in self.victims.origin if not h.alive(f"{tid}/task/{tid}")]
        h.equal([], dead, f"{what}: dead")

    def home(self, what):
        """Everybody is alive, home and thawed; the services are active."""
        h.wait_until(lambda: not self.victims.astray() and not self.victims.frozen(), 1, f"{what}: all is home")
        self.alive(what)
        h.equal(["active"] * len(self.units), show(self.units, "ActiveState").split(), f"{what}: {self.units}")


@h.test
def it_is_stopped_started_and_restarted():
    with Hobbling("sss") as hobbling:
        for _ in range(3):
            systemctl("stop", PIT)
            h.equal("inactive", show(PIT, "ActiveState"), "the pit")
            hobbling.home("stopped")
            h.equal("active", show(HOBBLED, "ActiveState"), "hobbled")
            systemctl("start", PIT)
            hobbling.again("stop, start")
            systemctl("restart", PIT)
            hobbling.again("restart")


@h.test
def its_guard_is_killed():
    with Hobbling("kill") as hobbling:
        for _ in range(5):
            guard = booted.main_pid(PIT)
            systemctl("kill", "--kill-whom=main", "-s", "KILL", PIT)
            h.wait_until(lambda g=guard: booted.main_pid(PIT) not in (0, g), 5, "another guard")
            booted.wait_active(PIT)
            hobbling.again("SIGKILL for the guard")


@h.test
def hobbled_is_stopped_killed_and_restarted():
    with Hobbling("hob") as hobbling:
        guard = booted.main_pid(PIT)
        systemctl("stop", HOBBLED)
        hobbling.home("hobbled was stopped")
        systemctl("start", HOBBLED)
        hobbling.again("hobbled is started")
        systemctl("restart", HOBBLED)
        hobbling.again("hobbled was restarted")
        for sig in ("KILL", "SEGV"):
            before = booted.main_pid(HOBBLED)
            systemctl("kill", "-s", sig, HOBBLED)
            h.wait_until(lambda b=before: booted.main_pid(HOBBLED) not in (0, b), 5, "another hobbled")
            hobbling.again(f"SIG{sig} for hobbled")
        h.equal(guard, booted.main_pid(PIT), "the guard")


@h.test
def both_are_killed():
    """systemd's own layer: ExecStopPost= of each."""
    with Hobbling("both") as hobbling:
        pid, guard = booted.main_pid(HOBBLED), booted.main_pid(PIT)
        h.kill(pid, signal.SIGSTOP)
        failopen.wait_stopped(pid)
        h.kill(guard)
        h.kill(pid)
        h.wait_until(lambda: booted.main_pid(PIT) not in (0, guard), 5, "another guard")
        h.wait_until(lambda: booted.main_pid(HOBBLED) not in (0, pid), 5, "another hobbled")
        hobbling.again("SIGKILL for both")


@h.test
def the_manager_reloads_and_executes_itself_again():
    with Hobbling("mgr") as hobbling:
        guard = booted.main_pid(PIT)
        for verb in ("daemon-reload", "daemon-reexec", "daemon-reload", "daemon-reexec"):
            systemctl(verb)
            booted.wait_active(PIT)
            hobbling.again(verb)
            h.equal(guard, booted.main_pid(PIT), "the guard")
        systemctl("stop", PIT)
        hobbling.home("stopped after that")
        systemctl("start", PIT)
        hobbling.again("started after that")


@h.test
def a_tarpit_has_limits():
    """Those whose controllers the machine has are written, also after the guard was away, and none for the guard."""
    wanted = {"cpu.max": "50000 100000", "cpu.weight": "50", "memory.high": str(1 << 28), "memory.max": str(1 << 29),
              "pids.max": "300"}
    victim = h.sleeper(h.cgroup("limited"))
    systemctl("start", PIT)
    log = os.path.join(h.scratch(), "limited")
    with open(log, "wb") as out:
        engine = h.spawn([h.program("HOBBLE_LIMITED"), booted.SOCKET, str(victim)], stdout=out)
    for count in (1, 2, 3):
        h.wait_until(lambda c=count: h.read(log).count("admitted") >= c, 5, "it is hobbled")
        has = set(h.read(f"{HOME}/pit/cgroup.subtree_control").split())
        missing = set(re.findall(r"^missing (.*)", h.read(log), re.M)[-1].split()) - {"nothing"}
        h.note(f"missing: {missing}")
        h.equal({"cpu", "memory", "pids"} - has, missing - {"io"}, "missing controllers")
        for name, value in wanted.items():
            if name.split(".")[0] in has:
                h.equal(value, h.read(f"{HOME}/pit/limited/{name}").strip(), name)
                h.check(h.read(f"{HOME}/guard/{name}").strip() in ("max", "max 100000", "100"), f"{name} of the guard")
        if count == 1:
            systemctl("restart", PIT)
        if count == 2:
            systemctl("kill", "--kill-whom=main", "-s", "KILL", PIT)
    h.kill(engine.pid, signal.SIGTERM)
    h.equal(0, engine.wait(5), "exit status")
    h.equal(h.cgroup("limited"), h.cgroup_of(victim), "where the victim is")


@h.test
def list_and_rescue_find_it():
    with Hobbling("list") as hobbling:
        listed = h.hobblectl("list", "-n", "-o", "INSTANCE").stdout.split()
        h.check(listed and set(listed) == {"pit"}, f"listed instances: {listed}")
        h.equal(1, h.hobblectl("rescue", "pit").returncode, "rescue of a live instance")
        h.equal(0, h.hobblectl("rescue", "--quiet", "pit").returncode, "the same, --quiet")
        hobbling.alive("rescue without --all")
        h.equal(0, h.hobblectl("rescue", "--all").returncode, "rescue --all")
        hobbling.home("rescue --all")
        h.wait_until(lambda: show(HOBBLED, "ActiveState") == "inactive", 5, "hobbled ends")
        h.check(os.path.isdir(HOME) and booted.main_pid(PIT), "the pit is there as before")
        h.equal("nothing left to rescue in 1 instance\n", h.hobblectl("rescue", "--all").stdout, "without an engine")
        systemctl("start", HOBBLED)
        hobbling.again("started after a rescue")


@h.test
def the_guard_is_on_its_own():
    with Hobbling("own"):
        guard = booted.main_pid(PIT)
        h.equal(f"{HOME}/guard", h.cgroup_of(guard), "cgroup of the guard")
        h.equal(0o700, os.stat(os.path.dirname(booted.SOCKET)).st_mode & 0o777, "mode of the socket's directory")
        h.equal("infinity", show(PIT, "TasksMax"), "TasksMax=")
        h.check(os.sched_getscheduler(guard) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR, "it runs at real-time priority")


@h.test
def the_sandbox_leaves_hobbled_what_it_needs():
    """hobbled.service as it is, but with the arguments of Hobbling. One victim came from a cgroup that belongs to a
    user, and goes back there."""
    with Hobbling("box") as hobbling:
        command = show(HOBBLED, "ExecStart").partition("argv[]=")[2].partition(" ;")[0]
        systemctl("stop", HOBBLED)
        os.chown(hobbling.victims.origin[str(hobbling.victims.roots[-1])], 65534, 65534)
        os.chown(f"{hobbling.victims.origin[str(hobbling.victims.roots[-1])]}/cgroup.procs", 65534, 65534)
        booted.write_unit("hobbled.service.d/test.conf", f"""
[Service]
Type=exec
WatchdogSec=0
ExecStart=
ExecStart={command}
""")
        systemctl("start", "hobbled.service")
        hobbling.again("in the sandbox")
        pid = booted.main_pid("hobbled.service")
        h.equal(os.SCHED_RR, os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK, "its scheduling")
        h.check("priority" not in booted.journal("hobbled.service"), "nothing is said of a priority")
        systemctl("stop", PIT)
        hobbling.home("the pit is stopped")
        systemctl("start", PIT)
        hobbling.again("the pit is there again")
        systemctl("stop", "hobbled.service")
        hobbling.home("stopped")
        h.note(booted.journal("hobbled.service"))


@h.test
def systemd_finds_nothing_wrong_with_the_units():
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", PIT, "hobbled.service", "hobble.slice"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    h.equal("", done.stdout, "systemd-analyze verify")
    security = booted.run("systemd-analyze", "security", "--no-pager", "hobbled.service", check=False)
    exposure = float(security.rpartition("hobbled.service:")[2].split()[0])
    h.between(0, exposure, 2.1, "exposure of hobbled.service")


h.main()
