#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""libhobble in another program than hobbled (victims/embedder.c): placements, the filter, who belongs where, and status."""

import contextlib
import itertools
import os
import re
import subprocess
import time

import harness as h

_counter = itertools.count(1)

NOBODY = 61236
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


class Embedder:
    """An engine of this test's own that hobbles some trees."""

    def __init__(self, placement, *pids, refused="-", environment=None, parent=None):
        self.instance = f"test-{os.getpid()}-embedder-{next(_counter)}"
        self.home = os.path.join(parent or h.CGROOT, f"hobbled-{self.instance}")
        drop = [*AS_NOBODY, "env", f"PARENT={path_of(parent)}"] if parent else []
        self.process = h.spawn([*drop, h.program("HOBBLE_EMBEDDER"), placement, self.instance, refused, *map(str, pids)],
                               parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               env={**os.environ, **(environment or {})})
        self.lines = []

    def wait(self, pattern):
        """Read what it says until a line matches; returns the match."""
        while True:
            line = self.process.stdout.readline()
            h.check(line, f"it ended without {pattern!r}, but said {self.lines}")
            self.lines.append(line.rstrip("\n"))
            if found := re.match(pattern, line):
                return found

    def said(self, pattern):
        return [line for line in self.lines if re.match(pattern, line)]

    def who_is(self, pid):
        """Home and root of a process, as the library has it."""
        self.process.stdin.write(f"{pid}\n")
        self.process.stdin.flush()
        found = self.wait(rf"process {pid} (\S+) (\d+)")
        return found[1], int(found[2])

    def release(self, pid):
        """Have it release what a process is in."""
        self.process.stdin.write(f"-{pid}\n")
        self.process.stdin.flush()

    def status(self, pid):
        """How the subject that a process is in stands, and its tarpit."""
        del self.lines[:]
        self.who_is(pid)
        return [dict(pair.split("=", 1) for pair in line.split()[1:])
                for kind in ("subject", "tarpit") for line in self.said(f"{kind} ")]

    def end(self):
        """Have it release all and end."""
        self.process.stdin.close()
        h.equal(0, self.process.wait(10), "its status")


@contextlib.contextmanager
def embedder(*arguments, **options):
    e = Embedder(*arguments, **options)
    yield e
    e.end()


def path_of(directory):
    """A cgroup's path in the hierarchy."""
    return "/" + os.path.relpath(directory, h.CGROOT)


def two_in(*paths):
    """A shell in one cgroup, and its child, a sleeper, in another. Returns both."""
    root = h.spawn(["sh", "-c", "sleep 1000 & wait"], paths[0]).pid
    child = h.wait_until(lambda: h.children(root), 5, "the child is there")[0]
    h.wait_until(lambda: h.read(f"/proc/{child}/comm") == "sleep\n", 5, "it is a sleep")
    h.attach(child, paths[1])
    return root, child


# -- Placement ------------------------------------------------------------------------------------------------

@h.test
def nested_where_it_is_asked_for():
    path = h.cgroup("plain")
    root, child = two_in(path, path)
    with embedder("nested", root) as e:
        e.wait(rf"admitted {root}")
        for pid in (root, child):
            h.equal(f"{path}/hobbled-{e.instance}-1", h.cgroup_of(pid), f"where {pid} is")
    h.equal([path, path], [h.cgroup_of(root), h.cgroup_of(child)], "where both are")
    h.equal([], [d for d in h.entries(path) if d.startswith("hobbled")], "directories that are left")


@h.test
def in_the_pit_where_it_is_asked_for():
    """Also what is in a scope, with what else is in the same one; another scope's stay there."""
    path, other = h.cgroup("session-1.scope"), h.cgroup("session-2.scope")
    root, child = two_in(path, h.cgroup("session-1.scope/sub"))
    stranger, kin = two_in(path, other)
    with embedder("subtree", root, stranger) as e:
        e.wait(rf"admitted {root}")
        e.wait(rf"admitted {stranger}")
        for pid in (root, child, stranger):
            h.check(h.cgroup_of(pid).startswith(e.home + "/pit/embedded/"), f"{pid} is in {h.cgroup_of(pid)}")
        h.equal(other, h.cgroup_of(kin), "where the one of the other scope is")
        h.equal(1, len(e.said(rf"part {kin} 0 is left in a unit of its own, {path_of(other)}$")), "parts")
    h.equal(path, h.cgroup_of(root), "where the root is")


