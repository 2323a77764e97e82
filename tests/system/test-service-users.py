#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""User= in a booted systemd: whatever a user's processes come from they are hobbled, and the session, the user's service
manager and whoever talks to it do not feel it."""

import os
import statistics
import subprocess
import time

import harness as h  # before those that import it from beside them
from following import Following, is_nested, stays_in, tarpit_of, wait_in

SOON = "CheckSec=300ms\n"


def users(*names):
    return "[Source]\n" + "".join(f"User={name}\n" for name in names) + SOON


def scope_state(session):
    return h.show(session.scope, "ActiveState")


def processes(session):
    """Its own; a child of the first is (sd-pam), which is systemd's."""
    return [pid for pid in (session.pid, *h.descendants(session.pid)) if "sd-pam" not in h.read(f"/proc/{pid}/comm")]


def end(session):
    h.kill(session.pid)
    session.process.wait()


@h.test
def a_session_is_hobbled_by_name_by_id_and_by_group():
    ann, bob, carol, dan = (h.Session(name, f"({h.LOOP}) & {h.LOOP}") for name in ("ann", "bob", "carol", "dan"))
    h.run("groupadd", "lab")
    h.run("usermod", "-a", "-G", "lab", "carol")
    wanted = {"named": ann, "numbered": bob, "grouped": carol}
    with Following(named=users("ann"), numbered=users(h.user("bob")), grouped=users("%lab")) as f:
        for tarpit, session in wanted.items():
            wait_in(tarpit, *processes(session))
            h.check(is_nested(session.pid, session.cgroup), f"{h.cgroup_of(session.pid)} is below {session.cgroup}")
            h.equal("active", scope_state(session), f"{session.scope}")
        h.equal(None, tarpit_of(dan.pid), "where somebody else is")
        h.check(all(entry["user"] in ("ann", "bob", "carol") for entry in h.listing()), f"{h.listing()}")

        f.change(named=None, numbered=None)
        for session in (ann, bob):
            wait_in(None, *processes(session))
            h.equal(session.cgroup, h.cgroup_of(session.pid), "where it is after the release")
            h.check(session.exists(), f"logind has session {session.id} still")
            h.equal("active", scope_state(session), f"{session.scope}")
        stays_in("grouped", carol.pid)
        h.systemctl("stop", "hobbled")
        wait_in(None, carol.pid)
        h.check(carol.exists() and scope_state(carol) == "active", "the session is there after the end of hobbled")
    for session in (ann, bob, carol, dan):
        end(session)


def time_to_end(session, finish):
    """How long it takes until a session is over."""
    begin = time.monotonic()
    finish(session)
    h.wait_until(lambda: not session.exists() and scope_state(session) == "inactive", 10, "the session is over")
    took = time.monotonic() - begin
    session.process.wait()
    return took


def log_out(session):
    """As a terminal that is closed does it."""
    os.kill(session.pid, 1)


def terminate(session):
    h.run("loginctl", "terminate-session", session.id)


@h.test
def a_hobbled_session_ends_when_its_user_logs_out():
    """It may take a window, which comes every 260 ms, for each of those that have to do with it."""
    for finish in (log_out, terminate):
        script = h.LOOP if finish == log_out else f"({h.LOOP}) & exec sleep 1000"
        plain = time_to_end(h.Session("erin", script), finish)
        with Following(erin=users("erin")):
            session = h.Session("erin", script)
            wait_in("erin", session.pid)
            took = time_to_end(session, finish)
        h.note(f"{finish.__name__}: {plain:.2f} s, hobbled {took:.2f} s")
        h.check(took < 3 * plain + 1, f"{finish.__name__} took {took:.2f} s, without hobbling {plain:.2f} s")


@h.test
def a_session_that_is_frozen_all_the_time_ends_when_it_is_terminated():
    """The longest that can be set: systemd's SIGTERM is not waited for longer than logind's stop allows."""
    h.user("frank")
    # Beforehand, as setting a session up takes many turns.
    session = h.Session("frank", "exec sleep 1000")
    with Following(frank="[Tarpit]\nFreezeIdle=yes\nFrozenSec=4s\n" + users("frank")):
        wait_in("frank", session.pid)
        h.wait_until(lambda: "1" in h.read(f"{h.cgroup_of(session.pid)}/cgroup.events").split("frozen ")[1], 5, "frozen")
        time_to_end(session, terminate)


