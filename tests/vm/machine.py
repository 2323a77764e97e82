# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests in an emulated machine share: it is booted by in-vm, once for all of them, and has what cgroups of the
host may lack: all controllers, PSI, a kernel that is older, and an end of its own. The rest is in tests/system/harness.py.

To be imported first: it says where the harness is."""

import os
import re
import subprocess
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(_HERE, "../system"))

import harness as h  # noqa: E402

PACKAGES = "python3 libinih1 libncursesw6 libsmartcols1"  # beside those that in-vm always installs
PIT = "hobble-pit.service"
HOME = f"{h.CGROOT}/hobble.slice/{PIT}"
OFTEN = "[Tarpit]\nFrozenSec=20ms\nThawedSec=20ms\nFreezeIdle=yes\n"  # the machine is slow enough


class Shell:
    """A shell that does what it is told, a line at a time. `before` becomes it in the end: systemd-run, for instance."""

    def __init__(self, *before, **popen):
        self.process = h.spawn([*before, "sh", "-c", 'while read -r line; do eval "$line"; done'], bufsize=0,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, **popen)

    def do(self, line):
        self.process.stdin.write(line.encode() + b"\n")

    def ask(self, line):
        """The line that it answers with."""
        self.do(line)
        return self.process.stdout.readline().decode().strip()

    def pid(self):
        return int(self.ask("echo $$"))

    def can_fork(self):
        """Whether the shell, which has room for one more process, can have two. It survives that it cannot."""
        return self.ask("(sleep 0.01 & wait) 2>/dev/null && echo yes || echo no") == "yes"


def value(path, key):
    """That of a key in a file of a cgroup that has several ("oom_kill 1"), 0 where it is not there."""
    return next((int(line.split()[1]) for line in h.read(path).splitlines() if line.startswith(f"{key} ")), 0)


def written(cgroup):
    """How many writes to disks a cgroup has had done."""
    return sum(int(n) for n in re.findall(r"wios=(\d+)", h.read(f"{cgroup}/io.stat")))


def in_vm(timeout):
    """The command that boots it."""
    return [os.path.join(_HERE, "in-vm"), f"--timeout={timeout}", f"--packages={PACKAGES}",
            f"--dir={os.path.join(h.ROOT, 'tests')}", f"--dir={h.program('HOBBLE_INSTALLED')}", "--", "python3"]
