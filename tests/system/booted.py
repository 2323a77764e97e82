# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the system tests share: this build installed in a booted systemd, units, processes in units.

To be imported after the harness, which boots it all."""

import os
import subprocess

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


def write_unit(name, text):
    path = os.path.join(UNITS, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    h.write(path, text)
    systemctl("daemon-reload")


def start_service(name, script, **properties):
    """Start a shell script as a transient service, NAME.service. Returns its pid."""
    run("systemd-run", "--quiet", f"--unit={name}", *[f"--property={k}={v}" for k, v in properties.items()],
        "/bin/sh", "-c", script)
    wait_active(name)
    return main_pid(name)
