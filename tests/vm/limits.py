# SPDX-License-Identifier: LGPL-2.1-or-later
"""[Limits] of a tarpit where the controllers are there, and the limits of units whose processes are hobbled."""

import os
import shutil
import signal

import machine as m
import harness as h
from following import Following, is_nested, wait_in

FREE = "[Tarpit]\nDuty=100%\n"
NONE = {"cpu.max": "max 100000", "cpu.weight": "100", "io.weight": "default 100", "memory.high": "max",
        "memory.max": "max", "pids.max": "max"}
MIB = 1 << 20


def source(*pids):
    return f"[Source]\nPIDFile={h.pidfile(*pids)}\n"


def expect(wanted, cgroup, what):
    """These limits are set, and no others. Without its file there is none."""
    h.equal(NONE | wanted, {name: h.read(f"{cgroup}/{name}").strip() or NONE[name] for name in NONE}, what)


@h.test
def limits_are_written_changed_and_taken_back():
    pid, pit = h.sleeper(h.cgroup("limited")), f"{m.HOME}/pit/limited"
    tarpit = m.OFTEN + source(pid)
    full = tarpit + ("[Limits]\nCPUQuota=50%\nCPUWeight=50\nIOWeight=20\nMemoryHigh=64M\nMemoryMax=128M\nTasksMax=300\n")
    with Following(limited=full) as f:
        wait_in("limited", pid)
        expect({"cpu.max": "50000 100000", "cpu.weight": "50", "io.weight": "default 20", "memory.high": str(64 * MIB),
                "memory.max": str(128 * MIB), "pids.max": "300"}, pit, "limits of the tarpit")
        expect({}, f"{m.HOME}/guard", "limits of the guard")
        f.change(limited=tarpit + "[Limits]\nCPUQuota=0.5%\nTasksMax=200\n")
        expect({"cpu.max": "5000 1000000", "pids.max": "200"}, pit, "those of another file, after a reload")
        h.run("hobblectl", "set", "limited", "MemoryHigh=32M", "IOWeight=1", "TasksMax=infinity")
        expect({"cpu.max": "5000 1000000", "io.weight": "default 1", "memory.high": str(32 * MIB)}, pit,
               "those that were set")
        shutil.rmtree("/run/hobbled/limited.tarpit.d")
        f.change(limited=tarpit)
        expect({}, pit, "those of a file without any")
        h.equal(0, f.count("controller"), f"what is said of controllers: {f.messages()}")


@h.test
def the_limits_of_a_tarpit_hold():
    crowd, eater = m.Shell(cgroup=h.cgroup("crowd")), m.Shell(cgroup=h.cgroup("eater"))
    loop = h.busy(h.cgroup("loop"))
    crowd.do("sleep 1000 &")
    h.check(crowd.can_fork(), "it can fork before")
    with Following(crowd=FREE + source(crowd.pid()) + "[Limits]\nTasksMax=3\n",
                   eater=FREE + source(eater.pid()) + "[Limits]\nMemoryMax=24M\n",
                   loop="[Tarpit]\nFrozenSec=0\n" + source(loop) + "[Limits]\nCPUQuota=20%\n"):
        for name, pid in (("crowd", crowd.pid()), ("eater", eater.pid()), ("loop", loop)):
            wait_in(name, pid)
        h.check(not crowd.can_fork(), "a fork above TasksMax= fails")
        h.equal("137", eater.ask("tail /dev/zero 2>/dev/null; echo $?"), "status of who needs more than MemoryMax=")
        h.between(1, m.value(f"{m.HOME}/pit/eater/memory.events", "oom_kill"), 1, "killed due to MemoryMax=")
        h.between(0.15, h.share(f"{m.HOME}/pit/loop", 3), 0.25, "share with CPUQuota=20%")
    h.check(crowd.can_fork(), "it can fork after the release")


