#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""hobblectl top on a terminal, which tmux is, and as plain text: what is on the screen, and what the keys do."""

import itertools
import os
import re
import shutil
import subprocess
import time

import harness as h
from three import Three, compare, expected

# A row, of which the widths of all columns are known: subject, user and tarpit, state, numbers.
ROW = r"^(\d+) +(root +\w+ +)((?:frozen|thawed) +[\d.]+ +[\d.]+ +-?[\d.]+m?s +\d:\d\d\.\d\d) "
_counter = itertools.count(1)

# What runs in the terminal: top, and then what it has left of the terminal.
SESSION = """before=$(stty -g)
"$@"
echo "status $?"
[ "$before" = "$(stty -g)" ] && echo "as before"
exec sleep 1000
"""


class Terminal:
    """top on a terminal of tmux, 80x24 at first. The server runs in the foreground, so that it ends with the test."""

    def __init__(self, three, *options):
        if not shutil.which("tmux"):
            h.skip("tmux is not installed")
        self.name = f"top-{next(_counter)}"
        self.env = {**os.environ, "TMUX_TMPDIR": h.scratch(), "LC_ALL": "C.UTF-8", "SHELL": "/bin/sh"}
        self.env.pop("TMUX", None)
        self.server = h.spawn(["tmux", "-L", self.name, "-f", "/dev/null", "-D"], env=self.env)
        socket = os.path.join(h.scratch(), f"tmux-{os.geteuid()}", self.name)
        h.wait_until(lambda: os.path.exists(socket), 10, "tmux listens")
        self.tmux("set-option", "-g", "status", "off")
        self.tmux("new-session", "-d", "-x", "80", "-y", "24", "sh", "-c", SESSION, "session", h.program("HOBBLECTL"),
                  "top", f"--socket={three.socket}", "--delay=200ms", *options)

    def tmux(self, *arguments):
        return subprocess.run(["tmux", "-u", "-L", self.name, *arguments], env=self.env, capture_output=True, text=True,
                              timeout=20, check=True, stdin=subprocess.DEVNULL).stdout

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def wait(self, pattern, what=None):
        """Wait until the screen shows this; returns it."""
        def look():
            screen = self.screen()
            return screen if re.search(pattern, screen, re.M) else None
        try:
            return h.wait_until(look, 10, what or f"the screen shows {pattern!r}")
        except h.Failure:
            h.note(self.screen())
            raise

    def resize(self, width, height):
        self.tmux("resize-window", "-x", str(width), "-y", str(height))

    def pid(self):
        """Of top."""
        return next(p for p in h.descendants(self.server.pid) if h.read(f"/proc/{p}/comm") == "hobblectl\n")

    def ended(self, status):
        """It has ended, and the terminal is as it was."""
        screen = self.wait("^as before$", "the terminal is as it was")
        h.equal([f"status {status}", "as before"], screen.split("\n")[:2] if status == 0 else
                [line for line in screen.splitlines() if line.startswith(("status", "as"))], "what is left on the screen")
        h.equal("0 1", self.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}").strip(),
                "alternate screen, cursor")


def until(wanted, look):
    """What look() returns, once that is what is wanted; the last, if it never is. A terminal may show one half of a
    new screen above the other half of the one before."""
    end = time.monotonic() + 10
    while (seen := look()) != wanted and time.monotonic() < end:
        time.sleep(0.01)
    return seen


def wait_rows(three, top, pattern, wanted, what):
    """Wait until the screen shows this, and these subjects."""
    top.wait(pattern)
    h.equal(wanted, until(wanted, lambda: rows(three, top.screen())), what)


def rows(three, screen):
    """The subjects that are shown, in their order."""
    return re.findall(r"^(ALPHA|PLAIN|ESCAPED|GAMMA)\b", three.mask(screen), re.M)


def masked(three, screen):
    """What is by chance, masked, so that everything stays in its column; of the bars nothing is left."""
    def row(match):
        subject, middle, rest = match.groups()
        return f"{three.names[int(subject)]:<8} {middle}{'STATE':<9}{'N':>{len(rest) - 9}} "

    text = re.sub(r" +\d+% \|", "    N% |", re.sub(r"\|[ ▁-█]*$", "|", screen, flags=re.M))
    text = three.mask(re.sub(ROW, row, text, flags=re.M))
    text = re.sub(r"got [\d.]+%, would have burnt [\d.]+%", "got N%, would have burnt N%", text)
    return re.sub(r"hobbled \S+, ", "hobbled VERSION, ", re.sub(r"\b\d+ STATE;", "N frozen;", text))


