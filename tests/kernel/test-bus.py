#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The objects of org.hobbled1 over hobbled's own socket, as clients see them that nobody here wrote: busctl and
python3-dbus. Wrong types, long arrays, names with control characters, floods, clients that do not read, and users without
privilege."""

import contextlib
import ctypes
import itertools
import os
import re
import select
import signal
import socket
import struct
import sys
import time

import bus as client
import harness as h
from bus import MANAGER, NAME, PATH, SUBJECT, TARPIT

try:
    import dbus
    import dbus.connection
except ImportError:
    # It comes with the distribution's own interpreter.
    if os.path.realpath(sys.executable) != os.path.realpath("/usr/bin/python3") and os.path.exists("/usr/bin/python3"):
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
    dbus = None

NOBODY = 65534
SANITIZED = os.environ.get("HOBBLE_SANITIZERS", "none") != "none"  # what is freed is kept for a while then
_counter = itertools.count(1)
LOGIN = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n"


@contextlib.contextmanager
def bus(*pids, arguments=()):
    """A hobbled with a socket: (hobbled, path of the socket)."""
    path = os.path.join(h.scratch(), f"bus-{next(_counter)}")
    os.chmod(h.scratch(), 0o755)
    with h.Hobbled(f"--bus-socket={path}", *arguments, h.pidfile(*pids)) as hobbled:
        h.wait_until(lambda: os.path.exists(path), 5, "the socket is there")
        h.wait_until(lambda: hobbled.process.poll() is None and value(path, "Subjects") == len(pids), 5, "all are hobbled")
        yield hobbled, path


def busctl(path, *arguments, uid=0, status=0):
    """Run busctl on the socket; its output, or what it says where it is to fail."""
    done = client.busctl(path, *arguments, user=uid)
    h.equal(status, done.returncode, f"{done.args}: {done.stdout}{done.stderr}")
    return done.stderr if status else done.stdout


def call(path, member, *arguments, **options):
    return busctl(path, "call", NAME, PATH, MANAGER, member, *arguments, **options)


def value(path, name, obj=PATH, interface=MANAGER):
    """A number among the properties."""
    return int(busctl(path, "get-property", NAME, obj, interface, name).split()[1])


def values(path, name):
    """Numbers, the property being an array of them."""
    return [int(n) for n in busctl(path, "get-property", NAME, PATH, MANAGER, name).split()[2:]]


def connect(path):
    if not dbus:
        h.skip("python3-dbus is not installed")
    return dbus.connection.Connection(f"unix:path={path}")


@h.test
def it_introspects_and_lists():
    pid = h.sleeper(h.cgroup("o"))
    with bus(pid) as (hobbled, path):
        tree = busctl(path, "tree", NAME)
        h.check("/org/hobbled1/tarpit/command_2dline" in tree and "/org/hobbled1/subject/_31" in tree, tree)
        for obj, interface, methods in ((PATH, MANAGER, 15), (f"{PATH}/tarpit/command_2dline", TARPIT, 4),
                                        (f"{PATH}/subject/_31", SUBJECT, 1)):
            said = busctl(path, "introspect", "--xml-interface", NAME, obj)
            own = re.search(rf'<interface name="{interface}">(.*?)</interface>', said, re.S)[1]
            h.equal(methods, own.count("<method"), f"methods of {interface}")
            h.check("<arg" in own and not re.search(r"<arg (?!.*name=)", own), f"each argument has a name:\n{own}")
            busctl(path, "introspect", NAME, obj)  # reads each property
        listed = call(path, "ListSubjects", "s", "")
        h.check(f'"command-line" "{pid}" "sleep" {pid} 0 "thawed"' in listed, listed)
        h.check('"command-line" "" 250000 10000 false false 1' in call(path, "ListTarpits"), "ListTarpits")
        h.check('"/org/hobbled1/subject/_31"' in call(path, "GetSubjectByPID", "u", pid), "GetSubjectByPID")
        h.check('"/org/hobbled1/subject/_31"' in call(path, "GetSubject", "s", pid), "GetSubject")
        h.check("command_2dline" in call(path, "GetTarpit", "s", "command-line"), "GetTarpit")
        h.check('"Verdict" s "hobbled"' in call(path, "Explain", "u", pid), "Explain")
        h.check('"already"' in call(path, "Preview", "sst", pid, "", 0), "Preview")
        h.equal(hobbled.pid, value(path, "PID"), "PID")


@h.test
def it_hobbles_releases_and_pauses():
    first, second = h.sleeper(h.cgroup("o")), h.sleeper(h.cgroup("p"))
    with bus(first) as (_, path):
        h.equal('s "1"', call(path, "Hobble", "sstt", second, "", 0, 0).strip(), "the request")
        h.wait_until(lambda: "manual" in call(path, "ListSubjects", "s", ""), 5, "it is hobbled")
        h.check('"1" "hobble"' in call(path, "ListRequests"), "the request is listed")
        call(path, "Pause", "st", "manual", 0)
        paused = f"{PATH}/tarpit/manual"
        h.equal("b true", busctl(path, "get-property", NAME, paused, TARPIT, "Paused").strip(), "paused")
        busctl(path, "call", NAME, paused, TARPIT, "Resume", "t", 0)
        h.equal("u 1", call(path, "Release", "sstt", second, "", 0, 0).strip(), "released")
        h.wait_until(lambda: value(path, "Subjects") == 1, 5, "it is free")
        busctl(path, "call", NAME, f"{PATH}/subject/_31", SUBJECT, "Release", "tt", 0, 0)
        h.wait_until(lambda: value(path, "Subjects") == 0, 5, "nobody is hobbled")
        call(path, "Reload")


@h.test
def what_makes_no_sense_is_refused():
    with bus(h.sleeper(h.cgroup("o"))) as (_, path):
        for wrong in (("Hobble", "s", "1"), ("Explain", "s", "1"), ("ListSubjects",), ("Pause", "ss", "x", "y"),
                      ("Set", "as", 1, "x"), ("NoSuch",)):
            call(path, *wrong, status=1)
        h.check("Flags" in call(path, "Hobble", "sstt", "1", "", 0, 8, status=1), "unknown flags")
        h.check("not hobbled" in call(path, "GetSubject", "s", "\x1b[31mx", status=1), "no such subject")
        h.check("\\x1b" in call(path, "Hobble", "sstt", "\x1b[31m\n", "", 0, 0, status=1), "what is said is escaped")
        h.check("longer" in call(path, "Hobble", "sstt", "x" * 5000, "", 0, 0, status=1), "a long name")
        many = ["FrozenSec=1s"] * 5000
        h.check("More than 64" in call(path, "Set", "sast", "x", len(many), *many, 0, status=1), "a long array")
        call(path, "Explain", "u", 0, status=1)
        call(path, "Explain", "u", 2 ** 32 - 1, status=1)
        busctl(path, "get-property", NAME, f"{PATH}/subject/_399", SUBJECT, "Id", status=1)
        busctl(path, "get-property", NAME, f"{PATH}/tarpit/_zz", TARPIT, "Name", status=1)
        h.equal(1, value(path, "Subjects"), "it goes on")


@h.test
def names_stay_as_they_are():
    """control characters, and what is no UTF-8 or refused by clients, in a process's name"""
    program = os.path.join(h.scratch().encode(), b"a\x1b[1m\xff\xef\xbf\xbe\tb")
    os.symlink("/bin/sleep", program)
    victim = h.spawn([program, "1000"], h.cgroup("o"))
    with bus(victim.pid) as (_, path):
        manager = connect(path).get_object(None, PATH, introspect=False)
        row = manager.ListSubjects("", dbus_interface=MANAGER)[0]
        h.equal("a\x1b[1m\\xff\\xef\\xbf\\xbe\tb", str(row[3]), "the command")
        facts, text = manager.Explain(dbus.UInt32(victim.pid), dbus_interface=MANAGER)
        h.check("\x1b" not in text and "\x1b" in facts["Command"], f"the text is escaped: {text!r}")


