#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What hobbled.service(8) has an administrator do first; and that what is exempt is not frozen in place."""

import os
import re
import subprocess

import harness as h

PAGE = os.path.join(h.ROOT, "man/hobbled.service.8")


def commands():
    """The commands of EXAMPLES, in their order."""
    examples = h.read(PAGE).split(".Sh EXAMPLES\n")[1]
    return [line.replace("\\e", "\\") for line in re.findall(r"^# (.*)$", examples, re.M)]


def do(line):
    path = os.pathsep.join((os.path.dirname(h.program("HOBBLECTL")), os.environ["PATH"]))
    return h.run("sh", "-c", line, env=os.environ | {"PATH": path}).stdout


@h.test
def the_first_steps_are_as_the_page_has_them():
    session = h.Session("mallory", h.LOOP)
    lines = iter(commands())

    def until(word):
        for line in lines:
            said = do(line)
            if line.startswith(word):
                return said
        return h.check(False, f"the page has no further {word}")

    until("systemctl enable")
    h.equal(until("hobblectl check-config"), "", "the tarpit is right")
    until("systemctl reload")
    h.wait_until(lambda: h.listed(session.pid), 5, "mallory is hobbled")
    h.check("hobbled" in until("journalctl"), "the journal tells")
    h.check(str(session.pid) in until("hobblectl list"), "so does the list")
    until("systemctl reload")
    h.wait_until(lambda: h.listed(session.pid), 5, "mallory stays hobbled")
    until("systemctl reload")
    h.wait_until(lambda: not h.listed(session.pid), 5, "mallory is let go")
    h.check(session.exists(), "the session is there")
    session.process.kill()


@h.test
def what_is_exempt_is_not_frozen_in_place():
    omitted, link = f"{h.CGROOT}/omitted", "/run/link"
    os.mkdir(omitted)
    os.setxattr(omitted, "user.hobble.omit", b"1")
    with subprocess.Popen(["sleep", "100"]) as sleeper:
        h.write(f"{omitted}/cgroup.procs", str(sleeper.pid))
        os.symlink(h.unit_cgroup("dbus.service"), link)
        h.tarpit("place", f"[Tarpit]\nFreezeIdle=yes\n[Source]\nCgroup={link}\nCgroup={omitted}\n")
        before = h.cursor()
        h.systemctl("restart", "hobbled")
        h.wait_journal(f"{link}.*belongs to dbus.service, which the host needs", cursor=before)
        h.wait_journal(f"{omitted}.*user.hobble.omit=1", cursor=before)
        h.equal(h.listing(), [], "nothing is hobbled")
        # Not exempt any more, it is: the attribute was the reason.
        os.removexattr(omitted, "user.hobble.omit")
        h.systemctl("reload", "hobbled")
        h.wait_until(lambda: [e["subject"] for e in h.listing()] == ["/omitted"], 5, "it is hobbled now")
        h.systemctl("stop", "hobbled")
        sleeper.kill()


h.main()
