# SPDX-License-Identifier: LGPL-2.1-or-later
"""What hobbled is to reach, each with its bound and what was measured. Not reaching one is no failure of the benchmark."""

import measure as m
from cell import median

TOTAL = m.DUTY * m.CPUS * 100  # what a crowd is to have in all, in percent of a core


class Goals:
    """Adds goals up; one whose figure was not measured is left out."""

    def __init__(self, cells, trials):
        self._cells = {(c["load"], c["hobbler"]): c for c in cells if "figures" in c}
        self.trials = {name: t for name, t in trials.items() if "failed" not in t}
        self.found = []

    def cell(self, load, hobbler="hobbled"):
        return self._cells.get((load, hobbler))

    def median(self, load, figure, hobbler="hobbled"):
        return median(self.cell(load, hobbler), figure)

    def most(self, load, figure):
        value = (self.cell(load) or {}).get("figures", {}).get(figure)
        return value["max"] if value else None

    def whole(self, load, figure, hobbler="hobbled"):
        return (self.cell(load, hobbler) or {}).get("whole", {}).get(figure)

    def below(self, goal, value, bound, unit="", digits=2):
        self.within(goal, None, value, bound, unit, digits)

    def above(self, goal, value, bound, unit="", digits=2):
        self.within(goal, bound, value, None, unit, digits)

    def within(self, goal, low, value, high, unit="", digits=2):
        if value is None or (low is None and high is None):
            return
        bound = f"<= {high:.{digits}f}" if low is None else f">= {low:.{digits}f}" if high is None else \
            f"{low:.{digits}f} to {high:.{digits}f}"
        shown = round(value, digits)  # what is read in the table is what counts
        met = (low is None or shown >= round(low, digits)) and (high is None or shown <= round(high, digits))
        self.found.append({"goal": goal, "bound": f"{bound} {unit}".strip(), "measured": f"{value:.{digits}f}",
                           "value": value, "low": low, "high": high, "verdict": "met" if met else "MISSED"})


def times(value, factor):
    return value * factor if value is not None else None


def ratio(value, other):
    return value / other if value is not None and other else None


def wakeups(g):
    nobody = g.trials.get("started", {}).get("nobody", {})
    g.below("wake-ups/s with nobody, hobbled", nobody.get("main_wakeups"), 0, digits=1)
    g.below("wake-ups/s with nobody, guard", nobody.get("guard_wakeups"), 0, digits=1)
    for load, bound in (("sleepers-200", 5), ("sleepers-10000", 5), ("busy-1", 8), ("busy-20", 30), ("busy-200", 30),
                        ("busy-1000", 30), ("mixed", 110), ("tarpits-100", 110)):
        g.below(f"wake-ups/s, {load}, hobbled", g.median(load, "main_wakeups"), bound, digits=1)
        g.below(f"wake-ups/s, {load}, guard", g.median(load, "guard_wakeups"), 5, digits=1)
    for load in ("sleepers-200", "busy-1", "busy-20"):
        hobbled = g.cell(load)
        bare = g.median(load, "usec_per_wakeup", "timer")
        if hobbled and bare:
            each = g.median(load, "main_cpu_percent") * 1e4 / max(g.median(load, "main_wakeups"), 0.1)
            g.below(f"a wake-up, {load}, of a bare one ({each:.0f} of {bare:.0f} us)", each / bare, 1.5, "x")


def cost(g):
    at_rest = g.median("sleepers-200", "cpu_percent")
    g.below("CPU, sleepers-200", at_rest, 0.08, "%", 3)
    g.below("CPU, sleepers-200, of the C freeze loop", ratio(at_rest, g.median("sleepers-200", "cpu_percent", "c-freeze")),
            1, "x", 3)
    g.below("CPU, sleepers-10000, of sleepers-200", ratio(g.median("sleepers-10000", "cpu_percent"), at_rest), 1.2, "x")
    one, crowd = g.median("busy-1", "cpu_percent"), g.median("busy-200", "cpu_percent")
    g.below("CPU, busy-1", one, 0.10, "%", 3)
    g.below("CPU, busy-1, of cpulimit", ratio(one, g.median("busy-1", "cpu_percent", "cpulimit")), 1, "x", 3)
    g.below("CPU, busy-1-sleepers-5000", g.median("busy-1-sleepers-5000", "cpu_percent"), 0.20, "%", 3)
    g.below("CPU, busy-200", crowd, 0.20, "%", 3)
    g.below("CPU, busy-1000, of busy-200", ratio(g.median("busy-1000", "cpu_percent"), crowd), 1.5, "x")
    g.below("CPU, sessions: 1,000 of 100 users, 10 busy", g.median("sessions", "cpu_percent"), 0.5, "%", 3)
    for load in ("sleepers-200", "sleepers-10000", "busy-1-sleepers-5000", "mixed", "sessions", "tarpits-100"):
        g.below(f"sleepers woken, {load}", g.whole(load, "sleepers_woken"), 0, digits=0)


def shares(g):
    one = g.whole("busy-1", "share_sum")
    g.within("share, busy-1", m.DUTY * 98, one, m.DUTY * 102, "%", 3)
    for load, least in (("busy-20", 0.8), ("busy-200", 0.6)):
        g.within(f"sum of shares, {load}", TOTAL * 0.92, g.whole(load, "share_sum"), TOTAL * 1.05, "%")
        # Of less time than the goal is about nothing can be told.
        even = g.whole(load, "evenness") if (g.whole(load, "seconds") or 0) > 25 else None
        g.above(f"evenness, {load}", even, least)
        g.above(f"evenness, {load}, beside the kernel's limit", even, g.whole(load, "evenness", "quota"))
    sums = g.trials.get("without-real-time", {})
    for where, value in sums.items():
        # Beside others the CPUs are not there to be had, so less is no wonder.
        low = TOTAL * 0.92 if where == "alone" else None
        g.within(f"sum of shares without real-time priority, {where}", low, value, TOTAL * 1.05, "%")


def times_of_day(g):
    for how, late in g.trials.get("loaded", {}).items():
        bound = late["late_p99_usec"]
        g.below(f"lateness p99, all CPUs busy, {how}", float("inf") if bound is None else bound, 1000, "us", 0)
    admitted = g.trials.get("one-at-a-time", {}).get("admission_sec")
    g.below("admission of one more, the slowest of ten", times(max(admitted), 1e3) if admitted else None, 50, "ms", 1)
    many = g.trials.get("many-at-once")
    if many:
        g.below("admission of 10,000 at once", many["admission_sec"], 3, "s")
        g.below("latest window meanwhile", many["late_max_sec"] * 1e3, 2, "ms")
        g.below("release of 10,000", many["release_sec"], 3, "s")
    ready = g.trials.get("started", {}).get("ready_sec")
    g.below("from start to ready, median of five", sorted(ready)[2] * 1e3 if ready else None, 20, "ms", 1)


def memory(g):
    few, many = g.median("sleepers-200", "rss_anon_kib"), g.median("sleepers-10000", "rss_anon_kib")
    g.below("anonymous memory, sleepers-200, both processes", few, 1024, "KiB", 0)
    g.below("anonymous memory for each further subject", ratio((many or 0) - (few or 0), 9800) if few and many else None, 1,
            "KiB")
    fds = g.median("sleepers-10000", "descriptors")
    g.below("descriptors for each subject, sleepers-10000", ratio(fds, 10000), 1)


def check(cells, trials):
    """The goals that could be looked at: [{"goal", "bound", "measured", "verdict", …}]."""
    g = Goals(cells, trials)
    for part in (wakeups, cost, shares, times_of_day, memory):
        part(g)
    return g.found
