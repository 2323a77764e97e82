#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several tarpits, from configuration files: who is named by more than one, and what a reload changes and what not."""

import os

import harness as h
from tarpits import MILD, SEVERE, Host, pid_line


@h.test
def the_severest_wins_and_falls_back():
    host, origin = Host(), h.cgroup("origin")
    pid = h.busy(origin)
    severe = h.pidfile(pid)
    host.write("mild", MILD, pid_line(pid))
    host.write("severe", SEVERE, f"PIDFile={severe}")
    with host.start():
        host.wait_in("severe", pid)
        h.write(severe, "")
        host.wait_in("mild", pid)
        h.write(severe, f"{pid}\n")
        host.wait_in("severe", pid)
        host.write("severe", SEVERE)
        host.reload()
        host.wait_in("mild", pid)
    h.equal(origin, h.cgroup_of(pid), "where it is at the end")


@h.test
def a_child_in_a_severer_tarpit():
    host, origin = Host(), h.cgroup("origin")
    root = h.busy_tree(origin)
    tree = [root, *h.descendants(root)]
    inner = next(pid for pid in tree if pid != root and h.children(pid))
    part = [inner, *h.descendants(inner)]
    severe = h.pidfile()
    host.write("mild", MILD, pid_line(root))
    host.write("severe", SEVERE, f"PIDFile={severe}")
    with host.start():
        host.wait_in("mild", *tree)
        h.write(severe, f"{inner}\n")
        host.wait_in("severe", *part)
        host.wait_in("mild", *(set(tree) - set(part)))
        h.write(severe, "")
        host.wait_in("mild", *tree)
    h.equal({origin}, {h.cgroup_of(pid) for pid in tree}, "where they are at the end")


@h.test
def a_parent_in_a_severer_tarpit_has_its_children():
    host = Host()
    root = h.busy_tree(h.cgroup("origin"))
    child = h.children(root)[0]
    host.write("mild", MILD, pid_line(child))
    host.write("severe", SEVERE, pid_line(root))
    with host.start():
        host.wait_in("severe", root, *h.descendants(root))


@h.test
def a_reload_leaves_alone_what_stays():
    host = Host()
    pids = [h.busy(h.cgroup("origin")) for _ in range(3)]
    source = pid_line(*pids)
    host.write("one", SEVERE, source)
    with host.start() as hobbled:
        host.wait_in("one", *pids)
        before = {path: (os.stat(path).st_ino, h.marks(path)["since"]) for path in hobbled.subjects()}
        host.write("one", "Duty=20%", source)
        host.write("two", "Duty=50%", pid_line(pids[0]))
        host.reload()
        host.wait_in("one", *pids)
        after = {path: (os.stat(path).st_ino, h.marks(path)["since"]) for path in hobbled.subjects()}
        h.equal(before, after, "directories and since when")
        share = h.share(os.path.dirname(h.cgroup_of(pids[1])), 3)
        h.between(0.05 * os.cpu_count(), share, 0.22 * os.cpu_count(), "share of all three")


@h.test
def a_tarpit_comes_and_goes():
    host, origin = Host(), h.cgroup("origin")
    one, two = h.busy(origin), h.busy(origin)
    host.write("one", SEVERE, pid_line(one))
    with host.start() as hobbled:
        host.wait_in("one", one)
        host.write("two", MILD, pid_line(two), pid_line(one))
        host.reload()
        host.wait_in("two", two)
        host.remove("one")
        host.reload()
        host.wait_in("two", one, two)
        h.wait_until(lambda: not os.path.exists(f"{hobbled.home}/pit/one"), 5, "the pit's directory of it is gone")
        host.remove("two")
        host.reload()
        h.wait_until(lambda: {h.cgroup_of(one), h.cgroup_of(two)} == {origin}, 5, "both are released")
        host.write("two", SEVERE, pid_line(two))
        host.reload()
        host.wait_in("two", two)


@h.test
def an_error_leaves_everything_as_it_was():
    host = Host()
    pid = h.busy(h.cgroup("origin"))
    source = pid_line(pid)
    host.write("one", SEVERE, source)
    with host.start() as hobbled:
        host.wait_in("one", pid)
        path = h.cgroup_of(pid)
        host.write("one", "FrozenSec=eternity")
        host.write("two", MILD, pid_line(pid))
        host.reload("the one before stays in force")
        hobbled.wait_log(r"one\.tarpit:2: ")
        h.equal(path, h.cgroup_of(pid), "where it is")
        h.equal(1, h.hobblectl("check-config", f"--config={host.folder}").returncode, "status of check-config")
        host.write("one", SEVERE, source)
        host.remove("two")
        host.reload()
        h.equal(path, h.cgroup_of(pid), "where it is in the end")


@h.test
def exempt_in_one_tarpit_and_in_all():
    host, origin = Host(), h.cgroup("origin")
    pid, other = h.sleeper(origin), h.busy(origin)
    source = pid_line(pid, other)
    host.write("mild", MILD, pid_line(pid, other))
    host.write("severe", SEVERE, source, more="[Exempt]\nCommand=sleep\n")
    with host.start() as hobbled:
        host.wait_in("severe", other)
        hobbled.wait_log(rf"process {pid} \(sleep\): not hobbled: .*Command=sleep")
        host.write("severe", SEVERE, source)
        host.reload()
        host.wait_in("severe", pid)
        host.write("severe", SEVERE, source, more="[Exempt]\nCommand=sleep\n")
        host.reload()
        h.wait_until(lambda: h.cgroup_of(pid) == origin, 5, "it is released, as it is exempt now")
        host.wait_in("severe", other)


h.main()