@h.test
def nested_where_it_is_a_containers():
    """In another cgroup namespace."""
    path = h.cgroup("container")
    pid = h.spawn(["unshare", "--cgroup", "sh", "-c", h.LOOP], path).pid
    mine = os.readlink("/proc/self/ns/cgroup")
    h.wait_until(lambda: os.readlink(f"/proc/{pid}/ns/cgroup") != mine, 5, "it has a namespace of its own")
    with embedder("auto", pid) as e:
        e.wait(rf"admitted {pid}")
        h.equal(path, os.path.dirname(h.cgroup_of(pid)), "where its directory is")


@h.test
def who_strays_is_told_with_where_from():
    """Once for each origin that is gone; by the processes, also where one has no leader any more."""
    top, origin, other = h.cgroup("top"), h.cgroup("top/origin"), h.cgroup("top/other")
    root, child = two_in(origin, other)
    headless = h.spawn([h.program("HOBBLE_VICTIM"), "headless"], origin).pid
    h.wait_until(lambda: h.state(headless) == "Z" and h.children(headless), 5, "its leader has exited")
    wanted = {root: {path_of(origin): {root}, path_of(other): {child}},
              headless: {path_of(origin): {headless, *h.children(headless)}}}
    with embedder("subtree", root, headless) as e:
        for _ in wanted:
            e.wait("admitted ")
        h.equal(set(), h.members(top), "who is left in the origins")
        os.rmdir(origin)
        os.rmdir(other)
        for pid, origins in wanted.items():
            del e.lines[:]
            e.release(pid)
            e.wait(rf"released {pid}")
            told = {line.split()[1]: {*map(int, line.split()[2:])} for line in e.said("strays ")}
            h.equal(origins, told, "who has strayed from where")
            h.equal(len(origins), len(e.said(rf"strayed {pid} 0 .* is gone; \d process(es)? moved to {path_of(top)}$")), "")


@h.test
def never_nested_at_the_top():
    pid = h.sleeper(h.CGROOT)
    with embedder("nested", pid) as e:
        e.wait(rf"degraded {pid} ")
        e.wait(rf"admitted {pid}")
        h.check(h.cgroup_of(pid).startswith(e.home + "/pit/"), f"it is in {h.cgroup_of(pid)}")
    h.equal(h.CGROOT, h.cgroup_of(pid), "where it is at last")


