#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""hobbled.service and hobble-pit.service as they are installed, with some fifty subjects of each kind: whatever happens
to the two, nobody is killed, nobody stays frozen, nobody is lost; and everybody is hobbled again at once. The notes hold
a table of it."""

import functools
import os
import signal
import time

import harness as h  # before those that import it from beside it
import failopen

PIT = "hobble-pit.service"
HOME = f"{h.CGROOT}/hobble.slice/{PIT}"
SERVICES, TREES, SLEEPERS = 6, 6, 35
HARD = 5.0  # seconds, until which everybody is home or hobbled again; the notes tell how long it took
TARPITS = {
    "named": "[Tarpit]\nFrozenSec=250ms\nThawedSec=40ms\nFreezeIdle=yes\n[Source]\nPIDFile={file}\nCgroup={place}\n",
    "units": "[Tarpit]\nFrozenSec=200ms\nThawedSec=40ms\nFreezeIdle=yes\n[Source]\nUnit=victim-*.service\n",
    "people": "[Tarpit]\nFrozenSec=150ms\nThawedSec=40ms\nFreezeIdle=yes\n[Source]\nUser=mallory\n",
}


class Engine:
    """What failopen asks of a hobbled, for the one of the service."""
    instance, home = "pit", HOME


class Life:
    """Victims of all kinds, hobbled by the services; at the end they are as they were before."""

    def __init__(self):
        self.victims = failopen.Victims()
        self.services = [f"victim-{i}.service" for i in range(SERVICES)]
        self.session = h.Session("mallory", f"sleep 1000 & ({h.LOOP}) & sleep 1000 & wait")
        for unit in self.services:
            script = f"sleep 1000 & {h.LOOP if unit == self.services[0] else 'wait'}"
            self.victims.take(h.service(unit.removesuffix(".service"), script))
        h.wait_until(lambda: len(h.descendants(self.session.pid)) == 4, 5, "the session has its processes, (sd-pam) too")
        self.victims.take(self.session.pid)
        for tid in [t for t in self.victims.origin if h.read(f"/proc/{t}/comm").startswith("(sd-")]:
            del self.victims.origin[tid]  # which keeps the session open, and is exempt
        for number in range(TREES):
            pid = h.spawn(["sh", "-c", "sleep 1000 & (sleep 1000 & wait) & wait"], h.cgroup(f"trees/{number}")).pid
            h.wait_until(lambda p=pid: len(h.descendants(p)) == 3, 5, "a tree is complete")
            self.victims.take(pid)
        self.victims.sleepers(SLEEPERS)
        place = self.victims.place("place")
        named = self.victims.roots[SERVICES + 1:]
        h.write("/run/naughty.pids", "".join(f"{pid}\n" for pid in named))
        os.chmod("/run/naughty.pids", 0o644)
        for name, text in TARPITS.items():
            h.tarpit(name, text.format(file="/run/naughty.pids", place=place))
        self.count = len(self.victims.roots) + 1
        self.born = {tid: h.start_time(tid) for tid in self.victims.origin}

    def __enter__(self):
        h.systemctl("start", "hobbled")
        try:
            self.again(time.monotonic())
        except h.Failure:
            self.__exit__(h.Failure, None, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            h.note(f"at home: {self.victims.at_home()}")
            for e in h.journal("-u", "hobbled", "-u", PIT)[-60:]:
                h.note(f"{e['MESSAGE']} {e.get('ERRNO', '')}")
            h.note(h.run("systemctl", "status", "--no-pager", PIT, "hobbled", status=None).stdout)
        h.systemctl("stop", "hobbled")
        if not kind:
            self.home(time.monotonic())
            self.alive()
            h.check(self.session.exists(), "the session is there")
        for name in TARPITS:
            os.unlink(f"/etc/hobbled/{name}.tarpit")
        for pid in [*h.descendants(self.session.pid), self.session.pid]:
            h.kill(pid)
        h.wait_until(lambda: not self.session.exists(), HARD, "the session is over")
        h.systemctl("stop", *self.services)

    def alive(self):
        """All of them are the processes that they were."""
        h.equal([], [tid for tid, born in self.born.items() if not h.alive(tid) or h.start_time(tid) != born], "dead")

    def again(self, begin):
        """Everybody is hobbled, which took so long."""
        h.wait_until(lambda: self.victims.admitted(Engine), HARD, "everybody is hobbled")
        took = time.monotonic() - begin
        self.alive()
        self.thaw_and_freeze()
        return took

    def home(self, begin):
        """Everybody is at home and thawed, which took so long."""
        h.wait_until(lambda: not self.victims.astray() and not self.victims.frozen(), HARD, "all are at home and thawed")
        return time.monotonic() - begin

    def places(self):
        """The cgroups in which they are hobbled."""
        return {h.cgroup_of(pid) for pid in self.victims.roots} | set(self.victims.in_place)

    def thaw_and_freeze(self):
        """Nobody stays frozen: each is thawed now and then, and frozen now and then."""
        for wanted in (True, False):
            waiting, word = self.places(), "frozen" if wanted else "thawed"

            def seen():
                waiting.difference_update([p for p in waiting if h.frozen(p) == wanted])
                return not waiting

            try:
                h.wait_until(seen, HARD, "")
            except h.Failure as e:
                raise h.Failure(f"never {word}: {sorted(waiting)}") from e

    def marks(self):
        """What changes when anybody is released or moved."""
        return {place: (os.stat(place).st_ino, h.marks(place)) for place in self.places()}

    def wait_frozen(self):
        """Wait until most of them are frozen at the same time; how many."""
        def count():
            n = sum(map(h.frozen, self.places()))
            return n if n > self.count // 2 else 0

        return h.wait_until(count, HARD, "most of them are frozen")


@functools.cache
def _heading():
    h.note(f"| {'event':44} | {'killed':6} | {'at home after':13} | {'hobbled again after':19} | others          |")
    h.note(f"|{'-' * 46}|{'-' * 8}|{'-' * 15}|{'-' * 21}|{'-' * 17}|")


def row(event, home, again, others=""):
    """A line of the table; killed is what alive() has made sure of."""
    _heading()
    text = [f"{seconds:.2f} s" if seconds is not None else "stayed hobbled" for seconds in (home, again)]
    h.note(f"| {event:44} | {'nobody':6} | {text[0] if home is not None else '-':>13} | {text[1]:>19} | {others:15} |")


def restarted(unit, before):
    """Wait for another main process of the unit that is ready; when that was."""
    h.wait_until(lambda: h.active(unit) and h.main_pid(unit) not in (None, before), 2 * HARD, f"{unit} runs again")
    return time.monotonic()


@h.test
def hobbled_is_stopped_started_restarted_and_killed():
    with Life() as life:
        guard = h.main_pid(PIT)
        h.equal(life.count, len({e["subject"] for e in h.listing()}), "subjects that hobblectl lists")
        begin = time.monotonic()
        h.systemctl("stop", "hobbled")
        home = life.home(begin)
        life.alive()
        h.equal([], h.listing(), "what is hobbled")
        h.systemctl("start", "hobbled")
        row("systemctl stop hobbled; start", home, life.again(time.monotonic()))

        h.systemctl("restart", "hobbled")
        row("systemctl restart hobbled", None, life.again(time.monotonic()), "at home between")

        frozen, before = life.wait_frozen(), h.main_pid("hobbled")
        h.systemctl("kill", "-s", "KILL", "hobbled")
        row("systemctl kill -s KILL hobbled", None, life.again(restarted("hobbled", before)),
            f"{frozen} were frozen")
        h.equal(guard, h.main_pid(PIT), "the guard")


@h.test
def hobbled_hangs_until_the_watchdog_kills_it():
    h.write_unit("hobbled.service.d/watchdog.conf", "[Service]\nWatchdogSec=2s\n")
    with Life() as life:
        before, cursor = h.main_pid("hobbled"), h.cursor()
        time.sleep(3)
        h.equal(before, h.main_pid("hobbled"), "hobbled after more time than the watchdog gives")

        life.wait_frozen()
        begin = time.monotonic()
        h.kill(before, signal.SIGSTOP)
        home = life.home(begin)
        h.equal(before, h.main_pid("hobbled"), "hobbled, which the guard did not wait for")
        row("SIGSTOP for hobbled, until the watchdog", home, life.again(restarted("hobbled", before)))
        h.wait_journal("[Ww]atchdog timeout", "-u", "hobbled", cursor=cursor)

        before = h.main_pid("hobbled")
        h.kill(before, signal.SIGSTOP)
        life.home(time.monotonic())
        h.kill(before, signal.SIGCONT)
        row("SIGSTOP for hobbled, SIGCONT", None, life.again(time.monotonic()), "at home between")
        h.wait_journal("was taken for hung", "-u", "hobbled", cursor=cursor)
        h.equal(before, h.main_pid("hobbled"), "hobbled")
    os.unlink("/etc/systemd/system/hobbled.service.d/watchdog.conf")
    h.systemctl("daemon-reload")


@h.test
def nothing_moves_when_something_is_reloaded():
    with Life() as life:
        pids = [h.main_pid(unit) for unit in ("hobbled", PIT)]
        marks, since = life.marks(), {e["subject"]: e["since"] for e in h.listing()}
        for event in (["reload", "hobbled"], ["daemon-reload"], ["daemon-reexec"], ["kill", "-s", "HUP", "hobbled"]):
            h.systemctl(*event)
            h.wait_until(lambda: h.active("hobbled") and h.active(PIT), HARD, "both are active")
            time.sleep(0.2)
            life.again(time.monotonic())
            h.equal(marks, life.marks(), "where they are, and since when")
            h.equal(since, {e["subject"]: e["since"] for e in h.listing()}, "what hobblectl lists")
            h.equal(pids, [h.main_pid(unit) for unit in ("hobbled", PIT)], "the two main processes")
            row(f"systemctl {' '.join(event)}", None, None, "nobody moved")


@h.test
def the_pit_is_stopped_started_restarted_and_killed():
    with Life() as life:
        daemon, cursor = h.main_pid("hobbled"), h.cursor()
        begin = time.monotonic()
        h.systemctl("stop", PIT)
        home = life.home(begin)
        life.alive()
        h.wait_until(lambda: "Waiting for the guard" in h.show("hobbled", "StatusText"), HARD, "the status says so")
        h.systemctl("start", PIT)
        row("systemctl stop hobble-pit; start", home, life.again(time.monotonic()))
        h.wait_journal("the guard was away, and everything was released meanwhile", "-u", "hobbled", cursor=cursor)

        h.systemctl("restart", PIT)
        row("systemctl restart hobble-pit", None, life.again(time.monotonic()), "at home between")

        frozen, before = life.wait_frozen(), h.main_pid(PIT)
        h.systemctl("kill", "--kill-whom=main", "-s", "KILL", PIT)
        row("systemctl kill --kill-whom=main -s KILL pit", None, life.again(restarted(PIT, before)),
            f"{frozen} were frozen")
        h.equal(daemon, h.main_pid("hobbled"), "hobbled")

        h.systemctl("restart", PIT, "hobbled")
        row("systemctl restart hobbled hobble-pit", None, life.again(time.monotonic()), "at home between")
        daemon, before = h.main_pid("hobbled"), h.main_pid(PIT)
        h.kill(daemon)
        h.kill(before)
        row("SIGKILL for both at once", None,
            life.again(max(restarted(PIT, before), restarted("hobbled", daemon))))
        said = [e["MESSAGE"] for e in h.journal("-u", "hobbled", cursor=cursor)]
        h.equal([], [text for text in said if "taken for hung" in text], "what hobbled says of itself")


@h.test
def list_and_rescue_know_the_service():
    with Life() as life:
        h.equal({"pit"}, set(h.hobblectl("list", "-n", "-o", "INSTANCE").stdout.split()), "instances")
        h.equal(0, h.hobblectl("rescue", "--quiet", "pit").returncode, "the unit's ExecStopPost=, while hobbled lives")
        life.again(time.monotonic())
        begin = time.monotonic()
        h.run(h.program("HOBBLECTL"), "rescue", "--all")
        home = life.home(begin)
        h.wait_until(lambda: h.show("hobbled", "ActiveState") == "inactive", HARD, "hobbled has ended")
        h.systemctl("start", "hobbled")
        row("hobblectl rescue --all; start hobbled", home, life.again(time.monotonic()))


@h.test
def a_guard_that_never_comes():
    """hobbled says that it waits, hobbles nobody, forgets no reload, and ends when it is told."""
    h.systemctl("stop", "hobbled", PIT)
    h.systemctl("mask", "--runtime", PIT)
    victim = h.service("alone", "sleep 1000")
    h.systemctl("start", "hobbled")
    h.wait_until(lambda: "Waiting for the guard (hobble-pit.service)" in h.systemctl("status", "hobbled").stdout, HARD,
                 "systemctl status says so")
    h.wait_journal("hobble-pit.service.* is not there", "-u", "hobbled")
    path = h.tarpit("alone", "[Tarpit]\nFreezeIdle=yes\n[Source]\nUnit=alone.service\n")
    h.systemctl("reload", "hobbled")
    h.check(h.in_unit(victim, "alone.service"), "nobody is hobbled without a guard")
    pid, begin = h.main_pid("hobbled"), time.monotonic()
    h.systemctl("stop", "hobbled")
    h.equal("success", h.show("hobbled", "Result"), f"the result of stopping {pid}")
    h.check(time.monotonic() - begin < HARD, "it ends when it is told")

    h.systemctl("start", "hobbled")
    h.wait_until(lambda: "Waiting" in h.show("hobbled", "StatusText"), HARD, "it waits again")
    os.unlink(path)
    h.tarpit("later", "[Tarpit]\nFreezeIdle=yes\n[Source]\nUnit=alone.service\n")
    h.systemctl("reload", "hobbled")
    h.systemctl("unmask", "--runtime", PIT)
    h.systemctl("start", PIT)
    h.wait_until(lambda: h.listed(victim), HARD, "it is hobbled as soon as there is a guard")
    h.equal(["later"], [e["tarpit"] for e in h.listing()], "in the tarpit that was written meanwhile")
    h.systemctl("stop", "hobbled")
    h.wait_until(lambda: h.in_unit(victim, "alone.service"), HARD, "it is at home")
    os.unlink("/etc/hobbled/later.tarpit")


h.main()
