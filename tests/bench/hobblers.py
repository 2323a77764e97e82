# SPDX-License-Identifier: LGPL-2.1-or-later
"""What hobbles, in this benchmark. Each is started on a load that is at home, tells when it has all of it in its grip,
and lets go again."""

import contextlib
import os
import select
import signal
import subprocess
import time

import bus
from loads import leftovers
from measure import CPUS, PERIOD, THAWED
from observe import CGROOT, attach, cgroup_of, read, remove, state, write

PERIOD_USEC, THAWED_USEC = int(PERIOD * 1e6), int(THAWED * 1e6)
MSEC = ["250", "10"]


class Hobbler:
    """One with a process: `argv` starts it, it says "ready" on its standard output, SIGTERM lets go."""

    name, label = "", ""
    settle = 0.8         # seconds until it goes about its business as it will go on
    most = 1 << 30       # members that it is tried on
    most_why = ""
    sleepers_why = None  # why it is not tried where nobody is busy
    periods = 4          # of a round
    clock = "common"     # one for all victims, or of "each", or None where it has no period of ours

    def __init__(self, place, programs):
        self.place, self.programs, self.process = place, programs, None

    def why_not(self, load):
        """Why this is not tried on a load; None where it is."""
        if load.members > self.most:
            return self.most_why
        return self.sleepers_why if not load.wants else None

    def argv(self, load):
        raise NotImplementedError

    def start(self, load):
        """Returns how long it took until all were in its grip, in seconds."""
        begin = time.monotonic()
        argv = self.argv(load)
        self.process = self.place.spawn(argv, "hobbler", stdout=subprocess.PIPE)
        self.wait_ready(self.process.stdout, b"ready", 60)
        return time.monotonic() - begin

    def wait_ready(self, stream, wanted, timeout):
        end, text = time.monotonic() + timeout, b""
        while wanted not in text:
            ready = select.select([stream], [], [], max(0, end - time.monotonic()))[0]
            more = os.read(stream.fileno(), 65536) if ready else b""
            if not more:
                raise OSError(f"{self.name} has not begun within {timeout} s: {text.decode()}")
            text += more

    def parts(self):
        """The cgroups of its processes."""
        return {"main": self.place.cgroup("hobbler")}

    def release(self, load):
        """Returns how long it took until all were let go."""
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        return time.monotonic() - begin

    def kill(self):
        """What a crash is to it."""
        self.process.kill()
        self.process.wait()

    def clean(self, load):
        """Whatever has happened: nothing of it is left, and the load is at home and runs."""
        self.place.empty("hobbler")
        if self.process:
            self.process.wait()
            for stream in (self.process.stdout, self.process.stderr):
                if stream:
                    stream.close()
        self.process = None
        load.bring_home()
        for pid in load.pids():
            if state(pid) == "T":
                os.kill(pid, signal.SIGCONT)