def processes(session):
    """Its own; a child of the first is (sd-pam), which is systemd's."""
    return [pid for pid in (session.pid, *h.descendants(session.pid)) if "sd-pam" not in h.read(f"/proc/{pid}/comm")]


class Unit:
    """A unit of three tasks at most, of which two are there, in which a shell runs."""

    def __init__(self, unit, *how):
        self.name = unit
        self.shell = m.Shell("systemd-run", "--quiet", f"--unit={unit}", "--property=TasksMax=3",
                             "--property=MemoryMax=24M", "--property=OOMPolicy=continue", *how)
        self.shell.do("sleep 1000 &")
        self.pid = self.shell.pid()
        self.cgroup = h.cgroup_of(self.pid)
        self.refused = 0

    def expect(self, what, forks):
        """Whether it can fork, whether the kernel says why it could not, and that systemd finds nothing strange."""
        what = f"{self.name}, {what}"
        h.equal(forks, self.shell.can_fork(), f"{what}: whether it can fork")
        refused = m.value(f"{self.cgroup}/pids.events", "max")
        h.equal(not forks, refused > self.refused, f"{what}: whether the kernel has refused a process")
        self.refused = refused
        h.equal("2", h.read(f"{self.cgroup}/pids.current").strip(), f"{what}: tasks that are counted")
        h.check(int(h.read(f"{self.cgroup}/memory.current")) > 100000, f"{what}: its memory is counted")
        h.equal(("active", "running"), (h.show(self.name, "ActiveState"), h.show(self.name, "SubState")), what)


@h.test
def the_limits_of_units_hold_while_and_after_they_are_hobbled():
    units = [Unit("lim.scope", "--scope"), Unit("lim.service", "--pipe")]
    for unit in units:
        unit.expect("before", forks=False)
    with Following(scope=m.OFTEN + source(units[0].pid),
                   service=m.OFTEN + "Placement=nested\n" + source(units[1].pid)) as f:
        for unit, tarpit in zip(units, ("scope", "service")):
            wait_in(tarpit, unit.pid)
            h.check(is_nested(unit.pid, unit.cgroup), f"{h.cgroup_of(unit.pid)} is below {unit.cgroup}")
            unit.expect("hobbled", forks=False)
            h.systemctl("set-property", "--runtime", unit.name, "TasksMax=9")
            unit.expect("with more tasks", forks=True)
            h.systemctl("set-property", "--runtime", unit.name, "TasksMax=3")
            h.systemctl("daemon-reload")
            unit.expect("after a daemon-reload", forks=False)
            h.equal("137", unit.shell.ask("tail /dev/zero 2>/dev/null; echo $?"), f"{unit.name}: who eats memory")
            h.equal(1, m.value(f"{unit.cgroup}/memory.events", "oom_kill"), f"{unit.name}: killed due to MemoryMax=")
        f.change(scope=None, service=None)
        for unit in units:
            h.wait_until(lambda u=unit: h.cgroup_of(u.pid) == u.cgroup, 8, f"{unit.name} is at home")
            unit.expect("released", forks=False)


@h.test
def a_tree_in_the_subtree_is_without_the_limits_of_its_unit_for_a_while():
    unit = Unit("moved.service", "--pipe")
    with Following(moved=FREE + "Placement=subtree\n" + source(unit.pid)):
        wait_in("moved", unit.pid)
        h.check(h.cgroup_of(unit.pid).startswith(m.HOME), f"it is moved, to {h.cgroup_of(unit.pid)}")
        h.equal("0", h.read(f"{unit.cgroup}/pids.current").strip(), "tasks that are counted in its unit")
        h.check(unit.shell.can_fork(), "it can fork")
        h.check(h.active(unit.name), "the unit is active")
    unit.expect("released", forks=False)


