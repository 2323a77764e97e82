#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""No part of a tree runs while another part of it is frozen, and nobody in it can tell that it was stopped.

A process that makes no progress may be frozen, or merely wait for a CPU; only the former says anything about hobbled. So
what the members of a tree note about themselves is judged by what the kernel says of their cgroup (cgroup.events), and
by what is common to all of them, never by the clock of a single one.
"""

import bisect
import mmap
import os
import pty
import re
import select
import statistics
import struct
import time

import harness as h

MEMBERS, GAPS = 6, 2000  # as in victims/victim.c
TRACK = 4 + 2 * GAPS     # words of a member's track
FROZEN, THAWED = 0.250, 0.010
SHORT = os.environ.get("HOBBLE_SANITIZERS", "none") != "none"


def victim(*arguments, cgroup=None):
    return h.spawn([h.program("HOBBLE_VICTIM"), *map(str, arguments)], cgroup).pid


def only_subject(hobbled):
    hobbled.wait_log(r": hobbled, \d+ process", 5)
    return hobbled.subjects()[0]


class Tracks:
    """What the members of a `stamps` tree note: see struct track of victims/victim.c."""

    def __init__(self, path):
        h.wait_until(lambda: os.path.exists(path) and os.path.getsize(path) == 8 * MEMBERS * TRACK, 5, "the tracks")
        with open(path, "rb") as f:
            self._map = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
        self._words = memoryview(self._map).cast("Q")
        h.wait_until(lambda: all(self.progress()), 5, "all members make progress")

    def progress(self):
        return [self._words[m * TRACK + 1] for m in range(MEMBERS)]

    def gaps(self, member, begin, end):
        """The stretches without progress that lie between two moments, in seconds."""
        words = self._words[member * TRACK:(member + 1) * TRACK]
        pairs = struct.iter_unpack("QQ", words[4:4 + 2 * words[3]].tobytes())
        return [(b / 1e9, e / 1e9) for b, e in pairs if b / 1e9 >= begin and e / 1e9 <= end]


# -- What an observer sees ------------------------------------------------------------------------------------

class Observer:
    """Looks at what the kernel says of a cgroup, again and again."""

    def __init__(self, directory):
        self._events = os.open(os.path.join(directory, "cgroup.events"), os.O_RDONLY)
        self.looks = 0
        self.stretches = []  # in which it was frozen at each look: from the first to the last
        self._last = None    # when it was frozen, at the last look

    def look(self):
        begin = time.monotonic()
        frozen = b"frozen 1" in os.pread(self._events, 100, 0)
        end = time.monotonic()
        # So soon it cannot have been thawed and frozen again in between: that takes a window.
        if frozen and self._last and end - self._last < THAWED / 2:
            self.looks += 1
            self.stretches[-1][1] = begin
        elif frozen:
            self.stretches.append([end, end])
        self._last = begin if frozen else None

    def watch(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look()
            time.sleep(0.0005)
        os.close(self._events)


def common(tracks, begin, end):
    """The stretches in which no member made progress: the intersection of all their gaps."""
    found = tracks.gaps(0, begin, end)
    for member in range(1, MEMBERS):
        other, both = tracks.gaps(member, begin, end), []
        starts = [b for b, _ in other]
        for b, e in found:
            i = max(bisect.bisect(starts, b) - 1, 0)
            while i < len(other) and other[i][0] < e:
                low, high = max(b, other[i][0]), min(e, other[i][1])
                if high > low:
                    both.append((low, high))
                i += 1
        found = both
    return found


def run_inside(gaps, stretch):
    """How long a member made progress within a stretch of time."""
    b, e = stretch
    return (e - b) - sum(max(0.0, min(e, y) - max(b, x)) for x, y in gaps)


def stamps(*options):
    """Hobble a tree that takes stamps. Returns its tracks, its observer, and when the observation began and ended."""
    path = os.path.join(h.scratch(), f"tracks-{time.monotonic_ns()}")
    root = victim("stamps", path, cgroup=h.cgroup("origin"))
    h.wait_until(lambda: len(h.descendants(root)) == MEMBERS - 1, 5, "the tree is complete")
    tracks = Tracks(path)
    with h.Hobbled(*options, h.pidfile(root)) as hobbled:
        directory = only_subject(hobbled)
        h.equal({root, *h.descendants(root)}, h.members(directory), "members")
        observer = Observer(directory)
        begin = time.monotonic()
        observer.watch(2 if SHORT else 3)
        end = time.monotonic()
    before = tracks.progress()
    h.wait_until(lambda: all(a > b for a, b in zip(tracks.progress(), before)), 5, "all run after the release")
    return tracks, observer, begin, end


def check_observer(tracks, observer):
    """Nobody makes progress in a stretch in which the kernel says that all are frozen: whatever else keeps a member from
    running, this has no exceptions."""
    stretches = [(b, e) for b, e in observer.stretches if e - b > 0.03]
    h.note(f"{observer.looks} looks at a frozen tree, {len(stretches)} stretches")
    h.check(len(stretches) >= 3 and observer.looks >= 100, "the tree was frozen")
    for member in range(MEMBERS):
        gaps = tracks.gaps(member, 0, float("inf"))
        ran = [(s, r) for s in stretches if (r := run_inside(gaps, s)) > 0]
        h.equal([], ran, f"progress of member {member} while the tree was frozen")


@h.test
def nobody_runs_while_a_relative_is_frozen():
    """--freeze-idle, where the edges are the clock's: between two windows all stand still, and in them nobody does."""
    tracks, observer, begin, end = stamps("--freeze-idle")
    check_observer(tracks, observer)

    still = [(b, e) for b, e in common(tracks, begin, end) if e - b > FROZEN / 2]
    periods = (end - begin) / (FROZEN + THAWED)
    h.between(periods / 2 - 2, len(still), periods + 1, "stretches in which all stood still")
    # A part that was frozen earlier, or thawed later, than another would make them shorter than the freeze. Others on this
    # machine lengthen some, hobbled's lateness moves some edge: the median knows neither.
    h.between(FROZEN - 0.005, statistics.median(e - b for b, e in still), FROZEN + 2 * THAWED, "the median stands for")
    between = [b - a for (_, a), (b, _) in zip(still, still[1:])]
    h.between(0, statistics.median(between), 2 * THAWED, "the median of what lies between")

    # The other way round: while the parent stands still for that long, so does each of its relatives, but for the edges.
    parent = [(b, e) for b, e in tracks.gaps(0, begin, end) if FROZEN / 2 < e - b < FROZEN + THAWED]
    h.check(len(parent) >= 3, "the parent has run in windows")
    for member in range(1, MEMBERS):
        gaps = tracks.gaps(member, 0, float("inf"))
        h.between(0, statistics.median(run_inside(gaps, p) for p in parent), 0.005,
                  f"member {member} runs on while the parent stands still, median")


