#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benchmark still runs: a tiny load for a moment, its figures and files, and what it leaves when it is interrupted.
How good the figures are is not looked at."""

import json
import os
import signal
import subprocess
import xml.etree.ElementTree as ElementTree

import harness as h

BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../bench/bench.py")


def bench(*arguments, **popen):
    out = os.path.join(h.scratch(), "out")
    for name in ("BENCH_CROWD", "HOBBLED", "HOBBLECTL"):
        h.program(name)
    log = open(os.path.join(h.scratch(), "bench.log"), "w", encoding="utf-8")
    return h.spawn([BENCH, f"--out={out}", *arguments], stdout=log, stderr=subprocess.STDOUT, **popen), out, log.name


def nothing_left(process):
    for name in (f"hobble-bench-{process.pid}", f"hobbled-bench-{process.pid}"):
        h.check(not os.path.exists(os.path.join(h.CGROOT, name)), f"{name} is left")
    h.equal([], [p for p in h.descendants(os.getpid()) if h.alive(p)], "processes that are left")


@h.test
def figures_of_each_kind_of_hobbler_and_files_of_them():
    kinds = ["hobbled", "c-freeze", "quota"]
    process, out, log = bench("--smoke", "--load=busy:2,shell:1,sleeper:4", *(f"--only={k}" for k in kinds))
    h.equal(0, process.wait(60), f"exit status; it said:\n{h.read(log)}")
    nothing_left(process)

    with open(os.path.join(out, "bench.json"), encoding="utf-8") as f:
        cells = {c["hobbler"]: c for c in json.load(f)["cells"]}
    h.equal(sorted(kinds), sorted(cells), "who was tried")
    for name, cell in cells.items():
        if "skipped" in cell:
            h.check("no cpu controller" in cell["skipped"], f"{name}: {cell['skipped']}")
            continue
        got, cost = cell["figures"]["victims_cpu_percent"], cell["figures"]["cpu_percent"]
        h.between(0.1, got["median"], 60, f"{name}: CPU of the victims, % of a core")
        h.check(name == "quota" or 0 < cost["min"] <= cost["median"] <= cost["max"], f"{name}: CPU of the hobbler: {cost}")
    h.equal(0, cells["hobbled"]["whole"]["sleepers_woken"], "sleepers that hobbled woke")
    h.check(cells["c-freeze"]["whole"]["sleepers_woken"] > 0, "sleepers that are frozen with all the others are woken")
    h.check("c-freeze" in h.read(os.path.join(out, "bench.csv")), "the CSV file has all of them")


@h.test
def interrupted_it_leaves_nothing():
    process, _, log = bench("--load=busy:2,sleeper:4", "--only=python-threads")
    place = os.path.join(h.CGROOT, f"hobble-bench-{process.pid}")
    h.wait_until(lambda: [p for p in h.members(f"{place}/origin") if h.state(p) == "T"], 20, "victims are stopped")
    process.send_signal(signal.SIGINT)
    h.equal(128 + signal.SIGINT, process.wait(20), "exit status of the interrupted")
    h.check("stopped by SIGINT" in h.read(log), h.read(log))
    nothing_left(process)


@h.test
def plots_are_well_formed():
    process, out, log = bench("--smoke", "--load=busy-1", "--only=c-freeze")
    h.equal(0, process.wait(60), f"exit status; it said:\n{h.read(log)}")
    for name in ("cost.svg", "share.svg"):
        root = ElementTree.parse(os.path.join(out, name)).getroot()
        words = "".join(root.itertext())
        h.check("C loop, one cgroup.freeze" in words, f"{name}: {words}")


h.main()
