#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""hobblectl -H HOST: what ssh is called with, and that the shell there gets the words as they were given here.

The ssh of these tests notes its arguments and gives the last of them to a shell, as the real one does at the other end.
"""

import json
import os
import pty
import re
import stat

import harness as h

SSH = """#!/usr/bin/python3
import json, os, subprocess, sys
json.dump(sys.argv[1:], open(os.environ["SSH_ARGUMENTS"], "w"))
sys.exit(subprocess.run(["sh", "-c", sys.argv[-1]], check=False).returncode)
"""
THERE = """#!/usr/bin/python3
import json, os, sys
json.dump(sys.argv[1:], open(os.environ["THERE_ARGUMENTS"], "w"))
print("from there")
sys.exit(int(os.environ.get("THERE_STATUS", "0")))
"""


def programs():
    """A directory with both, and the environment in which they are found; hobblectl itself is run by its path."""
    folder = os.path.join(h.scratch(), "programs")
    os.makedirs(folder, exist_ok=True)
    for name, text in (("ssh", SSH), ("hobblectl", THERE)):
        h.write(os.path.join(folder, name), text)
        os.chmod(os.path.join(folder, name), stat.S_IRWXU)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "SSH_ARGUMENTS": f"{folder}/ssh.json",
            "THERE_ARGUMENTS": f"{folder}/there.json"}


def called(*arguments, status=0):
    """Run it; what ssh got before the command, and what hobblectl got there."""
    env = {**programs(), "THERE_STATUS": str(status)}
    done = h.hobblectl(*arguments, env=env)
    h.equal((status, "from there\n", ""), (done.returncode, done.stdout, done.stderr), f"{arguments}")
    with open(env["SSH_ARGUMENTS"], encoding="utf-8") as ssh, open(env["THERE_ARGUMENTS"], encoding="utf-8") as there:
        return json.load(ssh)[:-1], json.load(there)


LINES = [
    # arguments, those of ssh, those of hobblectl there
    (["-H", "login1", "list"], ["--", "login1"], ["list"]),
    (["-Hlogin1", "list"], ["--", "login1"], ["list"]),
    (["--host=login1", "list", "-J"], ["--", "login1"], ["list", "--json"]),
    (["--host", "root@login1", "list"], ["--", "root@login1"], ["list"]),
    (["list", "-H", "login1:2222"], ["-p", "2222", "--", "login1"], ["list"]),
    (["list", "-H", "root@[2001:db8::1]:2222"], ["-p", "2222", "--", "root@2001:db8::1"], ["list"]),
    (["list", "-H", "[2001:db8::1]"], ["--", "2001:db8::1"], ["list"]),
    (["list", "-H", "2001:db8::1"], ["--", "2001:db8::1"], ["list"]),
    (["list", "-JH", "login1", "-o", "PID,USER"], ["--", "login1"], ["list", "--json", "--output=PID,USER"]),
    (["rescue", "x", "--host=login1", "-q"], ["--", "login1"], ["rescue", "--quiet", "--", "x"]),
    (["-H", "login1", "list", "-H", "login2"], ["--", "login2"], ["list"]),
    (["-H", "login1", "run", "make", "-H", "x"], ["--", "login1"], ["run", "--", "make", "-H", "x"]),
    (["run", "-H", "login1", "--duty=20%", "--", "sh", "-c", "echo \"$HOME\" 'a' `id` \\ ; *\n~ é", ""], ["--", "login1"],
     ["run", "--duty=20%", "--", "sh", "-c", "echo \"$HOME\" 'a' `id` \\ ; *\n~ é", ""]),
    (["cat-config", "-H", "login1", "-c", "$(>owned) 'x'"], ["--", "login1"], ["cat-config", "--config=$(>owned) 'x'"]),
]


@h.test
def the_words_arrive_as_they_were_given():
    for arguments, ssh, there in LINES:
        h.equal((ssh, there), called(*arguments), f"{arguments}")


@h.test
def the_status_is_passed_on():
    for status in (1, 3, 4, 125, 255):
        called("-H", "login1", "list", status=status)


@h.test
def a_terminal_for_what_needs_one():
    """run has one there where it has one here; list never."""
    for verb, wanted in (("run", ["-t", "--", "login1"]), ("list", ["--", "login1"])):
        env = programs()
        master, slave = pty.openpty()
        words = [verb, "-H", "login1", *(["true"] if verb == "run" else [])]
        process = h.spawn([h.program("HOBBLECTL"), *words], stdin=slave, stdout=slave, stderr=slave, env=env)
        h.equal(0, process.wait(20), "status")
        os.close(slave)
        os.close(master)
        with open(env["SSH_ARGUMENTS"], encoding="utf-8") as file:
            h.equal(wanted, json.load(file)[:-1], f"what ssh gets for {verb}")


@h.test
def what_is_no_host():
    for arguments, status, pattern in [
        (["-H", "-oProxyCommand=id", "list"], 2, r"--host: '-oProxyCommand=id' is not the name of a host\nTry 'hobblectl list --help'"),
        (["list", "--host=-x"], 2, r"'-x' is not the name of a host"),
        (["list", "--host="], 2, r"'' is not the name of a host"),
        (["list", "--host=a b"], 2, r"'a b' is not the name of a host"),
        (["list", "--host=a\x1b[31m\n"], 2, r"'a\\x1b\[31m\\x0a' is not the name of a host"),
        (["run", "--host=-x", "true"], 125, r"'-x' is not the name of a host"),
        (["list", "-H"], 2, r"option '-H' needs a value"),
        (["-H"], 2, r"option '-H' needs a value"),
        (["-H", "login1"], 2, r"no verb given"),
        (["-H", "login1", "nonsense"], 2, r"unknown verb 'nonsense'"),
        (["list", "-H", "login1", "--nope"], 2, r"unknown option '--nope'"),
    ]:
        env = programs()
        done = h.hobblectl(*arguments, env=env)
        h.equal((status, ""), (done.returncode, done.stdout), f"{arguments}")
        h.check(re.search(pattern, done.stderr), f"{arguments}: {done.stderr!r}")


@h.test
def without_ssh():
    for verb, status in (("list", 1), ("run", 125)):
        done = h.hobblectl(verb, "-H", "login1", *(["true"] if verb == "run" else []), env={**os.environ, "PATH": h.scratch()})
        h.equal((status, "hobblectl: cannot reach 'login1': there is no ssh, which --host needs: install openssh-client\n"),
                (done.returncode, done.stderr), verb)


@h.test
def help_is_this_hosts():
    done = h.hobblectl("-H", "login1", "list", "--help", env=programs())
    h.check(done.returncode == 0 and done.stdout.startswith("Usage: hobblectl list "), f"it says {done.stdout!r}")


h.main()
