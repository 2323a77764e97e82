#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""hobbled, the real binary: which trees its SOURCEs have it hobble, and how soon."""

import os
import re
import signal
import statistics
import time

import harness as h
from sources import *


# -- Files that change ----------------------------------------------------------------------------------------

@h.test
def a_file_is_followed():
    home = h.cgroup("origin")
    a, b, c = (h.sleeper(home) for _ in range(3))
    path = h.pidfile(a)
    with h.Hobbled(path) as hobbled:
        hobbled.wait_log(rf"instance {hobbled.instance}: hobbling 1 source at 250ms/10ms \(3.85 %\)$", LONG)
        wait_roots(hobbled, [a])
        name_pids(path, a, b, b, c)
        wait_roots(hobbled, [a, b, c])
        name_pids(path, c)
        wait_roots(hobbled, [c])
        wait_home(a, home)
        wait_home(b, home)
        h.kill(c)
        hobbled.wait_log(rf"process {c}: ended$", LONG)
        wait_roots(hobbled, [])
        name_pids(path, c, a)
        wait_roots(hobbled, [a])
        h.equal([], said(hobbled, rf"process {b}:? .*not"), "complaints")
    h.equal(0, hobbled.process.returncode, "exit status")
    wait_home(a, home)


@h.test
def changes_are_seen_soon():
    path = h.pidfile()
    pids = [h.sleeper() for _ in range(20)]
    seconds = []
    with h.Hobbled(path) as hobbled:
        hobbled.wait_log("hobbling 1 source", LONG)
        for i, pid in enumerate(pids):
            begin = time.monotonic()
            (name_pids if i % 2 else replace)(path, *pids[:i + 1])
            wait_in(pid, hobbled)
            seconds.append(time.monotonic() - begin)
            time.sleep(0.04)
    h.between(0, statistics.median(seconds), 0.15, "median of 20 changes until the process is in, in seconds")


@h.test
def each_way_of_changing_a_file():
    a, b = h.sleeper(), h.sleeper()
    path = h.pidfile(a)
    target = h.pidfile(a)
    link = new_path("link")
    os.symlink(target, link)
    with h.Hobbled(path, link) as hobbled:
        wait_roots(hobbled, [a])
        for way in (lambda *p: replace(path, *p), lambda *p: name_pids(path, *p), lambda *p: name_pids(target, *p),
                    lambda *p: replace(target, *p)):
            way(a, b)
            wait_roots(hobbled, [a, b])
            way(a)
            wait_roots(hobbled, [a])
        with open(path, "a", encoding="utf-8") as f:
            f.write(f"{b}\n")
        wait_roots(hobbled, [a, b])
        name_pids(path, a)
        wait_roots(hobbled, [a])

        # The link leads elsewhere.
        os.symlink(h.pidfile(b), link + ".new")
        os.rename(link + ".new", link)
        wait_roots(hobbled, [a, b])


@h.test
def a_file_that_is_made_anew_releases_nobody():
    a = h.sleeper()
    path = h.pidfile(a)
    with h.Hobbled(path, "--check=1s") as hobbled:
        wait_roots(hobbled, [a])
        for _ in range(5):
            os.unlink(path)
            time.sleep(0.05)
            name_pids(path, a)
            time.sleep(0.05)
            h.write(path, "")
            name_pids(path, a)
        wait_roots(hobbled, [a])
        h.equal([], said(hobbled, "released"), "releases")


@h.test
def a_file_that_is_gone_for_good_releases_all():
    home = h.cgroup("origin")
    a = h.sleeper(home)
    path = h.pidfile(a)
    with h.Hobbled(path, QUICK) as hobbled:
        wait_roots(hobbled, [a])
        begin = time.monotonic()
        os.unlink(path)
        wait_home(a, home)
        h.between(CHECK * 0.9, time.monotonic() - begin, LONG, "seconds until the release")
        hobbled.wait_log(r"has been gone for 300ms; what it named is released; waiting for it$")
        name_pids(path, a)
        wait_roots(hobbled, [a])


@h.test
def what_is_missing_is_waited_for():
    a, b, c = (h.sleeper() for _ in range(3))
    directory = new_path("later")
    empty = h.pidfile()
    with h.Hobbled(f"{directory}/deep/x.pids", f"{directory}/y", empty) as hobbled:
        hobbled.wait_log(r'^hobbled: source ".*x.pids": does not exist; waiting for it$', LONG)
        os.makedirs(f"{directory}/deep")
        replace(f"{directory}/deep/x.pids", a)
        os.mkdir(f"{directory}/y")
        name_pids(f"{directory}/y/tasks", b)
        name_pids(empty, c)
        wait_roots(hobbled, [a, b, c])
        h.equal(1, len(said(hobbled, r'x.pids": does not exist')), "messages about the missing file")