def delegated(name):
    """A cgroup that a user without privilege may do with as they like."""
    path = h.cgroup(name)
    for file in ("", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"):
        os.chown(os.path.join(path, file), NOBODY, NOBODY)
    return path


@h.test
def within_what_is_delegated_to_a_user():
    """Nothing there needs privilege: neither what is done by the engine nor what by the guard after it."""
    path = delegated("delegated")
    for end in (Embedder.end, lambda e: h.kill(e.process.pid)):
        pid = h.spawn([*AS_NOBODY, "sh", "-c", h.LOOP], path).pid
        h.wait_until(lambda pid=pid: os.stat(f"/proc/{pid}").st_uid == NOBODY, 5, "it is a user's")
        e = Embedder("subtree", pid, parent=path)
        e.wait(f"admitted {pid}")
        h.equal(f"{e.home}/pit/embedded/{pid}", h.cgroup_of(pid), "where it is")
        h.wait_until(lambda pid=pid: h.frozen(h.cgroup_of(pid)), 5, "it is frozen")
        h.wait_until(lambda pid=pid: not h.frozen(h.cgroup_of(pid)), 5, "it is thawed")
        end(e)
        h.wait_until(lambda home=e.home: not os.path.exists(home), 5, "the home is gone")
        h.equal(path, h.cgroup_of(pid), "where it is at last")


@h.test
def no_such_parent():
    e = Embedder("subtree", parent=delegated("delegated"))
    e.process.stdin.close()
    h.equal(0, e.process.wait(10), "status where there is one")
    for parent, said in (("/no/such", "No such file or directory"), ("relative", "Invalid argument")):
        done = subprocess.run([h.program("HOBBLE_EMBEDDER"), "auto", e.instance, "-"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, env={**os.environ, "PARENT": parent}, timeout=10, check=False)
        h.equal((1, f"embedder: {said}\n"), (done.returncode, done.stderr), parent)


# -- The filter -----------------------------------------------------------------------------------------------

@h.test
def a_root_is_refused():
    pid = h.sleeper(h.cgroup("one"))
    with embedder("auto", pid, refused="sleep") as e:
        found = e.wait(rf"failed {pid} (-\d+) (.*)")
        h.equal(("-1", "is exempt: the test says so"), found.groups(), "error and reason")
        h.equal(h.cgroup("one"), h.cgroup_of(pid), "where it is")
        h.equal([], [d for d, _, _ in os.walk(e.home) if "root" in h.marks(d)], "subjects")
        h.equal([f"filter sleep {path_of(h.cgroup('one'))} embedded"], e.said("filter"), "questions")


@h.test
def a_member_is_refused():
    """It stays where it is, the rest of the tree is taken in."""
    for placement in ("subtree", "nested"):
        root, child = two_in(h.cgroup("one"), h.cgroup("one"))
        with embedder(placement, root, refused="sleep") as e:
            e.wait(rf"admitted {root}")
            h.check(h.cgroup_of(root) != h.cgroup("one"), "the root is hobbled")
            h.equal(h.cgroup("one"), h.cgroup_of(child), "where the child is")
            h.equal([], e.said("part|failed"), "parts and failures")


@h.test
def a_part_beneath_one_that_is_refused():
    """Who is exempt is no part; what is beneath it in the same scope is one of its own."""
    one, two = h.cgroup("session-1.scope"), h.cgroup("session-2.scope")
    root = h.spawn(["sh", "-c", "timeout 1000 sh -c 'sleep 1000 & wait' & wait"], one).pid
    h.wait_until(lambda: len(h.descendants(root)) == 3, 5, "the tree is complete")
    exempt, shell, sleep = h.descendants(root)
    for pid in (exempt, shell, sleep):
        h.attach(pid, two)
    with embedder("auto", root, refused="timeout") as e:
        e.wait(rf"admitted {root}")
        h.equal([shell], [int(line.split()[1]) for line in e.said("part")], "the parts")


@h.test
def a_name_that_is_no_text():
    """Anybody may give a scope in a subtree of theirs a name; it is shown escaped."""
    root, child = two_in(h.cgroup("session-1.scope"), h.cgroup("\033]2.scope"))
    with embedder("auto", root) as e:
        e.wait(rf"admitted {root}")
        h.check(e.said(rf"part {child} 0 .*/\\x1b\]2.scope$"), f"it said {e.lines}")


# -- Who belongs where ----------------------------------------------------------------------------------------

@h.test
def the_home_of_a_process():
    """It is the cgroup that it came from and goes back to."""
    one, two = h.cgroup("one.service"), h.cgroup("one.service/two")
    free = h.sleeper(one)
    for placement in ("subtree", "nested"):
        root, child = two_in(one, two)
        with embedder(placement, root) as e:
            e.wait(rf"admitted {root}")
            h.check(h.cgroup_of(child) != two, "the child is hobbled")
            h.equal((path_of(one), root), e.who_is(root), "home and root of the root")
            h.equal((path_of(two), root), e.who_is(child), "home and root of the child")
            h.equal((path_of(one), 0), e.who_is(free), "home and root of another one")
            h.equal(("-", 0), e.who_is(2 ** 22 + 1), "home and root of none")


@h.test
def a_home_is_not_what_a_users_mark_says():
    path = h.cgroup("hobbled-x-1")
    os.setxattr(path, "user.hobble.origin", b"/elsewhere")
    os.setxattr(path, "user.hobble.root", b"1 1")
    os.chown(path, NOBODY, NOBODY)
    pid = h.sleeper(path)
    with embedder("auto") as e:
        h.equal((path_of(path), 0), e.who_is(pid), "home and root")


# -- Status ---------------------------------------------------------------------------------------------------

def frozen_by_kernel(directory):
    """Microseconds that the kernel has had a cgroup frozen; None where it does not count (before 6.18)."""
    try:
        return int(h.read(f"{directory}/cgroup.stat.local").split()[1])
    except OSError:
        return None


@h.test
def frozen_for_as_long_as_the_kernel_says():
    """One by one and all at once, in the pit, nested and in place."""
    for environment, least in (({}, 0.4), ({"FREEZE_IDLE": "1"}, 0.4)):
        trees = {p: h.spawn(["sh", "-c", h.LOOP], h.cgroup(f"{p}.service")).pid for p in ("subtree", "nested")}
        inside = h.spawn(["sh", "-c", h.LOOP], h.cgroup("in-place")).pid
        for placement, what, pid in (("subtree", trees["subtree"], trees["subtree"]),
                                     ("nested", trees["nested"], trees["nested"]),
                                     ("auto", h.cgroup("in-place"), inside)):
            before = frozen_by_kernel(h.cgroup("in-place")) or 0
            with embedder(placement, what, environment=environment) as e:
                e.wait("admitted")
                began = time.monotonic()
                time.sleep(0.8)
                subject, tarpit = e.status(pid)
                passed = (time.monotonic() - began) * 1e6
                directory = h.CGROOT + subject["cgroup"]
                h.equal(directory, h.cgroup_of(pid), "where it is")
                kernel, ours = frozen_by_kernel(directory), int(subject["frozen_usec"])
                h.check(least * passed < ours < 1.1 * passed, f"{placement}: frozen {ours} of {passed} µs")
                if kernel is not None:
                    kernel -= before if what == h.cgroup("in-place") else 0
                    h.note(f"{placement}: frozen {ours} µs, the kernel says {kernel}")
                    h.check(abs(kernel / ours - 1) < 0.1, f"{placement}: frozen {ours} µs, the kernel says {kernel}")
                h.equal((placement == "nested", placement == "auto"),
                        (subject["nested"] == "1", subject["in_place"] == "1"), "nested, in place")
                cpu = int(subject["cpu_usec"])
                h.check(0 < cpu < 0.6 * passed, f"{placement}: it used {cpu} of {passed} µs")
                h.check(int(tarpit["cpu_usec"]) > 0, f"{placement}: its tarpit used {tarpit['cpu_usec']} µs")
                h.check(int(tarpit["windows"]) > 0, f"{placement}: {tarpit['windows']} windows")
                h.equal("1", tarpit["subjects"], "subjects")


@h.test
def status_of_a_few():
    one, two = h.cgroup("one.service"), h.cgroup("two")
    tree, free = h.spawn(["sh", "-c", "sleep 1000 & wait"], one).pid, h.sleeper(one)
    child = h.wait_until(lambda: h.children(tree), 5, "the child is there")[0]
    member = h.sleeper(two)
    began = time.time() * 1e6
    with embedder("subtree", tree, two) as e:
        e.wait("admitted 0")
        if not e.said(f"admitted {tree}"):
            e.wait(f"admitted {tree}")
        for pid in (tree, child):
            subject, tarpit = e.status(pid)
            h.equal(str(tree), subject["name"], "its name")
            h.equal("2", tarpit["subjects"], "subjects of the tarpit")
            h.equal({f"{tree} {subject['cgroup']}", f"{path_of(two)} {path_of(two)}"},
                    {line.removeprefix("listed ").rstrip() for line in e.said("listed")}, "the list")
            h.check(began - 1e6 < int(subject["since_usec"]) < time.time() * 1e6, f"since {subject['since_usec']}")
        subject, _ = e.status(member)
        h.equal((path_of(two), path_of(two)), (subject["name"], subject["cgroup"]), "the one in place")
        h.equal([], e.status(free), "what is told of one that is free")
        h.equal([], e.status(2 ** 22 + 1), "what is told of none")

        h.write(f"{two}/cgroup.freeze", "1")
        h.wait_until(lambda: e.status(member)[0]["state"] == "2", 5, "it is held")
        before = e.status(member)[0]["frozen_usec"]
        time.sleep(0.3)
        h.equal(before, e.status(member)[0]["frozen_usec"], "what counts as frozen by us")
        h.write(f"{two}/cgroup.freeze", "0")


h.main()
