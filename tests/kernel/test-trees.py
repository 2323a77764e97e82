#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""P2 and P4 on real processes: whole trees are hobbled, nobody else is, and everybody gets home."""

import ctypes
import os
import re
import signal
import subprocess
import time

import harness as h
from sources import wait_cycles
from trees import CHECK, admitted, environment, hobbled_and_home, is_in, released, rewrite, victim

NOBODY = 61234  # a user id of this test's own, whose processes can be counted and limited
_libc = ctypes.CDLL(None, use_errno=True)


# -- Helpers --------------------------------------------------------------------------------------------------

def parent(pid):
    found = re.search(r"^PPid:\t(\d+)", h.read(f"/proc/{pid}/status"), re.M)
    return int(found[1]) if found else None


def tagged(tag):
    """The processes that have HOBBLE_TREE=tag in their environment: a tree, wherever its members have gone to."""
    def has(pid):
        try:
            return f"HOBBLE_TREE={tag}\0" in h.read(f"/proc/{pid}/environ")
        except PermissionError:
            return False
    return [int(p) for p in h.entries("/proc") if p.isdigit() and has(p)]


# -- Whole trees ----------------------------------------------------------------------------------------------

def outside(tag, directory):
    """Living members of a tagged tree that are not in the directory."""
    found = [p for p in tagged(tag) if not is_in(p, directory) and h.alive(p)]
    return [p for p in found if h.alive(p) and not is_in(p, directory)]


@h.test
def forked_before_during_and_after():
    origin = h.cgroup("origin")
    root = victim("churn", 4, cgroup=origin, env=environment("churn"))
    h.wait_until(lambda: len(h.descendants(root)) >= 8, 5, "children come and go")
    file = h.pidfile(root)
    with h.Hobbled(CHECK, file) as hobbled:
        directory = admitted(hobbled, root)
        for _ in range(20):
            h.equal([], outside("churn", directory), "outside at the end of the admission, or later")
        wait_cycles(directory)
        h.equal([], outside("churn", directory), "outside after two cycles")

        # What forks twice, and what leaves for a session of its own, stays in though it is nobody's descendant any more.
        h.kill(root, signal.SIGUSR1)
        def daemons():
            return [p for p in tagged("churn") if parent(p) == os.getpid() and p != root and h.alive(p)]
        h.wait_until(lambda: len(daemons()) == 2, 10, "two daemons are there")
        born = daemons()
        h.equal([], outside("churn", directory), "outside after daemons were made")
        rewrite(file)
        released(hobbled, root)
        h.equal([], outside("churn", origin), "not home")
        h.check(all(h.alive(p) for p in [root, *born]), "all live")


@h.test
def many_trees_at_once():
    origins = [h.cgroup(f"origin-{i}") for i in range(3)]
    roots = [h.spawn(["sh", "-c", "sleep 1000 & sleep 1000 & wait"], origins[i % 3]).pid for i in range(60)]
    h.wait_until(lambda: all(len(h.children(r)) == 2 for r in roots), 5, "the trees are complete")
    file = h.pidfile(*roots)
    with h.Hobbled(CHECK, file) as hobbled:
        h.wait_until(lambda: len(hobbled.subjects()) == 60, 5, "all are subjects")
        h.wait_until(lambda: not any(h.members(o) for o in origins), 5, "nobody is left in the origins")
        rewrite(file)
        h.wait_until(lambda: not hobbled.subjects(), 5, "all are released")
        for i, root in enumerate(roots):
            for p in (root, *h.children(root)):
                h.equal(origins[i % 3], h.cgroup_of(p), f"where {p} is")


