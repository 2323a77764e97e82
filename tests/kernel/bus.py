# SPDX-License-Identifier: LGPL-2.1-or-later
"""Questions to a hobbled over its own socket, asked with busctl."""

import json
import subprocess

NAME, PATH = "org.hobbled1", "/org/hobbled1"
MANAGER, TARPIT, SUBJECT = (f"{NAME}.{i}" for i in ("Manager", "Tarpit", "Subject"))
OBJECT = NAME, PATH, MANAGER


class Refused(Exception):
    """An error reply: its text."""


def as_user(uid):
    """What goes before a command that this user is to run."""
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]


def busctl(socket, *arguments, user=0):
    """Run busctl on the socket. The CompletedProcess has returncode, stdout, stderr (text)."""
    command = ["busctl", f"--address=unix:path={socket}", *map(str, arguments)]
    return subprocess.run([*(as_user(user) if user else []), *command], capture_output=True, text=True, timeout=20,
                          stdin=subprocess.DEVNULL, check=False)


def ask(socket, *arguments, user=0):
    """The data of the reply: a list for a call, the value for a property, None where there is none."""
    done = busctl(socket, "--json=short", *arguments, user=user)
    if done.returncode:
        raise Refused(done.stderr.strip())
    return json.loads(done.stdout)["data"] if done.stdout.strip() else None