def fits(three, screen, width, height, bars):
    """Whether this is a screen of that size, with so many lines of the graph, and keys at its end."""
    lines = screen.removesuffix("\n").split("\n")
    if height == 1:
        return lines == ["ho…"]
    keys = "h help  q quit  / filter  < > sort  r release  p pause  d each 200ms"
    return (len(lines) == height and sum(line[11:12] == "|" for line in lines) == bars
            and lines[2 + bars].startswith("SUBJECT ") and lines[3 + bars].startswith(f"{three.alpha} ")
            and lines[-1] == (keys if len(keys) <= width else keys[:width - 1] + "…"))


@h.test
def the_screen():
    with Three() as three:
        top = Terminal(three, "--sort=tarpit")
        top.wait(rf"^{three.gamma}\b")
        top.wait(r"^got .*\|.*[▁-█]")
        compare("top-80x24.txt", until(expected("top-80x24.txt"), lambda: masked(three, top.screen())))
        top.keys("h")
        top.wait("Any key goes back")
        compare("top-help-80x24.txt", until(expected("top-help-80x24.txt"), top.screen))
        top.keys("x")
        top.wait("^SUBJECT")
        top.keys("x")
        top.wait("that key has no meaning")
        top.keys("Space")
        for width, height, bars in (20, 5, 0), (200, 50, 6), (3, 1, 0), (80, 24, 4):
            top.resize(width, height)
            h.wait_until(lambda: fits(three, top.screen(), width, height, bars), 5, f"it fits in {width}x{height}")
        top.keys("q")
        top.ended(0)


@h.test
def filter_and_sort():
    with Three() as three:
        top = Terminal(three)
        top.wait(rf"^{three.gamma}\b")
        top.keys("1")
        wait_rows(three, top, "^SUBJECT>", ["ALPHA", "PLAIN", "ESCAPED", "GAMMA"], "by subject")
        top.keys("R")
        wait_rows(three, top, "^SUBJECT<", ["GAMMA", "ESCAPED", "PLAIN", "ALPHA"], "the other way round")
        top.keys("R", ">", ">")
        wait_rows(three, top, "TARPIT>", ["ALPHA", "PLAIN", "ESCAPED", "GAMMA"], "by tarpit")
        top.keys("/")
        top.wait("Show only what contains: _")
        top.keys("-l", "BETAx")
        top.keys("BSpace", "Enter")
        wait_rows(three, top, r"filter: BETA \(2 of 4\)", ["PLAIN", "ESCAPED"], "filtered")
        top.keys("/", "C-u", "Enter")
        wait_rows(three, top, "d each 200ms$", ["ALPHA", "PLAIN", "ESCAPED", "GAMMA"], "no filter")
        h.kill(top.pid(), 15)
        top.ended(143)


@h.test
def release_and_pause():
    with Three() as three:
        top = Terminal(three, "--sort=tarpit")
        top.wait(rf"^{three.gamma}\b")
        top.keys("End", "p")
        top.wait(r"^Pause tarpit gamma with all its subjects\? \[y/N\]")
        top.keys("y")
        top.wait(rf"^{three.gamma} .* paused ")
        top.keys("p")
        top.wait("^Resume tarpit gamma")
        top.keys("y")
        top.wait(rf"^{three.gamma} .* (thawed|frozen) ")

        top.keys("r")
        top.wait(rf"^Release {three.gamma} \(sh\) of tarpit gamma\? \[y/N\]")
        top.keys("n")
        top.wait("^nothing was changed")
        h.check(h.cgroup_of(three.gamma) != three.origin, "it stays hobbled")
        top.keys("r", "y")
        top.wait(rf"^released {three.gamma} ")
        h.wait_until(lambda: h.cgroup_of(three.gamma) == three.origin, 5, "it is where it was before")
        wait_rows(three, top, ", 3 subjects, ", ["ALPHA", "PLAIN", "ESCAPED"], "who is left")


@h.test
def plain_text():
    with Three() as three:
        said = three.hobblectl("top", "-b", "-n", 1, "--sort=tarpit")
        h.check("\x1b" not in said, f"names are escaped: {said!r}")
        compare("top-batch.txt", masked(three, said))
        twice = three.hobblectl("top", "--batch", "--iterations=2", "--delay=100ms", "--filter=gamma", "--reverse")
        h.equal(["GAMMA", "GAMMA"], rows(three, twice), "two screens")
        h.check("needs a terminal" in three.hobblectl("top", status=1), "no terminal")


h.main()
