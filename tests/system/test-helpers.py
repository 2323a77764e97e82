#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The ways in which processes come to be on a machine, as the other tests use them: each is where it should be."""

import os

import harness as h


@h.test
def a_service_runs_in_its_unit():
    pid = h.service("victim", h.LOOP)
    h.check(h.in_unit(pid, "victim.service"), f"{pid} is in {h.cgroup_of(pid)}")
    h.systemctl("stop", "victim")
    h.check(not h.alive(pid), "it has ended with its unit")


@h.test
def a_user_logs_in_and_out():
    session = h.Session("ann", "exec sleep 1000")
    h.check(session.exists(), "logind knows the session")
    h.equal(h.user("ann"), os.stat(f"/proc/{session.pid}").st_uid, "whose process it is")
    h.kill(session.pid)
    h.wait_until(lambda: not session.exists(), 5, "the session is over")


@h.test
def a_lingering_user_has_a_systemd():
    pid = h.user_service("bob", "busy", h.LOOP)
    h.check("/user@" in h.cgroup_of(pid) and h.cgroup_of(pid).endswith("/busy.service"), h.cgroup_of(pid))
    h.equal("active", h.as_user("bob", "systemctl", "--user", "is-active", "busy").stdout.strip(), "its state")
    h.kill(pid)


@h.test
def cron_runs_a_job():
    pid = h.cron_job("carol", h.LOOP)
    h.equal(h.user("carol"), os.stat(f"/proc/{pid}").st_uid, "whose process it is")
    h.check("cron.service" in h.cgroup_of(pid), h.cgroup_of(pid))
    h.kill(pid)


@h.test
def at_runs_a_job():
    pid = h.at_job("dan", h.LOOP)
    h.equal(h.user("dan"), os.stat(f"/proc/{pid}").st_uid, "whose process it is")
    h.kill(pid)


@h.test
def the_journal_can_be_read():
    cursor = h.cursor()
    h.service("speaker", "echo something is said; sleep 1000")
    entry = h.wait_journal("^something is", "-u", "speaker", cursor=cursor)
    h.equal("speaker.service", entry["_SYSTEMD_UNIT"], "who has said it")
    h.equal([], h.journal("-u", "speaker", cursor=h.cursor()), "what was said after that")


@h.test
def this_build_is_installed():
    for name in ("HOBBLED", "HOBBLECTL"):
        path = h.program(name)
        h.check(not path.startswith(h.build_path()), f"{path} is not in the build directory")
        libraries = h.run("ldd", path).stdout
        h.check(f"=> {h.program('HOBBLE_PREFIX')}/" in libraries, f"it finds the library that is installed:\n{libraries}")


h.main()
