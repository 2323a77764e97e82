#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Origins in a booted systemd: a scope that ended because its processes were moved out of it is made again for them."""

import os
import signal
import time

import harness as h  # before those that import it from beside them
from following import Following, tarpit_of, wait_in

MOVED = "[Tarpit]\nPlacement=subtree\n[Source]\nCheckSec=200ms\n"
STRAY = r"\borigin\b.* moved to "


def scope(name, script, *options):
    """A scope in which a shell runs the script. Returns its pid."""
    pid = h.spawn(["systemd-run", "--quiet", "--scope", f"--unit={name}", *options, "sh", "-c", script]).pid
    h.wait_until(lambda: h.in_unit(pid, f"{name}.scope"), 5, "the scope")
    return pid


def pidfile(name, *pids):
    """A file of pids in /run. Returns the line of [Source] and the path."""
    path = f"/run/{name}.pids"
    h.write(path, "".join(f"{pid}\n" for pid in pids))
    return f"PIDFile={path}\n", path


def gone(unit):
    return not h.unit_cgroup(unit) and not h.active(unit)


@h.test
def a_scope_is_made_again_for_its_processes():
    """In its slice, and with one warning for all of them. It is like any scope then."""
    pid = scope("work", f"({h.LOOP}) & while :; do sleep 0.01; done", "--slice=lab.slice")
    home = h.cgroup_of(pid)
    source, path = pidfile("work", pid)
    with Following(work=MOVED + source) as f:
        wait_in("work", pid)
        h.wait_until(lambda: gone("work.scope"), 5, "the scope has ended")
        h.write(path, "")
        f.said(rf"process {pid} \(sh\): the origin /lab.slice/work.scope is gone; \d+ processes moved to /lab.slice, and "
               "from there to work.scope, which systemd has made again")
        h.equal(1, f.count(STRAY), "warnings")
        h.check(h.active("work.scope"), "the scope is active")
        h.equal("lab.slice", h.show("work.scope", "Slice"), "its slice")
        tree = [pid, h.descendants(pid)[0]]
        h.equal([home, home], [h.cgroup_of(p) for p in tree], "where they are")
        h.systemctl("stop", "work.scope")
        h.wait_until(lambda: not any(map(h.alive, tree)), 5, "who is in it ends with it")


@h.test
def what_is_forked_on_the_way_is_in_it_too():
    """Between the move home and the question to systemd, where this hobbled stops for a moment."""
    fifo, config = "/tmp/fork", "/tmp/forks"
    os.mkfifo(fifo)
    os.mkdir(config)
    pid = scope("forks", f"read _ <{fifo}; sleep 1000 & wait")
    home = h.cgroup_of(pid)
    source, path = pidfile("forks", pid)
    h.write(f"{config}/forks.tarpit", MOVED + source)
    before, os.environ["HOBBLED"] = os.environ["HOBBLED"], h.program("HOBBLED_POINTS")
    with h.Hobbled(f"--config={config}", env={"HOBBLE_TEST_POINT": "release.moved:stop:1"}) as hobbled:
        os.environ["HOBBLED"] = before
        hobbled.wait_log(rf"process {pid} .*: hobbled", 5)
        h.write(path, "")
        h.wait_until(lambda: h.state(hobbled.pid) == "T", 5, "it stops")
        h.equal(f"{h.CGROOT}/system.slice", h.cgroup_of(pid), "where the process is")
        h.write(fifo, "\n")
        child = h.wait_until(lambda: h.children(pid), 5, "it has forked")[0]
        hobbled.signal(signal.SIGCONT)
        hobbled.wait_log("forks.scope, which systemd has made again", 5)
        h.equal([home, home], [h.cgroup_of(p) for p in (pid, child)], "where they are")
    h.systemctl("stop", "forks.scope")


@h.test
def a_move_to_another_tarpit_waits_for_it():
    """It goes to its scope and from there to the other tarpit, and its origin is that scope all the time."""
    pid = scope("moves", h.LOOP)
    home = h.cgroup_of(pid)
    source, path = pidfile("moves", pid)
    mild = MOVED.replace("subtree", "subtree\nFrozenSec=40ms") + pidfile("mild", pid)[0]
    with Following(severe=MOVED + source, mild=mild) as f:
        wait_in("severe", pid)
        for tarpit in ("mild", "severe"):
            f.now()
            h.write(path, f"{pid}\n" if tarpit == "severe" else "")
            wait_in(tarpit, pid)
            f.said("moves.scope, which systemd has made again")
            h.equal(home, h.CGROOT + h.marks(h.cgroup_of(pid))["origin"], "the origin that is written down")
            h.equal(1, f.count(STRAY), "warnings")
            time.sleep(0.3)
            h.equal(tarpit, tarpit_of(pid), "where it is a while later")
        for file in (path, "/run/mild.pids"):
            h.write(file, "")
        h.wait_until(lambda: h.cgroup_of(pid) == home, 5, "it is home")
    h.systemctl("stop", "moves.scope")


