#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""hobblectl, the real binary: its command lines, rescue, list."""

import json
import os
import re
import signal
import stat
import subprocess

import harness as h
from runs import Run, finished, hobbled_within

NOBODY = 65534


# -- Statuses and words ---------------------------------------------------------------------------------------

COMMAND_LINES = [
    # arguments, status, pattern of standard error
    (["run", "--", "true"], 0, r"^$"),
    (["run", "sh", "-c", "exit 7"], 7, r"^$"),
    (["run", "--", "sh", "-c", "kill -KILL $$"], 128 + 9, r"^$"),
    (["run", "--", "sh", "-c", "kill -TERM $$"], 128 + 15, r"^$"),
    (["run", "--", "/nonexistent/x"], 127, r"^hobblectl: cannot run '/nonexistent/x': No such file or directory\n$"),
    (["run", "--", "no-such-command-\x1b[31m"], 127, r"^hobblectl: cannot run 'no-such-command-\\x1b\[31m': "),
    (["run", "--", "/etc/passwd"], 126, r"^hobblectl: cannot run '/etc/passwd': Permission denied\n$"),
    (["run", "--", "/"], 126, r"^hobblectl: cannot run '/': Permission denied\n$"),
    (["run"], 125, r"no command given\nTry 'hobblectl run --help'"),
    (["run", "--nope", "true"], 125, r"unknown option '--nope'"),
    (["run", "-x", "true"], 125, r"unknown option '-x'"),
    (["run", "--duty"], 125, r"option '--duty' needs a value"),
    (["run", "--help=x"], 125, r"option '--help=x' takes no value"),
    (["run", "--duty=20%", "--frozen=1s", "true"], 125, r"--duty excludes --frozen and --thawed"),
    (["run", "--thawed=20ms", "--duty=20%", "true"], 125, r"--duty excludes --frozen and --thawed"),
    (["run", "--duty=20", "true"], 125, r"'20' is no percentage such as 5%"),
    (["run", "--duty=0%", "true"], 125, r"'0%' is out of range"),
    (["run", "--duty=101%", "true"], 125, r"'101%' is out of range"),
    (["run", "--duty=0.01%", "true"], 125, r"frozen for 1min 39s 990ms at a time, and 60s is the most"),
    (["run", "--frozen=61s", "true"], 125, r"out of range: --frozen takes 0 to 60s, --thawed 1ms to 10s"),
    (["run", "--thawed=0", "true"], 125, r"out of range"),
    (["run", "--frozen=soon", "true"], 125, r"--frozen: 'soon' is no time span such as 250ms"),
    ([], 2, r"no verb given"),
    (["--nope"], 2, r"unknown option '--nope'"),
    (["frobnicate"], 2, r"unknown verb 'frobnicate'\nTry 'hobblectl --help'"),
    (["rescu"], 2, r"unknown verb 'rescu': did you mean 'rescue'\?"),
    (["lsit"], 2, r"unknown verb 'lsit': did you mean 'list'\?"),
    (["runn"], 2, r"unknown verb 'runn': did you mean 'run'\?"),
    (["list", "--nope"], 2, r"unknown option '--nope'"),
    (["list", "-nx"], 2, r"unknown option '-x'"),
    (["list", "extra"], 2, r"argument 'extra' is one too many"),
    (["list", "--output=PID,FOO"], 2, r"unknown column 'FOO': there are SUBJECT PID COMMAND .* FROZEN\n"),
    (["list", "--output="], 2, r"unknown column ''"),
    (["list", "--json", "--raw"], 2, r"--json and --raw exclude each other"),
    (["rescue", "no-such-instance"], 3, r"instance 'no-such-instance': there is none of that name"),
    (["rescue", "../x"], 2, r"'../x' is not the name of an instance"),
    (["rescue", "a", "b"], 2, r"argument 'b' is one too many"),
]


@h.test
def each_command_line_ends_with_its_status_and_words():
    for arguments, status, words in COMMAND_LINES:
        got, out, said = finished(argv=[h.program("HOBBLECTL"), *arguments])
        h.equal(status, got, f"status of {arguments} ({said!r})")
        h.check(re.search(words, said), f"{arguments} says {said!r}, not {words!r}")
        h.equal("", out, f"standard output of {arguments}")


