# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the kernel tests share: TAP output, cgroups and processes of one's own, and cleaning all of it up.

    #!/usr/bin/env python3
    import harness as h

    @h.test
    def a_busy_loop_is_slowed():
        pid = h.busy(h.cgroup("origin"))
        with h.Hobbled(h.pidfile(pid)) as hobbled:
            h.wait_until(hobbled.subjects, 1, "the subject appears")
            h.between(0.036, h.share(h.cgroup_of(pid), 5), 0.041, "share")

    h.main()

A test function fails by any exception (h.check, h.equal, h.between and h.wait_until raise one), skips with
h.skip(reason), and passes otherwise. After each test, at exit and at SIGTERM, SIGINT or SIGHUP everything is undone:
hobbleds started here are ended and their instances rescued, every descendant of this process is killed by its pid
(orphans too: this process is their subreaper), and the cgroups are removed. A test that leaves an instance's home
behind fails. A test's cgroups lie in `hobble-test-PID` at the root of the hierarchy; that name is not `hobbled-…`,
which would be the home of an instance to any hobbled.

Paths of the programs come by environment from meson: h.program("HOBBLED"), HOBBLECTL, HOBBLE_GUARD, and so on. One
test alone: `HOBBLED=… HOBBLECTL=… ./test-x.py a_busy_loop_is_slowed`.
"""

import atexit
import ctypes
import itertools
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback

from observe import *
from observe import CGROOT

OWN = CGROOT and os.path.join(CGROOT, f"hobble-test-{os.getpid()}")
LOOP = "while :; do :; done"
_SANITIZER = re.compile(r"ERROR: \w+Sanitizer|runtime error:")

_libc = ctypes.CDLL(None, use_errno=True)
_tests, _hobbleds, _ended, _spawned, _counter = [], [], [], [], itertools.count(1)
_undone = []
_scratch = None


class Failure(Exception):
    """An expectation that did not hold."""


class Skip(Exception):
    """What is needed is not there."""


# -- Expectations ---------------------------------------------------------------------------------------------

def check(truth, what):
    if not truth:
        raise Failure(what)


def equal(wanted, got, what):
    check(wanted == got, f"{what}: {got!r}, not {wanted!r}")


def between(low, value, high, what):
    note(f"{what}: {value:.5g} (allowed {low:.5g} to {high:.5g})")
    check(low <= value <= high, f"{what}: {value:.5g} is not within {low:.5g} to {high:.5g}")


def skip(reason):
    raise Skip(reason)


def wait_until(predicate, timeout, what):
    """Look every 2 ms until predicate() is true and return its value; Failure after timeout seconds."""
    end = time.monotonic() + timeout
    while not (value := predicate()):
        check(time.monotonic() < end, f"not within {timeout} s: {what}")
        time.sleep(0.002)
    return value


def note(text):
    """Lines of diagnosis in the test's log."""
    for line in str(text).splitlines():
        print("#", line, flush=True)


def rounds(plain=200):
    """How many rounds to do: HOBBLE_TEST_ROUNDS (fewer under sanitizers), else what the plain build does."""
    return int(os.environ.get("HOBBLE_TEST_ROUNDS", plain))


# -- What tests make ------------------------------------------------------------------------------------------

def program(variable):
    """The path of a program that meson names by environment."""
    return os.environ.get(variable) or skip(f"{variable} is not set: run this with meson test")


def scratch():
    """A directory for files of this run; removed at exit."""
    global _scratch
    _scratch = _scratch or tempfile.TemporaryDirectory(prefix="hobble-test-")
    return _scratch.name


def pidfile(*pids, name=None):
    """A file of pids, one a line, each line ended. Returns its path."""
    path = os.path.join(scratch(), name or f"pids-{next(_counter)}")
    write(path, "".join(f"{pid}\n" for pid in pids))
    return path


def cgroup(name):
    """A cgroup of this test's own (made on first use; "a/b" makes both). Returns its path."""
    path = os.path.join(OWN, name)
    os.makedirs(path, exist_ok=True)
    return path


def spawn(argv, cgroup=None, **popen):
    """Start a process, born in a cgroup where one is given; killed at the end of the test. Returns the Popen."""
    parent = os.getpid()

    def before_exec():
        if cgroup:
            attach(os.getpid(), cgroup)
        _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: also where this process is killed and cannot clean up
        if os.getppid() != parent:
            os._exit(1)

    popen.setdefault("stdin", subprocess.DEVNULL)
    popen.setdefault("stdout", subprocess.DEVNULL)
    process = subprocess.Popen(argv, preexec_fn=before_exec, **popen)
    _spawned.append(process)
    return process


def busy(cgroup=None):
    """A busy loop. Returns its pid."""
    return spawn(["sh", "-c", LOOP], cgroup).pid


def sleeper(cgroup=None):
    """A process that sleeps. Returns its pid."""
    return spawn(["sleep", "1000"], cgroup).pid


def busy_tree(cgroup=None):
    """A shell that waits, with two busy children, one of which has a busy child: 3 busy ones. Returns its pid."""
    root = spawn(["sh", "-c", f"({LOOP}) & ( ({LOOP}) & {LOOP}) & wait"], cgroup).pid
    wait_until(lambda: len(descendants(root)) == 3, 2, "the tree is complete")
    return root


def kill(pid, sig=signal.SIGKILL):
    """Send a signal to a process that may have ended."""
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        pass


def hobblectl(*arguments, timeout=20, **run):
    """Run hobblectl to its end. The CompletedProcess has returncode, stdout, stderr (text)."""
    run.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run([program("HOBBLECTL"), *arguments], capture_output=True, text=True, timeout=timeout, **run)
    check(not _SANITIZER.search(done.stderr), f"hobblectl {arguments}:\n{done.stderr}")
    return done


