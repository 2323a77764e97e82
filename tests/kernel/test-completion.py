#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Completion of hobblectl: what hobblectl --complete says, and what bash and zsh make of it, keys in a terminal included."""

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
import time

import harness as h

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BASH, ZSH = os.path.join(ROOT, "completions/hobblectl.bash"), os.path.join(ROOT, "completions/_hobblectl")
NOBODY = 65534
ODD = "\x1b[31m$(>owned)"  # as a name: 15 bytes, the most that a process can have


def candidates(*words, **run):
    """What may stand in the place of the last word: {word: description}; what the shell is told begins with a tab."""
    done = h.hobblectl("--complete", *words, **run)
    h.equal((0, ""), (done.returncode, done.stderr), f"status and complaints for {words}")
    h.check(re.fullmatch(r"[\t\n -~…äöüÄÖÜß]*", done.stdout), f"{words}: {done.stdout!r}")
    return dict(line.rsplit("\t", 1) if line[0] != "\t" else (line, "") for line in done.stdout.splitlines())


def verbs():
    return re.findall(r"^  ([a-z][a-z-]*)(?= )", h.hobblectl("--help").stdout, re.M)


def processes_with_odd_names(cgroup):
    """A busy process and a sleeper; the name of the latter is a command for a shell and one for a terminal."""
    odd = os.path.join(h.scratch(), ODD)
    if not os.path.exists(odd):
        shutil.copy("/bin/sleep", odd)
    pids = h.busy(cgroup), h.spawn([odd, "1000"], cgroup).pid
    h.wait_until(lambda: h.read(f"/proc/{pids[1]}/comm") == ODD + "\n", 5, "it has its name")
    return pids


# -- hobblectl --complete -------------------------------------------------------------------------------------

@h.test
def all_verbs_and_options():
    """Those of --help, and no others."""
    h.equal(verbs(), list(candidates("")), "verbs")
    for verb in verbs():
        said = h.hobblectl(verb, "--help").stdout
        options = re.findall(r"^  (?:-\w, |    )(--[a-z-]+=?)", said, re.M)
        letters = re.findall(r"^  (-\w), ", said, re.M)
        h.equal(sorted(options), sorted(candidates(verb, "--")), f"options of {verb}")
        h.equal(sorted(options + letters), sorted(candidates(verb, "-")), f"options and letters of {verb}")
        if "--output=" in options:
            columns = re.findall(r"^  ([A-Z]+) ", said, re.M)
            h.equal([f"--output={c}" for c in columns] + ["\tnospace"], list(candidates(verb, "--output=")), f"columns of {verb}")


LINES = [
    # words, candidates
    (["lis"], ["list", "list-tarpits"]),
    (["--vers"], ["--version"]),
    (["list", "x"], []),
    (["no-such-verb", ""], []),
    (["list", "--outp"], ["--output="]),
    (["list", "--output=PID,SH"], ["--output=PID,SHARE", "\tnospace"]),
    (["list", "--output=PID,PI"], ["\tnospace"]),
    (["list", "--output", "+CP"], ["+CPU", "\tnospace"]),
    (["list", "-no", "STA"], ["STATE", "\tnospace"]),
    (["list", "-noSTA"], ["-noSTATE", "\tnospace"]),
    (["run", "--duty=", ""], ["\tcommand 2"]),
    (["run", "--duty=2"], ["--duty=2%"]),
    (["run", "--duty", "2"], ["2%"]),
    (["run", "--frozen=15"], ["--frozen=15ms", "--frozen=15s", "--frozen=15min", "--frozen=15h", "--frozen=15d"]),
    (["run", "--frozen=15m"], ["--frozen=15ms", "--frozen=15min"]),
    (["run", "--duty=5%", "mak"], ["\tcommand 2"]),
    (["run", "--duty=5%", "--", "make", "--jo"], ["\tcommand 3"]),
    (["run", "make", "--output="], ["\tcommand 1"]),
    (["-H", "host", "run", "--duty", "5%", "make", ""], ["\tcommand 5"]),
    (["cat-config", "--config=/e"], ["\tfiles"]),
    (["check-config", "/e"], ["\tfiles"]),
    (["set", "x", "FreezeI"], ["FreezeIdle="]),
    (["set", "x", "FreezeIdle=yes", "Memory"], ["MemoryHigh=", "MemoryMax="]),
    (["set", "x", "PIDF"], []),
    (["-H", "host", "why", ""], []),
    (["hobble", "--host=host", ""], []),
]


@h.test
def one_word_after_the_other():
    for words, wanted in LINES:
        h.equal(wanted, list(candidates(*words)), f"{words}")


