# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the benchmark measures: CPU time, wake-ups and memory of a hobbler, what victims get, when they ran, and what an
untouched neighbour feels. All of it is the kernel's own accounting, or noted by the processes themselves."""

import os
import re
import statistics
import subprocess
import time

from observe import cgroup_of, cpu_usec, entries, frozen, read, state

FROZEN, THAWED = 0.250, 0.010
PERIOD = FROZEN + THAWED
DUTY = THAWED / PERIOD
CPUS = len(os.sched_getaffinity(0))


def percentile(values, part):
    """The value that this part of them does not exceed; None of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else None


def summary(values):
    """Minimum, median and maximum of the rounds; None where nothing was measured."""
    known = [v for v in values if v is not None]
    return {"min": min(known), "median": statistics.median(known), "max": max(known)} if known else None


def members(path):
    """The processes in a cgroup and below."""
    return [int(p) for d, _, _ in os.walk(path) for p in read(os.path.join(d, "cgroup.procs")).split()]


# -- The hobbler ----------------------------------------------------------------------------------------------

class Meter:
    """What a hobbler has used until now. `parts` names its cgroups: {"main": path, "guard": path}."""

    def __init__(self, parts):
        self.at = time.monotonic()
        self.cpu = {part: cpu_usec(path) for part, path in parts.items()}
        self.wakeups = {part: sum(map(wakeups, members(path))) for part, path in parts.items()}

    def since(self, before):
        """The figures of the time between two of them."""
        seconds = self.at - before.at
        used = {part: self.cpu[part] - before.cpu[part] for part in self.cpu}
        woken = {part: self.wakeups[part] - before.wakeups[part] for part in self.cpu}
        total, n = sum(used.values()), sum(woken.values())
        found = {"cpu_percent": total / seconds / 1e4, "wakeups": n / seconds, "usec_per_wakeup": total / n if n else None}
        for part in used if len(used) > 1 else []:
            found[f"{part}_cpu_percent"] = used[part] / seconds / 1e4
            found[f"{part}_wakeups"] = woken[part] / seconds
        return found


def wakeups(pid):
    """How often the threads of a process went to sleep, which is how often they were woken."""
    return sum(int(n) for t in entries(f"/proc/{pid}/task") for n in
               re.findall(r"^voluntary_ctxt_switches:\t(\d+)", read(f"/proc/{pid}/task/{t}/status"), re.M))


def memory(parts):
    """RSS and anonymous RSS of a hobbler's processes in KiB, and their descriptors."""
    found = {"rss_kib": 0, "rss_anon_kib": 0, "descriptors": 0}
    for pid in [p for path in parts.values() for p in members(path)]:
        status = dict(re.findall(r"^(VmRSS|RssAnon):\s+(\d+) kB", read(f"/proc/{pid}/status"), re.M))
        found["rss_kib"] += int(status.get("VmRSS", 0))
        found["rss_anon_kib"] += int(status.get("RssAnon", 0))
        found["descriptors"] += len(entries(f"/proc/{pid}/fd"))
    return found


# -- Victims --------------------------------------------------------------------------------------------------

def ran(pid):
    """How long a process with one thread ran, in seconds, and how often it was put on a CPU."""
    fields = read(f"/proc/{pid}/schedstat").split()
    return (int(fields[0]) / 1e9, int(fields[2])) if fields else (0.0, 0)


class Victims:
    """What the victims have had until now."""

    def __init__(self, load):
        self.at = time.monotonic()
        self.busy = [sum(ran(p)[0] for p in s.pids) for s in load.busy]
        seen = [ran(p) for s in load.idle for p in s.pids]
        self.idle_cpu, self.idle_runs = sum(s[0] for s in seen), sum(s[1] for s in seen)

    def since(self, before):
        seconds = self.at - before.at
        shares = [(a - b) / seconds * 100 for a, b in zip(self.busy, before.busy)]
        found = {"sleepers_woken": self.idle_runs - before.idle_runs,
                 "victims_cpu_percent": sum(shares) + (self.idle_cpu - before.idle_cpu) / seconds * 100}
        if shares:
            mean = statistics.mean(shares)
            found |= {"share_sum": sum(shares), "share_min": min(shares), "share_median": statistics.median(shares),
                      "share_max": max(shares), "evenness": min(shares) / mean if mean else None}
        return found


def windows(tracks, begin, end):
    """The windows in which any of these busy victims ran, between two times: (begin, end) of each. A window begins when the
    first of them runs after half a period in which none began to."""
    gaps = sorted((e, b) for track in tracks for b, e in track.gaps() if begin <= e <= end)
    starts = []
    for resumed, _ in gaps:
        if not starts or resumed - starts[-1] > PERIOD / 2:
            starts.append(resumed)
    stops = sorted(b for _, b in gaps)
    found, i = [], 0
    for start, following in zip(starts, starts[1:]):
        last = start
        while i < len(stops) and stops[i] < following:
            last = max(last, stops[i])
            i += 1
        found.append((start, last))
    return found


def jitter(load, clock, begin, end):
    """By how much the distances of windows differ from the period (or a multiple, where one was skipped), and how long
    they are: lists, in milliseconds. `clock`: "common" to all victims, of "each", or None where there is no such period."""
    crowds = {"common": [load.tracks()], "each": [[t] for t in load.tracks()], None: []}[clock]
    errors, lengths = [], []
    for crowd in crowds:
        seen = windows(crowd, begin, end)
        distances = [b[0] - a[0] for a, b in zip(seen, seen[1:])]
        errors += [abs(d - PERIOD * max(1, round(d / PERIOD))) * 1e3 for d in distances]
        lengths += [(b - a) * 1e3 for a, b in seen]
    return errors, lengths


def wait_edge(load, timeout=0.6):
    """Wait for the end of a window: what is measured from one edge to another has as many windows as periods. Where no
    common edge shows within the time, that moment has to do."""
    end = time.monotonic() + timeout
    ran_once = False
    while time.monotonic() < end:
        quiet = time.monotonic() - load.last_run()
        if ran_once and quiet > 0.004:
            return
        ran_once = ran_once or quiet < 0.002
        time.sleep(0.001)


# -- The neighbour --------------------------------------------------------------------------------------------

def neighbour(program, seconds):
    """How late an untouched process woke up, in microseconds, a thousand times a second."""
    done = subprocess.run([program, str(seconds)], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    return [int(line) / 1e3 for line in done.stdout.split()]


def feelings(late):
    return {"neighbour_p50_usec": percentile(late, 0.5), "neighbour_p99_usec": percentile(late, 0.99),
            "neighbour_max_usec": max(late)}


def stopped(load):
    """How many victims are stopped, or in a frozen cgroup."""
    known, count = {}, 0
    for pid in load.pids():
        where = cgroup_of(pid)
        if where not in known:
            known[where] = frozen(where)
        count += known[where] or state(pid) == "T"
    return count
