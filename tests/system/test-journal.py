#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What hobbled tells the journal of a real systemd: fields, ids, explanations, snapshots; and that a journald which
takes nothing holds up nothing."""

import json
import os
import re
import shutil
import signal
import subprocess
import time

import harness as h

LONG = 15
TARPIT = "command-line"
IDS = dict(re.findall(r'#define MESSAGE_ID_(\w+) "(\w+)"', h.read(os.path.join(h.ROOT, "src/hobbled/message-id.h"))))
COLUMNS = "PID PPID UID CPU AGE COMMAND".split()


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    h.equal(0, done.returncode, f"status of {command}: {done.stdout}{done.stderr}")
    return done.stdout


def show(unit, key):
    return run("systemctl", "show", f"--property={key}", "--value", unit).strip()


def start(unit, *command):
    """Start a transient service. Returns its main process."""
    run("systemd-run", "--quiet", "--collect", f"--unit={unit}", "--service-type=exec", *command)
    return int(show(unit, "MainPID"))


def journal(*matches):
    """The entries that match, oldest first, as journalctl finds them."""
    run("journalctl", "--sync")
    out = run("journalctl", "--quiet", "--no-pager", "--all", "--output=json", *matches)
    return [json.loads(line) for line in out.splitlines()]


class Service:
    """hobbled as a transient service, with one file of pids."""

    def __init__(self, name, *options):
        self.unit = f"test-{name}.service"
        self.instance = f"test-{os.getpid()}-{name}"
        self.pids = h.pidfile()
        self.pid = start(self.unit, h.program("HOBBLED"), f"--instance={self.instance}", *options, self.pids)
        self.entry("hobbling 1 source")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["systemctl", "stop", self.unit], stderr=subprocess.DEVNULL, check=False)

    def entries(self, *matches):
        return journal(f"_SYSTEMD_UNIT={self.unit}", "SYSLOG_IDENTIFIER=hobbled", *matches)

    def entry(self, pattern, *matches):
        """Wait for an entry whose message is like that."""
        def find():
            return next((e for e in self.entries(*matches) if re.search(pattern, e["MESSAGE"])), None)

        return h.wait_until(find, LONG, f"the journal has {pattern!r}")

    def name(self, *pids):
        h.write(self.pids, "".join(f"{pid}\n" for pid in pids))


def check_fields(entry, wanted):
    for name, value in wanted.items():
        h.equal(str(value), entry.get(name), f"{name}= of \"{entry['MESSAGE']}\"")


def in_tarpit(pid):
    return f"/{TARPIT}/" in (h.cgroup_of(pid) or "")


# -- Tests ----------------------------------------------------------------------------------------------------

@h.test
def an_admission_and_a_release_have_their_fields():
    victim = start("victim.service", "--uid=nobody", "sh", "-c", f"({h.LOOP}) & exec sleep 1000")
    nobody = run("id", "-u", "nobody").strip()
    fields = {"TARPIT": TARPIT, "SUBJECT": victim, "OBJECT_PID": victim, "OBJECT_UID": nobody, "UNIT": "victim.service",
              "PRIORITY": 6}
    try:
        with Service("fields") as hobbled:
            hobbled.name(victim)
            entry = hobbled.entry(rf"^process {victim} \(sleep\): hobbled, 2 processes$", f"SUBJECT={victim}")
            check_fields(entry, {"MESSAGE_ID": IDS["HOBBLED"], **fields})
            hobbled.name()
            entry = hobbled.entry(rf"^process {victim} \(sleep\): released, 2 processes$", f"TARPIT={TARPIT}")
            check_fields(entry, {"MESSAGE_ID": IDS["RELEASED"], **fields})
            h.check("HOBBLE_TREE" not in entry, "a release has no snapshot")
            told = [e["MESSAGE_ID"] for e in journal("--unit=victim.service", "SYSLOG_IDENTIFIER=hobbled")]
            h.equal([IDS["HOBBLED"], IDS["RELEASED"]], told, "what journalctl -u of the victim's unit shows of hobbled")
    finally:
        run("systemctl", "stop", "victim.service")


@h.test
def the_snapshot_tells_what_the_tree_was():
    tree = h.busy_tree()
    time.sleep(0.2)
    with Service("snapshot") as hobbled:
        members = {tree, *h.descendants(tree)}
        parents = {pid: int(h.read(f"/proc/{pid}/stat").rsplit(")")[1].split()[1]) for pid in members}
        hobbled.name(tree)
        heading, *lines = hobbled.entry(r": hobbled, 4 processes$")["HOBBLE_TREE"].splitlines()
        h.equal(COLUMNS, heading.split(), "heading")
        rows = [line.split(maxsplit=5) for line in lines]
        h.equal(tree, int(rows[0][0]), "the root comes first")
        h.equal(parents, {int(r[0]): int(r[1]) for r in rows}, "processes and parents")
        h.equal({"0"}, {r[2] for r in rows}, "users")
        h.check(all(r[5].startswith("sh -c (") for r in rows), f"command lines: {lines}")
        h.equal(3, sum(float(r[3].rstrip("s")) > 0.01 for r in rows), "of them busy")
        h.check(all(float(r[4].rstrip("s")) >= 0.2 for r in rows), f"ages: {lines}")


@h.test
def a_large_and_hostile_tree_is_cut_and_escaped():
    command = "for i in $(seq 99); do sleep 1000 & done; exec -a \"$(printf 'a\\033[31mb\\nc')\" sleep 1000"
    root = h.spawn(["bash", "-c", command]).pid
    h.wait_until(lambda: len(h.descendants(root)) == 99 and "sleep" in h.read(f"/proc/{root}/comm"), LONG, "the tree")
    with Service("large") as hobbled:
        hobbled.name(root)
        text = hobbled.entry(r": hobbled, 100 processes$")["HOBBLE_TREE"]
        h.between(1000, len(text), 4096, "bytes")
        lines = text.splitlines()
        h.check(lines[1].endswith(r" a\x1b[31mb\x0ac 1000"), f"the root: {lines[1]!r}")
        more = re.fullmatch(r"and (\d+) more", lines[-1])
        h.check(more, f"the last line: {lines[-1]!r}")
        h.equal(100, len(lines) - 2 + int(more[1]), "processes that are told or counted")
        h.check(len(lines) - 2 <= 64, f"{len(lines) - 2} processes are told")


@h.test
def each_event_has_its_id():
    victim = h.sleeper()
    with Service("events") as hobbled:
        hobbled.name(1, victim)
        entry = hobbled.entry(r"^source \".*\": process 1 \(.*\) is PID 1; not hobbled$")
        check_fields(entry, {"MESSAGE_ID": IDS["REFUSED"], "OBJECT_PID": 1, "SOURCE": hobbled.pids, "TARPIT": TARPIT,
                             "PRIORITY": 4})
        hobbled.entry(": hobbled, 1 process$")
        run("systemctl", "kill", "--signal=HUP", hobbled.unit)
        check_fields(hobbled.entry("^reading all sources again$"), {"MESSAGE_ID": IDS["RELOAD"], "PRIORITY": 5})

        guard = h.wait_until(lambda: [p for p in h.children(hobbled.pid)
                                      if h.read(f"/proc/{p}/comm") == "hobble-guard\n"], LONG, "the guard")[0]
        h.kill(guard)
        check_fields(hobbled.entry("^the guard has ended"), {"MESSAGE_ID": IDS["GUARD_LOST"], "PRIORITY": 4})
        check_fields(hobbled.entry("^a guard watches again"), {"MESSAGE_ID": IDS["GUARD_BACK"]})

        h.kill(hobbled.pid, signal.SIGSTOP)
        h.wait_until(lambda: not in_tarpit(victim), LONG, "the guard rescues")
        h.kill(hobbled.pid, signal.SIGCONT)
        check_fields(hobbled.entry("^was taken for hung"), {"MESSAGE_ID": IDS["RESCUED"], "PRIORITY": 4})
        h.wait_until(lambda: in_tarpit(victim), LONG, "it is hobbled again")
        h.kill(victim)
        check_fields(hobbled.entry(rf"^process {victim}: ended$"), {"MESSAGE_ID": IDS["ENDED"], "SUBJECT": victim})


@h.test
def a_cgroup_in_place_has_its_fields():
    tarpit = h.cgroup("tarpit")
    pid = h.busy(tarpit)
    name = start("test-place.service", h.program("HOBBLED"), f"--instance=test-{os.getpid()}-place", tarpit)
    try:
        h.check(name > 0, "it runs")
        entry = h.wait_until(lambda: journal("_SYSTEMD_UNIT=test-place.service", f"MESSAGE_ID={IDS['HOBBLED']}"), LONG,
                             "the journal tells")[0]
        check_fields(entry, {"SUBJECT": tarpit.removeprefix(h.CGROOT), "SOURCE": tarpit, "TARPIT": TARPIT})
        h.check("OBJECT_PID" not in entry, "it has no root")
        h.equal(str(pid), entry["HOBBLE_TREE"].splitlines()[1].split()[0], "the member in the snapshot")
    finally:
        run("systemctl", "stop", "test-place.service")


@h.test
def the_catalog_explains():
    shutil.copy(os.path.join(h.ROOT, "units/hobbled.catalog"), "/usr/lib/systemd/catalog/")
    run("journalctl", "--update-catalog")
    victim = h.sleeper()
    with Service("catalog") as hobbled:
        hobbled.name(victim)
        hobbled.entry(": hobbled, 1 process$")
        text = run("journalctl", "--no-pager", "-x", f"_SYSTEMD_UNIT={hobbled.unit}", f"SUBJECT={victim}")
        h.check(f"Subject: {victim} is hobbled now" in text, text)
        h.check(f'{victim} are in the tarpit "{TARPIT}"' in text, text)
        h.check("Documentation: man:hobbled(8)" in text, text)


@h.test
def a_stopped_journald_holds_up_nothing():
    journald = int(show("systemd-journald.service", "MainPID"))
    first, second = h.sleeper(), h.busy()
    with Service("stopped") as hobbled:
        hobbled.name(first)
        h.wait_until(lambda: in_tarpit(first), LONG, "the first is hobbled")
        h.kill(journald, signal.SIGSTOP)
        try:
            # Each is a message. Far more of them than socket and queue can hold.
            for _ in range(6000):
                h.kill(hobbled.pid, signal.SIGHUP)
                time.sleep(0.0005)
            hobbled.name(second)
            h.wait_until(lambda: in_tarpit(second), LONG, "the second is hobbled")
            h.wait_until(lambda: not in_tarpit(first), LONG, "the first is released")
            # It was never taken for hung either, and the clock goes on: seen from outside, as nothing can be said.
            h.wait_until(lambda: h.freeze_wanted(h.cgroup_of(second)), LONG, "the second is frozen")
            h.between(0, h.share(h.cgroup_of(second), 2), 0.06, "its share meanwhile")
        finally:
            h.kill(journald, signal.SIGCONT)
        lost = hobbled.entry(r"^\(\d+ messages could not be written\)$")
        h.note(lost["MESSAGE"])
        check_fields(lost, {"PRIORITY": 4})
        h.equal([], [e for e in hobbled.entries() if "hung" in e["MESSAGE"]], "rescues")


@h.test
def a_stopped_journald_does_not_keep_it_from_ending():
    journald = int(show("systemd-journald.service", "MainPID"))
    victim = h.sleeper()
    hobbled = Service("ending")
    hobbled.name(victim)
    h.wait_until(lambda: in_tarpit(victim), LONG, "it is hobbled")
    h.kill(journald, signal.SIGSTOP)
    try:
        for _ in range(4000):
            h.kill(hobbled.pid, signal.SIGHUP)
            time.sleep(0.0005)
        h.kill(hobbled.pid, signal.SIGTERM)
        h.wait_until(lambda: not in_tarpit(victim), LONG, "the victim is free")
        h.wait_until(lambda: not h.alive(hobbled.pid), LONG, "hobbled has ended")
    finally:
        h.kill(journald, signal.SIGCONT)


@h.test
def a_service_without_the_journal_says_lines():
    log = os.path.join(h.scratch(), "lines")
    victim = h.sleeper()
    start("test-lines.service", f"--property=StandardError=file:{log}", h.program("HOBBLED"),
          f"--instance=test-{os.getpid()}-lines", "--log-level=debug", h.pidfile(victim))
    try:
        h.wait_until(lambda: re.search(rf"^hobbled: process {victim} \(sleep\): hobbled, 1 process\n"
                                       rf"hobbled: +{' +'.join(COLUMNS)}\nhobbled: +{victim} .* \[sleep\]$", h.read(log),
                                       re.M), LONG, "the lines are there")
    finally:
        run("systemctl", "stop", "test-lines.service")


h.main(timeout=150, install=False)