@h.test
def help_names_everything_in_80_columns():
    overall = h.hobblectl("--help")
    for verb, names in (("run", ["--duty=", "--frozen=", "--thawed="]), ("rescue", ["--all"]),
                        ("list", ["--json", "--output=", "--noheadings", "--raw", "SUBJECT", "SINCE", "INSTANCE"])):
        h.check(re.search(rf"^  {verb} ", overall.stdout, re.M), f"--help has {verb}")
        done = h.hobblectl(verb, "--help")
        h.equal((0, ""), (done.returncode, done.stderr), f"{verb} --help")
        for name in names:
            h.check(name in done.stdout, f"{verb} --help has {name}")
        for line in (overall.stdout + done.stdout).splitlines():
            h.check(len(line) <= 80, f"{verb} --help: {len(line)} columns: {line}")
    h.check(re.fullmatch(r"hobblectl \d+\.\d+.*\n", h.hobblectl("--version").stdout), "--version")


@h.test
def without_permission_nothing_is_done():
    path = h.program("HOBBLECTL")
    while path != "/":
        if not os.stat(path).st_mode & stat.S_IXOTH:
            h.skip(f"{path} is not open to other users")
        path = os.path.dirname(path)
    status, out, said = finished("echo", "x", user=NOBODY, group=NOBODY, extra_groups=[])
    h.equal((125, ""), (status, out), "run")
    h.check(re.fullmatch(r"hobblectl: 'echo' was not started: without root, .*, or run it as root\n", said), said)

    run = Run("sleep", "1000").started()
    done = h.hobblectl("rescue", "--all", run.instance, user=NOBODY, group=NOBODY, extra_groups=[])
    h.equal(4, done.returncode, f"rescue --all ({done.stderr!r})")
    h.check(hobbled_within(run.command, run), "it is still hobbled")


# -- Rescue ---------------------------------------------------------------------------------------------------

@h.test
def rescue_frees_what_engine_and_guard_left_frozen():
    run = Run("sh", "-c", h.LOOP, cgroup=h.cgroup("origin")).started()
    h.kill(run.guard(), signal.SIGSTOP)
    h.wait_until(lambda: h.frozen(run.subject), 5, "it is frozen")
    guard = run.guard()
    h.kill(run.engine)
    h.wait_until(lambda: not h.alive(run.engine), 2, "the engine is dead")
    h.kill(guard)
    h.wait_until(lambda: not h.alive(guard), 2, "the guard is dead")
    if not h.frozen(run.subject):
        h.skip("it was in a thawed moment")
    h.check("orphaned" in listed(run, "--output=INSTANCE,STATE"), "listed as orphaned")

    done = h.hobblectl("rescue", run.instance)
    if done.returncode in (1, 3):
        h.note("an engine that someone started meanwhile was faster")  # each rescues what is dead when it starts
        h.wait_until(lambda: h.cgroup_of(run.command) == h.cgroup("origin"), 1, "it is back in its origin")
    else:
        h.equal((0, "rescued 1 subject (1 process) of 1 instance\n", ""), (done.returncode, done.stdout, done.stderr),
                "rescue")
    h.equal(h.cgroup("origin"), h.cgroup_of(run.command), "its cgroup")
    h.check(not h.anything_frozen(h.cgroup("origin")), "it is thawed")
    run.gone()


@h.test
def rescue_counts_a_cgroup_in_place():
    place = h.cgroup("place")
    h.busy(place)
    hobbled = h.Hobbled(place)
    hobbled.wait_log("hobbled in place")
    hobbled.die_with_guard()
    done = h.hobblectl("rescue", hobbled.instance)
    if done.returncode == 3:
        h.note("an engine that someone started meanwhile was faster")
    else:
        h.equal((0, "rescued 1 subject (0 processes) of 1 instance\n", ""), (done.returncode, done.stdout, done.stderr),
                "rescue")
    h.check(not h.freeze_wanted(place) and not h.marks(place), "thawed and unmarked")


@h.test
def rescue_leaves_the_living_alone_but_with_all():
    run = Run("sleep", "1000", cgroup=h.cgroup("origin")).started()
    done = h.hobblectl("rescue", run.instance)
    h.equal(1, done.returncode, "status of rescue")
    h.check("is alive and was left alone: add --all" in done.stderr, done.stderr)
    h.check(hobbled_within(run.command, run), "it is still hobbled")

    done = h.hobblectl("rescue", "--all", run.instance)
    h.equal((0, ""), (done.returncode, done.stderr), "rescue --all")
    # Whichever is first: we, or the engine, which is told.
    words = r"(rescued 1 subject \([01] process(es)?\) of|nothing left to rescue in) 1 instance\n"
    h.check(re.fullmatch(words, done.stdout), done.stdout)
    h.wait_until(lambda: h.cgroup_of(run.command) == h.cgroup("origin"), 3, "it is back in its origin")
    h.wait_until(lambda: "goes on unhobbled: a rescue" in run.words(), 3, "the front says so")
    h.check(h.alive(run.command), "it lives")
    h.kill(run.command)
    h.equal(128 + 9, run.wait(), "status")
    run.gone()