@h.test
def nobody_runs_while_a_relative_is_frozen_by_default():
    """The default, where who is thawed when depends on what was used."""
    tracks, observer, _, _ = stamps()
    check_observer(tracks, observer)


# -- What the tree itself sees --------------------------------------------------------------------------------

@h.test
def a_parent_is_told_of_no_stop():
    path = os.path.join(h.scratch(), "report")
    root = victim("waiter", path, cgroup=h.cgroup("origin"))
    def report():
        words = struct.unpack("Q" * 71, open(path, "rb").read())
        statuses = dict(zip(("exited", "signaled", "stopped", "continued", "other"), words))
        return statuses, {i: n for i, n in enumerate(words[5:70]) if n}, words[70]
    h.wait_until(lambda: os.path.exists(path) and os.path.getsize(path) == 71 * 8 and report()[2], 5, "a report")
    child = h.children(root)[0]
    file = h.pidfile(root)
    with h.Hobbled(file) as hobbled:
        directory = only_subject(hobbled)
        for _ in range(4):
            h.wait_until(lambda: h.frozen(directory), 2, "it is frozen")
            h.wait_until(lambda: not h.frozen(directory), 2, "it is thawed")
        h.write(file, "")
        hobbled.wait_log("released")
    # One child has ended by itself: the one SIGCHLD (17) is of that.
    h.equal(({"exited": 1, "signaled": 0, "stopped": 0, "continued": 0, "other": 0}, {17: 1}, 1), report(), "the report")
    # That stops would have been seen: a true one is.
    h.kill(child, 19)
    h.wait_until(lambda: report()[0]["stopped"] == 1, 5, "SIGSTOP is told")