@h.test
def hosts_that_ssh_knows():
    folder = os.path.join(h.scratch(), "home")
    os.makedirs(f"{folder}/.ssh", exist_ok=True)
    h.write(f"{folder}/.ssh/known_hosts", "login1,192.0.2.1 ssh-rsa AAAA\n|1|abc= ssh-rsa AAAA\n[login2]:22 ssh-rsa AAAA\n"
                                          "# a comment\nlogin\x1b[31m ssh-rsa AAAA\n")
    env = {**os.environ, "HOME": folder}
    h.equal(["login1"], list(candidates("-H", "log", env=env)), "hosts")
    h.equal(["--host=root@login1"], list(candidates("list", "--host=root@lo", env=env)), "hosts of a user")


@h.test
def processes_units_and_users():
    busy, odd = processes_with_odd_names(h.cgroup("a.slice/odd$(>owned) name.service"))
    h.spawn(["sleep", "1000"], h.cgroup("esc\x1b[31m.service"))
    there = candidates("hobble", "")
    h.equal("sh", there[str(busy)], "what the busy one is")
    h.equal(r"\x1b[31m$(>owned)", there[str(odd)], "what the odd one is")
    for unit in ("odd$(>owned) name.service", "a.slice"):
        h.check(unit in there, f"{unit} is missing")
    h.check("@root" in there, "@root is missing")
    h.check("2" not in there or there["2"] != "kthreadd", "a kernel thread is there")
    h.check(str(busy) in candidates("hobble", str(busy)[:-1]), "the number is missing where it has begun")
    h.check("@root" in candidates("hobble", "@r"), "@root is missing where it has begun")


@h.test
def what_is_hobbled():
    """For release, the hobbled ones alone; tarpits and instances."""
    cgroup = h.cgroup("b.service")
    busy, other = h.busy(cgroup), h.busy(cgroup)
    folder = os.path.join(h.scratch(), "config")
    os.makedirs(folder, exist_ok=True)
    h.write(f"{folder}/mire.tarpit", f"[Source]\nPIDFile={h.pidfile(busy)}\n")
    with h.Hobbled(f"--config={folder}") as hobbled:
        h.wait_until(hobbled.subjects, 5, "it is hobbled")
        there = candidates("release", "")
        h.equal("sh, in mire", there.get(str(busy)), "what is hobbled")
        h.check(str(other) not in there, "what is not hobbled is there")
        h.check("b.service" in there and "@root" in there, f"its unit and user: {there}")
        h.equal(f"of {hobbled.instance}", candidates("pause", "mi").get("mire"), "the tarpit")
        h.equal("alive", candidates("rescue", hobbled.instance[:-1]).get(hobbled.instance), "the instance")
    h.check(str(busy) not in candidates("release", ""), "it is there when it has been let go")


@h.test
def a_user_gets_their_own_processes():
    mine = h.spawn(["sleep", "1000"], user=NOBODY, group=NOBODY).pid
    others = h.sleeper()
    there = candidates("hobble", "", user=NOBODY, group=NOBODY, cwd="/")
    h.check(str(mine) in there and str(others) not in there, f"{mine} but not {others}: {sorted(there)}")


# -- bash -----------------------------------------------------------------------------------------------------

def in_bash(line):
    """What bash would put on the line, without a terminal: the words are split by hand, as bash does it."""
    words = re.findall(r"[=:]|[^\s=:]+", line) + ([""] if line.endswith((" ", "=")) else [])
    script = """
        source "$1"; shift
        COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9 COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2))
        _hobblectl
        ((${#COMPREPLY[@]} == 0)) || printf '%s\\n' "${COMPREPLY[@]}"
    """
    path = f"{os.path.dirname(h.program('HOBBLECTL'))}:{os.environ['PATH']}"
    done = subprocess.run(["bash", "-c", script, "bash", BASH, line, *words], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, env={**os.environ, "PATH": path}, timeout=30)
    h.equal((0, ""), (done.returncode, done.stderr), f"what bash has to say about {line!r}")
    return done.stdout.splitlines()


@h.test
def bash_completes_words():
    for line, wanted in [
        ("hobblectl res", ["resume", "rescue"]),
        ("hobblectl list --output=PID,SH", ["PID,SHARE"]),
        ("hobblectl run --duty=2", ["2%"]),
        ("hobblectl run --duty=", ["1%", "5%", "10%", "20%", "50%"]),
        ("hobblectl cat-config --config=/etc/hostn", ["/etc/hostname"]),
        ("hobblectl run --duty=5% -- hostnam", ["hostname"]),
        ("hobblectl list $(>owned) ", []),
        ("hobblectl nonsense ", []),
    ]:
        got = in_bash(line)
        h.check(set(wanted) <= set(got) if "hostnam" in line else wanted == got, f"{line!r}: {got}, not {wanted}")


