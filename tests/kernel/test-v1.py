#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""cgroup v1: tarpits of it, whose members are hobbled in the v2 hierarchy and keep their v1 groups; and hosts that have
nothing else mounted, or cannot have anything else.

What is mounted here is mounted in a mount namespace of the test's own.
"""

import contextlib
import ctypes
import errno
import json
import os
import re
import subprocess
import sys
import time

import harness as h
from tarpits import Host
from failopen import by_way_of
from sources import *

CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000
_libc = ctypes.CDLL(None, use_errno=True)


# -- Hierarchies ----------------------------------------------------------------------------------------------

def mounted(kind):
    """Where the v1 hierarchy with this controller is mounted, None: nowhere."""
    for line in h.read("/proc/self/mountinfo").splitlines():
        left, right = line.split(" - ")
        fs, _, options = right.split()
        if fs == "cgroup" and kind in options.split(",") and os.access(left.split()[4], os.W_OK):
            return left.split()[4]
    return None


class Mount:
    """A hierarchy, mounted in the namespace of the test's own; a skip where the kernel will not."""

    def __init__(self, name):
        self.path, self._name = new_path("mount"), name
        os.mkdir(self.path)
        if self._mount() < 0:
            h.skip(f"cgroup v1 with {name} is not mounted, and cannot be: {os.strerror(ctypes.get_errno())}")
        h.undo(self.end)

    def _mount(self):
        options = f"none,{self._name}" if self._name.startswith("name=") else self._name
        return _libc.mount(b"none", self.path.encode(), b"cgroup", 0, options.encode())

    def end(self):
        """The kernel forgets a hierarchy, in a moment, when the last of it is unmounted, unless there was a directory in
        it just before: such a one would stay in every process's list for good."""
        def listed():
            return f":{self._name}:" in h.read("/proc/self/cgroup")

        def gone():
            if os.path.ismount(self.path) and _libc.umount2(self.path.encode(), 0) < 0:
                return False
            with contextlib.suppress(h.Failure):
                h.wait_until(lambda: not listed(), 0.5, "")
            if listed():
                self._mount()  # so that there is one to be unmounted last
                return False
            return True

        h.wait_until(gone, LONG, f"the kernel has forgotten the hierarchy {self._name}")


class V1:
    """A directory of the test's own in a v1 hierarchy, kind: its controller, or "named"."""

    def __init__(self, kind):
        there = None if kind == "named" else mounted(kind)
        self._mount = None if there else Mount(f"name=hobble-test-{os.getpid()}" if kind == "named" else kind)
        self._root = there or self._mount.path
        self.top = os.path.join(self._root, f"hobble-test-{os.getpid()}")

    def __enter__(self):
        h.undo(self._remove)
        os.mkdir(self.top)
        return self

    def __exit__(self, *_):
        self._remove()

    def _remove(self):
        for path, _, _ in os.walk(self.top, topdown=False):
            self._empty(path)
            os.rmdir(path)
        if self._mount:
            self._mount.end()
            self._mount = None

    def _empty(self, path):
        def empty():
            for pid in h.read(f"{path}/cgroup.procs").split():
                with contextlib.suppress(OSError):
                    h.write(f"{self._root}/cgroup.procs", pid)
            return not h.read(f"{path}/tasks")

        h.wait_until(empty, LONG, f"{path} is empty")

    def group(self, name):
        path = os.path.join(self.top, name)
        os.makedirs(path, exist_ok=True)
        return path


def v1_groups(pid):
    """Where the process is in all v1 hierarchies."""
    return [line for line in h.read(f"/proc/{pid}/cgroup").splitlines() if not line.startswith("0::")]


def put(pid, group, file="cgroup.procs"):
    h.write(os.path.join(group, file), pid)


def subject_of(pid, hobbled):
    wait_in(pid, hobbled)
    return h.cgroup_of(pid)


# -- Tarpits of cgroup v1 -------------------------------------------------------------------------------------