@h.test
def a_fork_bomb_is_taken_in():
    origin = h.cgroup("origin")
    root = h.spawn(["prlimit", "--nproc=80", "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                    "--pdeathsig=KILL", h.program("HOBBLE_VICTIM"), "bomb"], origin, env=environment("bomb")).pid
    h.wait_until(lambda: len(h.members(origin)) >= 60, 5, "the bomb is at its limit")
    file = h.pidfile(root)
    try:
        with h.Hobbled(CHECK, file) as hobbled:
            directory = admitted(hobbled, root, 10)
            h.equal(set(), h.members(origin), "left in the origin")
            wait_cycles(directory)
            h.equal(set(), h.members(origin), "left in the origin after two cycles")
            rewrite(file)
            released(hobbled, root, 10)
            h.check(len(h.members(origin)) >= 40, "the bomb is home")
            h.check(not h.anything_frozen(origin), "nothing is frozen")
    finally:
        h.write(os.path.join(origin, "cgroup.kill"), 1)


# -- Odd processes --------------------------------------------------------------------------------------------

@h.test
def a_process_whose_leader_has_exited():
    origin = h.cgroup("origin")
    root = victim("headless", cgroup=origin)
    h.wait_until(lambda: h.state(root) == "Z" and len(h.entries(f"/proc/{root}/task")) == 2 and h.children(root), 5,
                 "its leader has exited")
    hobbled_and_home(root, *h.children(root))


@h.test
def a_leader_exits_while_hobbled():
    origin = h.cgroup("origin")
    root = h.spawn(["sh", "-c", 'read _; exec "$0" headless', h.program("HOBBLE_VICTIM")], origin,
                   stdin=subprocess.PIPE)
    file = h.pidfile(root.pid)
    with h.Hobbled(CHECK, file) as hobbled:
        directory = admitted(hobbled, root.pid)
        root.stdin.close()
        h.wait_until(lambda: h.state(root.pid) == "Z" and h.children(root.pid), 10, "its leader has exited")
        wait_cycles(directory)
        rewrite(file)
        released(hobbled, root.pid)
        h.equal({root.pid, *h.children(root.pid)}, h.members(origin), "who is home")


@h.test
def a_zombie():
    """As a member it stays what it is; as a root there is nothing to hobble."""
    origin = h.cgroup("origin")
    root = victim("zombie", cgroup=origin)
    zombie = h.wait_until(lambda: [p for p in h.children(root) if h.state(p) == "Z"], 5, "a zombie")[0]
    file = h.pidfile(zombie)
    with h.Hobbled(CHECK, file) as hobbled:
        hobbled.wait_log(rf"{zombie}\b.*(ended|not exist|zombie)")
        h.equal([], hobbled.subjects(), "subjects")
        rewrite(file, zombie, root)
        directory = admitted(hobbled, root)
        wait_cycles(directory)
        h.equal("Z", h.state(zombie), "its state")
        h.equal({root}, h.members(directory), "members")
        rewrite(file)
        released(hobbled, root)
        h.equal({root}, h.members(origin), "who is home")


@h.test
def a_parent_that_is_blocked_in_vfork():
    origin = h.cgroup("origin")
    root = victim("vfork", cgroup=origin)
    child = h.wait_until(lambda: h.children(root), 5, "its child")[0]
    h.wait_until(lambda: h.state(root) == "D", 5, "it is blocked")
    hobbled_and_home(root, child)


@h.test
def a_stopped_process_stays_stopped():
    root = h.busy_tree(h.cgroup("origin"))
    stopped, running = h.descendants(root)[0], h.descendants(root)[1:]
    h.kill(stopped, signal.SIGSTOP)
    h.wait_until(lambda: h.state(stopped) == "T", 2, "it is stopped")
    hobbled_and_home(root, stopped, *running)
    h.equal("T", h.state(stopped), "its state")
    before = h.cpu_usec_of(stopped)
    h.kill(stopped, signal.SIGCONT)
    h.wait_until(lambda: h.cpu_usec_of(stopped) > before, 5, "it runs after SIGCONT")


@h.test
def a_traced_process_stays_traced():
    PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
    origin = h.cgroup("origin")
    stopped, running = h.busy(origin), h.busy(origin)
    root = h.spawn(["sleep", "1000"], origin).pid
    _libc.ptrace.argtypes = [ctypes.c_long] * 4
    for p in (stopped, running):
        h.equal(0, _libc.ptrace(PTRACE_SEIZE, p, 0, 0), "ptrace")
    h.equal(0, _libc.ptrace(PTRACE_INTERRUPT, stopped, 0, 0), "ptrace")
    h.wait_until(lambda: h.state(stopped) == "t", 2, "it is in a tracing stop")
    file = h.pidfile(root, stopped, running)
    with h.Hobbled(CHECK, file) as hobbled:
        for p in (stopped, running):
            admitted(hobbled, p)
        wait_cycles(admitted(hobbled, running))
        h.equal("t", h.state(stopped), "its state")
        rewrite(file)
        for p in (stopped, running):
            released(hobbled, p)
    h.equal("t", h.state(stopped), "its state")
    for p in (stopped, running):
        if p == running:
            h.equal(0, _libc.ptrace(PTRACE_INTERRUPT, p, 0, 0), "ptrace")
            h.wait_until(lambda: h.state(running) == "t", 5, "it is in a tracing stop")
        os.waitpid(p, 0x40000000)  # __WALL
        h.equal(0, _libc.ptrace(PTRACE_DETACH, p, 0, 0), "ptrace")
        h.wait_until(lambda p=p: h.state(p) == "R", 5, "it runs again")


@h.test
def threads_real_time_and_another_user():
    origin = h.cgroup("origin")
    threads = victim("threads", 3, cgroup=origin)
    fifo = h.sleeper(origin)
    os.sched_setscheduler(fifo, os.SCHED_FIFO, os.sched_param(99))
    user = h.spawn(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--pdeathsig=KILL",
                    h.program("HOBBLE_VICTIM"), "busy"], origin).pid
    h.wait_until(lambda: os.stat(f"/proc/{user}").st_uid == NOBODY and len(h.entries(f"/proc/{threads}/task")) == 3, 5,
                 "it runs as another user")
    file = h.pidfile(threads, fifo, user)
    with h.Hobbled(CHECK, file) as hobbled:
        directories = {p: admitted(hobbled, p) for p in (threads, fifo, user)}
        for p, directory in directories.items():
            h.equal({p}, h.members(directory), "members")
        tids = set(h.entries(f"/proc/{threads}/task"))
        h.equal(tids, set(h.read(os.path.join(directories[threads], "cgroup.threads")).split()), "threads")
        for p in (threads, user):
            wait_cycles(directories[p])
        hobbled.wait_log(rf"process {fifo}\b.*real-time priority")
        h.equal(1, len(re.findall("real-time priority than", hobbled.log())), "warnings")
        rewrite(file)
        for p in directories:
            released(hobbled, p)
    h.equal({threads, fifo, user}, h.members(origin), "who is home")
    h.equal(os.SCHED_FIFO, os.sched_getscheduler(fifo), "its policy")


@h.test
def a_tree_in_another_pid_namespace():
    origin = h.cgroup("origin")
    root = h.spawn(["unshare", "--pid", "--fork", "--kill-child", "sh", "-c",
                    f"({h.LOOP}) & ( sleep 1000 & {h.LOOP} ) & wait"], origin).pid
    h.wait_until(lambda: len(h.descendants(root)) == 4, 5, "the tree is complete")
    hobbled_and_home(root, *h.descendants(root))
    # Its init alone, which is PID 1 in there only.
    init = h.children(root)[0]
    hobbled_and_home(init, *h.descendants(init))


# -- Who is not hobbled ---------------------------------------------------------------------------------------

@h.test
def the_protected_are_refused_each_with_a_reason():
    good = h.busy(h.cgroup("origin"))
    mine = os.getpid()
    file = h.pidfile()
    with h.Hobbled(CHECK, file) as hobbled:
        hobbled.wait_log("hobbling 1 source")
        guard = hobbled.guard()
        reasons = {1: "is PID 1", 2: "is a kernel thread", hobbled.pid: "is hobbled itself",
                   guard: "is hobbled's guard", mine: "is an ancestor of hobbled",
                   parent(mine): "is (an ancestor of hobbled|PID 1)"}
        places = {p: h.cgroup_of(p) for p in reasons}
        # A few at a time: of many in one file only the first ones are told one by one.
        pids = list(reasons)
        for some in (pids[:3], pids[3:]):
            rewrite(file, *some, good)
            for pid in some:
                hobbled.wait_log(rf"process {pid} \(.*\) {reasons[pid]}")
        directory = admitted(hobbled, good)
        rewrite(file, *pids, good)
        wait_cycles(directory)
        h.equal(places, {p: h.cgroup_of(p) for p in reasons}, "where they are")
        h.equal([directory], hobbled.subjects(), "subjects")
        # Once for each time that they were named anew, not once a tick.
        h.between(1, len(re.findall("process 1 .*is PID 1", hobbled.log())), 2, "messages")


def start_at(pid, cgroup):
    """A busy process that has this pid."""
    process = h.spawn([h.program("HOBBLE_VICTIM"), "at-pid", str(pid), h.program("HOBBLE_VICTIM"), "busy"], cgroup)
    h.wait_until(lambda: h.alive(pid) and "busy" in h.read(f"/proc/{pid}/cmdline") and parent(pid) == process.pid
                 or process.poll() is not None, 5, "it has the pid")
    if process.poll() == 77:
        h.skip("the kernel has no clone3() with set_tid")
    return process.poll() is None


def end(pid):
    """Kill a child of this process and reap it, so that its pid is free."""
    h.kill(pid)
    os.waitpid(pid, 0)


@h.test
def a_reused_pid_is_not_mistaken():
    origin = h.cgroup("origin")
    other = h.busy(origin)
    first = h.busy(origin)
    file = h.pidfile(first)
    with h.Hobbled(CHECK, file, h.pidfile(other)) as hobbled:
        admitted(hobbled, first)
        end(first)
        hobbled.wait_log(rf"process {first}: ended")
        h.wait_until(lambda: len(hobbled.subjects()) == 1, 2, "its subject is gone")
        if not start_at(first, origin):
            h.skip("somebody else has got the pid")
        # Looked at again, when something is added to the file and when it is not, it is still somebody else.
        directory = admitted(hobbled, other)
        wait_cycles(directory, 3)
        h.equal(origin, h.cgroup_of(first), "where the stranger is")
        h.equal([directory], hobbled.subjects(), "subjects")
        h.equal(1, len(re.findall(rf"{first}\b.*: hobbled", hobbled.log())), "times hobbled")


@h.test
def a_pid_that_was_reused_before_the_start():
    origin = h.cgroup("origin")
    gone = h.busy(origin)
    file = h.pidfile(gone)
    end(gone)
    os.utime(file, (time.time() - 60,) * 2)
    if not start_at(gone, origin):
        h.skip("somebody else has got the pid")
    with h.Hobbled(CHECK, file) as hobbled:
        hobbled.wait_log(rf"process {gone} \(.*\) started after the file was written")
        h.equal([], hobbled.subjects(), "subjects")
        h.equal(origin, h.cgroup_of(gone), "where the stranger is")


# -- Others freeze, too ---------------------------------------------------------------------------------------

@h.test
def a_tree_that_someone_else_has_frozen():
    origin = h.cgroup("origin")
    root = h.busy_tree(origin)
    members = {root, *h.descendants(root)}
    h.freeze(origin)
    h.wait_until(lambda: h.frozen(origin), 2, "it is frozen")
    with h.Hobbled(CHECK, h.pidfile(root)) as hobbled:
        hobbled.wait_log(rf"process {root}\b.*frozen")
        h.equal(members, h.members(origin), "left where they are")
        h.check(h.frozen(origin), "and frozen")
        h.freeze(origin, False)
        directory = admitted(hobbled, root)
        h.equal(members, h.members(directory), "taken in after the thaw")
        wait_cycles(directory)
    h.equal(members, h.members(origin), "who is home")
    h.check(not h.freeze_wanted(origin), "the origin is thawed")


@h.test
def parts_of_a_tree_that_someone_else_has_frozen():
    """Members whose origin is frozen stay there, and frozen; the others are hobbled, and they when they are thawed."""
    origin, theirs = h.cgroup("origin"), h.cgroup("theirs")
    root = h.busy_tree(origin)
    child = h.descendants(root)[0]
    others = {root, *h.descendants(root)} - {child}
    h.attach(child, theirs)
    h.freeze(theirs)
    h.wait_until(lambda: h.frozen(theirs), 2, "it is frozen")
    with h.Hobbled(CHECK, h.pidfile(root)) as hobbled:
        directory = admitted(hobbled, root)
        wait_cycles(directory)
        h.equal(others, h.members(directory), "members")
        h.equal({child}, h.members(theirs), "left where it is")
        h.check(h.frozen(theirs), "and frozen")
        hobbled.wait_log(rf"process {child}\b.*: not hobbled for now: is in a cgroup that someone else has frozen")
        h.freeze(theirs, False)
        part = admitted(hobbled, child)
        wait_cycles(part)
        h.equal({child}, h.members(part), "members of the part")
        h.equal(others, h.members(directory), "members as before")
    h.equal(others, h.members(origin), "who is home")
    h.equal({child}, h.members(theirs), "who is home there")


@h.test
def parts_that_stay_frozen_are_left_so():
    origin, theirs = h.cgroup("origin"), h.cgroup("theirs")
    root = h.busy_tree(origin)
    child = h.descendants(root)[0]
    h.attach(child, theirs)
    h.freeze(theirs)
    with h.Hobbled(CHECK, h.pidfile(root)) as hobbled:
        hobbled.wait_log(rf"process {child}\b.*: not hobbled for now")
    h.check(h.frozen(theirs), "it is still frozen at the end")
    h.equal({child}, h.members(theirs), "who is there")
    h.freeze(theirs, False)


@h.test
def a_cgroup_that_disappears():
    place, origin = h.cgroup("place"), h.cgroup("origin")
    inside, root = h.busy(place), h.busy(origin)
    with h.Hobbled(CHECK, place, h.pidfile(root)) as hobbled:
        wait_cycles(place)
        directory = admitted(hobbled, root)
        end(inside)
        h.wait_until(lambda: h.remove(place), 2, "it is removed")
        # The rest goes on; what has the path again is hobbled again.
        wait_cycles(directory)
        h.busy(h.cgroup("place"))
        wait_cycles(place)
        # A subject's own cgroup goes with its last process, whoever removes it.
        end(root)
        h.wait_until(lambda: h.remove(directory), 2, "it is removed")
        hobbled.wait_log(rf"process {root}: ended")
        wait_cycles(place)


h.main()
