#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Why a process is hobbled or not, and what would be hobbled: asked of a running hobbled over its socket."""

import os
import re

import bus
import harness as h
from bus import Refused

FORCE = 1
HOUR = 3600 * 10**6
NOBODY = 65534
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
MILD, SEVERE = "(100ms frozen, 20ms thawed)", "(200ms frozen, 10ms thawed)"


class Daemon(h.Hobbled):
    """A hobbled with files of configuration, each a name and its content. Asked by the user, where one is given."""

    def __init__(self, name, **files):
        config, self.socket = os.path.join(h.scratch(), name), os.path.join(h.scratch(), f"{name}-socket")
        os.makedirs(config)
        os.chmod(h.scratch(), 0o755)
        for file, content in files.items():
            h.write(os.path.join(config, file.replace("__", ".")), content)
        super().__init__(f"--config={config}", f"--bus-socket={self.socket}")
        h.wait_until(lambda: os.path.exists(self.socket), 5, "there is a socket")
        h.wait_until(lambda: self.ask("get-property", "Guarded")[0], 5, "there is a guard")

    def ask(self, verb, *words, user=0):
        data = bus.ask(self.socket, verb, *bus.OBJECT, *words, user=user)
        return data if isinstance(data, list) else [data]

    def why(self, pid, user=0):
        """The facts, by their names, and the text."""
        facts, text = self.ask("call", "Explain", "u", str(pid), user=user)
        h.note(text)
        return {name: value["data"] for name, value in facts.items()}, text

    def verdict(self, pid):
        return self.why(pid)[0]["Verdict"]

    def wait(self, pid, verdict):
        h.wait_until(lambda: self.verdict(pid) == verdict, 5, f"process {pid} is {verdict}")

    def hobble(self, what, tarpit="", usec=0, flags=0):
        self.ask("call", "Hobble", "sstt", str(what), tarpit, str(usec), str(flags))

    def release(self, what, usec=0):
        self.ask("call", "Release", "sstt", str(what), "", str(usec), "0")

    def preview(self, what, tarpit="", flags=0):
        """Pid to verdict and text."""
        lines = self.ask("call", "Preview", "sst", str(what), tarpit, str(flags))[0]
        return {pid: (verdict, text) for pid, _, _, verdict, text in lines}


def tarpit(frozen, thawed, *sources):
    return f"[Tarpit]\nFrozenSec={frozen}\nThawedSec={thawed}\n[Source]\n" + "\n".join(sources) + "\n"


def says(text, *patterns):
    for pattern in patterns:
        h.check(re.search(pattern, text), f"{pattern!r} is in: {text}")


def path_of(name):
    """A cgroup of this test's own, as a path in the hierarchy."""
    return h.cgroup(name)[len(h.CGROOT):]


@h.test
def who_is_hobbled_is_told_where_and_by_what():
    tree, place = h.busy_tree(h.cgroup("a")), h.busy(h.cgroup("b"))
    child, pids = h.children(tree)[0], h.pidfile(tree)
    with Daemon("hobbled", mild__tarpit=tarpit("100ms", "20ms", f"Cgroup={h.cgroup('b')}"),
                severe__tarpit=tarpit("200ms", "10ms", f"PIDFile={pids}")) as d:
        d.wait(tree, "hobbled")
        d.wait(place, "in-place")

        facts, text = d.why(tree)
        says(text, rf"^process {tree} \(sh\) of root is hobbled in tarpit \"severe\" {re.escape(SEVERE)} since {TIME}, "
                   rf"because PIDFile={pids} names it\. It (runs|is frozen) at this moment;")
        h.equal((True, "severe", str(tree), f"PIDFile={pids}", path_of("a")),
                tuple(facts[n] for n in ("Hobbled", "Tarpit", "Subject", "Source", "ControlGroup")), "facts of the root")
        h.equal(h.start_time(tree), facts["StartTime"], "StartTime")
        h.check(facts["State"] in ("thawed", "frozen", "admitting"), f"State: {facts['State']}")

        facts, text = d.why(child)
        h.equal(("member", str(tree)), (facts["Verdict"], facts["Subject"]), "facts of a member")
        says(text, rf"with the tree of process {tree} \(sh\) since {TIME}, because PIDFile=\S+ names process {tree}\. The tree")

        facts, text = d.why(place)
        h.equal(("mild", path_of("b")), (facts["Tarpit"], facts["Subject"]), "facts of a member of a cgroup")
        says(text, rf"tarpit \"mild\" {re.escape(MILD)} with all of the cgroup {path_of('b')} since {TIME}, "
                   rf"because Cgroup={h.cgroup('b')} names that\.")

        h.kill(tree)
        h.wait_until(lambda: not h.alive(tree), 2, "the root has ended")
        says(d.why(child)[1], rf"process {tree}, which has ended\.")
        d.ask("call", "Pause", "st", "severe", "0")
        says(d.why(child)[1], "The tarpit is paused")


