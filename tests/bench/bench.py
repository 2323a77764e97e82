#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benchmark: hobblers side by side, on the same processes in the same run. scripts/bench builds and runs this.

loads.py has the processes, hobblers.py what slows them, measure.py what is measured, cell.py one hobbler on one load,
trials.py what concerns hobbled alone, goals.py what is to be reached, report.py and plot.py what comes out."""

import argparse
import os
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests/kernel"))

import cell
import goals
import measure as m
import report
import trials
from hobblers import HOBBLERS, Hobbled, Hobbler, Timer
from loads import LOADS, Load, Place
from observe import CGROOT

LIMIT_SEC = {"full": 885, "quick": 110}
ALL = [h.name for h in HOBBLERS]
BARE = ["hobbled", "hobbled-freeze-idle", "c-kill", "c-freeze"]

# Who is tried on what where nothing is asked for; in order of the table.
PLAN = {
    "sleepers-200": [h for h in ALL if h not in ("cpulimit", "quota", "quota-each")],
    "busy-20": ALL,
    "busy-1": [h for h in ALL if h not in ("python-gevent", "python-threads", "quota-each", "c-freeze-each")],
    "busy-200": ["hobbled", "python-asyncio", "quota", "quota-each", "c-freeze", "c-freeze-each"],
    "sleepers-10000": ["hobbled", "c-freeze"],
    "busy-1-sleepers-5000": ["hobbled", "c-freeze"],
    "busy-1000": ["hobbled", "c-freeze"],
    "mixed": ["hobbled", "python-asyncio", "quota", "c-freeze"],
    "sessions": ["hobbled"],
    "tarpits-1": ["hobbled"],
    "tarpits-100": ["hobbled"],
    "sleepers-2000": BARE,
}
QUICK = {
    "sleepers-200": ["hobbled", "c-freeze"],
    "busy-1": ["hobbled", "c-freeze"],
    "busy-20": ["hobbled", "quota", "c-freeze"],
}
GROWTH = ("sleepers-1", "sleepers-10", "sleepers-100", "sleepers-1000", "busy-10", "busy-100")
LEFT_OUT = "left out to keep the run short; --load and --only have it tried"
TIMED = ("sleepers-200", "busy-1", "busy-20")    # beside which a bare timer loop is measured
FELT = ("sleepers-200", "busy-20")               # beside which a neighbour is asked
NEAR_SEC = 1                                     # for how long
CROWDS = ("busy-20", "busy-200")                 # in which 30 s tell how even the shares are
LONG_PERIODS = 24
DEBT_SEC = 9                                     # more, until so many have paid for what they ran before they were frozen


class Stop(Exception):
    """A signal, its number."""


def stop_at_signals():
    def stop(number, _frame):
        for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(s, signal.SIG_IGN)  # what cleans up is not to be stopped
        raise Stop(number)

    for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, stop)


def say(text):
    print(text, file=sys.stderr, flush=True)


class Bench:
    def __init__(self, options, programs):
        self.options, self.programs, self.place = options, programs, None
        self.begin = time.monotonic()
        self.limit = LIMIT_SEC["quick" if options.quick else "full"]
        self.cells, self.alone, self.trials = [], {}, {}

    # -- What is to be done ---------------------------------------------------------------------------------

    def chosen(self):
        """{load: [class of a hobbler]}; what is not tried is not in it."""
        chosen = bool(self.options.load or self.options.only)
        plan = QUICK if self.options.quick else PLAN | {name: ["hobbled"] for name in GROWTH}
        known = {load.name: load for load in LOADS}
        names = self.options.load or ([] if self.options.trial and not self.options.only else [*plan])
        for name in names:
            if name not in known:
                known[name] = Load(name, *name.split(","))
        return {known[n]: [h for h in HOBBLERS if (not self.options.only or h.name in self.options.only)
                           and (chosen or h.name in plan.get(n, []))] for n in names}

    def length(self, load, hobbler):
        if self.options.smoke:
            return cell.Length(1, 2, 0.3)
        if self.options.quick:
            return cell.Length(self.options.rounds or 3, 4, hobbler.settle)
        settle = hobbler.settle + (DEBT_SEC if load.wants >= 500 and issubclass(hobbler, Hobbled) else 0)
        periods = LONG_PERIODS if load.name in CROWDS and hobbler.name in ("hobbled", "quota") \
            else Hobbler.periods if load.name in GROWTH else hobbler.periods
        return cell.Length(self.options.rounds or 5, periods, settle)

    def estimate(self, plan):
        """Seconds for all of it."""
        seconds = 0.0
        for load, hobblers in plan.items():
            seconds += 0.5 + load.members / 2500
            for h in hobblers:
                if not h(self.place, self.programs).why_not(load):
                    seconds += self.length(load, h).seconds() + 1 + load.members / 2500
                    seconds += NEAR_SEC * (load.name in FELT) + (2.5 if load.name == "busy-20" else 0)
            if load.name in TIMED:
                seconds += self.length(load, Timer).seconds() + 1
        return seconds + sum(trials.SECONDS[t] for t in self.chosen_trials())

    def chosen_by_name(self):
        return bool(self.options.load or self.options.only or self.options.trial)

    def chosen_trials(self):
        if self.chosen_by_name():
            return self.options.trial or []
        return trials.QUICK if self.options.quick else [*trials.TRIALS]

    # -- Doing it -------------------------------------------------------------------------------------------

    def progress(self, text):
        passed = int(time.monotonic() - self.begin)
        say(f"[{passed // 60:2}:{passed % 60:02}] {text}")

    def late(self, seconds):
        """Whether what takes so many seconds would last beyond the limit."""
        return not self.chosen_by_name() and time.monotonic() - self.begin + seconds > self.limit

    def skip(self, load, hobbler, why):
        self.cells.append({"load": load.name, "members": load.members, "busy": load.wants, "hobbler": hobbler.name,
                           "label": hobbler.label, "skipped": why})

    def one(self, load, kind):
        hobbler, length = kind(self.place, self.programs), self.length(load, kind)
        why = hobbler.why_not(load)
        if not why and self.late(length.seconds() + 2):
            why = "no time was left for it"
        if why:
            self.skip(load, kind, why)
            return None
        near = (self.programs["BENCH_NEIGHBOUR"], NEAR_SEC) if load.name in FELT and not self.options.quick else None
        try:
            found = cell.run(load, hobbler, length, near, load.name == "busy-20" and kind.name != "timer")
        except OSError as e:
            self.skip(load, kind, f"failed: {e}")
            self.progress(f"{load.name:20} {kind.name:20} failed: {e}")
            return None
        self.cells.append(found)
        cpu = found["figures"]["cpu_percent"]
        self.progress(f"{load.name:20} {kind.name:20} CPU {report.spread(cpu, 3)} %")
        return found

    def load(self, load, hobblers):
        load.start(self.place, self.programs["BENCH_CROWD"])
        try:
            if load.wants:
                load.go()
                time.sleep(0.2)
            if load.name == "busy-20" and not self.options.quick:
                self.alone[load.name] = m.neighbour(self.programs["BENCH_NEIGHBOUR"], 2)
            for kind in hobblers:
                found = self.one(load, kind)
                if found and kind is Hobbled and load.name in TIMED:
                    timer = type("Timer", (Timer,), {"rate": max(1.0, cell.median(found, "main_wakeups"))})
                    self.one(load, timer)
            for kind in HOBBLERS:
                if kind not in hobblers and not self.chosen_by_name():
                    self.skip(load, kind, kind(self.place, self.programs).why_not(load) or LEFT_OUT)
        finally:
            load.stop()

    def run(self):
        plan = self.chosen()
        self.place = Place()
        try:
            say(f"{sum(map(len, plan.values()))} pairs of load and hobbler, about {self.estimate(plan) / 60:.1f} minutes"
                + ("" if self.chosen_by_name() else f"; after {self.limit / 60:.1f} the rest is left out"))
            if not self.options.quick and not self.chosen_by_name():
                self.alone["quiet"] = m.neighbour(self.programs["BENCH_NEIGHBOUR"], 2)
            self.trials = trials.run(self.place, self.programs, self.chosen_trials(), self.progress)
            for load, hobblers in plan.items():
                self.load(load, hobblers)
        finally:
            self.place.close()
        cell.ratios(self.cells)

    def tell(self):
        about = report.machine(self.programs)
        report.cells(self.cells, print)
        reached = goals.check(self.cells, self.trials)
        if reached:
            report.goals(reached, print)
        os.makedirs(self.options.out, exist_ok=True)
        report.write_json(os.path.join(self.options.out, "bench.json"),
                          {"machine": about, "seconds": time.monotonic() - self.begin, "cells": self.cells,
                           "neighbour_alone_usec": self.alone, "trials": self.trials, "goals": reached})
        report.write_csv(os.path.join(self.options.out, "bench.csv"), self.cells)
        report.write_plots(self.options.out, self.cells, self.alone, about)
        print(f"\n{about['cpus']} CPUs ({about['cpu']}), Linux {about['kernel']}, {about['date']}; "
              f"{time.monotonic() - self.begin:.0f} s. JSON, CSV and plots are in {self.options.out}")


def options():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="a few of the loads, in less than two minutes")
    parser.add_argument("--load", action="append", metavar="NAME",
                        help="this load alone, with every hobbler that can be tried on it (can be given several times): "
                        + ", ".join(load.name for load in LOADS) + ", or KIND:N,... of sleeper, busy and shell")
    parser.add_argument("--only", action="append", metavar="HOBBLER", choices=ALL,
                        help="this hobbler alone (can be given several times): " + ", ".join(ALL))
    parser.add_argument("--trial", action="append", metavar="NAME", choices=[*trials.TRIALS],
                        help="this trial of hobbled alone (can be given several times): " + ", ".join(trials.TRIALS))
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of each pair (5; with --quick 3)")
    parser.add_argument("--out", metavar="DIR", default=os.path.join(ROOT, "build/bench"),
                        help="where the files go (build/bench of the project)")
    parser.add_argument("--smoke", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    chosen = options()
    if os.geteuid():
        sys.exit("scripts/bench: needs root, to change cgroups")
    if not CGROOT:
        sys.exit("scripts/bench: no writable cgroup2 mount")
    programs = {name: os.environ[name] for name in ("HOBBLED", "HOBBLECTL", "BENCH_CROWD", "BENCH_LOOP", "BENCH_NEIGHBOUR")}
    programs["NAIVE"] = os.path.join(HERE, "naive.py")
    # Not to be kept from looking by a thousand busy loops; what is started here does not inherit it.
    os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    stop_at_signals()
    bench = Bench(chosen, programs)
    try:
        bench.run()
    except Stop as e:
        say(f"scripts/bench: stopped by {signal.Signals(e.args[0]).name}")
        sys.exit(128 + e.args[0])
    bench.tell()


main()