@h.test
def a_directory_of_any_kind_will_do():
    a, b = h.sleeper(), h.sleeper()
    directory = new_path("tarpit")
    os.mkdir(directory)
    with h.Hobbled(directory) as hobbled:
        hobbled.wait_log(r"is a directory without cgroup.procs and tasks; waiting for it$", LONG)
        name_pids(f"{directory}/tasks", a)
        wait_roots(hobbled, [a])
        name_pids(f"{directory}/tasks", a, b)
        wait_roots(hobbled, [a, b])

        # cgroup.procs is read where it is there.
        name_pids(f"{directory}/cgroup.procs", b)
        wait_roots(hobbled, [b])
        name_pids(f"{directory}/cgroup.procs", a)
        wait_roots(hobbled, [a])


@h.test
def a_half_written_line_hobbles_no_stranger():
    stranger, other = h.sleeper(), h.sleeper()
    path = h.pidfile()
    with h.Hobbled(path) as hobbled:
        hobbled.wait_log("hobbling 1 source", LONG)
        tries = 0
        for _ in range(20):
            with open(path, "w", encoding="utf-8") as f:
                last = time.monotonic()
                longest = 0.0
                for text in (str(stranger), "0", "0", "0", "0", "0", f"\n{other}\n"):
                    f.write(text)
                    f.flush()
                    longest = max(longest, time.monotonic() - last)
                    last = time.monotonic()
                    time.sleep(0.008)
            wait_in(other, hobbled)
            if longest > 0.018:
                break  # a machine that is too slow to tell
            tries += 1
            h.equal([], said(hobbled, rf"process {stranger} "), "messages about the stranger")
            name_pids(path)
            wait_roots(hobbled, [])
        h.note(f"{tries} tries")

        # Left as it is, such a line counts.
        h.write(path, f"{other}")
        wait_roots(hobbled, [other])


@h.test
def a_process_names_itself():
    path = h.pidfile()
    with h.Hobbled(path) as hobbled:
        child = h.spawn(["sh", "-c", f"echo $$ >{path}; exec sleep 1000"])
        wait_roots(hobbled, [child.pid])


# -- Trees ----------------------------------------------------------------------------------------------------

@h.test
def only_the_top_level_trees():
    home = h.cgroup("origin")
    root = h.spawn(["sh", "-c", "(sleep 1000 & sleep 1000) & (sleep 1000 & sleep 1000) & wait"], home).pid
    h.wait_until(lambda: len(h.descendants(root)) == 4, LONG, "the tree is complete")
    part = next(p for p in h.children(root) if h.children(p))
    below = h.children(part)[0]
    path = h.pidfile(root, part, below)
    with h.Hobbled(path) as hobbled:
        wait_roots(hobbled, [root])
        for pid in [root, *h.descendants(root)]:
            wait_in(pid, hobbled)
        name_pids(path, below)  # the whole is released, and then a part of it hobbled
        wait_roots(hobbled, [below])
        wait_home(part, home)
        name_pids(path, below, root)
        wait_roots(hobbled, [root])
        name_pids(path, part, root)
        wait_roots(hobbled, [root])
        name_pids(path, part)
        wait_roots(hobbled, [part])
        h.equal([], said(hobbled, "not hobbled"), "complaints")
    for pid in [root, *h.descendants(root)]:
        wait_home(pid, home)


@h.test
def a_member_that_left_its_ancestors_still_belongs():
    root = h.spawn(["sh", "-c", "(setsid sleep 1000 & sleep 0.5) & wait; exec sleep 1000"]).pid
    h.wait_until(lambda: len(h.descendants(root)) >= 2, LONG, "the tree is complete")
    path = h.pidfile(root)
    with h.Hobbled(path) as hobbled:
        wait_roots(hobbled, [root])
        h.wait_until(lambda: not h.children(root), LONG, "the child between has ended")
        # It is a shell until it has called exec.
        member = h.wait_until(lambda: next((p for p in h.members(hobbled.home) if p != root and
                                            h.read(f"/proc/{p}/comm") == "sleep\n"), None), LONG, "the member sleeps")
        name_pids(path, root, member)
        hobbled.signal(signal.SIGHUP)
        hobbled.wait_log("reading all sources again", LONG)
        time.sleep(0.1)
        h.equal([root], hobbled_roots(hobbled), "subjects")
        h.equal([], said(hobbled, "not hobbled"), "complaints")


@h.test
def a_thread_id_counts_as_its_process():
    code = "import threading,time; threading.Thread(target=time.sleep, args=(1000,)).start(); time.sleep(1000)"
    pid = h.spawn(["python3", "-c", code]).pid
    h.wait_until(lambda: len(h.entries(f"/proc/{pid}/task")) == 2, LONG, "the thread")
    thread = next(t for t in h.entries(f"/proc/{pid}/task") if int(t) != pid)
    with h.Hobbled(h.pidfile(thread)) as hobbled:
        wait_roots(hobbled, [pid])


@h.test
def several_sources_add_up():
    home = h.cgroup("origin")
    a, b = h.sleeper(home), h.sleeper(home)
    one, two = h.pidfile(a), h.pidfile(a, b)
    with h.Hobbled(one, two) as hobbled:
        hobbled.wait_log("hobbling 2 sources", LONG)
        wait_roots(hobbled, [a, b])
        name_pids(one)
        name_pids(two, a)
        wait_roots(hobbled, [a])
        name_pids(two)
        wait_roots(hobbled, [])
        wait_home(a, home)


h.main()
