# SPDX-License-Identifier: LGPL-2.1-or-later
"""A `hobblectl run` under test, and a terminal to type it on. For the tests of hobblectl."""

import os
import pty
import re
import select
import subprocess
import time

import harness as h


class Run:
    """A `hobblectl run` of this test's own, ended with the test: its command, its engine, its home."""

    def __init__(self, *command, options=(), argv=None, **popen):
        self.said = os.path.join(h.scratch(), f"said-{time.monotonic_ns()}")
        with open(self.said, "wb") as f:
            popen.setdefault("stderr", f)
            self.front = h.spawn(argv or [h.program("HOBBLECTL"), "run", *options, "--", *command], **popen)
        self.follow(self.front.pid)

    def follow(self, pid):
        """Have the run with this front ended with the test."""
        self.pid, self.instance = pid, f"run-{pid}"
        self.home = os.path.join(h.CGROOT, f"hobbled-{self.instance}")
        h._hobbleds.append(self)  # whose stop() is called after the test, however it ends

    def child(self, wanted):
        """The pid of the front's child that is (not) the engine, None while there is none."""
        for pid in h.children(self.pid):
            if (h.read(f"/proc/{pid}/comm") == "hobble-engine\n") == wanted:
                return pid
        return None

    def started(self):
        """Wait until the command runs, and keep who is who."""
        h.wait_until(lambda: self.child(False) and h.read(f"/proc/{self.child(False)}/comm") not in ("", "hobblectl\n"),
                     5, "the command runs")
        self.command, self.engine = self.child(False), self.child(True)
        self.subject = h.cgroup_of(self.command)
        return self

    def guard(self):
        near = [*h.children(self.engine), *h.members(self.home)]
        return next(p for p in near if h.read(f"/proc/{p}/comm") == "hobble-guard\n")

    def wait(self, timeout=5):
        return self.front.wait(timeout)

    def end(self, text=None):
        """Wait for the front and for the engine. Returns status, standard output and standard error."""
        out = self.front.communicate(text, timeout=20)[0]
        self.gone()
        return self.wait(), out, self.words()

    def words(self):
        return h.read(self.said)

    def gone(self):
        h.wait_until(lambda: not os.path.exists(self.home), 3, f"the home of {self.instance} is gone")

    def stop(self):
        h._hobbleds.remove(self)
        victims = [p for p in h.descendants(self.pid) if h.read(f"/proc/{p}/comm") != "hobble-engine\n"]
        for pid in [self.pid, *victims, *h.members(self.home)]:
            if h.read(f"/proc/{pid}/comm") != "hobble-guard\n":
                h.kill(pid)
        try:
            self.gone()
        except h.Failure:
            h.hobblectl("rescue", "--all", self.instance)
            raise OSError(f"{self.home} was left, {h.members(self.home)} in it") from None


class Terminal:
    """An interactive bash on a terminal of its own."""

    def __init__(self):
        self.master, slave = pty.openpty()
        env = {**os.environ, "PS1": "READY> ", "TERM": "dumb", "HOBBLECTL": h.program("HOBBLECTL")}
        env.pop("HISTFILE", None)
        self.bash = h.spawn(["setsid", "--ctty", "bash", "--norc", "--noprofile", "-i"], env=env,
                            stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        self.text = ""
        self.expect("READY> ")

    def type(self, text):
        self.text = ""
        os.write(self.master, text.encode())

    def expect(self, pattern, timeout=5.0):
        end = time.monotonic() + timeout
        while not (found := re.search(pattern, self.text, re.S)):
            ready = select.select([self.master], [], [], max(0, end - time.monotonic()))[0]
            h.check(ready, f"not within {timeout} s on the terminal: {pattern!r}, but {self.text!r}")
            self.text += os.read(self.master, 4096).decode()
        return found

    def run(self, command):
        """Type a `hobblectl run` of the command and wait until it runs."""
        self.type(f"\"$HOBBLECTL\" run -- {command}\n")
        pid = h.wait_until(lambda: next((p for p in h.children(self.bash.pid)
                                         if h.read(f"/proc/{p}/comm") == "hobblectl\n"), None), 5, "bash starts it")
        run = Run.__new__(Run)
        run.follow(pid)
        return run.started()


def finished(*command, text=None, **popen):
    """Run the command hobbled to its end. Returns status, standard output and standard error."""
    if text is not None:
        popen["stdin"] = subprocess.PIPE
    return Run(*command, stdout=subprocess.PIPE, text=True, **popen).end(text)


def hobbled_within(pid, run):
    return (h.cgroup_of(pid) or "").startswith(run.home + "/")