class Terminal:
    """A shell that believes that a person sits in front of it."""

    def __init__(self, cgroup):
        self._master, slave = pty.openpty()
        environment = {"PATH": os.environ["PATH"], "PS1": "ready> ", "TERM": "dumb", "HISTFILE": ""}
        self.shell = h.spawn(["setsid", "--ctty", "bash", "--norc", "--noediting", "-i"], cgroup, stdin=slave,
                             stdout=slave, stderr=slave, env=environment)
        os.close(slave)
        self.text, self._seen = "", 0

    def _read(self, timeout):
        if select.select([self._master], [], [], timeout)[0]:
            self.text += os.read(self._master, 4096).decode(errors="replace")

    def expect(self, pattern, timeout=10):
        """Wait for text beyond what was waited for before."""
        end = time.monotonic() + timeout
        while not (found := re.compile(pattern).search(self.text, self._seen)):
            h.check(time.monotonic() < end, f"{pattern!r} does not come; the terminal shows {self.text!r}")
            self._read(0.1)
        self._seen = found.end()
        return found

    def type(self, text):
        os.write(self._master, text.encode())

    def close(self):
        os.close(self._master)


def foreground(terminal):
    """The process group that the terminal's keys go to."""
    return int(h.read(f"/proc/{terminal.shell.pid}/stat").rpartition(")")[2].split()[5])


@h.test
def a_shell_keeps_its_job_control():
    terminal = Terminal(h.cgroup("origin"))
    shell = terminal.shell.pid
    terminal.expect("ready> ")
    terminal.type("sh -c 'while :; do :; done'\n")
    h.wait_until(lambda: foreground(terminal) != shell, 5, "a job is in the foreground")
    job = foreground(terminal)
    file = h.pidfile(shell)
    with h.Hobbled(file) as hobbled:
        directory = only_subject(hobbled)
        h.equal({shell, job}, h.members(directory), "members")
        for _ in range(4):
            h.wait_until(lambda: h.frozen(directory), 2, "it is frozen")
            h.wait_until(lambda: not h.frozen(directory), 2, "it is thawed")
        terminal._read(0)
        h.check("Stopped" not in terminal.text and "ready>" not in terminal.text[terminal._seen:], "nothing was shown")
        h.equal(job, foreground(terminal), "what is in the foreground")

        terminal.type("\x1a")  # Ctrl-Z
        terminal.expect(r"\[1\]\+\s+Stopped")
        terminal.expect("ready> ")
        h.wait_until(lambda: h.state(job) == "T", 5, "the job is stopped")
        terminal.type("jobs\n")
        terminal.expect(r"\[1\]\+\s+Stopped")
        terminal.expect("ready> ")
        terminal.type("bg\n")
        terminal.expect(r"\[1\]\+ sh.*&")
        terminal.expect("ready> ")
        h.wait_until(lambda: h.state(job) != "T", 5, "the job runs")
        terminal.type("jobs\n")
        terminal.expect(r"\[1\]\+\s+Running")
        terminal.type("fg\n")
        h.wait_until(lambda: foreground(terminal) == job, 10, "it is in the foreground again")
        terminal.type("\x03")  # Ctrl-C
        h.wait_until(lambda: foreground(terminal) == shell, 10, "the shell is in front again")
        terminal.type("echo status $((100 + $?))\n")
        terminal.expect("status 230")
        h.equal(2, len(re.findall("Stopped", terminal.text)), "times that Stopped was shown")
        h.equal({shell}, h.members(directory), "members")
    h.equal(h.cgroup("origin"), h.cgroup_of(shell), "where the shell is")
    terminal.close()


h.main()
