#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""No manager waits for hobbled: with a slice, a user and a service that are frozen nearly all the time, units, sessions and
a user's own services start as they do without. A manager that waits for a thaw would wait for up to FROZEN seconds."""

import os
import shutil
import statistics
import subprocess
import time

import harness as h  # before those that import it from beside them
from following import Following, is_nested, wait_in

STARTS = 50
LOGINS = 15  # by ssh, of which most is arithmetic
FROZEN = 2
NAME = "fay"
# Nobody is looked for again, so that what is started is not hobbled itself, which would be felt of course.
TARPIT = f"[Tarpit]\nFrozenSec={FROZEN}s\n[Source]\nCheckSec=1h\n"
SLICE = f"{h.CGROOT}/mud.slice"
KEY = "/tmp/managers-key"


def first_byte(*command, **options):
    """Run a command; seconds until it has written something."""
    begin = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as p:
        byte = p.stdout.read(1)
        took = time.monotonic() - begin
        said = p.stderr.read().decode()
    h.check(byte, f"{command[0]} wrote nothing: {said}")
    return took


def timed(function, *arguments):
    begin = time.monotonic()
    function(*arguments)
    return time.monotonic() - begin


def start_a_service():
    took = timed(h.systemctl, "start", "trivial")
    h.systemctl("stop", "trivial")
    return took


def run_a_service():
    took = timed(h.run, "systemd-run", "--quiet", "--slice=mud.slice", "--unit=passing", "--service-type=exec", "sleep", "1000")
    h.systemctl("stop", "passing")
    return took


def run_a_scope():
    return first_byte("systemd-run", "--quiet", "--scope", "--slice=mud.slice", "echo", "here")


def begin_a_session():
    return first_byte("systemd-run", "--quiet", "--wait", "--pipe", f"--property=User={NAME}", "--property=PAMName=login",
                      "echo", "here")


def log_in_by_ssh():
    return first_byte("ssh", "-i", KEY, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o",
                      "BatchMode=yes", f"{NAME}@localhost", "echo", "here")


def ask_user_manager(*arguments):
    h.run("runuser", "-u", NAME, "--", "env", f"XDG_RUNTIME_DIR=/run/user/{h.user(NAME)}", "systemctl", "--user", *arguments)


def start_a_users_service():
    took = timed(ask_user_manager, "start", "trivial")
    ask_user_manager("stop", "trivial")
    return took


KINDS = [start_a_service, run_a_service, run_a_scope, begin_a_session, start_a_users_service]


def prepare():
    h.as_user(NAME, "true")
    h.write_unit("trivial.service", "[Service]\nType=exec\nSlice=mud.slice\nExecStart=sleep 1000\n")
    folder = f"/home/{NAME}/.config/systemd/user"
    os.makedirs(folder)
    h.write(f"{folder}/trivial.service", "[Service]\nType=exec\nExecStart=sleep 1000\n")
    ask_user_manager("daemon-reload")
    if not (os.path.exists("/usr/sbin/sshd") and shutil.which("ssh")):
        h.note("no sshd here: sessions begin with PAM alone")
        return
    h.run("ssh-keygen", "-A")
    h.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", KEY)
    folder = f"/home/{NAME}/.ssh"
    os.makedirs(folder)
    shutil.copy(f"{KEY}.pub", f"{folder}/authorized_keys")
    h.run("chown", "-R", NAME, f"/home/{NAME}")
    h.systemctl("start", "ssh")
    KINDS.append(log_in_by_ssh)


def measure(start):
    return {kind: [start(kind) for _ in range(LOGINS if kind == log_in_by_ssh else STARTS)] for kind in KINDS}


@h.test
def units_and_sessions_start_as_fast_as_without():
    prepare()
    plain = measure(lambda kind: kind())
    victims = {h.service("mired", h.LOOP, "Slice=mud.slice"): f"{SLICE}/mired.service",
               h.service("dirt", h.LOOP): f"{h.CGROOT}/system.slice/dirt.service"}
    session = h.Session(NAME, h.LOOP)
    victims[session.pid] = session.cgroup
    others = [h.user_service(NAME, "loop", h.LOOP)]
    with Following(mud=TARPIT + f"Cgroup={SLICE}\n", dirt=TARPIT + "Unit=dirt.service\n",
                   fay=TARPIT + f"User={NAME}\n") as f:
        h.note(f.said("mud.slice.*this is a systemd unit's own cgroup.*not frozen itself.*as with Unit=")["MESSAGE"])
        for pid, home in victims.items():
            wait_in({"mired": "mud", "dirt": "dirt"}.get(os.path.basename(home).removesuffix(".service"), "fay"), pid)
            h.check(is_nested(pid, home), f"{h.cgroup_of(pid)} is below {home}")
        wait_in("fay", *others)
        frozen = []

        def look(kind):
            frozen.extend(h.frozen(h.cgroup_of(pid)) for pid in [*victims, *others])
            return kind()

        hobbled = measure(look)
        h.check(not h.frozen(SLICE), "the slice itself is not frozen")
        h.between(0.9, sum(frozen) / len(frozen), 1, "how often they were found frozen")

    for kind in KINDS:
        median, worst = statistics.median(plain[kind]), max(plain[kind])
        m, w = statistics.median(hobbled[kind]), max(hobbled[kind])
        h.note(f"{kind.__name__}: median {1e3 * median:.1f} ms, worst {1e3 * worst:.1f} ms; "
               f"beside hobbled median {1e3 * m:.1f} ms ({m / median:.2f}), worst {1e3 * w:.1f} ms ({w / worst:.2f})")
    for kind in KINDS:
        h.between(0, max(hobbled[kind]), max(plain[kind]) + FROZEN / 2, f"the worst of {kind.__name__}")
        h.between(0, statistics.median(hobbled[kind]) / statistics.median(plain[kind]), 3, f"the medians of {kind.__name__}")


h.main()
