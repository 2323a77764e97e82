#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""scripts/install on a machine: it installs, again over itself, and undoes all of it."""

import os

import harness as h

SCRIPT = os.path.join(h.ROOT, "scripts/install")


def files():
    """The files where something of hobbled could be."""
    found = h.run("find", "/etc", "/usr/local", "/usr/lib/systemd", "/lib/systemd/system", "/usr/lib/sysusers.d", "/var/lib",
                  "-xdev", "-maxdepth", "4")
    return set(found.stdout.splitlines())


@h.test
def it_installs_and_removes():
    before = files()
    said = h.run(SCRIPT, timeout=120).stdout
    h.check("systemctl enable --now hobbled" in said, f"it says what to do next:\n{said}")
    h.equal("disabled", h.systemctl("is-enabled", "hobbled", status=None).stdout.strip(), "the service")
    h.systemctl("enable", "--now", "hobbled")
    victim = h.service("victim", h.LOOP)

    daemon = h.main_pid("hobbled")
    h.run(SCRIPT, timeout=120)  # with nothing new: only installed and restarted
    h.wait_until(lambda: h.active("hobbled") and h.main_pid("hobbled") != daemon, 5, "hobbled is restarted")
    h.equal("/usr/local/sbin/hobbled", os.readlink(f"/proc/{h.main_pid('hobbled')}/exe"), "what runs")

    os.makedirs("/etc/hobbled", exist_ok=True)
    h.write("/etc/hobbled/mine.tarpit", "[Tarpit]\nDescription=mine\n")
    said = h.run(SCRIPT, "--remove", timeout=60).stdout
    h.check("/etc/hobbled" in said, f"it says what stays:\n{said}")
    h.equal({"/etc/hobbled", "/etc/hobbled/mine.tarpit"}, files() - before, "what is left")
    h.equal(set(), before - files(), "what is missing")
    h.equal("", h.run("getent", "passwd", "hobbled", status=None).stdout, "the user")
    h.check(h.in_unit(victim, "victim.service"), "nobody was touched")


@h.test
def a_second_removal_says_that_nothing_is_there():
    h.check("nothing was installed" in h.run(SCRIPT, "--remove", status=1).stderr, "it says so")


h.main(install=False)