@h.test
def who_is_not_hobbled_is_told_why():
    exempt, free = h.sleeper(h.cgroup("a")), h.spawn(["sh", "-c", "sleep 1000 & wait"]).pid
    stuck = h.busy(h.cgroup("frozen"))
    zombie = h.spawn(["true"]).pid
    h.wait_until(lambda: h.state(zombie) == "Z", 2, "there is a zombie")
    h.freeze(h.cgroup("frozen"))
    try:
        with Daemon("not", hobbled__conf="[Exempt]\nCommand=slee?\n",
                    mild__tarpit=tarpit("100ms", "20ms", f"PIDFile={h.pidfile(exempt, stuck)}")) as d:
            d.wait(exempt, "exempt")
            facts, text = d.why(exempt)
            says(text, rf"\(sleep\) of root is not hobbled: it is exempt: Command=slee\? in \S+/not/hobbled.conf:2\. "
                       rf"Otherwise tarpit \"mild\" {re.escape(MILD)} would have it, because PIDFile=\S+ names it\.$")
            h.equal((False, "mild"), (facts["Hobbled"], facts["Tarpit"]), "facts of an exempt one")

            d.wait(stuck, "failed")
            says(d.why(stuck)[1], "is not hobbled, although tarpit \"mild\".*: it is in a cgroup that somebody else has "
                                  r"frozen.*It is tried again every \w+\.$")

            facts, text = d.why(free)
            h.equal("not-named", facts["Verdict"], "verdict")
            says(text, rf"no source of the one tarpit names it .*\"hobblectl hobble {free}\" would .*User=root or Command=sh")
            h.check("Tarpit" not in facts, f"a tarpit is named: {facts}")
            says(d.why(zombie)[1], "it has ended, and is only waiting for its parent")
            says(d.why(1)[1], "not hobbled: it is PID 1")
            says(d.why(d.pid)[1], "it is the daemon hobbled")
            says(d.why(d.guard())[1], "not hobbled: it is (hobbled's|the) guard")
            says(d.why(2)[1], "kernel thread" if h.read("/proc/2/comm") == "kthreadd\n" else "not hobbled")
            for pid in 2**31 - 1, 0, 2**32 - 1:
                try:
                    d.why(pid)
                except Refused as e:
                    says(str(e), "no (such )?process")
                else:
                    raise h.Failure(f"process {pid} is explained")
    finally:
        h.freeze(h.cgroup("frozen"), False)


@h.test
def what_was_asked_for_by_hand_is_told_with_its_end():
    tree = h.busy_tree(h.cgroup("a"))
    child = h.children(tree)[0]
    with Daemon("hand") as d:
        says(d.why(tree)[1], "there is no tarpit")
        d.hobble(tree, usec=HOUR)
        d.wait(child, "member")
        facts, text = d.why(tree)
        says(text, rf"in tarpit \"manual\" .*because root asked for it at {TIME} \(hobblectl hobble {tree}\)\. "
                   rf"It ends by itself at {TIME}\.")
        h.check(facts["UntilUSec"] > facts["SinceUSec"], f"the end comes after the beginning: {facts}")
        h.equal(f"hobblectl hobble {tree}", facts["Source"], "Source")
        d.release(child)
        d.wait(tree, "not-named")
    with Daemon("released", mild__tarpit=tarpit("100ms", "20ms", f"PIDFile={h.pidfile(tree)}")) as d:
        d.wait(child, "member")
        d.release(child, usec=HOUR)
        d.wait(tree, "released")
        says(d.why(tree)[1], rf"not hobbled: root let it go by hand at {TIME}, until {TIME}\. Otherwise tarpit \"mild\"")
        d.wait(child, "released")
        d.hobble(tree)
        d.wait(tree, "hobbled")


@h.test
def another_instance_is_named():
    pid, place = h.busy(h.cgroup("a")), h.busy(h.cgroup("b"))
    with h.Hobbled(h.pidfile(pid), h.cgroup("b")) as other, Daemon("other") as d:
        for one in pid, place:
            d.wait(one, "other-instance")
            says(d.why(one)[1], rf"is hobbled by another instance of hobbled, \"{other.instance}\"")
        h.equal("not-named", d.verdict(other.guard()), "verdict of its guard")