@h.test
def another_user_may_ask_and_change_nothing():
    pid = h.sleeper(h.cgroup("o"))
    with bus(pid) as (_, path):
        h.check("sleep" in call(path, "ListSubjects", "s", "", uid=NOBODY), "may list")
        h.check("Verdict" in call(path, "Explain", "u", pid, uid=NOBODY), "may ask why")
        for change in (("Hobble", "sstt", pid, "", 0, 0), ("Release", "sstt", pid, "", 0, 0), ("ReleaseAll", "t", 0),
                       ("Pause", "st", "command-line", 0), ("Resume", "st", "command-line", 0),
                       ("Set", "sast", "command-line", 1, "FrozenSec=1s", 0), ("Reload",)):
            h.check("Access denied" in call(path, *change, uid=NOBODY, status=1), f"{change[0]} is refused")
        for obj, interface, member, *arguments in (
                ("tarpit/command_2dline", TARPIT, "Pause", "t", 0), ("tarpit/command_2dline", TARPIT, "Resume", "t", 0),
                ("tarpit/command_2dline", TARPIT, "Set", "ast", 1, "FrozenSec=1s", 0),
                ("tarpit/command_2dline", TARPIT, "ReleaseAll", "t", 0), ("subject/_31", SUBJECT, "Release", "tt", 0, 0)):
            said = busctl(path, "call", NAME, f"{PATH}/{obj}", interface, member, *arguments, uid=NOBODY, status=1)
            h.check("Access denied" in said, f"{interface}.{member} is refused: {said}")
        h.equal(1, value(path, "Subjects"), "it is still hobbled")


