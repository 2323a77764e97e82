#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is asked by hand of a running hobbled, and how it goes together with what the sources name."""

import os
import time

import bus
import harness as h
from bus import Refused

FORCE, PERSISTENT = 1, 2
HOUR = 3600 * 10**6


class Daemon:
    """A hobbled with a configuration of its own, and the calls to it. `tarpits`: name to content of the file."""

    def __init__(self, name, **tarpits):
        self.config = os.path.join(h.scratch(), name)
        self.state = os.path.join(h.scratch(), f"{name}-state")
        self.socket = os.path.join(h.scratch(), f"{name}-socket")
        for path in self.config, self.state:
            os.makedirs(path)
        for tarpit, content in tarpits.items():
            self.configure(tarpit, content)
        self.start()

    def configure(self, tarpit, content):
        h.write(os.path.join(self.config, f"{tarpit}.tarpit"), content)

    def start(self):
        self.hobbled = h.Hobbled(f"--config={self.config}", f"--bus-socket={self.socket}",
                                 env={"STATE_DIRECTORY": self.state})
        h.wait_until(lambda: os.path.exists(self.socket), 5, "there is a socket")
        h.wait_until(lambda: self._ready(), 5, "it can be asked")

    def _ready(self):
        try:
            return self.get("Guarded")
        except Refused:
            return False

    def restart(self):
        self.hobbled.stop()
        self.start()

    def call(self, method, types="", *arguments):
        return bus.ask(self.socket, "call", *bus.OBJECT, method, *([types] if types else []), *map(str, arguments))

    def get(self, name):
        return bus.ask(self.socket, "get-property", *bus.OBJECT, name)

    def hobble(self, what, tarpit="", usec=0, flags=0):
        return self.call("Hobble", "sstt", what, tarpit, usec, flags)[0]

    def release(self, what, usec=0, flags=0):
        return self.call("Release", "sstt", what, "", usec, flags)[0]

    def requests(self):
        return sorted((verb, what, tarpit) for _, verb, what, tarpit, *_ in self.call("ListRequests")[0])

    def subjects(self):
        """Name to tarpit and source."""
        return {s[2]: (s[1], s[12]) for s in self.call("ListSubjects", "s", "")[0]}

    def stop(self):
        self.hobbled.stop()


def refused(call, *words):
    """That it is refused, in these words."""
    try:
        call()
    except Refused as e:
        for word in words:
            h.check(word in str(e), f"the error says {word!r}: {e}")
    else:
        raise h.Failure(f"refused with {words}")


def hobbled(pid):
    return "/hobbled-" in h.cgroup_of(pid)


def comes(pid):
    h.wait_until(lambda: hobbled(pid), 5, f"{pid} is hobbled")


def goes(pid, place):
    h.wait_until(lambda: h.cgroup_of(pid) == place, 5, f"{pid} is at home")


def stays(condition, what, seconds=0.4):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        h.check(condition(), what)
        time.sleep(0.01)


@h.test
def a_process_by_its_number():
    """Hobbled and released again, and nothing is left of it: neither the request nor the tarpit."""
    place = h.cgroup("origin")
    pid = h.busy(place)
    d = Daemon("number")
    d.hobble(pid)
    comes(pid)
    h.equal([("hobble", str(pid), "manual")], d.requests(), "requests")
    h.wait_until(lambda: d.subjects(), 2, "it is listed")
    h.equal({str(pid): ("manual", f"hobblectl hobble {pid}")}, d.subjects(), "subjects")
    h.equal(1, d.release(pid), "released")
    goes(pid, place)
    h.equal([], d.requests(), "requests")
    h.wait_until(lambda: not d.call("ListTarpits")[0], 3, "its tarpit is gone")
    refused(lambda: d.release(pid), "not hobbled")


@h.test
def a_tree_outlives_its_root():
    """What a process has started stays hobbled after its end, until the last one has ended too."""
    place = h.cgroup("origin")
    root = h.spawn(["sh", "-c", "sleep 1000 & sleep 1000 & wait"], place)
    h.wait_until(lambda: len(h.children(root.pid)) == 2, 2, "its children are there")
    one, two = h.children(root.pid)
    d = Daemon("root")
    d.hobble(one)
    comes(one)
    d.release(one)
    goes(one, place)
    d.hobble(root.pid)
    comes(two)
    root.kill()
    root.wait()
    d.hobble(h.sleeper(place))  # so that it looks at all of them again
    stays(lambda: hobbled(one) and hobbled(two), "its children are hobbled")
    h.equal(1, d.release(two), "released by the number of a member")
    goes(one, place)
    goes(two, place)


