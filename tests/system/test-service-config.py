#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The configuration of hobbled.service: what is changed comes into force at a reload and touches nobody else, what is
wrong is told and costs nothing."""

import os
import re
import time

import harness as h  # before those that import it from beside it

IDLE = "[Tarpit]\nFrozenSec=250ms\nThawedSec=40ms\nFreezeIdle=yes\n"
CONFIG_ERROR = "f8e5be6406d84852bd88d6b9b9872f4f"
SOON = 5.0


class Room:
    """A service that a tarpit "steady" hobbles in a running hobbled; at the end it is as it was."""

    def __init__(self, name):
        self.unit, self.extra = f"{name}-steady.service", []
        self.pid = h.service(self.unit.removesuffix(".service"), "sleep 1000")
        self.path = h.tarpit("steady", f"{IDLE}[Source]\nUnit={self.unit}\n")

    def __enter__(self):
        h.systemctl("start", "hobbled")
        h.wait_until(self.is_hobbled, SOON, "it is hobbled")
        self.mark, self.cursor = self.marks(), h.cursor()
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            for entry in h.journal("-u", "hobbled")[-40:]:
                h.note(entry["MESSAGE"])
        h.systemctl("stop", "hobbled")
        h.run("sh", "-c", "rm -rf /etc/hobbled/*")
        if not kind:
            h.wait_until(lambda: h.in_unit(self.pid, self.unit), SOON, "it is at home")
        h.systemctl("stop", self.unit)

    def is_hobbled(self):
        return h.listed(self.pid) and not h.in_unit(self.pid, self.unit)

    def marks(self):
        path = h.cgroup_of(self.pid)
        return path, os.stat(path).st_ino, h.marks(path)

    def reload(self):
        h.systemctl("reload", "hobbled")
        h.check(h.active("hobbled"), "the unit is active after a reload")

    def stays(self):
        h.equal(self.mark, self.marks(), "where the other is, and since when")
        h.check(h.alive(self.pid), "it lives")

    def wait(self, pattern):
        return h.wait_journal(pattern, "-u", "hobbled", cursor=self.cursor)


def share_frozen(pid, seconds=1.5):
    """The part of the time that it is frozen."""
    path, end, looks, frozen = h.cgroup_of(pid), time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        looks, frozen = looks + 1, frozen + h.frozen(path)
        time.sleep(0.003)
    return frozen / looks


@h.test
def nothing_is_configured():
    h.systemctl("start", "hobbled")
    h.wait_until(lambda: "No tarpit is configured: write /etc/hobbled/NAME.tarpit" in
                 h.systemctl("status", "hobbled").stdout, SOON, "systemctl status says what to write where")
    h.equal([], h.listing(), "what is hobbled")
    h.systemctl("stop", "hobbled")


@h.test
def a_duty_changes_and_nobody_moves():
    with Room("duty") as room:
        before = share_frozen(room.pid)
        h.write(room.path, h.read(room.path).replace("250ms", "20ms").replace("40ms", "200ms"))
        room.reload()
        room.wait("the configuration is in force as it is now")
        after = share_frozen(room.pid)
        h.note(f"frozen for {before:.2f} of the time, then {after:.2f}")
        h.check(0 < after < before / 2, "the new duty is in force")
        room.stays()

        drop_in = "/etc/hobbled/steady.tarpit.d/50-more.conf"
        os.makedirs(os.path.dirname(drop_in))
        h.write(drop_in, "[Tarpit]\nFrozenSec=300ms\nThawedSec=40ms\n")
        room.reload()
        h.check(share_frozen(room.pid) > 2 * after, "the duty of the drop-in is in force")
        h.check(f"# {drop_in}:2\nFrozenSec=300ms" in h.hobblectl("cat-config").stdout, "cat-config says where it is from")
        room.stays()
        h.wait_until(lambda: h.show("hobbled", "StatusText") == "Hobbling 1 subject in 1 tarpit", SOON, "the status")


@h.test
def a_tarpit_comes_and_goes():
    with Room("file") as room:
        other = h.service("other", "sleep 1000")
        path = h.tarpit("other", f"{IDLE}[Source]\nUnit=other.service\n")
        room.reload()
        h.wait_until(lambda: h.listed(other, room.pid), SOON, "both are hobbled")
        os.unlink(path)
        room.reload()
        h.wait_until(lambda: h.in_unit(other, "other.service"), SOON, "the one whose tarpit is gone is at home")
        h.equal([], h.anything_frozen(h.unit_cgroup("other.service")), "what is frozen there")
        room.stays()
        h.systemctl("stop", "other")


@h.test
def a_broken_configuration_is_not_taken():
    with Room("broken") as room:
        good = h.read(room.path)
        h.write(room.path, good.replace("FrozenSec=250ms", "FrozenSec=many"))
        room.reload()
        room.wait("the configuration has 1 error: the one before stays in force")
        entry = room.wait(r"^/etc/hobbled/steady.tarpit:2: .*FrozenSec")
        h.equal((CONFIG_ERROR, "/etc/hobbled/steady.tarpit", "2"),
                tuple(entry[field] for field in ("MESSAGE_ID", "CONFIG_FILE", "CONFIG_LINE")), "its fields")
        done = h.hobblectl("check-config")
        h.equal(1, done.returncode, "the exit status of check-config")
        h.check(done.stdout.startswith("/etc/hobbled/steady.tarpit:2: error: "), done.stdout)
        room.stays()
        h.wait_until(lambda: "has errors" in h.show("hobbled", "StatusText"), SOON, "the status says so")

        h.write(room.path, good)
        room.reload()
        h.wait_until(lambda: h.show("hobbled", "StatusText") == "Hobbling 1 subject in 1 tarpit", SOON, "it is over")
        h.equal(0, h.hobblectl("check-config").returncode, "the exit status of check-config")
        room.stays()


EXEC = "[Tarpit]\n[Source]\nCheckSec=200ms\nExec={}\n"
# What is written to /etc/hobbled/bad.tarpit, and what the journal says to it.
BAD = {
    "unknown key": ("[Tarpit]\nFrozenSecs=1s\n[Source]\nUnit=x.service\n", r"bad.tarpit:2: .*FrozenSecs.*did you mean"),
    "wrong type": ("[Tarpit]\nFreezeIdle=perhaps\n[Source]\nUnit=x.service\n", r"bad.tarpit:2: FreezeIdle="),
    "overflow": (f"[Tarpit]\nFrozenSec={'9' * 40}s\n[Source]\nUnit=x.service\n", r"bad.tarpit:2: FrozenSec="),
    "two sections": ("[Tarpit]\n[Source]\nUnit=x.service\n[Tarpit]\nNoSuch=1\n", r"bad.tarpit:5: "),
    "directory": (os.makedirs, r"bad.tarpit: is a directory"),
    "dangling link": (lambda path: os.symlink("/nonexistent", path), r"bad.tarpit: is a link to nothing"),
    "writable": ("[Tarpit]\n[Source]\nUnit=x.service\n", r"bad.tarpit: .*writ"),
    "not UTF-8": (b"[Tarpit]\nDescription=\xff\xfe\n[Source]\nUnit=x.service\n", r"bad.tarpit:2: "),
    "no such user": ("[Tarpit]\n[Source]\nUser=no-such-user\n", r"no such user; waiting for it"),
    "Exec= hangs": (EXEC.format("/usr/bin/sleep 1000"), r"sleep 1000: has not ended within"),
    "Exec= floods": (EXEC.format("/usr/bin/yes 4711"), r"yes 4711: .*(more than|too)"),
    "Exec= missing": (EXEC.format("/nonexistent"), r"Exec=/nonexistent: "),
}


def put_bad(what, path):
    if callable(what):
        what(path)
    else:
        with open(path, "wb") as out:
            out.write(what if isinstance(what, bytes) else what.encode())


@h.test
def bad_input_is_told_and_costs_nothing():
    with Room("bad") as room:
        path = "/etc/hobbled/bad.tarpit"
        for name, (what, words) in BAD.items():
            put_bad(what, path)
            if name == "writable":
                os.chmod(path, 0o666)
            for verb in ("reload", "restart"):
                room.cursor = h.cursor()
                h.systemctl("reset-failed", "hobbled")  # or it would be started too often
                h.systemctl(verb, "hobbled")
                h.wait_until(room.is_hobbled, SOON, f"{name}, {verb}: the other is hobbled")
                said = h.wait_journal(words, "-u", "hobbled", cursor=room.cursor, timeout=15)["MESSAGE"]
                h.check(h.active("hobbled") and h.alive(room.pid), f"{name}, {verb}: it goes on")
                if verb == "reload":
                    room.stays()
                    h.note(f"{name}: {said[:150]}")
                    if name.startswith("Exec= hangs"):  # it takes its time
                        break
            h.run("rm", "-rf", path)
            room.reload()
            room.mark = room.marks()


@h.test
def nothing_of_it_is_there_yet():
    """Units and commands that do not exist are waited for, without a word; when they come they are hobbled."""
    with Room("yet") as room:
        h.tarpit("later", f"{IDLE}[Source]\nCheckSec=200ms\nUnit=yet-later.service\nCommand=yet-command\n")
        room.reload()
        later = h.service("yet-later", "sleep 1000")
        command = h.service("yet-other", "printf yet-command >/proc/self/comm; sleep 1000; true")
        h.wait_until(lambda: h.listed(later), SOON, "the unit is hobbled")
        h.wait_until(lambda: not h.in_unit(command, "yet-other.service"), SOON, "the command is hobbled")
        room.stays()
        h.systemctl("stop", "yet-later", "yet-other")


@h.test
def limits_without_controllers_are_one_warning():
    with Room("limits") as room:
        available = h.read(f"{h.CGROOT}/cgroup.controllers").split()
        if {"cpu", "memory", "pids", "io"} <= set(available):
            h.skip("this machine has all controllers")
        for _ in range(3):
            h.write(room.path, h.read(room.path).partition("[Limits]")[0] +
                    "[Limits]\nCPUQuota=50%\nMemoryMax=1G\nTasksMax=500\n")
            room.reload()
        room.wait(r"\[Limits\] is in force without")
        h.systemctl("restart", "hobbled")
        h.wait_until(lambda: h.listed(room.pid), SOON, "it is hobbled")
        said = [e["MESSAGE"] for e in h.journal("-u", "hobbled", cursor=room.cursor)]
        h.equal(2, len([text for text in said if re.search(r"\[Limits\]", text)]), f"warnings, one for each start: {said}")
        h.check(share_frozen(room.pid) > 0, "hobbling goes on")


h.main()
