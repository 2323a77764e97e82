# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the system tests share: this build installed in a booted systemd, units, processes in units.

They run through in-systemd, which makes everything that they change go away again; outside of it they refuse to run.
From tests/kernel they have the harness, whose rules hold here too."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "kernel"))

import harness as h

SOCKET = "/run/hobble-pit/socket"
UNITS = "/run/systemd/system"


def run(*command, check=True, **options):
    """Run a command to its end; returns its output."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, **options)
    if check:
        h.check(done.returncode == 0, f"{' '.join(command)}: {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def systemctl(*arguments, **options):
    return run("systemctl", *arguments, **options)


def show(units, name):
    """A property of a unit or, a line each, of several."""
    return systemctl("show", "--property", name, "--value", *([units] if isinstance(units, str) else units)).strip()


def wait_active(unit, timeout=5.0):
    h.wait_until(lambda: show(unit, "ActiveState") == "active" and show(unit, "SubState") in ("running", "listening"),
                 timeout, f"{unit} is active")


def main_pid(unit):
    return int(show(unit, "MainPID"))


def journal(unit):
    run("journalctl", "--sync")
    return run("journalctl", "--no-pager", "-o", "cat", "-u", unit)


def install():
    """Install this build, as an administrator would, and let systemd know."""
    h.check(os.environ.get("HOBBLE_BOOT"), "this has to run through tests/system/in-systemd")
    run("meson", "install", "--no-rebuild", "--quiet", "-C", os.environ["HOBBLE_BUILD"])
    run("ldconfig")
    systemctl("daemon-reload")


def write_unit(name, text):
    h.write(os.path.join(UNITS, name), text)
    systemctl("daemon-reload")


def start_service(name, script, **properties):
    """Start a shell script as a transient service, NAME.service. Returns its pid."""
    run("systemd-run", "--quiet", f"--unit={name}", *[f"--property={k}={v}" for k, v in properties.items()],
        "/bin/sh", "-c", script)
    wait_active(name)
    return main_pid(name)