def user_manager(name):
    """The service manager, the bus, and (sd-pam) of a user."""
    home = f"{h.CGROOT}/user.slice/user-{h.user(name)}.slice/user@{h.user(name)}.service"
    found = {}
    for path, _, _ in os.walk(home):
        for pid in map(int, h.read(f"{path}/cgroup.procs").split()):
            found[pid] = h.read(f"/proc/{pid}/comm").strip()
    return found


def ask_manager(name):
    """How long `systemctl --user` takes, as a rule."""
    times = []
    for _ in range(7):
        begin = time.monotonic()
        h.as_user(name, "systemctl", "--user", "show", "--property=Version")
        times.append(time.monotonic() - begin)
    return statistics.median(times)


@h.test
def cron_at_and_user_services_are_hobbled_and_the_user_manager_is_not():
    h.as_user("grace", "systemctl", "--user", "start", "dbus.service")
    kept = user_manager("grace")
    h.check({"systemd", "(sd-pam)", "dbus-daemon"} <= set(kept.values()), f"what runs for the user: {kept}")
    homes = {pid: h.cgroup_of(pid) for pid in kept}
    before = ask_manager("grace")
    jobs = [h.cron_job("grace", h.LOOP), h.at_job("grace", h.LOOP), h.user_service("grace", "busy", h.LOOP)]
    daemons = [h.main_pid("cron"), h.main_pid("atd")]
    with Following(grace=users("grace")) as f:
        wait_in("grace", *jobs)
        limits = f"{h.CGROOT}/user.slice/user-{h.user('grace')}.slice"
        h.check(is_nested(jobs[2], limits), f"the user's service is where the user's limits hold: {h.cgroup_of(jobs[2])}")
        after = ask_manager("grace")
        h.note(f"systemctl --user: {1000 * before:.0f} ms, beside hobbled jobs {1000 * after:.0f} ms")
        h.check(after < 3 * before + 0.1, f"systemctl --user takes {after:.3f} s instead of {before:.3f} s")
        later = h.user_service("grace", "later", h.LOOP)
        wait_in("grace", later)
        h.equal("active", h.as_user("grace", "systemctl", "--user", "is-active", "later").stdout.strip(), "later.service")
        h.as_user("grace", "systemctl", "--user", "stop", "later")
        h.check(not h.alive(later), "a hobbled service stops")
        h.equal(homes, {pid: h.cgroup_of(pid) for pid in kept}, "where the user manager's own are")
        wait_in(None, *daemons)
        f.change(grace=None)
        wait_in(None, *jobs)
    h.equal("active", h.as_user("grace", "systemctl", "--user", "is-active", "busy").stdout.strip(), "busy.service")
    for pid in jobs:
        h.kill(pid)


@h.test
def who_comes_later_is_hobbled_too():
    with Following(later=users("heidi", "ivan")) as f:
        f.said("User=heidi.*no such user")
        session = h.Session("heidi", h.LOOP)
        f.change()  # looks them up again, which is else done every half minute
        wait_in("later", session.pid)
        h.check(is_nested(session.pid, session.cgroup), h.cgroup_of(session.pid))
        f.said("User=heidi.*is there now")
        run = h.service("later", h.LOOP, f"User=heidi")
        wait_in("later", run)
        second = h.Session("heidi", h.LOOP)
        wait_in("later", second.pid)
        h.equal("active", h.show("later.service", "ActiveState"), "later.service")
        for process in (session, second):
            end(process)
        h.systemctl("stop", "later")


@h.test
def a_process_that_changes_its_user_comes_and_goes():
    """setuid: whose it is now is what counts."""
    user = h.user("judy")
    pid = subprocess.Popen(["sh", "-c", f"read go; exec setpriv --reuid={user} --clear-groups sleep 1000"],
                           stdin=subprocess.PIPE)
    with Following(judy=users("judy")):
        stays_in(None, pid.pid)
        pid.stdin.write(b"\n")
        pid.stdin.close()
        wait_in("judy", pid.pid)
    h.kill(pid.pid)
    pid.wait()


h.main()
