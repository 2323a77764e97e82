#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""org.hobbled1 on the system bus of a booted systemd: who has the name, who may do what, what is asked for by hand and
how long that lasts, and a bus that goes away."""

import json
import os
import re
import subprocess

import harness as h  # before those that import it from beside them
from following import Following, wait_in

NAME, PATH, MANAGER = "org.hobbled1", "/org/hobbled1", "org.hobbled1.Manager"
PRIVATE = "/run/hobbled/private"
NOBODY_NAMED = "[Source]\nUnit=nobody-is-named.service\n"

# Each method of the manager that changes something.
CHANGING = [
    ("Hobble", "sstt", "nobody-is-named.service", "", 0, 0), ("Release", "sstt", "nobody-is-named.service", "", 0, 0),
    ("ReleaseAll", "t", 0), ("Pause", "st", "held", 0), ("Resume", "st", "held", 0),
    ("Set", "sast", "held", 1, "ThawedSec=20ms", 0), ("Reload",)]

CLIENT = f"""
import dbus, dbus.mainloop.glib
from gi.repository import GLib
dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus, loop = dbus.SystemBus(), GLib.MainLoop()
def on_event(usec, kind, tarpit, subject, pid, source, text):
    print(kind, tarpit, pid, flush=True)
    loop.quit()