def is_followed(kind):
    home = h.cgroup("origin")
    a, b = h.busy(home), h.sleeper(home)
    with V1(kind) as v1:
        tarpit, free = v1.group("tarpit"), v1.group("free")
        put(a, tarpit, "tasks")
        before = v1_groups(a)
        with h.Hobbled(tarpit, QUICK) as hobbled:
            wait_roots(hobbled, [a])
            wait_cycles(subject_of(a, hobbled))
            put(b, tarpit)
            wait_roots(hobbled, [a, b])
            h.equal((before, before), (v1_groups(a), v1_groups(b)), "v1 groups while hobbled")
            put(a, free)
            elsewhere = v1_groups(a)
            wait_roots(hobbled, [b])
            wait_home(a, home)
            h.equal(elsewhere, v1_groups(a), "v1 groups of who left")
            put(a, tarpit)
            wait_roots(hobbled, [a, b])
        h.equal((home, home), (h.cgroup_of(a), h.cgroup_of(b)), "where they are at the end")
        h.equal((before, before), (v1_groups(a), v1_groups(b)), "v1 groups at the end")


def register(kind):
    def test():
        is_followed(kind)

    test.__name__ = f"a_{kind}_tarpit_is_followed"
    h.test(test)


for each in "cpu", "cpuacct", "memory", "freezer", "named":
    register(each)


@h.test
def groups_within_a_tarpit_belong_to_it():
    """Its limits hold for them, too."""
    home = h.cgroup("origin")
    a, b, c = h.busy(home), h.busy(home), h.busy(home)
    with V1("named") as v1:
        tarpit, inner, deep = v1.group("tarpit"), v1.group("tarpit/inner"), v1.group("tarpit/inner/de ep")
        for pid, group in ((a, tarpit), (b, inner), (c, deep)):
            put(pid, group)
        with h.Hobbled(tarpit, QUICK) as hobbled:
            wait_roots(hobbled, [a, b, c])
            since = h.marks(h.cgroup_of(c))["since"]
            # Within it nobody is released.
            put(c, v1.group("tarpit/later/and/later"))
            put(b, tarpit)
            os.rmdir(deep)
            os.rmdir(inner)
            time.sleep(2 * CHECK)
            wait_roots(hobbled, [a, b, c])
            h.equal(since, h.marks(h.cgroup_of(c))["since"], "since when one of them is hobbled")
            put(c, v1.group("free"))
            wait_roots(hobbled, [a, b])
            wait_home(c, home)


@h.test
def a_list_by_its_name_is_of_that_group_alone_and_a_glob_takes_each():
    a, b, c = h.sleeper(), h.sleeper(), h.sleeper()
    with V1("named") as v1:
        tarpit = v1.group("tarpit")
        put(a, tarpit)
        put(b, v1.group("tarpit/one"))
        for name in "tasks", "cgroup.procs":
            with h.Hobbled(f"{tarpit}/{name}", QUICK) as hobbled:
                wait_roots(hobbled, [a])
                time.sleep(2 * CHECK)
                wait_roots(hobbled, [a])
        host = Host()
        host.write("pool", "Duty=10%", f"Cgroup={tarpit}/*")
        with host.start() as hobbled:
            wait_roots(hobbled, [b])
            put(c, v1.group("tarpit/two"))
            wait_roots(hobbled, [b, c])
            put(b, tarpit)
            os.rmdir(f"{tarpit}/one")
            wait_roots(hobbled, [c])


@h.test
def a_process_belongs_where_one_of_its_threads_does():
    code = "import threading,time; threading.Thread(target=time.sleep, args=(1000,)).start(); time.sleep(1000)"
    pid = h.spawn([sys.executable, "-c", code]).pid
    h.wait_until(lambda: len(h.entries(f"/proc/{pid}/task")) == 2, LONG, "the thread")
    thread = next(t for t in h.entries(f"/proc/{pid}/task") if int(t) != pid)
    with V1("named") as v1:
        tarpit = v1.group("tarpit")
        with h.Hobbled(tarpit, QUICK) as hobbled:
            put(thread, tarpit, "tasks")
            wait_roots(hobbled, [pid])
            put(thread, v1.group("free"), "tasks")
            wait_roots(hobbled, [])


