# SPDX-License-Identifier: LGPL-2.1-or-later
"""One hobbler on one load: rounds of measuring, and what it takes to begin and to end."""

import time

import measure as m


class Length:
    """How long to look: rounds, periods of the duty cycle in each, and seconds before the first."""

    def __init__(self, rounds, periods, settle):
        self.rounds, self.periods, self.settle = rounds, periods, settle

    def seconds(self):
        return self.settle + self.rounds * self.periods * m.PERIOD


def one_round(load, clock, parts, periods):
    """The figures of so many periods, from one edge to another."""
    begin, first = m.Victims(load), m.Meter(parts)
    time.sleep(max(0, begin.at + periods * m.PERIOD - 0.1 - time.monotonic()))
    if load.wants:
        m.wait_edge(load)
    else:
        time.sleep(0.1)
    last = m.Meter(parts)
    end = m.Victims(load)
    errors, lengths = m.jitter(load, clock, begin.at, end.at)
    found = end.since(begin) | (last.since(first) if parts else {"cpu_percent": 0.0})
    found |= {"jitter_p50_msec": m.percentile(errors, 0.5), "jitter_p99_msec": m.percentile(errors, 0.99),
              "window_p50_msec": m.percentile(lengths, 0.5), "window_p99_msec": m.percentile(lengths, 0.99)}
    return found


def whole_span(load, clock, before, after):
    """What only the whole span can tell, not a round."""
    errors, lengths = m.jitter(load, clock, before.at, after.at)
    found = after.since(before)
    return {"seconds": after.at - before.at, "jitter_msec": errors, "window_msec": lengths,
            "jitter_p50_msec": m.percentile(errors, 0.5), "jitter_p99_msec": m.percentile(errors, 0.99),
            **{name: found.get(name) for name in ("share_sum", "share_min", "share_median", "share_max", "evenness",
                                                  "sleepers_woken")}}


def measure(load, hobbler, length):
    """The rounds. Returns {figure: {"min", "median", "max"}}, and the figures of the whole span."""
    time.sleep(length.settle)
    if load.wants:
        m.wait_edge(load)
    parts, before, rounds = hobbler.parts(), m.Victims(load), []
    for _ in range(length.rounds):
        rounds.append(one_round(load, hobbler.clock, parts, length.periods))
    after = m.Victims(load)
    names = list(dict.fromkeys(n for r in rounds for n in r))
    figures = {n: m.summary([r.get(n) for r in rounds]) for n in names}
    for name, value in m.memory(parts).items() if parts else []:
        figures[name] = m.summary([value])
    return figures, whole_span(load, hobbler.clock, before, after)


def run(load, hobbler, length, neighbour=None, crash=False):
    """All of a cell: a dict for the report. `neighbour` is (program, seconds) where that is to be asked; `crash`: see
    what the hobbler's death by SIGKILL leaves stopped."""
    cell = {"load": load.name, "members": load.members, "busy": load.wants, "hobbler": hobbler.name, "label": hobbler.label}
    try:
        cell["admission_sec"] = hobbler.start(load)
        cell["figures"], cell["whole"] = measure(load, hobbler, length)
        if neighbour:
            late = m.neighbour(*neighbour)
            cell["neighbour"] = m.feelings(late) | {"late_usec": sorted(round(v, 1) for v in late)}
        cell["release_sec"] = hobbler.release(load)
        if crash:
            hobbler.clean(load)
            hobbler.start(load)
            time.sleep(0.6)
            hobbler.kill()
            time.sleep(1.2)
            cell["left_stopped"] = m.stopped(load)
    finally:
        hobbler.clean(load)
    return cell


def ratios(cells, reference="c-freeze"):
    """Add to each cell what its figures are in relation to the reference's on the same load."""
    base = {c["load"]: c for c in cells if c["hobbler"] == reference and "figures" in c}
    for cell in cells:
        other = base.get(cell["load"])
        if not other or "figures" not in cell:
            continue
        cell["ratio"] = {}
        for name, value in cell["figures"].items():
            against = other["figures"].get(name)
            if value and against and against["median"]:
                cell["ratio"][name] = value["median"] / against["median"]


def median(cell, name):
    """A figure's median; None where there is none."""
    value = (cell or {}).get("figures", {}).get(name)
    return value["median"] if value else None
