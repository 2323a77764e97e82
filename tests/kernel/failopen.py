# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of promise P1, fail-open, share: victims that know where they belong, and how long their way home is.

A victim is known by its threads, each in a cgroup that is listed once for all: so a process whose leader has exited is
not overlooked, and two hundred victims are looked at in the time of a few reads.
"""

import collections
import contextlib
import os
import re
import resource
import stat
import subprocess
import sys
import time

import harness as h

SANITIZED = os.environ.get("HOBBLE_SANITIZERS", "none") != "none"
SHORT = h.rounds() < 100  # as under sanitizers: once is enough of what is the same again
LIMIT, LIMIT_EACH = 1.0, 0.0001  # seconds until all is thawed and home; more for each process until it is home

# A process whose leader exits while another thread goes on.
LEADERLESS = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(1000,)).start()
ctypes.CDLL(None).syscall(60, 0)
"""


class Victims:
    """Processes, each with the cgroup that it was in when it was taken in here, and cgroups to be hobbled in place."""

    def __init__(self):
        self.roots = []     # the pids of the trees
        self.origin = {}    # a thread's id -> its cgroup
        self.in_place = []  # cgroups
        self.file = None    # of the roots' pids
        self.starved = False  # they may get no CPU for a while

    def take(self, *roots):
        """Take in whole trees."""
        self.roots += roots
        for pid in [p for root in roots for p in (root, *h.descendants(root))]:
            for tid in filter(lambda t, p=pid: h.alive(f"{p}/task/{t}"), h.entries(f"/proc/{pid}/task")):
                self.origin[tid] = h.cgroup_of(f"{pid}/task/{tid}")
        return roots[0]

    def sleepers(self, count, name="sleepers"):
        self.take(*flock("exec sleep 1000", count, h.cgroup(name)))

    def busy(self, count, name="busy"):
        self.take(*flock(h.LOOP, count, h.cgroup(name)))

    def tree(self, *names):
        """A shell in the first of the cgroups, its child in the second, that one's child in the third, and so on; a
        sleeper beside each. The last one is busy."""
        script, depth = f"sleep 1000 & {h.LOOP}", len(names) - 1
        for _ in range(depth):
            script = f"sleep 1000 & ({script}) & wait"
        root = h.spawn(["sh", "-c", script], h.cgroup(names[0])).pid
        h.wait_until(lambda: len(h.descendants(root)) == 2 * depth + 1, 10, "the tree is complete")
        for pid in h.descendants(root):
            level = len(ancestors(pid, root))
            h.attach(pid, h.cgroup(names[min(level, depth)]))
        return self.take(root)

    def forker(self, name="forker"):
        """A shell that starts one short-lived child after another."""
        return self.take(h.spawn(["sh", "-c", "while :; do sleep 0.01; done"], h.cgroup(name)).pid)

    def leaderless(self, name="leaderless"):
        pid = h.spawn([sys.executable, "-S", "-c", LEADERLESS], h.cgroup(name)).pid
        h.wait_until(lambda: h.state(pid) == "Z", 20, "the leader has exited")
        return self.take(pid)

    def place(self, name="in-place", sleepers=2):
        """A cgroup to be hobbled in place, with a busy loop and sleepers in it."""
        path = h.cgroup(name)
        self.in_place.append(path)
        for pid in [*flock(h.LOOP, 1, path), *flock("exec sleep 1000", sleepers, path)]:
            self.origin[str(pid)] = path
        return path

    def sources(self):
        """The arguments of a hobbled that is to have all of them."""
        if self.roots and not self.file:
            self.file = h.pidfile(*self.roots)
        return [*([self.file] if self.file else []), *self.in_place]

    def __add__(self, other):
        both = Victims()
        for mine in ("roots", "in_place"):
            setattr(both, mine, getattr(self, mine) + getattr(other, mine))
        both.origin = {**self.origin, **other.origin}
        return both

    def end(self):
        """Kill them all."""
        for tid in self.origin:
            h.kill(int(tid))

    # -- Where they are ---------------------------------------------------------------------------------------

    def at_home(self):
        """The threads that are where they belong."""
        return {tid for path in set(self.origin.values())
                for tid in h.read(os.path.join(path, "cgroup.threads")).split() if self.origin.get(tid) == path}

    def astray(self):
        """The threads that live elsewhere."""
        return [tid for tid in self.origin.keys() - self.at_home() if h.alive(f"{tid}/task/{tid}")]

    def frozen(self, *homes):
        """The cgroups that are frozen, of those where they belong and of these homes. To the kernel they are until they
        have run: where they get no CPU, what counts is that they are to be thawed."""
        return [c for path in {*self.origin.values(), *homes} for c in h.anything_frozen(path, self.starved)]

    def admitted(self, hobbled):
        """Whether this hobbled has all of them."""
        return all(self.origin[tid] in self.in_place for tid in self.at_home()) and all(
            h.marks(path).get("instance") == hobbled.instance for path in self.in_place)

    def wait_hobbled(self, hobbled, timeout=10.0):
        """Wait until this hobbled has all of them, and some time for it to freeze some: on a busy host they may get so
        little that they earn no freeze."""
        h.wait_until(lambda: self.admitted(hobbled), timeout, f"{hobbled.instance} has everybody")
        with contextlib.suppress(h.Failure):
            h.wait_until(lambda: self.frozen(hobbled.home), 0.5, "somebody is frozen")