# -- Clients that mean no good --------------------------------------------------------------------------------

def field(code, signature, data):
    text = struct.pack("<I", len(data)) + data + b"\0"
    out = bytes([code, len(signature)]) + signature + b"\0" + text
    return out + b"\0" * (-len(out) % 8)


def message(serial, member=b"ListTarpits"):
    """A call as it goes over the wire."""
    fields = field(1, b"o", PATH.encode()) + field(2, b"s", MANAGER.encode()) + field(3, b"s", member)
    size = len(fields.rstrip(b"\0")) + 1  # without what fills it up
    return struct.pack("<cBBBIII", b"l", 1, 0, 1, 0, serial, size) + fields


def as_user(uid, function):
    """Run it in a process of that user's. Returns its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        os.setgroups([])
        os.setresuid(uid, uid, uid)
        function()
    finally:
        os._exit(0)


def login(path):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    s.sendall(LOGIN)
    return s


def flood(path, report):
    """Call as often as it can for some seconds, reading what comes."""
    s, serial, pending, got = login(path), 0, b"", b""
    end = time.monotonic() + 6
    while time.monotonic() < end:
        if len(pending) < 10000:
            pending += b"".join(message(serial + i) for i in range(1, 101))
            serial += 100
        readable, writable, _ = select.select([s], [s], [], 1)
        if readable:
            got = got[-200:] + s.recv(1 << 16)
            os.write(report, b"L" if b"RateLimited" in got else b"")
        if writable:
            pending = pending[s.send(pending, socket.MSG_DONTWAIT):]


def p99(before, after):
    """Which bucket of Late the 99th percentile of what came between is in."""
    counts = [b - a for a, b in zip(before, after)]
    left = sum(counts) // 100
    for bucket in range(len(counts) - 1, -1, -1):
        left -= counts[bucket]
        if left < 0:
            return bucket
    return 0


def share_and_lateness(path, pid, seconds):
    before = values(path, "Late")
    share = h.share(h.cgroup_of(pid), seconds)
    return share, p99(before, values(path, "Late"))


@h.test
def a_flood_is_answered_with_errors_and_moves_no_window():
    """The share of a busy loop, and how late a hundred clocks a second are, with it and without; a machine that is
    disturbed meanwhile is asked again."""
    pid = h.busy(h.cgroup("o"))
    with bus(pid, arguments=("--frozen=25ms", "--thawed=5ms")) as (hobbled, path):
        seconds = 1 if SANITIZED else 4
        for attempt in range(3):
            report, end = os.pipe()
            os.set_blocking(report, False)
            os.set_blocking(end, False)
            share, late = share_and_lateness(path, pid, seconds)
            memory = rss(hobbled.pid)
            flooder = as_user(NOBODY, lambda: flood(path, end))
            share_then, late_then = share_and_lateness(path, pid, seconds)
            grown = rss(hobbled.pid) - memory
            h.kill(flooder)
            answers = b""
            with contextlib.suppress(BlockingIOError):
                answers = os.read(report, 1 << 16)
            os.close(report)
            os.close(end)
            h.note(f"share {share:.4f}, under the flood {share_then:.4f}; 99 % of the clocks were less than "
                   f"{64 << late} us late, under the flood {64 << late_then} us; {grown} KB more memory")
            h.check(answers, "calls were answered with RateLimited")
            h.check(SANITIZED or grown < 8192, f"memory grew by {grown} KB")
            if SANITIZED or (late_then <= late + 1 and 0.8 < share_then / share < 1.25):
                return
    raise h.Failure("a flood moves windows")


def rss(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", h.read(f"/proc/{pid}/status"))[1])


@h.test
def who_does_not_read_or_sends_too_much_is_left_behind():
    with bus(h.sleeper(h.cgroup("o"))) as (hobbled, path):
        memory = rss(hobbled.pid)
        deaf = login(path)
        deaf.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            for i in range(1, 200000):
                deaf.sendall(message(i))
            h.check(False, "nobody who reads nothing may send without end")
        call(path, "ListTarpits")
        big = login(path)
        big.sendall(struct.pack("<cBBBIII", b"l", 1, 0, 1, 100 << 20, 1, 16))
        big.settimeout(5)
        with contextlib.suppress(ConnectionResetError):
            while big.recv(4096):
                pass
        junk = socket.socket(socket.AF_UNIX)
        junk.connect(path)
        junk.sendall(b"\0" + b"X" * 5000)
        call(path, "ListTarpits")
        h.check(SANITIZED or rss(hobbled.pid) - memory < 8192, f"memory: {memory} KB before, {rss(hobbled.pid)} KB after")


@h.test
def a_hundred_connections_leave_room_for_root():
    def hold():
        held = []
        for _ in range(100):
            with contextlib.suppress(BrokenPipeError):  # refused before it has said anything
                held.append(login(path))
        signal.pause()
        del held

    with bus(h.sleeper(h.cgroup("o"))) as (hobbled, path):
        holder = as_user(NOBODY, hold)
        h.wait_until(lambda: client.busctl(path, "call", NAME, PATH, MANAGER, "ListTarpits", user=NOBODY).returncode, 5,
                     "there is no more room for that user")
        h.check("sleep" in call(path, "ListSubjects", "s", ""), "root is served")
        h.kill(holder)
        h.wait_until(lambda: "command-line" in call(path, "ListTarpits", uid=NOBODY - 1), 5, "another user is served")


@h.test
def signals_come():
    pid = h.sleeper(h.cgroup("o"))
    with bus(pid) as (_, path):
        s = login(path)
        s.sendall(message(1))
        h.kill(pid)
        s.settimeout(5)
        got = b""
        while not (b"SubjectRemoved" in got and b"ended" in got and b"PropertiesChanged" in got):
            got += s.recv(65536)


h.main()
