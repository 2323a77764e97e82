# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guard that is a service, started by hand in a cgroup that stands for that of hobble-pit.service; and a hobbled that
uses it."""

import os
import re
import signal
import subprocess
import time

import harness as h

NAME = "hobble-pit.service"


class Pit:
    """The service. Its unit's cgroup is one of the test's own."""

    def __init__(self):
        self.home = h.cgroup(NAME)
        self.socket = os.path.join(h.scratch(), "socket")
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        """Start it, and wait until it listens."""
        h.cgroup(NAME)
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        self.process = h.spawn([h.program("HOBBLE_GUARD"), "--service", self.socket, "91"], self.home)
        h.wait_until(lambda: os.path.exists(self.socket), 5, "the service listens")
        return self

    def stop(self, timeout=5.0):
        """End it as systemd does, and clean up after it. Returns its exit status."""
        h.kill(self.pid, signal.SIGTERM)
        status = self.process.wait(timeout)
        self.clean()
        return status

    def kill(self):
        h.kill(self.pid)
        self.process.wait()

    def clean(self):
        """ExecStopPost=: in a cgroup beneath the unit's own, as systemd has it."""
        control = h.cgroup(f"{NAME}/.control")
        status = h.spawn([h.program("HOBBLE_GUARD"), "--clean", "91"], control).wait(10)
        h.equal(0, status, "exit status of --clean")
        h.remove(control)

    def restart_after_kill(self):
        self.kill()
        self.clean()
        self.start()


class Hosted:
    """A hobbled in such a pit. What failopen asks of a Hobbled, it has as well."""

    def __init__(self, pit, *arguments, env=None, command="HOBBLED"):
        self.instance, self.home = "pit", pit.home
        self._log = os.path.join(h.scratch(), f"hosted-{time.monotonic_ns()}")
        with open(self._log, "wb") as log:
            self.process = h.spawn([h.program(command), f"--guard-socket={pit.socket}", *arguments], stdout=log,
                                   stderr=log, env={**os.environ, **(env or {})})
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind and kind is not h.Skip:
            h.note(f"hobbled said:\n{self.log()}")
        self.stop()
        h.check(kind or not h._SANITIZER.search(self.log()), self.log())

    def log(self):
        return h.read(self._log)

    def guard(self):
        found = h.read(f"{self.home}/guard/cgroup.procs").split()
        return int(found[0]) if found else None

    def wait_log(self, pattern, timeout=5.0, count=1):
        h.wait_until(lambda: len(re.findall(pattern, self.log(), re.M)) >= count, timeout, f"hobbled says {pattern!r}")

    def signal(self, sig):
        h.kill(self.pid, sig)

    def stop(self, timeout=5.0):
        """End it in order. Returns its exit status."""
        h.kill(self.pid, signal.SIGTERM)
        h.kill(self.pid, signal.SIGCONT)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            h.kill(self.pid)
            return self.process.wait()
