# SPDX-License-Identifier: LGPL-2.1-or-later
"""A slow file system, and counting what is done there. For the tests of waits for files."""

import os
import tempfile
import time

import harness as h


class SlowFs:
    """A file system that takes so many milliseconds for each request. Only who is started with `before` sees it."""

    def __init__(self, msec, path=None):
        program = os.environ.get("HOBBLE_SLOW_FS") or h.skip("built without libfuse3, which a slow file system takes")
        if not os.path.exists("/dev/fuse"):
            h.skip("no /dev/fuse")
        self.path = path or tempfile.mkdtemp(dir=h.scratch())
        process = h.spawn([program, self.path, str(msec)])
        mounts = f"/proc/{process.pid}/mountinfo"
        h.wait_until(lambda: process.poll() is not None or f" {self.path} " in h.read(mounts), 5, "it is mounted")
        h.check(process.poll() is None, "slow-fs has ended")
        self.before = ["nsenter", f"--mount=/proc/{process.pid}/ns/mnt"]


class Counter:
    """What a victim writes down: how often it did something."""

    def __init__(self, path=None):
        self.path = path or os.path.join(h.scratch(), f"counter-{time.monotonic_ns()}")

    def value(self):
        try:
            with open(self.path, "rb") as f:
                return int.from_bytes(f.read(8), "little")
        except FileNotFoundError:
            return 0

    def rate(self, seconds):
        """So many a second, from now on."""
        begin, before = time.monotonic(), self.value()
        time.sleep(seconds)
        return (self.value() - before) / (time.monotonic() - begin)

    def until(self, wanted):
        h.wait_until(lambda: self.value() >= wanted, 20, "it works")
