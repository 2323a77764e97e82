#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""hobbled, the real binary: what it does about SOURCEs that are wrong, and about what they should not name."""

import os
import signal
import socket
import time

import harness as h
from sources import *
from tarpits import SEVERE, Host, pid_line


@h.test
def bad_lines_are_told_and_skipped():
    a = h.sleeper()
    path = h.pidfile()
    lines = ["# a comment", f"{a} # the offender", "12a", "", "-5", "0", "99999999999999999999", f"{a} \x00\xff", "x" * 9]
    h.write(path, "\n".join(lines) + "\n")
    with h.Hobbled(path) as hobbled:
        wait_roots(hobbled, [a])
        hobbled.wait_log(r'": line 3: "12a" is not a process id; line skipped$', LONG)
        hobbled.wait_log(r'": line 5: "-5" is not a process id; line skipped$', LONG)
        hobbled.wait_log(r'": line 6: "0" is not a process id; line skipped$', LONG)
        hobbled.wait_log(r'": 3 more lines skipped$', LONG)

        # The same bad lines are no news, others are.
        for end in f"{a}\n", "":  # each all at once: half of a file is another one
            h.write(path + ".new", "\n".join(lines) + "\n" + end)
            os.rename(path + ".new", path)
        time.sleep(0.15)
        h.equal(1, len(said(hobbled, "12a")), "messages about line 3")
        h.write(path, "\n\x1b[31m\x00" + "y" * 60 + "\n")
        hobbled.wait_log(r'line 2: "\\x1b\[31m\\x00y+\.\.\." is not a process id; line skipped$', LONG)
        wait_roots(hobbled, [])


@h.test
def who_must_not_be_hobbled_is_refused():
    a = h.sleeper()
    path = h.pidfile(1, 2, os.getpid(), a)
    with h.Hobbled(path) as hobbled:
        wait_roots(hobbled, [a])
        guard = h.wait_until(hobbled.guard, LONG, "the guard")
        hobbled.wait_log(r"process 1 \(.*\) is PID 1; not hobbled$", LONG)
        hobbled.wait_log(r"process 2 \(kthreadd\) is a kernel thread; not hobbled$", LONG)
        hobbled.wait_log(rf"process {os.getpid()} \(.*\) is an ancestor of hobbled; not hobbled$", LONG)
        name_pids(path, a, hobbled.pid, guard)
        hobbled.wait_log(rf"process {hobbled.pid} \(hobbled\) is hobbled itself; not hobbled$", LONG)
        hobbled.wait_log(rf"process {guard} \(hobble-guard\) is hobbled's guard; not hobbled$", LONG)
        for _ in range(3):
            replace(path, a, hobbled.pid, guard)
            time.sleep(0.05)
        h.equal(1, len(said(hobbled, "is hobbled's guard")), "messages about the guard")
        h.equal([a], hobbled_roots(hobbled), "subjects")


@h.test
def dead_processes_are_skipped():
    a = h.sleeper()
    dead = h.spawn(["true"])
    dead.wait()
    others = [n for n in range(4194304 - 5000, 4194304) if not os.path.exists(f"/proc/{n}")]
    with h.Hobbled(h.pidfile(dead.pid, a, *others)) as hobbled:
        wait_roots(hobbled, [a])
        hobbled.wait_log(rf"process {dead.pid} does not exist; skipped$", LONG)
        hobbled.wait_log(r"\d+ more skipped: no such process$", LONG)
        h.equal(3, len(said(hobbled, r"process \d+ does not exist")), "messages")


@h.test
def a_zombie_and_a_leader_that_has_exited():
    zombie = h.spawn(["true"])
    code = ("import ctypes, threading, time\n"
            "threading.Thread(target=time.sleep, args=(1000,)).start()\n"
            "ctypes.CDLL(None).pthread_exit(None)")
    leaderless = h.spawn(["python3", "-c", code]).pid
    h.wait_until(lambda: h.state(zombie.pid) == "Z" and h.state(leaderless) == "Z", LONG, "zombies")
    with h.Hobbled(h.pidfile(zombie.pid, leaderless)) as hobbled:
        h.wait_until(lambda: h.members(hobbled.home) >= {leaderless}, LONG, "the threads are in")
        h.equal([leaderless], hobbled_roots(hobbled), "subjects")
        h.equal([], said(hobbled, "not hobbled"), "complaints")


@h.test
def who_started_after_the_file_was_written_was_not_meant():
    a, b = h.sleeper(), h.sleeper()
    path = h.pidfile(a, b)
    os.utime(path, (time.time() - 3600, time.time() - 3600))
    with h.Hobbled(path) as hobbled:
        hobbled.wait_log(rf"process {a} \(sleep\) started after the file was written, so another one was meant; "
                         "not hobbled$", LONG)
        h.equal([], hobbled_roots(hobbled), "subjects")
        name_pids(path, a)
        wait_roots(hobbled, [a])


def spawn_with_pid(pid):
    """A sleeper with this very pid, or None where others were quicker."""
    for _ in range(50):
        h.write("/proc/sys/kernel/ns_last_pid", pid - 1)
        process = h.spawn(["sleep", "1000"])
        if process.pid == pid:
            return process
        h.kill(process.pid)
        process.wait()
    return None