@h.test
def a_v1_tarpit_goes_and_comes_back():
    home = h.cgroup("origin")
    a = h.sleeper(home)
    with V1("named") as v1:
        tarpit = os.path.join(v1.top, "tarpit")
        with h.Hobbled(tarpit, QUICK) as hobbled:
            hobbled.wait_log("does not exist; waiting for it$", LONG)
            for _ in range(2):
                put(a, v1.group("tarpit"))
                wait_roots(hobbled, [a])
                put(a, v1.group("free"))
                os.rmdir(tarpit)
                wait_roots(hobbled, [])
                wait_home(a, home)


@h.test
def who_is_frozen_by_the_v1_freezer_stays_so():
    """hobbled neither thaws them nor is it held up, and they are home when it ends."""
    home = h.cgroup("origin")
    a = h.busy(home)
    with V1("freezer") as v1:
        tarpit = v1.group("tarpit")
        put(a, tarpit)
        h.write(f"{tarpit}/freezer.state", "FROZEN")
        h.wait_until(lambda: h.read(f"{tarpit}/freezer.state") == "FROZEN\n", LONG, "it is frozen")
        try:
            ran = h.cpu_usec_of(a)
            with h.Hobbled(tarpit, QUICK) as hobbled:
                wait_roots(hobbled, [a])
                time.sleep(2 * CHECK)
            h.equal(home, h.cgroup_of(a), "where it is at the end")
            h.equal(ran, h.cpu_usec_of(a), "what it ran")
            h.equal("FROZEN\n", h.read(f"{tarpit}/freezer.state"), "its state")
        finally:
            h.write(f"{tarpit}/freezer.state", "THAWED")
        h.wait_until(lambda: h.cpu_usec_of(a) > ran, LONG, "thawed by whoever froze it, it runs")


# -- Hosts without cgroup2 ------------------------------------------------------------------------------------

NO_CGROUP2 = """#!/bin/sh -e
while where=$(findmnt -n -t cgroup2 -o TARGET | tail -n 1) && [ "$where" ]; do umount -l "$where"; done
! grep -q cgroup2 /proc/self/mounts
exec "$@"
"""
# What the kernel says to fsopen(): a filter for this process and those that it starts.
REFUSING = """#!/usr/bin/env python3
import ctypes, os, struct, sys
rules = [(0x20, 0, 0, 0), (0x15, 0, 1, 430), (0x06, 0, 0, 0x00050000 | int(sys.argv[1])), (0x06, 0, 0, 0x7fff0000)]
rules = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *r) for r in rules))
program = ctypes.create_string_buffer(struct.pack("HL", 4, ctypes.addressof(rules)))
libc = ctypes.CDLL(None)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0):
    sys.exit("no seccomp")
os.execv(sys.argv[2], sys.argv[2:])
"""


def script(text):
    path = new_path("script")
    h.write(path, text)
    os.chmod(path, 0o755)
    return path


@contextlib.contextmanager
def host_without_cgroup2(*then):
    """hobbled and hobblectl are run where no cgroup2 is mounted, and by way of this command."""
    way = ["unshare", "--mount", script(NO_CGROUP2), *then]
    with by_way_of(*way), by_way_of(*way, variable="HOBBLECTL"):
        yield


@h.test
def a_host_without_cgroup2_mounted():
    home = h.cgroup("origin")
    root = h.busy_tree(home)
    tree = [root, *h.descendants(root)]
    path = h.pidfile(root)
    with host_without_cgroup2():
        with h.Hobbled(path, QUICK) as hobbled:
            wait_cycles(subject_of(root, hobbled))
            listed = json.loads(h.hobblectl("list", "--json", "--output=PID,STATE,INSTANCE").stdout)["subjects"]
            h.check(root in [e["pid"] for e in listed], f"it is listed: {listed}")
            name_pids(path)
            for pid in tree:
                wait_home(pid, home)
            name_pids(path, root)
            wait_cycles(subject_of(root, hobbled), 1)
        for pid in tree:
            h.equal(home, h.cgroup_of(pid), "where it is when hobbled has ended")


@h.test
def a_v1_tarpit_on_a_host_without_cgroup2_mounted():
    home = h.cgroup("origin")
    a = h.busy(home)
    with V1("named") as v1, host_without_cgroup2():
        tarpit = v1.group("tarpit")
        put(a, tarpit)
        before = v1_groups(a)
        with h.Hobbled(tarpit, QUICK) as hobbled:
            wait_cycles(subject_of(a, hobbled))
            h.equal(before, v1_groups(a), "its v1 groups")
            put(a, v1.group("free"))
            wait_home(a, home)


