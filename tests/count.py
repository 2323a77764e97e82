#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Count test cases over several runs of meson test: each line of TAP is a case, a program without TAP is one.

    count.py [--left=FILE] LABEL=testlog.json...

Prints each case that failed and each that was skipped, with its reason, and closes with "N passed, N failed, N
skipped". That nothing is left behind is one more case: FILE lists what is. Exits with 1 where something failed or
nothing ran.
"""

import argparse
import itertools
import json
import re
import sys
from collections import Counter

CASE = re.compile(r"(not )?ok\b\s*\d*\s*(?:- )?([^#]*?)\s*(?:# *(skip|todo)\S*\s*(.*))?$", re.I)
PLAN = re.compile(r"1\.\.(\d+)\s*(?:# *skip\S*\s*(.*))?$", re.I)
SKIPPED = 77  # exit status of a program without TAP


def notes(lines, number):
    """The comments that belong to the case at this line: those before it, or else those behind it."""
    def comments(following):
        yield from itertools.takewhile(lambda line: line.startswith("#"), following)

    return list(comments(reversed(lines[:number])))[::-1] or list(comments(lines[number + 1:]))


def cases(run):
    """The cases of one program: (name, "passed" or "failed" or "skipped", reason, comments on a failure)."""
    lines = (run["stdout"] or "").splitlines()
    plan = next(filter(None, map(PLAN.match, lines)), None)
    found = [(number, m) for number, m in enumerate(map(CASE.match, lines)) if m]
    bad, complete = run["result"] not in ("OK", "SKIP"), bool(plan) and len(found) == int(plan[1])

    if not plan:
        skip = run["returncode"] == SKIPPED
        yield "", "skipped" if skip else "failed" if bad else "passed", run["result"], lines if bad else []
        return
    for number, m in found:
        if m[1]:
            bad &= not complete  # else that explains it
            yield m[2], "failed", "", notes(lines, number)
        else:
            yield m[2], "skipped" if (m[3] or "").lower() == "skip" else "passed", m[4] or "", []
    if not found and plan[1] == "0":
        yield "all of it", "skipped", plan[2] or "", []
    if bad:  # it crashed, hung, or stopped early
        reason = f"{run['result']}, status {run['returncode']}"
        yield f"after {len(found)} of {plan[1]} cases", "failed", reason, notes([*lines, ""], len(lines))


def runs(path):
    try:
        with open(path, encoding="utf-8") as f:
            yield from map(json.loads, f)
    except FileNotFoundError:
        yield {"name": "meson test", "stdout": "", "result": "no log", "returncode": 1}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--left")
    parser.add_argument("logs", nargs="+")
    options = parser.parse_args()
    count, told = Counter(), {"skipped": [], "failed": []}

    def add(where, result, reason="", comments=()):
        count[result] += 1
        if result in told:
            told[result] += [*comments, f"{result}: {where}" + (f" ({reason})" if reason else "")]

    for label, path in (log.split("=", 1) for log in options.logs):
        for run in runs(path):
            program = run["name"].rpartition(" / ")[2]
            for name, result, reason, comments in cases(run):
                add(f"{label}: {program}" + (f": {name}" if name else ""), result, reason, comments)
    ran = count.total() > 0
    if options.left:
        with open(options.left, encoding="utf-8") as f:
            left = f.read().splitlines()
        add("nothing is left behind", "failed" if left else "passed", ", ".join(left))

    for line in told["skipped"] + told["failed"] + ([] if ran else ["no test ran"]):
        print(line)
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    sys.exit(0 if ran and not count["failed"] else 1)


main()
