#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hobbled processes that somebody moves to another cgroup: they are found there, and hobbled again."""

import os
import time

import failopen
import harness as h

CHECK = "--check=200ms"


def scope():
    return h.cgroup("session-1.scope")


def in_subject(hobbled, pid):
    """The directory of the subject of this hobbled's that a process is in, or None."""
    path = h.cgroup_of(pid)
    while path and path != h.CGROOT:
        if f"hobbled-{hobbled.instance}" in path and "root" in h.marks(path):
            return path
        path = os.path.dirname(path)
    return None


def wait_in(hobbled, *pids, timeout=3):
    h.wait_until(lambda: all(in_subject(hobbled, pid) for pid in pids), timeout, f"{pids} are hobbled")


def wait_said(hobbled, pid, place):
    hobbled.wait_log(rf"process {pid} \(\w+\): was moved to {os.path.join('/', os.path.relpath(place, h.CGROOT))} by")


def release(hobbled, file, homes):
    h.write(file, "")
    h.wait_until(lambda: all(h.cgroup_of(pid) == home for pid, home in homes.items()), 3,
                 f"they are in {homes}, not in { {pid: h.cgroup_of(pid) for pid in homes} }")


def moved_alone(home):
    pid, other = h.busy(home), h.cgroup("other")
    file = h.pidfile(pid)
    with h.Hobbled(CHECK, file) as hobbled:
        wait_in(hobbled, pid)
        for _ in range(3):
            h.attach(pid, other)
            h.equal(None, in_subject(hobbled, pid), "its subject")
            wait_in(hobbled, pid)
            wait_said(hobbled, pid, other)
            h.wait_until(lambda: h.frozen(in_subject(hobbled, pid)), 3, "it is frozen")
        h.attach(pid, home)
        h.equal(None, in_subject(hobbled, pid), "its subject")
        wait_in(hobbled, pid)
        h.attach(pid, other)
        wait_in(hobbled, pid)
        h.check(not any(name.startswith("hobbled-") for name in os.listdir(home)), "nothing is left where it was")
        release(hobbled, file, {pid: other})


@h.test
def a_process_is_hobbled_again_and_returns_to_where_it_was_moved():
    moved_alone(h.cgroup("home"))


@h.test
def a_scopes_process_is_hobbled_again_and_returns_to_where_it_was_moved():
    moved_alone(scope())


@h.test
def a_tree_of_which_the_root_or_all_are_moved_is_gathered_again():
    home, other = h.cgroup("home"), h.cgroup("other")
    root = h.busy_tree(home)
    tree = [root, *h.descendants(root)]
    file = h.pidfile(root)
    with h.Hobbled(CHECK, file) as hobbled:
        wait_in(hobbled, *tree)
        h.attach(root, other)
        wait_in(hobbled, *tree)
        h.equal(1, len(hobbled.subjects()), "subjects")
        for pid in tree:
            h.attach(pid, other)
        wait_in(hobbled, *tree)
        h.equal(1, len(hobbled.subjects()), "subjects")
        for pid in tree[:2]:
            h.attach(pid, home)
        wait_in(hobbled, *tree)
        release(hobbled, file, dict.fromkeys(tree[:2], home) | dict.fromkeys(tree[2:], other))


@h.test
def a_named_part_of_a_tree_that_is_moved_is_hobbled_for_itself():
    """Its tree is not disturbed."""
    home, other = h.cgroup("home"), h.cgroup("other")
    root = h.busy_tree(home)
    tree = [root, *h.descendants(root)]
    child = next(pid for pid in h.children(root) if h.children(pid))
    below = [child, *h.descendants(child)]
    file = h.pidfile(*tree)
    with h.Hobbled(CHECK, file) as hobbled:
        wait_in(hobbled, *tree)
        whole = in_subject(hobbled, root)
        for pid in below:
            h.attach(pid, other)
        wait_in(hobbled, *tree)
        h.equal({whole}, {in_subject(hobbled, pid) for pid in tree if pid not in below}, "where the others are")
        h.equal(1, hobbled.log().count(f"process {root} (sh): hobbled"), "how often the tree was hobbled")
        release(hobbled, file, {pid: other if pid in below else home for pid in tree})


@h.test
def one_of_many_is_found_in_turn():
    sleepers = [h.sleeper(h.cgroup("home")) for _ in range(50)]
    pid = h.busy(h.cgroup("home"))
    with h.Hobbled(CHECK, h.pidfile(*sleepers, pid)) as hobbled:
        wait_in(hobbled, pid, *sleepers, timeout=10)
        h.attach(pid, h.cgroup("other"))
        h.equal(None, in_subject(hobbled, pid), "its subject")
        wait_in(hobbled, pid, timeout=10)
        h.equal(51, len(hobbled.subjects()), "subjects")


@h.test
def who_is_moved_to_an_exempt_cgroup_is_let_go():
    pid, other = h.busy(h.cgroup("home")), h.cgroup("other")
    os.setxattr(other, "user.hobble.omit", b"1")
    with h.Hobbled(CHECK, h.pidfile(pid)) as hobbled:
        wait_in(hobbled, pid)
        h.attach(pid, other)
        hobbled.wait_log(rf"process {pid} \(sh\): not hobbled: is exempt")
        h.equal(other, h.cgroup_of(pid), "where it is")
        time.sleep(0.5)
        h.equal(other, h.cgroup_of(pid), "where it is")
        h.equal([], hobbled.subjects(), "subjects")


@h.test
def who_is_where_they_belong_is_left_there():
    """Forks, orphans, and processes whose leader has exited, over some looks."""
    leaderless = failopen.Victims().leaderless("home")
    root = h.spawn(["sh", "-c", "(setsid sleep 1000 &) ; while :; do sleep 0.01; done"], h.cgroup("home")).pid
    with h.Hobbled(CHECK, h.pidfile(root, leaderless)) as hobbled:
        wait_in(hobbled, root)
        h.wait_until(lambda: len(hobbled.subjects()) == 2, 3, "both are hobbled")
        time.sleep(1.5)
        h.check("was moved" not in hobbled.log(), "nobody was moved")
        h.equal(2, hobbled.log().count(": hobbled, "), "how many were hobbled")


h.main()