class Hobbled(Hobbler):
    name, label = "hobbled", "hobbled"
    settle = 11  # after ten seconds of rest it looks less often
    keys = ""
    periods = 5

    def start(self, load):
        """Started and ready before it gets to know whom to hobble, as it is in its daily life."""
        self.prepare(load.tarpits)
        begin = time.monotonic()
        self.write(load.roots())
        self.wait_all(load.pids())
        return time.monotonic() - begin

    def prepare(self, tarpits=1, common=""):
        """Start it with empty tarpits. Returns how long it took to be ready."""
        folder = os.path.join(self.place.files, "config")
        os.makedirs(folder, exist_ok=True)
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        self.files = [self.place.file(f"pids-{i}") for i in range(tarpits)]
        for i, path in enumerate(self.files):
            write(os.path.join(folder, f"t{i}.tarpit"), f"[Tarpit]\n{self.keys}\n[Source]\nPIDFile={path}\n")
        write(os.path.join(folder, "hobbled.conf"), f"[Hobbled]\nLogLevel=notice\n{common}\n")
        self.socket, self.home = os.path.join(self.place.files, "bus"), os.path.join(CGROOT, f"hobbled-{self.place.name}")
        begin = time.monotonic()
        self.process = self.place.spawn([self.programs["HOBBLED"], f"--instance={self.place.name}", f"--config={folder}",
                                         f"--bus-socket={self.socket}", "--log-level=info"], "hobbler",
                                        stderr=subprocess.PIPE)
        self.wait_ready(self.process.stderr, b"configured", 10)
        took = time.monotonic() - begin
        self.process.stderr.close()
        return took

    def write(self, roots):
        for i, path in enumerate(self.files):
            write(path, "".join(f"{pid}\n" for pid in roots[i::len(self.files)]))

    def mine(self, pid):
        return f"hobbled-{self.place.name}" in (cgroup_of(pid) or "")

    def wait_all(self, pids, timeout=60):
        end, missing = time.monotonic() + timeout, pids
        while missing:
            while missing and self.mine(missing[-1]):
                missing = missing[:-1]
            if missing:
                if time.monotonic() > end:
                    raise OSError(f"{len(missing)} processes are not hobbled within {timeout} s")
                time.sleep(0.001)

    def parts(self):
        return {"main": self.place.cgroup("hobbler"), "guard": os.path.join(self.home, "guard")}

    def property(self, name):
        """One of its counters, see org.hobbled1(5)."""
        return bus.ask(self.socket, "get-property", *bus.OBJECT, name)

    def release(self, load):
        begin = time.monotonic()
        self.write([])
        while not load.at_home():
            time.sleep(0.002)
        took = time.monotonic() - begin
        super().release(load)
        return took

    def clean(self, load):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        end = time.monotonic() + 3
        while leftovers(self.place) and time.monotonic() < end:
            time.sleep(0.01)
        if leftovers(self.place):
            subprocess.run([self.programs["HOBBLECTL"], "rescue", "--all", self.place.name], check=False, timeout=60,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        super().clean(load)


class FreezeIdle(Hobbled):
    name, label = "hobbled-freeze-idle", "hobbled, FreezeIdle=yes"
    settle = 0.8
    keys = "FreezeIdle=yes"
    periods = 4


class Naive(Hobbler):
    """Debian's Python, as it is that which has gevent."""

    clock = "each"
    most = 1050
    most_why = "its cost grows with each tree, as is seen with fewer"

    def argv(self, load):
        return ["/usr/bin/python3", self.programs["NAIVE"], self.name.removeprefix("python-"),
                self.place.file("roots", "".join(f"{p}\n" for p in load.roots()))]


class Asyncio(Naive):
    name, label = "python-asyncio", "Python loop, asyncio"


class Gevent(Naive):
    name, label = "python-gevent", "Python loop, gevent"


class Threads(Naive):
    name, label = "python-threads", "Python loop, threads"


class Cpulimit(Hobbler):
    """One for each busy victim, at 4 %, as it knows no fractions: it stops and continues its process such that the mean
    comes to that, and in a rhythm of its own."""

    name, label = "cpulimit", "cpulimit -l 4"
    most = 25
    most_why = "a process for each victim, each of which reads all of /proc"
    sleepers_why = "it only looks at who is busy"
    settle = 3
    clock = None

    def start(self, load):
        begin = time.monotonic()
        self.all = [self.place.spawn(["cpulimit", "--pid", str(pid), "--limit=4", "--lazy", "--monitor-forks"], "hobbler",
                                     stderr=subprocess.DEVNULL) for pid in load.roots()]
        missing = [t for t in load.tracks() if not t.gaps()]
        end = begin + 20
        while missing and time.monotonic() < end:  # until each was stopped once
            missing = [t for t in missing if not t.gaps() or t.gaps()[-1][1] < begin]
            time.sleep(0.005)
        return time.monotonic() - begin

    def release(self, load):
        begin = time.monotonic()
        for process in self.all:
            process.terminate()
        for process in self.all:
            process.wait(20)
        return time.monotonic() - begin

    def kill(self):
        for process in self.all:
            process.kill()
            process.wait()

    def clean(self, load):
        super().clean(load)
        for process in self.all:
            process.wait()


class Kill(Hobbler):
    name, label = "c-kill", "C loop, kill() for each"

    def argv(self, load):
        return [self.programs["BENCH_LOOP"], "kill", self.place.file("pids", "".join(f"{p}\n" for p in load.pids())), *MSEC]


class Freeze(Hobbler):
    """The one that all are compared with: nothing can do less and freeze all."""

    name, label = "c-freeze", "C loop, one cgroup.freeze"

    def argv(self, load):
        path = self.place.cgroup("all")
        for pid in load.pids():
            attach(pid, path)
        return [self.programs["BENCH_LOOP"], "freeze", self.place.file("directories", f"{path}\n"), *MSEC]

    def clean(self, load):
        super().clean(load)
        remove(os.path.join(self.place.path, "all"))


class FreezeEach(Freeze):
    name, label = "c-freeze-each", "C loop, a cgroup.freeze each"
    most = 2050
    most_why = "a write for each takes longer than a window lasts"

    def argv(self, load):
        paths = []
        for i, subject in enumerate(load.subjects):
            paths.append(self.place.cgroup(f"all/{i}"))
            for pid in subject.pids:
                attach(pid, paths[-1])
        return [self.programs["BENCH_LOOP"], "freeze", self.place.file("directories", "".join(f"{p}\n" for p in paths)), *MSEC]


class Quota(Hobbler):
    """The kernel's own limit on CPU bandwidth: no process that hobbles, so what it costs is in nobody's account. One group
    gets what a tarpit would: the duty of as many CPUs as its busy members can use."""

    name, label = "quota", "kernel's CPU limit, one group"
    sleepers_why = "it limits only who is busy"
    each = False

    def why_not(self, load):
        return super().why_not(load) or (None if self._root() else "no cpu controller, neither of v1 nor of v2")

    def _root(self):
        """The group that limited ones are made in, and whether it is of cgroup v2."""
        if "cpu" in read(os.path.join(self.place.path, "cgroup.controllers")).split():
            return self.place.path, True
        for line in read("/proc/self/mountinfo").splitlines():
            left, right = line.split(" - ")
            if right.split()[0] == "cgroup" and "cpu" in right.split()[2].split(","):
                return os.path.join(left.split()[4], f"hobble-{self.place.name}"), False
        return None

    def start(self, load):
        begin = time.monotonic()
        root, unified = self._root()
        if unified:
            write(os.path.join(self.place.path, "cgroup.subtree_control"), "+cpu")
        groups = [s.pids for s in load.subjects] if self.each else [load.pids()]
        cpus = 1 if self.each else min(CPUS, load.wants)
        self.paths = []
        for i, pids in enumerate(groups):
            path = os.path.join(root, f"limit-{i}")
            os.makedirs(path)
            self.paths.append(path)
            if unified:
                write(os.path.join(path, "cpu.max"), f"{THAWED_USEC * cpus} {PERIOD_USEC}")
            else:
                write(os.path.join(path, "cpu.cfs_period_us"), PERIOD_USEC)
                write(os.path.join(path, "cpu.cfs_quota_us"), THAWED_USEC * cpus)
            for pid in pids:
                attach(pid, path)
        return time.monotonic() - begin

    def parts(self):
        return {}

    def release(self, load):
        begin = time.monotonic()
        self._undo(load)
        return time.monotonic() - begin

    def kill(self):
        """There is nobody to kill: the limit stays until it is lifted."""

    def _undo(self, load):
        found = self._root()
        if not found:
            return
        root, unified = found
        if unified:
            load.bring_home()
        else:
            for pid in load.pids():
                with contextlib.suppress(ProcessLookupError):
                    attach(pid, os.path.dirname(root))
        for path in [p for p in self.paths if os.path.isdir(p)] if hasattr(self, "paths") else []:
            os.rmdir(path)
        if not unified:
            with contextlib.suppress(FileNotFoundError):
                os.rmdir(root)

    def clean(self, load):
        self._undo(load)


class QuotaEach(Quota):
    name, label = "quota-each", "kernel's CPU limit, a group each"
    each = True
    clock = "each"


class Timer(Freeze):
    """Not a hobbler: what as many wake-ups as hobbled has cost a loop that does nothing but read one cpu.stat, beside the
    same victims, which are frozen meanwhile."""

    name, label = "timer", "bare timer loop"
    rate = 4.0

    def argv(self, load):
        argv = super().argv(load)
        if load.wants:
            write(os.path.join(self.place.path, "all/cgroup.freeze"), 1)
        return [argv[0], "timer", argv[2], str(1000 / self.rate)]

    def release(self, load):
        write(os.path.join(self.place.path, "all/cgroup.freeze"), 0)
        return super().release(load)

    def clean(self, load):
        with contextlib.suppress(FileNotFoundError):
            write(os.path.join(self.place.path, "all/cgroup.freeze"), 0)
        super().clean(load)


HOBBLERS = [Hobbled, FreezeIdle, Asyncio, Gevent, Threads, Cpulimit, Quota, QuotaEach, Kill, Freeze, FreezeEach]