@h.test
def everybody_gets_the_same_answer():
    pid, free = h.busy(h.cgroup("a")), h.spawn([*bus.as_user(NOBODY), "sh", "-c", h.LOOP], h.cgroup("b")).pid
    name = r'$0 = "\e[31mx\n\xff"; sleep 1000'
    odd = h.spawn(["perl", "-e", name]).pid
    with Daemon("same", mild__tarpit=tarpit("100ms", "20ms", f"PIDFile={h.pidfile(pid)}")) as d:
        d.wait(pid, "hobbled")
        d.ask("call", "Pause", "st", "mild", "0")
        for one in pid, free, 1:
            facts, text = d.why(one)
            theirs, their_text = d.why(one, user=NOBODY)
            h.equal(text, their_text, "the text for nobody")
            h.equal(sorted(facts), sorted(theirs), "the facts for nobody")
        says(d.why(free)[1], r"^process \d+ \(sh\) of nobody is not hobbled")
        h.wait_until(lambda: h.read(f"/proc/{odd}/comm") != "perl\n", 2, "it has a name of its own")
        says(d.why(odd)[1], r"^process \d+ \(\\x1b\[31mx\\x0a\\xff\) of root is not hobbled")


@h.test
def what_would_be_hobbled_is_told_beforehand():
    tree, exempt = h.busy_tree(h.cgroup("a")), h.sleeper(h.cgroup("a"))
    theirs = h.spawn([*bus.as_user(NOBODY), "sh", "-c", f"({h.LOOP}) & wait"], h.cgroup("c/x.service")).pid
    named = h.busy(h.cgroup("n"))
    h.wait_until(lambda: len(h.descendants(theirs)) == 1, 2, "their tree is complete")
    child = h.children(theirs)[0]
    members = h.descendants(tree)
    with Daemon("before", hobbled__conf="[Exempt]\nCommand=sleep\n",
                mild__tarpit=tarpit("100ms", "20ms", f"PIDFile={h.pidfile(named)}")) as d:
        d.wait(named, "hobbled")
        before = h.cgroup_of(tree)
        h.equal({tree: ("hobble", 'in tarpit "manual"')} | {m: ("move", f"with process {tree}") for m in members},
                d.preview(tree), "a tree")
        h.equal({exempt: "exempt"}, {p: v for p, (v, _) in d.preview(exempt).items()}, "an exempt one")
        h.equal({exempt: "hobble"}, {p: v for p, (v, _) in d.preview(exempt, "mild", FORCE).items()}, "the same by force")
        h.equal({named: ("already", 'is hobbled in tarpit "mild"')}, d.preview(named, "mild"), "one that is hobbled")
        h.equal({named: "hobble"}, {p: v for p, (v, _) in d.preview(named).items()}, "one that a severer tarpit takes")

        lines = d.preview("x.service")
        h.equal({theirs: ("hobble", f"within {path_of('c/x.service')}"), child: ("move", f"with process {theirs}")}, lines,
                "a unit")
        h.equal({theirs: "hobble", child: "move"},
                {p: v for p, (v, _) in d.preview("@nobody").items() if p in (theirs, child)}, "a user")
        in_place = {p: ("freeze", f"with the cgroup {path_of('a')}") for p in [tree, exempt, *members]}
        h.equal(in_place, d.preview(h.cgroup("a")), "a cgroup")
        h.equal(in_place, d.preview(os.path.join(os.path.dirname(h.cgroup("a")), "[ab]")), "a glob")
        h.equal({}, d.preview(h.cgroup("a") + "/none"), "a cgroup that is not there")
        h.equal({}, d.preview("@no-such-user-here"), "a user that is not there")
        h.equal("exempt", d.preview(1)[1][0], "PID 1")
        for words in (["4711x", "", "0"], ["2147483647", "", "0"], [str(tree), "none", "0"], [str(tree), "", "8"]):
            try:
                d.ask("call", "Preview", "sst", *words)
            except Refused as e:
                h.note(e)
            else:
                raise h.Failure(f"{words} are taken")
        h.equal(before, h.cgroup_of(tree), "nobody was moved")


@h.test
def parts_that_stay_in_their_units_are_told():
    inner = h.cgroup("u/two.scope")
    root = h.spawn(["sh", "-c", f"sh -c '({h.LOOP}) & wait' & wait"], h.cgroup("u/one.scope")).pid
    h.wait_until(lambda: len(h.descendants(root)) == 2, 2, "the tree is complete")
    part = h.children(root)[0]
    leaf = h.children(part)[0]
    for pid in part, leaf:
        h.attach(pid, inner)
    with Daemon("parts") as d:
        wanted = {root: ("hobble", f"within {path_of('u/one.scope')}"),
                  part: ("hobble", f"a part of the tree, within {path_of('u/two.scope')}"),
                  leaf: ("move", f"with process {part}")}
        h.equal(wanted, d.preview(root), "what is said beforehand")
        d.hobble(root)
        for pid, verdict in (root, "hobbled"), (part, "hobbled"), (leaf, "member"):
            d.wait(pid, verdict)


h.main()
