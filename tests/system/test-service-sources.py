#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""hobbled.service in a booted systemd: units, commands, files of pids, cgroups and commands that print who it is, several
tarpits for one offender, and who is exempt. test-service-users.py has User=."""

import os
import re
import shutil
import time

import harness as h  # before those that import it from beside them
from following import Following, is_nested, stays_in, tarpit_of, wait_in

SOON = "CheckSec=300ms\n"
MILD = "[Tarpit]\nFrozenSec=50ms\nThawedSec=20ms\n"


def sources(*lines):
    return "[Source]\n" + "".join(f"{line}\n" for line in lines) + SOON


def scope(name, *options):
    """A scope with a busy loop. Returns its pid."""
    return h.spawn(["systemd-run", "--quiet", "--scope", f"--unit={name}", *options, "sh", "-c", h.LOOP]).pid


def place(name):
    path = f"{h.CGROOT}/{name}"
    os.makedirs(path, exist_ok=True)
    return path


# -- Unit= ----------------------------------------------------------------------------------------------------

@h.test
def a_service_a_scope_and_a_slice_are_hobbled_in_their_units():
    one = h.service("one", f"({h.LOOP}) & {h.LOOP}")
    two = scope("two")
    three = h.service("three", h.LOOP, "Slice=lab-deep.slice")
    h.wait_until(lambda: h.in_unit(two, "two.scope"), 5, "the scope")
    with Following(units=sources("Unit=one.service", "Unit=two.scope", "Unit=lab.slice")) as f:
        wait_in("units", one, two, three, *h.descendants(one))
        for unit, pid in {"one.service": one, "two.scope": two, "three.service": three}.items():
            h.check(is_nested(pid, h.unit_cgroup(unit)), f"{h.cgroup_of(pid)} is below {unit}")
            h.check(h.active(unit), f"{unit} is active")
        four = scope("four", "--slice=lab.slice")
        wait_in("units", four)
        h.systemctl("stop", "one")
        h.check(not h.alive(one), "a hobbled service stops")
        f.change(units=sources("Unit=two.scope"))
        wait_in(None, three, four)
        h.check(h.in_unit(three, "three.service") and h.in_unit(four, "four.scope"), "they are home")
        wait_in("units", two)
    h.systemctl("stop", "two.scope", "three", "four.scope")


@h.test
def units_are_followed_as_they_start_and_stop():
    """The bus tells of them: CheckSec= is far longer than the test."""
    with Following(glob="[Source]\nUnit=report-*.service\nUnit=later.service\nCheckSec=1h\n") as f:
        f.said("Unit=later.service.*no such unit")
        for _ in range(3):
            pids = [h.service(f"report-{i}", h.LOOP) for i in "ab"]
            other = h.service("reporter", h.LOOP)
            wait_in("glob", *pids)
            h.equal(None, tarpit_of(other), "where reporter.service is")
            h.systemctl("stop", "report-a", "report-b", "reporter")
            h.wait_until(lambda: not h.listing(), 5, "nothing is hobbled")
        later = h.service("later", h.LOOP)
        wait_in("glob", later)
        f.said("Unit=later.service.*is there now")
        h.systemctl("restart", "later", status=None)
    h.systemctl("stop", "later", status=None)


# -- Command=, PIDFile=, Cgroup= ------------------------------------------------------------------------------

@h.test
def commands_are_found_by_name_and_by_path():
    os.makedirs("/opt/miner", exist_ok=True)
    for path in ("/usr/local/bin/xmr-one", "/opt/miner/sh", "/opt/miner/gone"):
        shutil.copy("/bin/dash", path)
    one = h.spawn(["/usr/local/bin/xmr-one", "-c", h.LOOP]).pid
    two = h.spawn(["/opt/miner/sh", "-c", h.LOOP]).pid
    gone = h.spawn(["/opt/miner/gone", "-c", h.LOOP]).pid
    other = h.busy()
    h.wait_until(lambda: "gone" in h.read(f"/proc/{gone}/comm"), 5, "it is executed")
    os.unlink("/opt/miner/gone")
    with Following(commands=sources("Command=xmr*", "Command=/opt/miner/*")):
        wait_in("commands", one, two, gone)
        later = h.spawn(["/opt/miner/sh", "-c", h.LOOP]).pid
        wait_in("commands", later)
        h.equal(None, tarpit_of(other), "where another shell is")


@h.test
def a_file_of_pids_that_others_can_write_is_refused():
    pid = h.busy()
    paths = {}
    for name in ("good", "foreign", "open"):
        paths[name] = f"/run/{name}.pids"
        h.write(paths[name], f"{pid}\n")
    os.chown(paths["foreign"], h.user("kim"), -1)
    os.chmod(paths["open"], 0o666)
    with Following(files=sources(f"PIDFile={paths['foreign']}", f"PIDFile={paths['open']}")) as f:
        for name in ("foreign", "open"):
            entry = f.said(f"{name}.pids.*(belongs|writable|owned|others)")
            h.note(entry["MESSAGE"])
        stays_in(None, pid)
        os.chmod(paths["open"], 0o644)
        wait_in("files", pid)
        f.change(files=sources(f"PIDFile={paths['good']}"))
        stays_in("files", pid)
        h.write(paths["good"], "")
        wait_in(None, pid)


@h.test
def cgroups_are_hobbled_plain_by_glob_and_as_units():
    plain, first = h.busy(place("pool")), h.busy(place("pools/x1"))
    unit = h.service("inside", h.LOOP)
    with Following(places=sources(f"Cgroup={h.CGROOT}/pool", f"Cgroup={h.CGROOT}/pools/x*",
                                  f"Cgroup={h.unit_cgroup('inside.service')}")) as f:
        f.said("inside.service.*systemd unit's own cgroup")
        wait_in("places", unit)
        h.check(is_nested(unit, h.unit_cgroup("inside.service")), h.cgroup_of(unit))

        def subjects():
            return {e["subject"] for e in h.listing()}

        h.wait_until(lambda: {"/pool", "/pools/x1"} <= subjects(), 5, "two cgroups are hobbled in place")
        h.busy(place("pools/x2"))
        h.wait_until(lambda: "/pools/x2" in subjects(), 5, "a third one")
        h.equal(f"{h.CGROOT}/pool", h.cgroup_of(plain), "where its process is")
        h.kill(first)
        h.wait_until(lambda: not h.read(f"{h.CGROOT}/pools/x1/cgroup.procs"), 5, "it is empty")
        os.rmdir(f"{h.CGROOT}/pools/x1")
        h.wait_until(lambda: "/pools/x1" not in subjects(), 5, "it is gone")
        f.change(places=sources(f"Cgroup={h.CGROOT}/pools/x*"))
        h.wait_until(lambda: subjects() == {"/pools/x2"}, 5, "the others are released")
    h.equal("0", h.read(f"{h.CGROOT}/pool/cgroup.freeze").strip(), "frozen")
    h.systemctl("stop", "inside")


# -- Exec= ----------------------------------------------------------------------------------------------------

@h.test
def a_command_prints_who_is_naughty_and_its_failures_change_nothing():
    pid, unit, inside = h.busy(), h.service("printed", h.LOOP), h.busy(place("printed"))
    h.user("leo")
    leo = h.service("leo", h.LOOP, "User=leo")
    path = "/usr/local/bin/who-is-it"
    good = f"[ $(id -un) = hobbled ] || exit 1; echo {pid}; echo printed.service; echo @leo; echo /printed"

    def script(text):
        h.write(f"{path}.new", f"#!/bin/sh\n{text}\n")
        os.chmod(f"{path}.new", 0o755)
        os.rename(f"{path}.new", path)

    script(good)
    with Following(printed=sources(f"Exec={path} some 'argument'")) as f:
        def all_there():
            wait_in("printed", pid, unit, leo)
            h.check("/printed" in {e["subject"] for e in h.listing()}, "the cgroup is hobbled")

        wait_in("printed", pid, unit, leo)
        h.wait_until(lambda: "/printed" in {e["subject"] for e in h.listing()}, 5, "the cgroup is hobbled")
        for bad, message in (("exit 3", "ended with status 3; what it named last stays in force"),
                             ("exec yes 12345678901234567890", "printed more than .*; what it named last stays"),
                             ("kill -9 $$", "was ended by signal 9; what it named last stays"),
                             ("exec sleep 1000", "has not ended within .*; what it named last stays"),
                             (None, "cannot be run: No such file.*what it named last stays")):
            f.now()
            script(bad) if bad else os.unlink(path)
            f.change()
            h.note(f.said(message, timeout=20)["MESSAGE"])
            all_there()
        script(good + "; echo no/such; echo '-5'")
        f.change()
        h.note(f.said("line 5 of its output is no pid")["MESSAGE"])
        all_there()
        f.now()
        script(f"echo {pid}")
        f.change()
        f.said("works now, with 1 entry")
        wait_in(None, unit, leo)
        stays_in("printed", pid)
        h.check(h.alive(inside), "it is alive")
    h.equal([], h.systemctl("list-units", "--all", "--plain", "--no-legend", "hobbled-exec-*").stdout.split(), "units")
    h.systemctl("stop", "printed", "leo")


# -- Several tarpits ------------------------------------------------------------------------------------------

@h.test
def the_severest_tarpit_has_an_offender_and_gives_it_back():
    root = h.service("tree", f"({h.LOOP}) & {h.LOOP}")
    child = h.wait_until(lambda: h.descendants(root), 5, "a child")[0]
    h.write("/run/severe.pids", f"{root}\n")
    with Following(mild=MILD + sources("Unit=tree.service"), severe=sources("PIDFile=/run/severe.pids")):
        wait_in("severe", root, child)
        h.write("/run/severe.pids", "")
        wait_in("mild", root, child)
        h.write("/run/severe.pids", f"{child}\n")
        wait_in("severe", child)
        wait_in("mild", root)
        h.write("/run/severe.pids", "")
        wait_in("mild", root, child)
        h.check(is_nested(child, h.unit_cgroup("tree.service")), h.cgroup_of(child))
        h.write("/run/severe.pids", f"{root}\n")
        wait_in("severe", root, child)
    h.check(h.in_unit(root, "tree.service") and h.in_unit(child, "tree.service"), "both are home")
    h.systemctl("stop", "tree")


# -- Exemptions -----------------------------------------------------------------------------------------------

def needed():
    """What the host needs: name to pid."""
    found = {"init": 1}
    for unit in ("dbus", "systemd-logind", "systemd-journald", "cron", "atd", "hobbled", "hobble-pit"):
        found[unit] = h.main_pid(f"{unit}.service")
    if os.path.exists("/usr/sbin/sshd"):
        found["ssh"] = h.main_pid("ssh.service")
    return {name: pid for name, pid in found.items() if pid}


@h.test
def what_the_host_needs_is_never_hobbled():
    """Also where all of root's processes are named, or each by its pid."""
    if os.path.exists("/usr/sbin/sshd"):
        h.run("ssh-keygen", "-A")
        h.systemctl("start", "ssh", status=None)
    h.systemctl("start", "cron", "atd", "hobble-pit")
    victim = h.service("root", h.LOOP)
    with Following("[Exempt]\nUnit=testrun.service\n", all=sources("User=root"),
                   pids="[Tarpit]\nDuty=1%\n" + sources("PIDFile=/run/needed.pids")) as f:
        wait_in("all", victim)
        kept = needed()
        h.note(f"{kept}")
        h.check(len(kept) >= 8, f"not all of them run: {kept}")
        h.write("/run/needed.pids", "".join(f"{pid}\n" for pid in kept.values()))
        for name, pid in kept.items():
            h.check(not (h.cgroup_of(pid) or "").count("hobbled-pit-"), f"{name} ({pid}) is hobbled")
        f.said(r"process 1 \(systemd\) is PID 1; not hobbled")
        stays_in(None, *kept.values(), os.getpid())
    h.systemctl("stop", "root")