bus.add_signal_receiver(on_event, "Event", "{MANAGER}", "{NAME}", "{PATH}")
manager = dbus.Interface(bus.get_object("{NAME}", "{PATH}"), "{MANAGER}")
print(*(row[0] for row in manager.ListTarpits()), flush=True)
GLib.timeout_add_seconds(20, loop.quit)
loop.run()
"""


def as_(user, *command, **options):
    """Run a command, as a user or (None) as root."""
    if user:
        h.user(user)
        command = ("runuser", "-u", user, "--", *command)
    return h.run(*command, **options)


def call(*arguments, user=None, **options):
    """Call a method of the manager over the system bus."""
    return as_(user, "busctl", "call", NAME, PATH, MANAGER, *arguments, **options)


def value(name, obj=PATH, interface=MANAGER):
    return h.run("busctl", "get-property", NAME, obj, interface, name).stdout.split(maxsplit=1)[1].strip()


def ctl(*arguments, user=None, **options):
    return as_(user, h.program("HOBBLECTL"), *arguments, **options)


def bus_ctl(*arguments, **options):
    """hobblectl as root, over the system bus: it does not see the private socket, which it would take."""
    hidden = "mount -t tmpfs -o mode=0755 none /run/hobbled && exec \"$@\""
    return h.run("unshare", "--mount", "sh", "-c", hidden, "sh", h.program("HOBBLECTL"), *arguments, **options)


def owned():
    return NAME in h.run("busctl", "list", "--acquired", "--no-legend").stdout.split()


def wait_owned():
    h.wait_until(owned, 15, f"{NAME} is owned")


def why(pid):
    return json.loads(ctl("why", "--json", pid).stdout)[0]


def wait_why(pid, tarpit, timeout=8):
    """Wait until a process is hobbled there, None: not at all."""
    h.wait_until(lambda: why(pid)["tarpit"] == tarpit, timeout, f"{pid} is in {tarpit}")


def requests():
    rows = json.loads(h.run("busctl", "--json=short", "call", NAME, PATH, MANAGER, "ListRequests").stdout)["data"][0]
    return sorted((row[1], row[2], row[3], row[7]) for row in rows)


class OnBus(Following):
    """hobbled.service with these tarpits, on the bus."""

    def __enter__(self):
        super().__enter__()
        wait_owned()
        return self


# -- Tests ----------------------------------------------------------------------------------------------------

@h.test
def it_has_its_name_and_any_client_can_use_it():
    pid = h.service("victim", h.LOOP)
    with OnBus(held=NOBODY_NAMED):
        h.equal(str(h.main_pid("hobbled")), h.run("busctl", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus",
                "org.freedesktop.DBus", "GetConnectionUnixProcessID", "s", NAME).stdout.split()[1], "who has the name")
        said = h.run("busctl", "introspect", NAME, PATH).stdout
        for member in [row[0] for row in CHANGING] + ["Explain", "ListSubjects", "Version", "Event"]:
            h.check(re.search(rf"^\.{member} ", said, re.M), f"{member} is introspected:\n{said}")
        h.check("/org/hobbled1/tarpit/held" in h.run("busctl", "tree", NAME).stdout, "the tree")
        if h.run("/usr/bin/python3", "-c", "import dbus; from gi.repository import GLib", status=None).returncode:
            h.skip("python3-dbus or python3-gi is not installed")
        h.user("ann")
        with subprocess.Popen(["runuser", "-u", "ann", "--", "/usr/bin/python3", "-c", CLIENT], text=True,
                              stdout=subprocess.PIPE) as client:
            h.equal("held", client.stdout.readline().strip(), "tarpits")
            ctl("hobble", pid)
            h.equal(f"hobbled manual {pid}", client.stdout.readline().strip(), "the event")
    h.systemctl("stop", "victim")


@h.test
def it_is_activated_while_it_is_enabled():
    ctl("list")
    status = ctl("status", status=3)
    h.check(status.stdout.startswith("○ hobbled"), f"status: {status.stdout}")
    h.check("not running" in ctl("list-tarpits", status=1).stderr, "list-tarpits")
    call("ListTarpits", status=1)
    refused = ctl("pause", "held", status=1)
    h.check("systemctl start hobbled" in refused.stderr, f"pause, where it is not enabled: {refused.stderr}")
    h.check(not h.active("hobbled"), "what is not enabled is not started")
    h.tarpit("held", NOBODY_NAMED)
    h.systemctl("enable", "hobbled")
    try:
        for verb in ("status", "list", "list-tarpits", "tree", "metrics"):
            ctl(verb, status=None)
        ctl("why", os.getpid())
        h.check(not h.active("hobbled"), "a reading verb does not start it")
        h.check('"held"' in call("ListTarpits").stdout, "the answer to the call that starts it")
        h.check(h.active("hobbled"), "a call has started it")
        h.systemctl("stop", "hobbled")
        ctl("pause", "held")
        h.equal("true", value("Paused", f"{PATH}/tarpit/held", f"{NAME}.Tarpit"), "a changing verb has started it")
    finally:
        h.systemctl("disable", "--now", "hobbled")


def check_refused(pid):
    """A user who is permitted nothing: may ask, and changes nothing."""
    before = ctl("list", "--json").stdout
    for method in CHANGING:
        done = call(*method, user="ann", status=1)
        h.check(re.search("not permitted|access denied|authori[sz]ation", done.stderr, re.I), f"{method}: {done.stderr}")
    for verb in (("hobble", pid), ("hobble", "@ann"), ("release", pid), ("release", "--all"), ("pause", "held"),
                 ("resume", "held"), ("set", "held", "ThawedSec=20ms"), ("reload",)):
        done = ctl(*verb, user="ann", status=4)
        h.check("not permitted" in done.stderr, f"{verb}: {done.stderr}")
    h.check(str(pid) in call("ListSubjects", "s", "", user="ann").stdout, "a user's ListSubjects")
    h.check('"hobbled"' in call("Explain", "u", pid, user="ann").stdout, "a user's Explain")
    # With a balance in it, which may have changed between the two.
    h.wait_until(lambda: ctl("why", pid).stdout == ctl("why", pid, user="ann").stdout, 5, "a user's why is root's")
    h.check("held" in ctl("why", pid, user="ann").stdout, "why")
    h.equal([], requests(), "requests")
    h.equal(before.count('"pid"'), ctl("list", "--json").stdout.count('"pid"'), "how many are hobbled")


@h.test
def without_polkit_only_root_may_change_anything():
    h.systemctl("mask", "--runtime", "--now", "polkit", status=None)
    pid = h.service("victim", "exec sleep 1000")
    try:
        with OnBus(held="[Source]\nUnit=victim.service\n"):
            wait_in("held", pid)
            check_refused(pid)
    finally:
        h.systemctl("unmask", "--runtime", "polkit", status=None)
    h.systemctl("stop", "victim")


@h.test
def a_rule_of_polkits_lets_a_user_release():
    if h.run("systemctl", "start", "polkit", status=None).returncode:
        h.skip("polkit does not run here")
    pid = h.service("victim", "exec sleep 1000")
    with OnBus(held="[Source]\nUnit=victim.service\n"):
        wait_in("held", pid)
        check_refused(pid)
        known = h.run("pkaction").stdout.split()
        for action in ("hobble", "release", "configure"):
            h.check(f"{NAME}.{action}" in known, f"polkit knows {action}")
        rule = (f'polkit.addRule(function(action, subject) {{ if (action.id == "{NAME}.release" && '
                'subject.user == "ann") return polkit.Result.YES; });\n')
        h.write("/etc/polkit-1/rules.d/10-hobbled.rules", rule)
        os.chmod("/etc/polkit-1/rules.d/10-hobbled.rules", 0o644)
        h.systemctl("restart", "polkit")
        ctl("hobble", pid, user="ann", status=4)
        ctl("pause", "held", user="ann", status=4)
        ctl("release", pid, user="ann")
        wait_in(None, pid)
        said = ctl("why", pid, user="ann").stdout
        h.check("ann let it go by hand" in said, f"why: {said}")
        os.unlink("/etc/polkit-1/rules.d/10-hobbled.rules")
    h.systemctl("stop", "polkit")
    h.systemctl("stop", "victim")


HELD = f"{PATH}/tarpit/held"


def duty():
    return tuple(int(value(f"{key}USec", HELD, f"{NAME}.Tarpit")) // 1000 for key in ("Frozen", "Thawed"))


def check_set():
    """Set, at runtime and for good, and pause."""
    bus_ctl("set", "held", "ThawedSec=25ms")
    bus_ctl("set", "--persistent", "held", "FrozenSec=300ms")
    bus_ctl("pause", "held")
    for path in ("/run/hobbled/held.tarpit.d/91-set-runtime.conf", "/etc/hobbled/held.tarpit.d/90-set.conf"):
        h.check(os.path.exists(path), path)
        h.equal((0o755, 0o644), tuple(os.stat(p).st_mode & 0o777 for p in (os.path.dirname(path), path)),
                f"modes of {path}: anybody may look at the configuration")
    h.equal((300, 25), duty(), "set")
    said = ctl("cat-config", user="ann").stdout
    h.check("ThawedSec=25ms" in said and "FrozenSec=300ms" in said, f"a user's cat-config: {said!r}")


@h.test
def what_is_asked_for_lasts_as_long_as_it_should():
    process, unit, place, brief = (h.service(name, h.LOOP) for name in ("process", "unit", "place", "brief"))
    session = h.Session("bob", h.LOOP)
    cgroup = h.unit_cgroup("place.service")

    with OnBus(held=NOBODY_NAMED):
        dry = bus_ctl("hobble", "--dry-run", "unit.service").stdout
        h.check(str(unit) in dry and "hobble" in dry, f"--dry-run: {dry}")
        h.equal([], requests(), "requests after --dry-run")
        bus_ctl("hobble", process)
        bus_ctl("hobble", "--persistent", "--tarpit=held", "unit.service")
        bus_ctl("hobble", "@bob")
        bus_ctl("hobble", cgroup)
        bus_ctl("hobble", "--for=1s", brief)
        for pid, tarpit in ((process, "manual"), (unit, "held"), (session.pid, "manual"), (place, "manual")):
            wait_why(pid, tarpit)
        wait_why(brief, None)
        h.check(not any(str(brief) in row for row in requests()), "--for is over")

        check_set()
        before = requests()
        h.systemctl("reload", "hobbled")
        h.equal(before, requests(), "requests after a reload")
        h.equal((300, 25), duty(), "set, after a reload")
        h.equal("true", value("Paused", HELD, f"{NAME}.Tarpit"), "paused, after a reload")
        for pid, tarpit in ((process, "manual"), (unit, "held"), (session.pid, "manual"), (place, "manual")):
            wait_why(pid, tarpit)

        bus_ctl("release", process)
        bus_ctl("resume", "held")
        wait_why(process, None)
        h.equal("false", value("Paused", HELD, f"{NAME}.Tarpit"), "resumed")
        bus_ctl("hobble", process)
        bus_ctl("pause", "held")
        h.wait_until(lambda: "unit.service" in h.read("/var/lib/hobbled/requests"), 5, "it is in the file")

        h.systemctl("restart", "hobbled")
        wait_owned()
        h.equal([("hobble", "unit.service", "held", True)], requests(), "requests after a restart")
        h.equal((300, 10), duty(), "set, after a restart")
        h.equal("false", value("Paused", HELD, f"{NAME}.Tarpit"), "paused, after a restart")
        wait_why(unit, "held")
        for pid in (process, session.pid, place, brief):
            wait_why(pid, None)
        bus_ctl("release", "unit.service", "--persistent")
        wait_why(unit, None)
        h.equal([], [row for row in requests() if row[0] == "hobble"], "requests at the end")
        bus_ctl("set", "--persistent", "held", "FrozenSec=")
        h.equal((250, 10), duty(), "set, taken back")
        bus_ctl("release", "--all")
    h.kill(session.pid)
    session.process.wait()
    h.systemctl("stop", "process", "unit", "place", "brief")


SAMPLE = re.compile(r'[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-z_]+="([^"\\]|\\.)*",?)*\})? [-+]?[0-9.]+(e[-+]?[0-9]+)?')
COMMENT = re.compile(r"# (HELP [a-z_]+ \S.*|TYPE [a-z_]+ (counter|gauge))")


@h.test
def the_reading_verbs_tell_of_three_tarpits():
    pids = {name: h.service(name, h.LOOP) for name in ("one", "two", "three")}
    with OnBus(**{name: f"[Source]\nUnit={name}.service\n" for name in pids}):
        for name, pid in pids.items():
            wait_in(name, pid)
        for how, run in (("root", ctl), ("the bus", bus_ctl), ("a user", lambda *words: ctl(*words, user="ann"))):
            said = {verb: run(verb).stdout for verb in ("status", "list", "list-tarpits", "tree")}
            h.check(said["status"].startswith("● hobbled"), f"status: {said}")
            for name, pid in pids.items():
                for verb, text in said.items():
                    h.check(re.search(rf"\b{name}\b", text), f"as {how}, {name} is not in {verb}'s {text!r}")
                    h.check(verb not in ("list", "tree") or re.search(rf"\b{pid}\b", text), f"as {how}, {pid} is not in {text!r}")
                h.check(name in run("why", pid).stdout, f"why {pid}")
                h.check(f"{name}.service" in run("status", name).stdout, f"status {name}")
                h.check(name in run("status", pid).stdout, f"status {pid}")
            for arguments in (("metrics",), ("metrics", "--subjects")):
                lines = run(*arguments).stdout.splitlines()
                h.equal([], [line for line in lines if not (SAMPLE if line[0] != "#" else COMMENT).fullmatch(line)],
                        f"lines of {arguments} that are no metrics")
                for name in pids:
                    h.check(f'hobbled_tarpit_subjects{{tarpit="{name}"}} 1.000000' in lines, f"{name}: {lines}")
                samples = [line.rsplit(" ", 1)[0] for line in lines if line[0] != "#"]
                h.equal(len(samples), len(set(samples)), "no sample comes twice")
        told = os.path.join(h.scratch(), "events")
        with open(told, "w", encoding="utf-8") as out, \
                subprocess.Popen([h.program("HOBBLECTL"), "monitor", "--json"], stdout=out) as monitor:
            def event():
                ctl("pause", "two")
                ctl("resume", "two")
                return "\n" in h.read(told)

            try:
                h.wait_until(event, 5, "an event comes")
            except h.Failure:
                h.note(f"monitor: {monitor.poll()} {h.read(told)!r}")
                raise
            finally:
                monitor.terminate()
        first = h.read(told).splitlines()[0]
        said = h.run("jq", "-c", "[.kind, .tarpit]", stdin=None, input=first).stdout.strip()
        h.check(said in ('["paused","two"]', '["resumed","two"]'), f"the event: {first}")
    h.systemctl("stop", *pids)


@h.test
def it_goes_on_without_a_bus_and_comes_back_to_it():
    pid = h.service("victim", h.LOOP)
    with OnBus(held="[Source]\nUnit=victim.service\n"):
        wait_in("held", pid)
        daemon = h.main_pid("hobbled")
        h.systemctl("stop", "dbus.socket", "dbus.service")
        try:
            h.check(h.alive(daemon), "hobbled outlives the bus")
            h.between(0, h.share(h.cgroup_of(pid), 1), 0.3, "the share of a hobbled loop without a bus")
            other = h.busy(h.cgroup("other"))
            h.check(ctl("status").stdout.startswith("● hobbled"), "status")
            ctl("hobble", other)
            wait_why(other, "manual")
            ctl("why", pid, user="ann")
            ctl("release", other)
            wait_why(other, None)
            h.kill(other)
        finally:
            h.systemctl("start", "dbus.socket", "dbus.service")
        wait_owned()
        h.equal(daemon, h.main_pid("hobbled"), "it is still the same")
        h.check('"held"' in call("ListTarpits").stdout, "it answers over the new bus")
        later = h.service("later", h.LOOP)
        bus_ctl("hobble", "later.service")
        wait_why(later, "manual")
    h.systemctl("stop", "victim", "later")


h.main(timeout=100)
