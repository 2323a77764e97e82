# SPDX-License-Identifier: LGPL-2.1-or-later
"""The oldest kernel that is tested does what the others do, as far as an emulator, which is late now and then, can show."""

import json
import os
import signal
import time

import machine as m
import harness as h
import failopen
from following import Following, wait_in
from limits import source

DUTY = 10 / 260
# A timer of 10 ms is up to 23 ms late in an emulator on a busy host. Who is not hobbled gets 26 times the share.
LEAST, MOST = 0.5, 2


def shares(cgroups, seconds):
    """The shares of one CPU that these cgroups get over the same time: name -> share."""
    begin, before = time.monotonic(), {name: h.cpu_usec(path) for name, path in cgroups.items()}
    time.sleep(seconds)
    after, end = {name: h.cpu_usec(path) for name, path in cgroups.items()}, time.monotonic()
    return {name: (after[name] - before[name]) / 1e6 / (end - begin) for name in cgroups}


def within(share, wanted, what):
    h.between(wanted * LEAST, share, wanted * MOST, f"share of {what}")


@h.test
def a_busy_loop_and_a_crowd_get_their_shares():
    one, crowd = h.busy(h.cgroup("one")), [h.busy(h.cgroup("crowd")) for _ in range(6)]
    with Following(one=source(one), crowd=source(*crowd)):
        wait_in("one", one)
        wait_in("crowd", *crowd)
        got = shares({pid: h.cgroup_of(pid) for pid in (one, *crowd)}, 5)
        within(got[one], DUTY, "a busy loop")
        each = [got[pid] for pid in crowd]
        h.between(0, sum(each), DUTY * os.cpu_count() * MOST, "share of a crowd of six")
        h.between(0.4, min(each) / (sum(each) / len(each)), 1, "the least served of the crowd, to the mean")


@h.test
def in_place_and_the_idle_too_and_all_of_it_can_be_told():
    """The kernel does not count for how long a cgroup was frozen: hobbled does."""
    place = h.cgroup("place")
    h.write(f"{h.OWN}/cgroup.subtree_control", "+memory")
    h.write(f"{place}/memory.max", 1 << 26)
    h.busy(place)
    busy, sleeper = h.busy(h.cgroup("busy")), h.sleeper(h.cgroup("sleeper"))
    idle = f"{m.HOME}/pit/idle"
    with Following(place=f"[Source]\nCgroup={place}\n", idle="[Tarpit]\nFreezeIdle=yes\n" + source(busy, sleeper)) as f:
        wait_in("idle", busy, sleeper)
        h.wait_until(lambda: h.marks(place), 5, f"{place} is hobbled")
        h.check(not os.path.exists(f"{idle}/cgroup.stat.local"), "the kernel is one that does not count it")
        for name, share in shares({"in place": place, "FreezeIdle=yes": idle}, 5).items():
            within(share, DUTY, name)
        for path in (place, h.cgroup_of(sleeper)):
            for state in (True, False):
                h.wait_until(lambda p=path, s=state: h.frozen(p) is s, 5, f"{path} is {'frozen' if state else 'thawed'}")

        h.check(h.listed(busy, sleeper), f"who is listed: {h.listing()}")
        for command in (["status"], ["status", str(busy)], ["list"], ["list-tarpits"], ["tree"], ["metrics"],
                        ["why", str(busy)], ["top", "--batch", "--iterations=1"]):
            done = h.run("hobblectl", *command)
            h.check(done.stdout and not done.stderr and "nan" not in done.stdout, f"{command}: {done}")
        told = json.loads(h.run("hobblectl", "status", "--json", str(busy)).stdout)[0]
        h.check(told["frozen"] > 3 and 0 < told["cpu"] < 3, f"what is told of a busy loop: {told}")

        f.change(place=None)
        h.wait_until(lambda: not h.marks(place), 5, f"{place} is let go")
        h.check(not h.frozen(place), "it is thawed")
        h.equal(str(1 << 26), h.read(f"{place}/memory.max").strip(), "the limit of what was hobbled in its place")


@h.test
def everything_comes_home_after_a_crash_and_by_a_rescue():
    victims = failopen.some()
    for killed, rescued in ((["hobbled"], False), (["guard", "hobbled"], True)):
        hobbled = h.Hobbled(*victims.sources())
        victims.wait_hobbled(hobbled)
        pids = {"hobbled": hobbled.pid, "guard": hobbled.guard()}
        if rescued:
            h.kill(hobbled.pid, signal.SIGSTOP)
        for name in killed:
            h.kill(pids[name], signal.SIGKILL)
        if rescued:
            hobbled.process.wait()
            h.check(victims.astray(), "somebody needs a rescue")
            done = h.hobblectl("rescue", hobbled.instance)
            h.equal(0, done.returncode, f"status of the rescue, which said {done.stdout}{done.stderr}")
        h.wait_until(lambda: not victims.astray() and not victims.frozen(), 5, f"all is home after the end of {killed}")
        hobbled.stop()


@h.test
def what_waits_for_a_disk_is_slowed():
    """It uses hardly more CPU time than it may: pressure alone shows it. Another one takes what the disk can do in the meantime, as
    the kernel lets who comes back after a pause catch up."""
    h.write_unit("disk.slice", "[Slice]\nIOWriteIOPSMax=/dev/vda 360\n")
    units = ("writer.service", "rival.service")
    for unit in units:
        h.run("systemd-run", "--quiet", f"--unit={unit}", "--slice=disk.slice", "--property=IOAccounting=yes",
              "dd", "if=/dev/zero", f"of=/var/tmp/{unit}", "bs=4k", "oflag=direct")
    pids, cgroups = [h.wait_until(lambda u=u: h.main_pid(u), 5, f"{u} runs") for u in units], [*map(h.unit_cgroup, units)]

    def rates(seconds):
        begin, before = time.monotonic(), [m.written(c) for c in cgroups]
        time.sleep(seconds)
        took = time.monotonic() - begin
        return [(m.written(c) - b) / took for c, b in zip(cgroups, before)]

    h.wait_until(lambda: min(m.written(c) for c in cgroups) > 20, 5, "both write")
    free = rates(2)
    cpu = h.cpu_usec(cgroups[0])
    with Following(writer=f"[Source]\nUnit={units[0]}\n"):
        wait_in("writer", pids[0])
        hobbled = rates(4)
        h.note(f"writes a second: {free} before, {hobbled} while the first is hobbled; CPU {h.cpu_usec(cgroups[0]) - cpu}")
        h.between(0, hobbled[0] / free[0], 3 * DUTY, "rate of writes while it is hobbled, to that before")
        h.check(hobbled[1] > free[1], "the disk is free for others")
    h.systemctl("stop", *units)