def some(name="g"):
    """A tree of several origins, sleepers, a busy loop, a cgroup in place."""
    victims = Victims()
    victims.tree(f"{name}/a", f"{name}/b", f"{name}/c")
    victims.sleepers(5, f"{name}/d")
    victims.busy(1, f"{name}/a")
    victims.place(f"{name}/p")
    return victims


def flock(script, count, cgroup):
    """So many processes, born in a cgroup: the only attach is that of the shell which starts them. Returns their
    pids."""
    shell = h.spawn(["sh", "-c", f"for i in $(seq {count}); do ({script}) & echo $!; done; wait"], cgroup,
                    stdout=subprocess.PIPE, text=True)
    return [int(shell.stdout.readline()) for _ in range(count)]


def ancestors(pid, root):
    """The processes from pid's parent up to the root of its tree."""
    found = []
    while pid != root:
        pid = int(h.read(f"/proc/{pid}/stat").rpartition(")")[2].split()[1])
        found.append(pid)
    return found


class Times:
    """The worst of all times that were measured."""

    def __init__(self):
        self.rounds, self.thawed, self.home, self.kernel = 0, 0.0, 0.0, 0.0

    def note(self, what):
        waited = f" ({1000 * self.kernel:.1f} ms of which the kernel made a guard wait)" if self.kernel else ""
        h.note(f"{what}: {self.rounds} rounds, worst until all was thawed {1000 * self.thawed:.1f} ms, "
               f"until all were home {1000 * self.home:.1f} ms{waited}")


class Guards:
    """What the guards of these homes are doing all the while: which functions of the kernel they wait in."""

    def __init__(self, homes):
        self.homes, self.last = homes, time.monotonic()
        self.seconds = collections.Counter()

    def look(self, now):
        for home in self.homes:
            for guard in h.read(f"{home}/guard/cgroup.procs").split():
                stack = re.findall(r" (\w+)\+", h.read(f"/proc/{guard}/stack"))
                self.seconds[" ".join(stack[:4]) or "running"] += now - self.last
        self.last = now

    def kernel(self):
        """Seconds in an attach, for threads of the kernel's own: those run at ordinary priority, after whatever else
        wants the CPU, and nobody can hurry them."""
        return sum(t for where, t in self.seconds.items() if "synchronize_rcu" in where)

    def text(self):
        return ", ".join(f"{where}: {t:.3f} s" for where, t in self.seconds.most_common(5))


def wait_home(victims, homes, begin, times, what):
    """Wait until nothing is frozen and everybody is home, which is to be within P1's limit from `begin` on. The time
    that the kernel makes a guard wait in an attach does not count for the way home; for the thaw all counts, unless the
    victims get no CPU: then who has begun to attach holds the kernel's lock for long."""
    thawed = home = begin
    guards = Guards(homes)
    while True:
        frozen, astray, now = victims.frozen(*homes), victims.astray(), time.monotonic()
        thawed, home = now if frozen else thawed, now if astray else home
        if not frozen and not astray:
            break
        h.check(now < begin + 10, f"{what}: after 10 s frozen: {frozen}, astray: {astray}; guard: {guards.text()}")
        guards.look(now)
        time.sleep(0.001)

    times.rounds += len(homes)
    limit = LIMIT + LIMIT_EACH * len(victims.origin)
    text = f"{what}: frozen for {thawed - begin:.3f} s, home after {home - begin:.3f} s; guard: {guards.text()}"
    if thawed - begin > max(0.2, times.thawed):
        h.note(text)
    if home - begin > times.home:
        times.home, times.kernel = home - begin, guards.kernel()
    times.thawed = max(times.thawed, thawed - begin)
    waited = guards.kernel() if victims.starved else 0
    h.check(thawed - begin - waited <= LIMIT and home - begin - guards.kernel() <= limit, text)


