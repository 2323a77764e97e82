# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several tarpits, from configuration files that a hobbled of a test's own follows."""

import os
import signal

import harness as h

MILD, SEVERE = "FrozenSec=40ms", "FrozenSec=250ms"


class Host:
    """A configuration directory, and a hobbled that follows it."""

    def __init__(self):
        self.folder = os.path.join(h.scratch(), f"etc-{len(os.listdir(h.scratch()))}")
        os.mkdir(self.folder)
        self.hobbled = None

    def write(self, name, duty, *sources, more=""):
        """A tarpit of this duty cycle with these lines of [Source]."""
        text = f"[Tarpit]\n{duty}\n[Source]\nCheckSec=100ms\n" + "".join(f"{line}\n" for line in sources) + more
        h.write(os.path.join(self.folder, f"{name}.tarpit"), text)

    def remove(self, name):
        os.unlink(os.path.join(self.folder, f"{name}.tarpit"))

    def start(self):
        self.hobbled = h.Hobbled(f"--config={self.folder}")
        return self.hobbled

    def reload(self, says="the configuration is in force as it is now"):
        before = len(self.hobbled.log())
        self.hobbled.signal(signal.SIGHUP)
        h.wait_until(lambda: says in self.hobbled.log()[before:], 5, f"hobbled says {says!r}")

    def tarpit(self, pid):
        """The tarpit that the process is in, None: in none."""
        path = h.cgroup_of(pid)
        pit = f"{self.hobbled.home}/pit/"
        return path[len(pit):].split("/")[0] if path and path.startswith(pit) else None

    def wait_in(self, tarpit, *pids):
        h.wait_until(lambda: all(self.tarpit(pid) == tarpit for pid in pids), 5,
                     f"{pids} in {tarpit}; they are in {[self.tarpit(pid) for pid in pids]}")


def pid_line(*pids):
    return f"PIDFile={h.pidfile(*pids)}"