@h.test
def bash_quotes_what_it_has_to():
    processes_with_odd_names(h.cgroup("odd$(>owned) name.service"))
    h.equal([r"odd\$\(\>owned\)\ name.service"], in_bash("hobblectl hobble odd"), "an odd name of a unit")


# -- Terminals ------------------------------------------------------------------------------------------------

class Shell:
    """An interactive shell in a terminal of 100 columns, in a directory of its own."""

    def __init__(self, *argv):
        folder = os.path.join(h.scratch(), "shell")
        os.makedirs(folder, exist_ok=True)
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        path = f"{os.path.dirname(h.program('HOBBLECTL'))}:{os.environ['PATH']}"
        env = {"PATH": path, "TERM": "dumb", "HOME": folder, "LC_ALL": "C.UTF-8", "PS1": "$ "}
        self.process = h.spawn(["setsid", "--ctty", "--wait", *argv], stdin=slave, stdout=slave, stderr=slave, cwd=folder, env=env)
        os.close(slave)
        self.folder, self.output = folder, ""

    def wait(self, pattern, timeout=20):
        """Until the terminal has shown it, since the last wait; what it has shown."""
        end, found = time.monotonic() + timeout, None
        while not (found := re.search(pattern, self.output)):
            h.check(time.monotonic() < end, f"{pattern!r} is not in {self.output!r}")
            if select.select([self.master], [], [], 0.1)[0]:
                self.output += os.read(self.master, 65536).decode(errors="backslashreplace")
        shown, self.output = self.output[:found.end()], self.output[found.end():]
        return shown

    def type(self, keys):
        os.write(self.master, keys.encode())

    def end(self):
        self.type("\x15echo do''ne\r")
        self.wait("done")
        h.kill(self.process.pid)
        self.process.wait(10)
        os.close(self.master)
        h.check("owned" not in os.listdir(self.folder), "a name was executed")


@h.test
def keys_in_bash():
    processes_with_odd_names(h.cgroup("odd$(>owned) name.service"))
    rc = os.path.join(h.scratch(), "bashrc")
    h.write(rc, f"PS1='$ '; bind 'set enable-bracketed-paste off'; bind 'set completion-query-items 0'; "
                f"bind 'set page-completions off'; . {BASH}\n")
    shell = Shell("bash", "--noprofile", "--rcfile", rc, "-i")
    shell.wait(r"\$ ")
    shell.type("hobblectl list --out\t")
    shell.wait(r"hobblectl list --output=")
    shell.type("SUBJ\t,SHA\t\t")
    shell.wait(r"SUBJECT,SHARE")
    shell.type("\x15hobblectl set x Freeze\t")
    shell.wait("FreezeIdle=")
    shell.type("\x15hobblectl run --duty=\t\t")
    shell.wait(r"1% +5% +10% +20% +50% +")
    shell.type("\x15hobblectl hobble odd\t")
    shell.wait(re.escape(r"odd\$\(\>owned\)\ name.service "))
    shell.type("\x15hobblectl hobble @ro\t")
    shell.wait(r"@root ")
    shell.type("\x15hobblectl hobble \t\t")
    shown = shell.wait(re.escape(r"(\x1b[31m$(>owned))"))
    h.check("\x1b[31m" not in shown, "an escape sequence reached the terminal")
    shell.type("\x15")
    shell.end()


@h.test
def keys_in_zsh():
    if not shutil.which("zsh"):
        h.skip("zsh is not installed")
    processes_with_odd_names(h.cgroup("odd$(>owned) name.service"))
    shell = Shell("zsh", "-f", "-i")
    shell.type(f"PS1='> '; fpath=({os.path.dirname(ZSH)} $fpath); autoload -U compinit; compinit -u -D; "
               "LISTMAX=10000; LISTPROMPT=''; echo rea''dy\r")
    shell.wait(r"ready[\s\S]*> ")
    shell.type("hobblectl list --out\t")
    shell.wait(r"hobblectl list --output=")
    shell.type("SUBJ\t")
    shell.wait(r"SUBJECT")
    shell.type("\x15hobblectl hobble odd\t")
    shell.wait(re.escape(r"odd\$\(\>owned\)\ name.service"))
    shell.type("\x15hobblectl run -- hostnam\t --lon\t")
    shell.wait(r"hostname")
    shell.type("\x15hobblectl hobble \t")
    shown = shell.wait(re.escape(r"\x1b[31m$(>owned)"))
    h.check("\x1b[31m" not in shown, "an escape sequence reached the terminal")
    shell.end()


h.main()