@h.test
def a_scope_whose_name_is_taken_is_not_made_again():
    pid = scope("taken", h.LOOP)
    source, path = pidfile("taken", pid)
    with Following(taken=MOVED + source) as f:
        wait_in("taken", pid)
        h.wait_until(lambda: gone("taken.scope"), 5, "the scope has ended")
        other = scope("taken", h.LOOP, "--slice=other.slice")
        h.write(path, "")
        f.said(r"the origin /system.slice/taken.scope is gone; 1 process moved to /system.slice; taken.scope is "
               r"not made again: .*already")
        h.equal(1, f.count(STRAY), "warnings")
        h.equal(f"{h.CGROOT}/system.slice", h.cgroup_of(pid), "where it is")
        h.check(h.in_unit(other, "taken.scope"), "the other one is where it was")
    h.kill(pid)
    h.systemctl("stop", "taken.scope")


@h.test
def the_scope_of_a_users_manager_is_not_made_again():
    h.user("kim")
    h.as_user("kim", "true")
    told = "/tmp/kim.pid"
    h.as_user("kim", "sh", "-c", f"systemd-run --user --quiet --scope --unit=inner sh -c 'echo $$ >{told}; {h.LOOP}' "
              ">/dev/null 2>&1 </dev/null &")
    pid = int(h.wait_until(lambda: h.read(told).strip(), 10, "the scope runs"))
    home = h.wait_until(lambda: (h.cgroup_of(pid) or "").endswith("/inner.scope") and h.cgroup_of(pid), 5, "it is in it")
    source, path = pidfile("inner", pid)
    with Following(inner=MOVED + source) as f:
        wait_in("inner", pid)
        h.wait_until(lambda: not os.path.exists(home), 5, "the scope has ended")
        h.write(path, "")
        f.said(r"inner.scope is gone; 1 process moved to /user.slice/.*/app.slice; the scope is not made "
               "again: it was another manager's")
        h.equal(1, f.count(STRAY), "warnings")
        h.equal(os.path.dirname(home), h.cgroup_of(pid), "where it is")
    h.kill(pid)


@h.test
def the_guard_does_not_make_it_again():
    """It has no bus: they are in the nearest cgroup that is left."""
    pid = scope("killed", h.LOOP)
    with Following(killed=MOVED + pidfile("killed", pid)[0]):
        wait_in("killed", pid)
        os.kill(h.main_pid("hobbled"), 9)
        h.wait_until(lambda: h.cgroup_of(pid) == f"{h.CGROOT}/system.slice", 5, "it is in the slice")
    h.kill(pid)


# -- Watchdogs ------------------------------------------------------------------------------------------------

PING = """
import os, socket, sys, time
to = os.environ["NOTIFY_SOCKET"]
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
    while True:
        s.sendto(b"WATCHDOG=1", "\\0" + to[1:] if to[0] == "@" else to)
        time.sleep(float(sys.argv[1]))
"""


def watched(name, seconds):
    """A service that pings at half of its watchdog's time. Returns its pid."""
    h.write("/tmp/ping", PING)
    pid = h.service(name, f"exec python3 -S /tmp/ping {seconds / 2}", f"WatchdogSec={seconds}s")
    h.equal(f"{seconds}s", h.show(f"{name}.service", "WatchdogUSec"), "its watchdog")
    return pid


@h.test
def a_watchdog_that_is_long_enough_does_not_bite():
    """Frozen most of the time, it pings in time all the same; of one that is shorter than ten rounds people are warned,
    once, with what to do."""
    long, short = watched("long", 3), watched("short", 1)
    every = "[Tarpit]\nFreezeIdle=yes\n[Source]\nCheckSec=200ms\n"
    calm = f"[Source]\nCheckSec=200ms\n{pidfile('short', short)[0]}"
    with Following(long=every + pidfile("long", long)[0], short=calm) as f:
        wait_in("long", long)
        wait_in("short", short)
        f.said(r'tarpit "short": short.service has WatchdogSec=1s, which is less than 10 rounds of this tarpit '
               r"\(2s 600ms\): .*; exempt it, or set FrozenSec= to at most 90ms$")
        h.write("/run/short.pids", "")
        wait_in(None, short)
        h.write("/run/short.pids", f"{short}\n")
        wait_in("short", short)
        begin, before = time.monotonic(), h.cpu_usec_of(long)
        while time.monotonic() < begin + 10:
            time.sleep(1)
            h.equal(long, h.main_pid("long"), "the main process")
        h.check(h.cpu_usec_of(long) > before, "it has run")
        h.check(h.active("long"), "it is active")
        h.equal("0", h.show("long", "NRestarts"), "restarts")
        h.equal(1, f.count("WatchdogSec="), "warnings")
    h.systemctl("stop", "long", "short")


h.main()