@h.test
def killed_on_a_host_without_cgroup2_mounted():
    home = h.cgroup("origin")
    root = h.busy_tree(home)
    tree = [root, *h.descendants(root)]

    def all_home():
        h.wait_until(lambda: all(h.cgroup_of(pid) == home for pid in tree), LONG, "all are home")
        h.equal([], h.anything_frozen(home), "what is frozen")
        h.wait_until(lambda: not os.path.exists(hobbled.home), LONG, "nothing is left")

    with host_without_cgroup2():
        with h.Hobbled(h.pidfile(root), QUICK) as hobbled:
            wait_cycles(subject_of(root, hobbled), 1)
            hobbled.signal(9)
            all_home()
        for _ in range(5):
            with h.Hobbled(h.pidfile(root), QUICK) as hobbled:
                wait_cycles(subject_of(root, hobbled), 1)
                hobbled.die_with_guard()
                listed = h.hobblectl("list", "--output=SUBJECT,STATE,INSTANCE").stdout
                rescued = h.hobblectl("rescue", hobbled.instance)
                all_home()
            if rescued.returncode != 3:
                break
            h.note("any hobbled that starts rescues it: somebody else's was faster")
        h.check(re.search(rf"^{root} +orphaned +{hobbled.instance}$", listed, re.M), listed)
        h.equal((0, "rescued 1 subject (4 processes) of 1 instance\n"), (rescued.returncode, rescued.stdout), "rescue")


@h.test
def run_on_a_host_without_cgroup2_mounted():
    with host_without_cgroup2():
        done = h.hobblectl("run", "--", "sh", "-c", "cat /proc/self/cgroup; exit 7")
        h.equal(7, done.returncode, f"its exit status ({done.stderr})")
        h.check(re.search(r"^0::/hobbled-run-\d+/pit/", done.stdout, re.M), f"it was hobbled: {done.stdout}")


def is_not_supported(why):
    """All that need it say why, and what of it is meant for whom."""
    why = re.escape(why) + (r"; the freezer of cgroup v1 is not supported, as what it has frozen cannot be killed "
                            r'\(see "cgroup v1" in hobbled\(8\)\)$')
    with h.Hobbled(h.pidfile(), QUICK) as hobbled:
        h.equal(1, hobbled.process.wait(LONG), "exit status of hobbled")
        h.check(re.search(rf"^hobbled: cannot start: {why}", hobbled.log(), re.M), hobbled.log())
    for verb, status, before in ((["list"], 1, "cannot list what is hobbled"), (["rescue"], 1, "the rescue failed"),
                                 (["run", "--", "true"], 125, ".*it cannot be hobbled")):
        done = h.hobblectl(*verb)
        h.equal(status, done.returncode, f"exit status of {verb}")
        h.check(re.search(rf"^hobblectl: {before}: {why}", done.stderr, re.M), f"{verb}: {done.stderr}")


@h.test
def a_kernel_without_cgroup2():
    for error in errno.ENODEV, errno.ENOSYS:
        with host_without_cgroup2(script(REFUSING), str(error)):
            if subprocess.run([script(REFUSING), "1", "/bin/true"], capture_output=True, check=False).returncode:
                h.skip("the kernel has no seccomp")
            is_not_supported("this kernel has no cgroup v2 with a freezer: Linux 5.7 or later is needed")


@h.test
def who_may_not_mount_cgroup2():
    """As root of a user namespace, like that of a container."""
    with host_without_cgroup2("unshare", "--user", "--map-root-user"):
        if subprocess.run(["unshare", "--user", "true"], capture_output=True, check=False).returncode:
            h.skip("no user namespaces here")
        is_not_supported("cgroup v2 is mounted nowhere, and mounting it is not permitted here: run it as root, or in a "
                         "container have the host mount it at /sys/fs/cgroup/unified")


if os.geteuid() == 0 and (_libc.unshare(CLONE_NEWNS) or _libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None)):
    sys.exit("no mount namespace of its own")
h.main()