@h.test
def exempt_users_units_commands_and_cgroups_are_left_alone():
    shutil.copy("/bin/dash", "/usr/local/bin/backup-sh")
    h.user("mia")
    user, unit = h.service("by-user", h.LOOP, "User=mia"), h.service("by-unit", h.LOOP)
    command, omitted = h.spawn(["/usr/local/bin/backup-sh", "-c", h.LOOP]).pid, h.service("by-mark", h.LOOP)
    everybody = {user, unit, command, omitted}
    h.write("/run/all.pids", "".join(f"{pid}\n" for pid in everybody))
    tarpit = sources("PIDFile=/run/all.pids")
    with Following(all=tarpit) as f:
        wait_in("all", *everybody)
        f.configure("[Exempt]\nUser=mia\n")
        f.change(all=tarpit + "[Exempt]\nUnit=by-unit.service\nCommand=backup*\n")
        wait_in(None, user, unit, command)
        h.check(h.in_unit(user, "by-user.service") and h.in_unit(unit, "by-unit.service"), "they are home")
        stays_in("all", omitted)
        f.configure("")
        f.change(all=tarpit)
        wait_in("all", *everybody)
        f.change(all=tarpit + "[Exempt]\nUnit=by-unit.service\nCommand=/usr/local/bin/backup*\n")
        wait_in(None, unit, command)
        stays_in("all", user, omitted)
        os.setxattr(h.unit_cgroup("by-mark.service"), "user.hobble.omit", b"1")
        f.change()
        wait_in(None, omitted)
        os.removexattr(h.unit_cgroup("by-mark.service"), "user.hobble.omit")
        f.change()
        wait_in("all", omitted)
    h.systemctl("stop", "by-user", "by-unit", "by-mark")


# -- Nothing to do --------------------------------------------------------------------------------------------

def spent(pid):
    """CPU time in clock ticks, and context switches of its own will, of all its threads."""
    fields = h.read(f"/proc/{pid}/stat").rsplit(")")[1].split()
    switches = [re.search(r"^voluntary_ctxt_switches:\s*(\d+)", h.read(f"/proc/{pid}/task/{t}/status"), re.M)[1]
                for t in os.listdir(f"/proc/{pid}/task")]
    return int(fields[11]) + int(fields[12]), sum(map(int, switches))


@h.test
def without_a_tarpit_it_costs_nothing():
    with Following():
        h.wait_until(lambda: "No tarpit" in h.show("hobbled", "StatusText"), 5, "it says that there is none")
        time.sleep(0.5)
        pids = [h.main_pid("hobbled"), h.main_pid("hobble-pit")]
        before = [spent(pid) for pid in pids]
        time.sleep(4)
        for pid, (cpu, switches) in zip(pids, before):
            after = spent(pid)
            h.note(f"{pid}: {after[0] - cpu} ticks, {after[1] - switches} context switches in 4 s")
            h.check(after[0] - cpu <= 1 and after[1] - switches <= 8, "it does something")


h.main()