@h.test
def several_by_a_pattern():
    """A user's, a cgroup's."""
    place, other = h.cgroup("origin"), h.cgroup("other")
    a = h.spawn(["setpriv", "--reuid=12345", "--clear-groups", "sleep", "1000"], place).pid
    b = h.spawn(["setpriv", "--reuid=12345", "--clear-groups", "sleep", "1000"], other).pid
    mine = h.sleeper(place)
    d = Daemon("pattern")
    d.hobble("@12345")
    comes(a)
    comes(b)
    stays(lambda: not hobbled(mine), "others' are not")
    c = h.spawn(["setpriv", "--reuid=12345", "--clear-groups", "sleep", "1000"], place).pid
    comes(c)
    d.release("@12345")
    goes(a, place)
    goes(b, other)
    goes(c, place)
    d.hobble(other)
    h.wait_until(lambda: d.subjects(), 5, "the cgroup is hobbled")
    h.equal(["manual"], [tarpit for tarpit, _ in d.subjects().values()], "its tarpit")
    h.equal(other, h.cgroup_of(b), "in place")
    d.release(other)
    h.wait_until(lambda: not d.subjects(), 5, "it is released")
    h.equal([], d.requests(), "requests")


@h.test
def who_is_named_by_a_source_is_let_go():
    """And stays free through a reload, until it is asked for again; others that are named stay hobbled."""
    place = h.cgroup("origin")
    a, b = h.sleeper(place), h.sleeper(place)
    d = Daemon("source", naughty=f"[Source]\nPIDFile={h.pidfile(a, b)}\n")
    comes(a)
    comes(b)
    d.release(a)
    goes(a, place)
    h.equal([("release", str(a), "")], d.requests(), "requests")
    d.call("Reload")
    stays(lambda: not hobbled(a) and hobbled(b), "one is free, the other is not")
    d.hobble(a, "naughty")
    comes(a)
    h.equal([("hobble", str(a), "naughty")], d.requests(), "requests")
    d.release(a)
    goes(a, place)
    h.equal([("release", str(a), "")], d.requests(), "a source still names it")
    h.kill(a)
    h.kill(b)
    h.wait_until(lambda: d.call("Reload") is None and d.requests() == [], 5, "a request for nobody is forgotten")


@h.test
def what_a_source_names_too_is_let_go_by_one_release():
    """A cgroup in place and a user, who are asked for by hand as well; for a while or for good."""
    place, tarpit = h.cgroup("origin"), h.cgroup("tarpit")
    pid = h.spawn(["setpriv", "--reuid=12345", "--clear-groups", "sleep", "1000"], place).pid
    h.sleeper(tarpit)
    d = Daemon("twice", naughty=f"[Source]\nPIDFile={h.pidfile(pid)}\nCgroup={tarpit[:-1]}*\nCheckSec=200ms\n")
    comes(pid)
    h.wait_until(lambda: len(d.subjects()) == 2, 5, "both are hobbled")
    for what in tarpit, "@12345":
        d.hobble(what)
        d.release(what)
    goes(pid, place)
    h.wait_until(lambda: not d.subjects(), 5, "both are released")
    stays(lambda: not d.subjects(), "nobody is hobbled")
    h.equal([("release", tarpit, ""), ("release", "@12345", "")], d.requests(), "requests")
    d.hobble(tarpit)
    h.wait_until(lambda: d.subjects(), 5, "the cgroup is hobbled again")
    d.release(tarpit, 1500000)
    h.wait_until(lambda: not d.subjects(), 1, "it is released")
    h.wait_until(lambda: d.subjects(), 5, "its time is over")


