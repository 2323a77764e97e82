# SPDX-License-Identifier: LGPL-2.1-or-later
"""A hobbled with three tarpits to look at, and what it takes to compare what is shown of them with a file."""

import difflib
import os
import re
import subprocess

import harness as h

EXPECTED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "expected")
NOBODY = 65534
ESCAPES = b"\x1b[31mred"  # a name of a process that would paint a terminal


class Three:
    """alpha: a busy tree of two; beta: two that sleep, one of them with a name that is not printable; gamma: one that
    is busy. Use it in a `with`."""

    def __init__(self):
        self.folder = os.path.join(h.scratch(), "three")
        os.makedirs(self.folder, exist_ok=True)
        os.chmod(h.scratch(), 0o755)
        self.socket = os.path.join(h.scratch(), "three-socket")
        named = os.path.join(h.scratch().encode(), ESCAPES)
        if not os.path.lexists(named):
            os.symlink("/bin/sleep", named)

        self.origin = h.cgroup("origin")
        self.alpha = h.spawn(["sh", "-c", f"({h.LOOP}) & wait"], self.origin).pid
        self.plain = h.sleeper(self.origin)
        self.escaped = h.spawn([named, "1000"], self.origin).pid
        self.gamma = h.busy(self.origin)
        h.wait_until(lambda: len(h.children(self.alpha)) == 1, 5, "the tree is complete")
        self.child = h.children(self.alpha)[0]
        self.names = {self.alpha: "ALPHA", self.child: "CHILD", self.plain: "PLAIN", self.escaped: "ESCAPED",
                      self.gamma: "GAMMA"}
        for tarpit, pids in ("alpha", [self.alpha]), ("beta", [self.plain, self.escaped]), ("gamma", [self.gamma]):
            source = h.pidfile(*pids, name=f"three-{tarpit}")
            h.write(os.path.join(self.folder, f"{tarpit}.tarpit"), f"[Source]\nPIDFile={source}\n")

    def __enter__(self):
        self.hobbled = h.Hobbled(f"--config={self.folder}", f"--bus-socket={self.socket}")
        self.hobbled.__enter__()
        h.wait_until(lambda: os.path.exists(self.socket), 5, "the socket is there")
        h.wait_until(lambda: len(re.findall(" (?:frozen|thawed) ", self.hobblectl("top", "-b", "-n", 1))) == 4, 10,
                     "all are hobbled")
        return self

    def __exit__(self, *exception):
        return self.hobbled.__exit__(*exception)

    def hobblectl(self, *arguments, uid=0, status=0):
        """Run it with the socket, as a user; what it prints."""
        argv = [h.program("HOBBLECTL"), *map(str, arguments), f"--socket={self.socket}"]
        if uid:
            argv = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *argv]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL, check=False,
                              env={**os.environ, "LC_ALL": "C.UTF-8"})
        h.equal(status, done.returncode, f"{argv}: {done.stdout}{done.stderr}")
        return done.stdout if status == 0 else done.stderr

    def mask(self, text):
        """The text with the pids named, and without what is by chance."""
        for pid, name in self.names.items():
            text = re.sub(rf"(?<!\d){pid}(?!\d)", name, text)
        text = text.replace(self.hobbled.instance, "INSTANCE").replace(h.scratch(), "SCRATCH")
        return re.sub(r"\b(frozen|thawed|running|sleeping|blocked)\b", "STATE", text)


def expected(name):
    """What the file in tests/expected says below its first line, which is its licence."""
    return h.read(os.path.join(EXPECTED, name)).partition("\n")[2]


def compare(name, text):
    """What is shown is what that file says."""
    wanted = expected(name)
    lines = difflib.unified_diff(wanted.splitlines(), text.splitlines(), f"expected/{name}", "shown", lineterm="")
    h.check(wanted == text, f"{name} is another:\n" + "\n".join(lines) + f"\nall of it:\n{text}")