def wait_end(hobbled, timeout=5.0):
    """Wait until a hobbled that was killed, and its guard, have left nothing of their directories and marks."""
    hobbled.process.wait(timeout)
    h.wait_until(lambda: not os.path.exists(hobbled.home), timeout, f"{hobbled.home} is removed")


def wait_stopped(pid, timeout=5.0):
    h.wait_until(lambda: h.state(pid) == "T", timeout, f"{pid} is stopped")


def wait_fenced(hobbled, timeout=5.0):
    """Wait until the guard has taken it for hung: the word of its heartbeat, which the guard has open, says so."""
    guard = hobbled.guard()
    h.check(guard, "there is a guard")

    def fenced():
        for fd in h.entries(f"/proc/{guard}/fd"):
            with contextlib.suppress(FileNotFoundError):
                if "hobble-pulse" in os.readlink(f"/proc/{guard}/fd/{fd}"):
                    with open(f"/proc/{guard}/fd/{fd}", "rb") as word:
                        return int.from_bytes(word.read(8), sys.byteorder) & 3 == 2
        return False

    h.wait_until(fenced, timeout, f"{hobbled.instance} is fenced")


def killed(hobbled):
    """SIGKILL it. Returns when that was."""
    begin = time.monotonic()
    hobbled.signal(9)
    return begin


# -- Around hobbled -------------------------------------------------------------------------------------------

def quiet_crashes():
    """A SIGSEGV that a test sends is no finding: no core file, and no report of a sanitizer."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
        os.environ[name] = f"{os.environ.get(name, '')}:handle_segv=0".strip(":")


@contextlib.contextmanager
def ahead(priority=95):
    """Measure at real-time priority, so that a busy host does not delay the measurement; children do not inherit it."""
    before = os.sched_getscheduler(0)
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except PermissionError:
        h.note("no real-time priority for the test itself: times include its own delays")
    try:
        yield
    finally:
        os.sched_setscheduler(0, before & ~os.SCHED_RESET_ON_FORK, os.sched_param(0))


@contextlib.contextmanager
def by_way_of(*command, variable="HOBBLED"):
    """A hobbled, or another program, that is started meanwhile is started by this command, which execs it."""
    program = h.program(variable)
    script = os.path.join(h.scratch(), f"by-way-of-{variable}")
    h.write(script, f"#!/bin/sh\nexec {' '.join(command)} '{program}' \"$@\"\n")
    os.chmod(script, 0o755)
    os.environ[variable] = script
    try:
        yield
    finally:
        os.environ[variable] = program


@contextlib.contextmanager
def moved_programs():
    """A hobbled that is started meanwhile runs from a directory of its own, whose path this yields: its guard can be
    taken away from there."""
    program, place = h.program("HOBBLED"), os.path.join(h.scratch(), "programs")
    os.makedirs(place, exist_ok=True)
    os.chmod(h.scratch(), 0o711)
    for path in (program, h.program("HOBBLE_GUARD")):
        copy = os.path.join(place, os.path.basename(path))
        with open(path, "rb") as source, open(copy, "wb") as target:
            target.write(source.read())
        os.chmod(copy, stat.S_IMODE(os.stat(path).st_mode))
    libraries = os.environ.get("LD_LIBRARY_PATH")
    needed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    os.environ["LD_LIBRARY_PATH"] = ":".join(re.findall(r"libhobble\S* => (\S+)/", needed))
    os.environ["HOBBLED"] = os.path.join(place, os.path.basename(program))
    try:
        yield place
    finally:
        os.environ["HOBBLED"] = program
        del os.environ["LD_LIBRARY_PATH"]
        if libraries is not None:
            os.environ["LD_LIBRARY_PATH"] = libraries