@h.test
def the_severest_counts():
    """A tarpit that comes with a request, too; and who was let go can be asked for again."""
    place = h.cgroup("origin")
    pid = h.sleeper(place)
    d = Daemon("severest", naughty=f"[Tarpit]\nDuty=50%\n[Source]\nPIDFile={h.pidfile(pid)}\n",
               other="[Tarpit]\nDuty=90%\n")
    comes(pid)

    def is_in(tarpit):
        h.wait_until(lambda: [t for t, _ in d.subjects().values()] == [tarpit], 5, f"it is in {tarpit}")

    is_in("naughty")
    d.hobble(pid)
    is_in("manual")
    d.release(pid)
    goes(pid, place)
    d.hobble(pid)
    is_in("manual")
    d.call("ReleaseAll", "t", 0)
    goes(pid, place)
    d.hobble(pid, "other")
    is_in("naughty")


@h.test
def all_are_let_go():
    """Also a cgroup in place, and until the tarpit is resumed; who starts later is hobbled."""
    place, tarpit = h.cgroup("origin"), h.cgroup("tarpit")
    a, b = h.sleeper(place), h.sleeper(tarpit)
    path = h.pidfile(a)
    d = Daemon("all", naughty=f"[Source]\nPIDFile={path}\nCgroup={tarpit}\nCheckSec=200ms\n")
    comes(a)
    h.wait_until(lambda: len(d.subjects()) == 2, 5, "both are hobbled")
    by_hand = h.sleeper(place)
    d.hobble(by_hand)
    comes(by_hand)
    h.equal(3, d.call("ReleaseAll", "t", 0)[0], "released")
    for pid in a, by_hand:
        goes(pid, place)
    h.wait_until(lambda: not d.subjects(), 5, "nobody is hobbled")
    time.sleep(0.02)
    later = h.sleeper(place)
    h.write(path, f"{a}\n{later}\n")
    comes(later)
    stays(lambda: not hobbled(a), "who was let go is free")
    d.call("Resume", "st", "naughty", 0)
    comes(a)
    h.wait_until(lambda: len(d.subjects()) == 3, 5, "the cgroup is hobbled again")
    stays(lambda: not hobbled(by_hand), "what was asked for by hand is over")


@h.test
def for_a_while():
    place = h.cgroup("origin")
    pid, named = h.sleeper(place), h.sleeper(place)
    d = Daemon("while", naughty=f"[Source]\nPIDFile={h.pidfile(named)}\n")
    comes(named)
    d.hobble(pid, "", 1500000)
    d.release(named, 1500000)
    comes(pid)
    goes(named, place)
    d.hobbled.wait_log("its time is over", 6)
    goes(pid, place)
    comes(named)
    h.equal([], d.requests(), "requests")


@h.test
def a_tarpit_pauses():
    """Everybody is thawed and stays where they are, through a reload."""
    pid = h.busy(h.cgroup("origin"))
    d = Daemon("pause", naughty=f"[Tarpit]\nDuty=10%\n[Source]\nPIDFile={h.pidfile(pid)}\n")
    comes(pid)
    d.call("Pause", "st", "naughty", 0)
    d.call("Reload")
    directory = h.cgroup_of(pid)
    time.sleep(0.3)
    stays(lambda: not h.freeze_wanted(directory), "nobody is frozen", 1)
    h.equal([("pause", "naughty", "naughty")], d.requests(), "requests")
    d.call("Resume", "st", "naughty", 0)
    h.wait_until(lambda: h.freeze_wanted(directory), 5, "it is frozen again")
    h.equal(directory, h.cgroup_of(pid), "where it is")
    refused(lambda: d.call("Pause", "st", "no-such", 0), "no-such")