@h.test
def the_pit_starts_again_with_controllers_enabled():
    """Left enabled in a cgroup that stays, as somebody else is below it, they keep the unit from that: 219/CGROUP."""
    pid, stray = h.sleeper(h.cgroup("again")), f"{m.HOME}/stray"
    h.systemctl("start", m.PIT)
    os.mkdir(stray)
    stranger = h.sleeper(stray)
    with Following(again=m.OFTEN + source(pid) + "[Limits]\nCPUQuota=50%\nMemoryMax=64M\n"):
        wait_in("again", pid)
        for command in (["restart", m.PIT], ["kill", "--kill-whom=main", "--signal=KILL", m.PIT],
                        ["restart", "hobbled"], ["kill", "--signal=KILL", "hobbled"],
                        ["kill", "--kill-whom=main", "--signal=KILL", m.PIT, "hobbled"]):
            what = " ".join(command)
            before = {unit: h.main_pid(unit) for unit in command if unit in (m.PIT, "hobbled")}
            h.check({"cpu", "memory"} <= set(h.read(f"{m.HOME}/cgroup.subtree_control").split()),
                    f"controllers are enabled before: {what}")
            h.systemctl(*command)
            for unit, old in before.items():
                h.wait_until(lambda u=unit, o=old: h.main_pid(u) not in (None, o) and h.active(u), 10, f"{what}: again")
            wait_in("again", pid)
            expect({"cpu.max": "50000 100000", "memory.max": str(64 * MIB)}, f"{m.HOME}/pit/again", f"limits after {what}")
            h.check(h.alive(pid), f"the victim is alive after {what}")
            h.equal(stray, h.cgroup_of(stranger), f"where somebody else is after {what}")
    h.wait_until(lambda: h.cgroup_of(pid) == h.cgroup("again"), 5, "the victim is at home")
    h.kill(stranger)
    h.wait_until(lambda: h.remove(stray), 5, "the stranger's cgroup is gone")


@h.test
def an_origin_that_has_controllers_now_takes_nobody_back():
    """The kernel refuses: no processes beside the cgroups that controllers are handed down to."""
    origin = h.cgroup("handed/down")
    pid = h.sleeper(origin)
    with Following(handed=m.OFTEN + source(pid)) as f:
        wait_in("handed", pid)
        for path in (h.CGROOT, os.path.dirname(os.path.dirname(origin)), os.path.dirname(origin), origin):
            h.write(f"{path}/cgroup.subtree_control", "+memory")
        f.change(handed=None)
        h.wait_until(lambda: h.cgroup_of(pid) == h.CGROOT, 8, "it is in the nearest cgroup that takes it")
        f.said(r"the origin \S+ takes no processes any more; 1 process moved to /$")
        h.equal(1, f.count("takes no processes"), "warnings")
    h.check(h.alive(pid) and not h.frozen(h.CGROOT), "it runs")


@h.test
def a_session_keeps_its_limits_and_who_is_exempt_is_left_alone():
    ann, bob = h.Session("ann", f"({h.LOOP}) & exec sleep 1000"), h.Session("bob", "exec sleep 1000")
    h.systemctl("set-property", "--runtime", ann.scope, "TasksMax=50")
    before = h.read(f"{ann.cgroup}/pids.current")
    with Following(lab="[Source]\nUser=ann\nUser=bob\nCheckSec=300ms\n[Exempt]\nUser=bob\n") as f:
        wait_in("lab", *processes(ann))
        h.check(is_nested(ann.pid, ann.cgroup), f"{h.cgroup_of(ann.pid)} is below {ann.cgroup}")
        h.equal(before, h.read(f"{ann.cgroup}/pids.current"), "tasks that are counted in the session")
        wait_in(None, bob.pid)
        f.change(lab=None)
        wait_in(None, ann.pid)
        h.equal(ann.cgroup, h.cgroup_of(ann.pid), "where it is after the release")
    for session in (ann, bob):
        h.check(session.exists() and h.show(session.scope, "ActiveState") == "active", f"{session.scope} is there")
        for pid in (*h.descendants(session.pid), session.pid):
            h.kill(pid, signal.SIGKILL)
        session.process.wait()