@h.test
def a_reused_pid_is_not_mistaken():
    if not os.access("/proc/sys/kernel/ns_last_pid", os.W_OK):
        h.skip("ns_last_pid cannot be written")
    meant = h.spawn(["sleep", "1000"])
    path = h.pidfile(meant.pid)
    os.utime(path, (time.time() + 3600, time.time() + 3600))  # so that the binding alone protects
    with h.Hobbled(path) as hobbled:
        wait_roots(hobbled, [meant.pid])
        h.kill(meant.pid)
        meant.wait()
        wait_roots(hobbled, [])
        other = spawn_with_pid(meant.pid) or h.skip("the pid went to somebody else")
        hobbled.signal(signal.SIGHUP)
        hobbled.wait_log("reading all sources again", LONG)
        os.chmod(path, 0o600)
        time.sleep(0.15)
        h.equal([], hobbled_roots(hobbled), "subjects")

        # Named anew, it is meant.
        replace(path, other.pid)
        wait_roots(hobbled, [other.pid])


def unfit(path, pattern, *arguments):
    """hobbled says this about the path, once, and goes on with another source."""
    a = h.sleeper()
    with h.Hobbled(path, h.pidfile(a), QUICK, *arguments) as hobbled:
        hobbled.wait_log(rf'^hobbled: source ".*": {pattern}$', LONG)
        wait_roots(hobbled, [a])
        hobbled.signal(signal.SIGHUP)
        hobbled.wait_log("reading all sources again", LONG)
        time.sleep(0.1)
        h.equal(1, len(said(hobbled, pattern)), "messages")


@h.test
def what_is_no_file_is_refused():
    fifo, sock = new_path("fifo"), new_path("socket")
    os.mkfifo(fifo)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sock)
    unfit(fifo, "is a FIFO, not a file of pids; nothing is hobbled for it")
    unfit("/dev/zero", "is a character device, not a file of pids; nothing is hobbled for it")
    unfit(sock, "is a socket, not a file of pids; nothing is hobbled for it")
    listener.close()


@h.test
def a_number_in_another_file_of_a_cgroup_is_no_pid():
    a = h.sleeper()
    group = h.cgroup("limits")
    h.write(f"{group}/cgroup.max.descendants", a)
    unfit(f"{group}/cgroup.max.descendants",
          "is a file of a cgroup, but not the list of its members; nothing is hobbled for it")
    h.check("/hobbled-" not in h.cgroup_of(a), "whose pid it would be is not hobbled")


@h.test
def cgroup_names_no_file_of_pids():
    a, b = h.sleeper(), h.sleeper()
    directory = new_path("directory")
    os.mkdir(directory)
    name_pids(f"{directory}/tasks", a)
    host = Host()
    host.write("files", SEVERE, f"Cgroup={h.pidfile(a)}", f"Cgroup={directory}", pid_line(b))
    with host.start() as hobbled:
        hobbled.wait_log("is a file, not a cgroup: name it with PIDFile=; nothing is hobbled for it$", LONG)
        hobbled.wait_log("is a directory, not a cgroup; nothing is hobbled for it$", LONG)
        wait_roots(hobbled, [b])
        time.sleep(2 * CHECK)
        h.equal([b], hobbled_roots(hobbled), "subjects")


@h.test
def huge_and_binary_files():
    huge = new_path("huge")
    with open(huge, "wb") as f:
        f.truncate(100 * 1000 * 1000)
    unfit(huge, "is larger than 4 MiB, not a file of pids; nothing is hobbled for it")
    with open(huge, "wb") as f:
        f.write(os.urandom(65536) * 60)
    a = h.sleeper()
    with h.Hobbled(huge, h.pidfile(a)) as hobbled:
        hobbled.wait_log("more lines? skipped$", LONG)
        wait_roots(hobbled, [a])
        h.check(len(hobbled.log().splitlines()) < 20, f"few messages:\n{hobbled.log()}")


@h.test
def a_file_of_somebody_else_is_refused():
    a = h.sleeper()
    for mode, owner, pattern in ((0o666, 0, r"can be written by others than its owner \(mode 0666\)"),
                                 (0o620, 0, r"can be written by others than its owner \(mode 0620\)"),
                                 (0o600, 65534, "belongs to user 65534, who could have anybody hobbled")):
        path = h.pidfile(a)
        os.chmod(path, mode)
        os.chown(path, owner, 0)
        with h.Hobbled(path) as hobbled:
            hobbled.wait_log(rf"{pattern}; nothing is hobbled for it$", LONG)
            os.chown(path, 0, 0)
            os.chmod(path, 0o644)
            wait_roots(hobbled, [a])
            hobbled.wait_log("is in order now, with 1 process id$", LONG)


@h.test
def a_running_tarpit_keeps_its_last_good_state():
    a = h.sleeper()
    path = h.pidfile(a)
    with h.Hobbled(path, QUICK) as hobbled:
        wait_roots(hobbled, [a])
        os.chmod(path, 0o666)
        hobbled.wait_log(r"mode 0666\); what it named before stays hobbled$", LONG)
        os.chmod(path, 0o644)
        hobbled.wait_log("is in order now", LONG)
        with open(path, "ab") as f:
            f.truncate(5 << 20)
        hobbled.wait_log("is larger than 4 MiB, not a file of pids; what it named before stays hobbled$", LONG)
        os.unlink(path)
        os.mkfifo(path)
        hobbled.wait_log("is a FIFO, not a file of pids; what it named before stays hobbled$", LONG)
        time.sleep(2 * CHECK)
        h.equal([a], hobbled_roots(hobbled), "subjects")
        os.unlink(path)
        name_pids(path, a)
        hobbled.wait_log(r"(?s)FIFO.*is in order now", LONG)
        h.equal([], said(hobbled, "released"), "releases")


h.main()