@h.test
def who_must_not_be_hobbled():
    """[Exempt] is lifted by force; nothing lifts what is built in."""
    place = h.cgroup("origin")
    pid = h.sleeper(place)
    d = Daemon("exempt", naughty="[Exempt]\nCommand=sleep\n")
    refused(lambda: d.hobble(pid, "naughty"), "is exempt: Command=sleep", "--force")
    d.hobble(pid, "naughty", 0, FORCE)
    comes(pid)
    d.call("Reload")
    stays(lambda: hobbled(pid), "it stays hobbled")
    h.equal(1, d.release(pid), "released")
    goes(pid, place)
    refused(lambda: d.hobble(1, "naughty", 0, FORCE), "is PID 1")
    if h.read("/proc/2/comm") == "kthreadd\n":
        refused(lambda: d.hobble(2, "naughty", 0, FORCE), "kernel thread")
    refused(lambda: d.hobble(d.hobbled.pid, "naughty", 0, FORCE), "hobbled")
    refused(lambda: d.hobble(os.getpid(), "", 0, FORCE), "from which this is asked")
    refused(lambda: d.hobble("@0", "", 0, FORCE), "from which this is asked")
    gone = h.spawn(["true"])
    gone.wait()
    refused(lambda: d.hobble(gone.pid), f"no process {gone.pid}")
    refused(lambda: d.hobble("mallory"), "nor the name of a unit")
    for path in "/", "/etc", "/etc/passwd", "/no/such", f"{place}/cgroup.procs", f"{place}/nowhere":
        refused(lambda: d.hobble(path), f'There is no cgroup "{path}"')
    refused(lambda: d.hobble(h.CGROOT), "is the root of a hierarchy")
    refused(lambda: d.hobble(pid, "no-such"), "no-such")
    refused(lambda: d.hobble(pid, "", 0, 64), "Flags")


@h.test
def persistent_requests_outlive_a_restart():
    place = h.cgroup("origin")
    kept, lost, named = h.sleeper(place), h.sleeper(place), h.sleeper(place)
    d = Daemon("persistent", naughty=f"[Source]\nPIDFile={h.pidfile(named)}\n")
    comes(named)
    d.hobble(kept, "naughty", HOUR, PERSISTENT)
    d.hobble(lost)
    d.release(named, 0, PERSISTENT)
    d.call("Pause", "st", "naughty", PERSISTENT)
    comes(kept)
    comes(lost)
    goes(named, place)
    d.restart()
    comes(kept)
    h.equal([("hobble", str(kept), "naughty"), ("pause", "naughty", "naughty"), ("release", str(named), "")],
            d.requests(), "requests")
    stays(lambda: not hobbled(lost) and not hobbled(named), "the others are free")
    d.release(kept)
    d.call("Resume", "st", "naughty", 0)
    d.restart()
    h.equal([("release", str(named), "")], d.requests(), "requests after another restart")


@h.test
def settings_by_hand():
    """A drop-in, in force at once; what makes no sense changes nothing."""
    pid = h.sleeper(h.cgroup("origin"))
    d = Daemon("set", naughty=f"[Tarpit]\nDescription=Too much\n[Source]\nPIDFile={h.pidfile(pid)}\n")
    comes(pid)

    def put(*assignments, flags=PERSISTENT, tarpit="naughty"):
        d.call("Set", "sast", tarpit, len(assignments), *assignments, flags)

    def duty():
        (_, description, frozen, thawed, *_), = d.call("ListTarpits")[0]
        h.equal("Too much", description, "description")
        return frozen, thawed

    h.equal((250000, 10000), duty(), "duty")
    put("FrozenSec=90ms", "TasksMax=50")
    h.equal((90000, 10000), duty(), "duty")
    put("Duty=20%")
    h.equal((40000, 10000), duty(), "duty")
    dropin = os.path.join(d.config, "naughty.tarpit.d/90-set.conf")
    h.equal("# Written by hobblectl set.\n[Tarpit]\nDuty=20%\n[Limits]\nTasksMax=50\n", h.read(dropin), "drop-in")
    refused(lambda: put("Duty=lots"), "percentage")
    refused(lambda: put("Dutty=5%"), "Dutty")
    refused(lambda: put("User=root"), "list")
    refused(lambda: put("Duty"), "KEY=VALUE")
    refused(lambda: put("Duty=5%\n[Source]\nUser=root"), "KEY=VALUE")
    refused(lambda: put("Duty=5%", tarpit="../../x"), "No tarpit")
    refused(lambda: put("Duty=5%", flags=0), "persistent")
    h.equal((40000, 10000), duty(), "duty")
    h.equal(["90-set.conf"], os.listdir(os.path.dirname(dropin)), "files")
    put("Duty=", "TasksMax=")
    h.equal((250000, 10000), duty(), "duty")
    stays(lambda: hobbled(pid), "it was hobbled all the time", 0.1)
    d.configure("naughty", "[Tarpit]\nDuty=lots\n")
    refused(lambda: d.call("Reload"), "check-config")
    h.equal((250000, 10000), duty(), "duty")


h.main()
