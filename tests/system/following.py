# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the sources share: hobbled.service with tarpits, and which of them a process is in.

To be imported after the harness, which boots it all."""

import os
import re
import shutil
import time

import harness as h

CONFIG = "/etc/hobbled"
PIT = "/hobble.slice/hobble-pit.service/pit/"
CHILD = "hobbled-pit-"  # a nested subject's directory begins so


def tarpit_of(pid, listing=None):
    """The tarpit that a process is in, None: it is in none, or has ended."""
    path = h.cgroup_of(pid) or ""
    if PIT in path:
        return path.split(PIT)[1].split("/")[0]
    while os.path.basename(path):
        if os.path.basename(path).startswith(CHILD):
            try:
                root = os.getxattr(path, "user.hobble.root").decode().split()[0]
            except OSError:
                return None
            return next((e["tarpit"] for e in listing or h.listing() if e["subject"] == root), None)
        path = os.path.dirname(path)
    return None


def tarpits_of(pids):
    listing = h.listing()
    return {pid: tarpit_of(pid, listing) for pid in pids}


def is_nested(pid, home):
    """Whether a process is in a subject's directory just below this cgroup."""
    return h.cgroup_of(pid).startswith(f"{home}/{CHILD}")


def wait_in(tarpit, *pids, timeout=8):
    """Wait until each of the processes is in this tarpit, None: in none."""
    try:
        h.wait_until(lambda: set(tarpits_of(pids).values()) <= {tarpit}, timeout, f"all are in {tarpit}")
    except h.Failure:
        h.note(f"wanted in {tarpit}: {tarpits_of(pids)}, {[h.cgroup_of(pid) for pid in pids]}")
        raise


def stays_in(tarpit, *pids, rounds=3):
    """Wait until hobbled has looked around some more times: it finds a new service in each. All are still there."""
    for i in range(rounds):
        time.sleep(0.25)
        h.equal({tarpit}, set(tarpits_of(pids).values()), f"where they are, look {i}")


class Following:
    """hobbled.service with these tarpits: name=text. At its end all is released."""

    def __init__(self, conf="", **tarpits):
        self.conf = conf
        self.tarpits = tarpits

    def __enter__(self):
        shutil.rmtree(CONFIG, ignore_errors=True)
        for name, text in self.tarpits.items():
            h.tarpit(name, text)
        if self.conf:
            self.configure(self.conf)
        h.systemctl("reset-failed", "hobbled", "hobble-pit", status=None)  # for the limit of starts
        self.cursor = h.cursor()
        h.systemctl("start", "hobbled")
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            for line in self.messages():
                h.note(line)
        h.systemctl("stop", "hobbled")
        if not kind:
            h.equal([], h.listing(), "left hobbled")

    def configure(self, text):
        os.makedirs(CONFIG, exist_ok=True)
        h.write(f"{CONFIG}/hobbled.conf", text)

    def change(self, **tarpits):
        """Write these tarpits, None: remove it, and reload."""
        for name, text in tarpits.items():
            if text is None:
                os.unlink(f"{CONFIG}/{name}.tarpit")
            else:
                h.tarpit(name, text)
        h.systemctl("reload", "hobbled")

    def entries(self):
        return h.journal("-u", "hobbled", cursor=self.cursor)

    def messages(self):
        return [str(entry.get("MESSAGE")) for entry in self.entries()]

    def said(self, pattern, timeout=8):
        """Wait for a message of hobbled's; returns the entry."""
        return h.wait_journal(pattern, "-u", "hobbled", cursor=self.cursor, timeout=timeout)

    def count(self, pattern):
        return sum(bool(re.search(pattern, message)) for message in self.messages())

    def now(self):
        """What is said from here on."""
        self.cursor = h.cursor()