# -- Lists ----------------------------------------------------------------------------------------------------

def listed(run, *arguments):
    """The lines of `hobblectl list` about this run; other instances may be there at the same time."""
    out = h.hobblectl("list", "--output=+INSTANCE", *arguments).stdout
    return "".join(line for line in out.splitlines(True) if run.instance in line.split())


@h.test
def list_shows_what_is_hobbled():
    evil = os.path.join(h.scratch(), "e\x1b[31m\\v l")
    os.symlink("/bin/sleep", evil)
    run = Run(evil, "1000").started()

    text = listed(run)
    h.check("\x1b" not in text and r"e\x1b[31m\x5cv l" in text, f"escaped: {text!r}")
    fields = text.replace("v l", "v_l").split()
    h.equal([str(run.command), str(run.command), r"e\x1b[31m\x5cv_l", "root", "run", "thawed"], fields[:6], "cells")
    h.check(re.fullmatch(r"\d+\.\d\d", fields[6]) and re.fullmatch(r"\d+\.\d\d%", fields[7]), text)
    h.check(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", " ".join(fields[8:10])), text)

    raw = listed(run, "--raw")
    h.equal([r"e\x1b[31m\x5cv\x20l"], [f for f in raw.split() if f.startswith("e")], "raw")
    h.check(re.search(r" \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d ", raw), raw)

    subjects = json.loads(h.hobblectl("list", "-J", "-o+INSTANCE").stdout)["subjects"]
    mine = next(s for s in subjects if s["instance"] == run.instance)
    h.equal(["subject", "pid", "command", "user", "tarpit", "state", "cpu", "share", "since", "instance"], list(mine),
            "keys")
    h.equal((str(run.command), run.command, "e\\x1b[31m\\x5cv l"),
            (mine["subject"], mine["pid"], mine["command"]), "JSON")
    h.check(isinstance(mine["cpu"], (int, float)) and isinstance(mine["share"], (int, float)), str(mine))
    h.check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", mine["since"]), mine["since"])


@h.test
def list_takes_the_options_of_lsblk():
    runs = [Run("sleep", "1000").started() for _ in range(2)]
    out = h.hobblectl("list", "-o", "pid,instance").stdout.splitlines()
    h.equal(["PID", "INSTANCE"], out[0].split(), "headings")
    for run in runs:
        h.check([str(run.command), run.instance] in [line.split() for line in out], "its line")
    mine = [line.split()[0] for line in out if line.split()[1] in (runs[0].instance, runs[1].instance)]
    h.equal(sorted(mine, key=int), mine, "sorted as numbers")

    for options in (["--noheadings", "--raw", "--no-pager", "--output", "INSTANCE"], ["--no-headings", "-roINSTANCE"]):
        out = h.hobblectl("list", *options).stdout.splitlines()
        h.check("INSTANCE" not in out and {run.instance for run in runs} <= set(out), f"{options}: {out}")


@h.test
def list_of_nothing_and_into_nothing():
    def nothing():
        return not json.loads(h.hobblectl("list", "--json").stdout)["subjects"]

    if nothing():  # and nobody else starts something meanwhile, each time
        h.check(any(h.hobblectl("list").stdout == "" for _ in range(5)) or not nothing(), "nothing is printed")
    run = Run("sleep", "1000").started()
    h.check(listed(run), "it is listed")

    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([h.program("HOBBLECTL"), "list"], stdout=full, stderr=subprocess.PIPE, text=True,
                              check=False)
    h.equal((1, "hobblectl: cannot write to standard output: No space left on device\n"),
            (done.returncode, done.stderr), "a full disk")
    for restore in (True, False):  # with SIGPIPE as usual, and ignored
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([h.program("HOBBLECTL"), "list"], stdout=writer, stderr=subprocess.PIPE, text=True,
                              restore_signals=restore, check=False)
        os.close(writer)
        h.equal("", done.stderr, "a closed pipe")


h.main()