class Hobbled:
    """A hobbled of this test's own. Use it in a `with`, or end it with stop(); what is forgotten is ended anyway."""

    def __init__(self, *arguments, env=None, instance=None):
        self.instance = instance or f"test-{os.getpid()}-{next(_counter)}"
        self.home = os.path.join(CGROOT, f"hobbled-{self.instance}")
        self._log = os.path.join(scratch(), f"log-{self.instance}-{next(_counter)}")
        with open(self._log, "wb") as log:
            self.process = spawn([program("HOBBLED"), f"--instance={self.instance}", *arguments],
                                 stdout=log, stderr=log, env={**os.environ, **(env or {})})
        self.pid = self.process.pid
        _hobbleds.append(self)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind and kind is not Skip:
            note(f"hobbled {self.instance} said:\n{self.log()}")
        self.stop()

    def log(self):
        """What it has said so far."""
        return read(self._log)

    def wait_log(self, pattern, timeout=2.0):
        """Wait for a message; returns the match."""
        return wait_until(lambda: re.search(pattern, self.log(), re.M), timeout, f"hobbled says {pattern!r}")

    def guard(self):
        """The pid of its living guard: the hobble-guard that is its child or lies in its home; else None."""
        for pid in descendants(os.getpid()):
            if read(f"/proc/{pid}/comm") == "hobble-guard\n" and alive(pid):
                if pid in children(self.pid) or (cgroup_of(pid) + "/").startswith(self.home + "/"):
                    return pid
        return None

    def subjects(self):
        """The directories of its subjects in the subtree placement."""
        return sorted(d for d, _, _ in os.walk(self.home) if "root" in marks(d))

    def die_with_guard(self):
        """SIGKILL for both, and nobody is left who could thaw anything: the guard does nothing in between."""
        guard = self.guard()
        kill(guard, signal.SIGSTOP)
        kill(self.pid)
        self.process.wait(15)
        kill(guard)
        wait_until(lambda: not alive(guard), 2, "the guard is dead")

    def signal(self, sig):
        kill(self.pid, sig)

    def stop(self, timeout=5.0):
        """End it in order, wait for its home to be gone, rescue what is left. Returns its exit status."""
        if self in _hobbleds:
            _hobbleds.remove(self)
            _ended.append(self)
            kill(self.pid, signal.SIGTERM)
            kill(self.pid, signal.SIGCONT)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            if not _wait(lambda: not os.path.exists(self.home), 2):
                hobblectl("rescue", self.instance)
        return self.process.returncode


# -- Cleaning up ----------------------------------------------------------------------------------------------

def _wait(predicate, timeout):
    try:
        return wait_until(predicate, timeout, "")
    except Failure:
        return False


def _kill_all():
    """Kill every descendant; returns whether none is left."""
    for pid in descendants(os.getpid()):
        kill(pid)
    while _spawned and _spawned[-1].poll() is not None:  # first, so that each Popen learns its own status
        _spawned.pop()
    while not _spawned and children(os.getpid()) and os.waitpid(-1, os.WNOHANG)[0]:
        pass
    return not children(os.getpid())


def undo(function):
    """Have this called at the end of the test, also where it is interrupted, when its processes have ended."""
    _undone.append(function)


def _clean_up():
    """Undo everything. Returns what a test left that it should not have, as text, or None."""
    left = None
    for hobbled in list(_hobbleds):
        try:
            hobbled.stop()
        except (OSError, Skip, subprocess.SubprocessError) as e:
            left = str(e)
    while _ended:
        log = _ended.pop().log()
        if _SANITIZER.search(log):
            left = log
    if not _wait(_kill_all, 5):
        left = f"processes that cannot be killed: {descendants(os.getpid())}"
    while _undone:
        try:
            _undone.pop()()
        except (OSError, Failure) as e:
            left = str(e)
    for name in entries(CGROOT):
        if name.startswith(f"hobbled-test-{os.getpid()}-"):
            left = f"{name} was left after the end of hobbled and a rescue"
            _wait(lambda n=name: remove(os.path.join(CGROOT, n)), 1)
    if not _wait(lambda: remove(OWN), 2):
        left = f"{OWN} cannot be removed"
    return left


def _stop(signum, _frame):
    _clean_up()
    if _scratch:
        _scratch.cleanup()
    os._exit(128 + signum)


# -- Running --------------------------------------------------------------------------------------------------

def test(function):
    """Register a test; its name is the function's."""
    _tests.append(function)
    return function


def _run(number, function):
    failed, skipped, begin = False, "", time.monotonic()
    try:
        function()
    except Skip as e:
        skipped = f" # SKIP {e}"
    except Exception as e:
        failed = True
        note(e if isinstance(e, Failure) else traceback.format_exc())
    if left := _clean_up():
        failed = True
        note(left)
    note(f"{function.__name__}: {time.monotonic() - begin:.2f} s")
    print(f"{'not ' if failed else ''}ok {number} - {function.__name__}{'' if failed else skipped}", flush=True)
    return not failed


def main():
    """Run the tests (those named on the command line, else all) and exit: 0, or 1 where one failed."""
    chosen = [f for f in _tests if len(sys.argv) < 2 or f.__name__ in sys.argv[1:]]
    reason = "needs root" if os.geteuid() else "no writable cgroup2 mount" if not CGROOT else None
    if reason:
        print(f"1..0 # SKIP {reason}")
        sys.exit(0)
    _libc.prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
    for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(s, _stop)
    atexit.register(_clean_up)
    print(f"1..{len(chosen)}", flush=True)
    results = [_run(i, f) for i, f in enumerate(chosen, 1)]
    sys.exit(0 if all(results) else 1)
