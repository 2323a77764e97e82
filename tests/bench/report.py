# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the benchmark has to tell: tables on the terminal, JSON, CSV, and the plots."""

import csv
import json
import os
import platform
import time

import measure as m
import plot
from cell import median
from observe import read


def machine(programs):
    """Where and when this was measured."""
    model = [line.partition(": ")[2] for line in read("/proc/cpuinfo").splitlines() if line.startswith("model name")]
    return {"date": time.strftime("%Y-%m-%d %H:%M:%S %z"), "kernel": platform.release(), "cpu": model[0] if model else "",
            "cpus": m.CPUS, "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1 << 20),
            "rcu_expedited": read("/sys/kernel/rcu_expedited").strip(), "hobbled": programs["HOBBLED"]}


def show(value, digits=2):
    if value is None:
        return "-"
    return f"{value:.{digits}f}" if abs(value) < 1000 else f"{value:,.0f}"


def spread(value, digits=2):
    """min/median/max."""
    return "/".join(show(value[k], digits) for k in ("min", "median", "max")) if value else "-"


def table(headings, lines, out):
    widths = [max(len(str(r[i])) for r in [headings, *lines]) for i in range(len(headings))]
    for row in [headings, *lines]:
        out(("  ".join(str(c).ljust(w) if i == 0 else str(c).rjust(w)
                       for i, (c, w) in enumerate(zip(row, widths)))).rstrip())


HEADINGS = ["", "CPU %, min/med/max", "x freeze", "wake-ups/s", "us each", "victims %", "share %, min/med/max", "even",
            "jitter p50/p99 ms", "admit ms", "free ms", "anon KiB", "fds", "near p99 us", "left"]


def row(cell):
    figures, whole = cell["figures"], cell["whole"]
    share = [whole[f"share_{k}"] for k in ("min", "median", "max")]
    near = cell.get("neighbour")
    return [cell["label"], spread(figures["cpu_percent"], 3), show(cell.get("ratio", {}).get("cpu_percent")),
            show(median(cell, "wakeups"), 1), show(median(cell, "usec_per_wakeup"), 0),
            show(median(cell, "victims_cpu_percent")), "/".join(map(show, share)) if cell["busy"] else "-",
            show(whole["evenness"]), f"{show(whole['jitter_p50_msec'])}/{show(whole['jitter_p99_msec'])}",
            show(cell["admission_sec"] * 1e3, 0), show(cell["release_sec"] * 1e3, 0), show(median(cell, "rss_anon_kib"), 0),
            show(median(cell, "descriptors"), 0), show(near and near["neighbour_p99_usec"], 0),
            show(cell.get("left_stopped"), 0)]


LEGEND = """CPU: of one core, of all processes of the hobbler; x freeze: that in relation to the C loop with one cgroup.freeze.
share: of one core, of each busy victim; even: the least of them in relation to the mean. jitter: of the distance between
windows, of all together or, where each has a clock of its own, of each. admit, free: until all are hobbled, and let go.
near: how late an untouched neighbour wakes up. left: how many victims stay stopped when the hobbler is killed. -: does not
apply, or was not looked at."""


def cells(found, out):
    for load in dict.fromkeys(c["load"] for c in found):
        here = [c for c in found if c["load"] == load]
        out(f"\n{load}: {here[0]['members']} members, {here[0]['busy']} of them busy")
        done = [c for c in here if "figures" in c]
        if done:
            table(HEADINGS, [row(c) for c in done], out)
        why = [c["skipped"] for c in here if "skipped" in c]
        for reason in dict.fromkeys(why):
            out(f"not tried, {reason}: {'; '.join(c['label'] for c in here if c.get('skipped') == reason)}")
    if found:
        out("\n" + LEGEND)


def goals(found, out):
    out("\nGoals, on this machine, in this run")
    table(["goal", "bound", "measured", ""], [[g["goal"], g["bound"], g["measured"], g["verdict"]] for g in found], out)


# -- Files ----------------------------------------------------------------------------------------------------

def write_json(path, result):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
        f.write("\n")


def write_csv(path, found):
    with open(path, "w", encoding="utf-8", newline="") as f:
        out = csv.writer(f)
        out.writerow(["load", "members", "busy", "hobbler", "figure", "min", "median", "max", "ratio_to_c_freeze"])
        for c in found:
            figures = dict(c.get("figures", {}))
            single = {n: c[n] for n in ("admission_sec", "release_sec", "left_stopped") if n in c}
            single |= {f"whole_{n}": v for n, v in c.get("whole", {}).items() if isinstance(v, (int, float))}
            single |= {n: v for n, v in c.get("neighbour", {}).items() if isinstance(v, (int, float))}
            figures |= {n: {"min": v, "median": v, "max": v} for n, v in single.items()}
            for name, v in figures.items():
                if v:
                    out.writerow([c["load"], c["members"], c["busy"], c["hobbler"], name, v["min"], v["median"], v["max"],
                                  c.get("ratio", {}).get(name, "")])


# -- Plots ----------------------------------------------------------------------------------------------------

def labels(found):
    return {c["hobbler"]: c["label"] for c in found if "figures" in c and c["hobbler"] != "timer"}


def curve(found, prefix, x, y):
    """{hobbler: [(x, y)]} over the loads of a family, such as sleepers-."""
    series = {}
    for c in found:
        rest = c["load"].removeprefix(prefix)
        if "figures" in c and rest.isdigit() and c["load"].startswith(prefix) and c["hobbler"] != "timer" and y(c):
            series.setdefault(c["hobbler"], []).append((c[x], y(c)))
    return {name: sorted(points) for name, points in series.items()}


def cost_plot(found, subtitle):
    panels, used = [], set()
    for prefix, what in (("sleepers-", "members, all asleep"), ("busy-", "members, all busy")):
        series = curve(found, prefix, "members", lambda c: median(c, "cpu_percent"))
        if series:
            xs, ys = ([p[i] for points in series.values() for p in points] for i in (0, 1))
            top = max(plot.round_out(xs)[1], 10)
            panels.append((series, ((1, top), (*plot.round_out(ys), True)), (what, "CPU of the hobbler, % of a core")))
            used |= set(series)
    names = {n: label for n, label in labels(found).items() if n in used}
    return plot.lines("What hobbling costs", subtitle, panels, names) if panels else None


def share_plot(found, subtitle):
    total = curve(found, "busy-", "busy", lambda c: c["whole"]["share_sum"])
    even = curve(found, "busy-", "busy", lambda c: c["whole"]["evenness"])
    if not total:
        return None
    xs, ys = ([p[i] for points in total.values() for p in points] for i in (0, 1))
    x = (1, max(plot.round_out(xs)[1], 10))
    want = [(n, m.DUTY * min(n, m.CPUS) * 100) for n in (1, m.CPUS, x[1])]
    panels = [(total, (x, (*plot.round_out(ys), True)), ("busy members", "CPU of all victims, % of a core"),
               (want, f"wanted: {want[-1][1]:.2f} %")),
              (even, (x, (0, 1, False)), ("busy members", "evenness: the least in relation to the mean"))]
    return plot.lines("What the hobbled get", subtitle, panels, {n: v for n, v in labels(found).items() if n in total})


def jitter_plot(found, subtitle):
    here = [(c["hobbler"], c["label"], c["whole"]["jitter_msec"]) for c in found
            if c["load"] == "busy-20" and c.get("whole", {}).get("jitter_msec") and c["hobbler"] != "timer"]
    return plot.rows("How regular the windows are, with 20 busy", subtitle, here,
                     "by how much the distance of two windows is wrong, milliseconds") if here else None


def neighbour_plot(found, alone, subtitle):
    here = [("quiet", "nobody else", v) for k, v in alone.items() if k == "quiet"]
    here += [("offenders", "not hobbled", v) for k, v in alone.items() if k == "busy-20"]
    here += [(c["hobbler"], c["label"], c["neighbour"]["late_usec"]) for c in found
             if c["load"] == "busy-20" and "neighbour" in c and c["hobbler"] != "timer"]
    return plot.rows("What a neighbour of 20 busy feels", subtitle, here, "how late an untouched process wakes up, microseconds") \
        if here else None


def write_plots(folder, found, alone, about):
    where = f"{about['cpus']} CPUs, Linux {about['kernel']}, {about['date'][:10]}"
    subtitle = {"rows": f"from 1 to 99 % thin, from 25 to 75 % thick, dots: median and most; {where}",
                "lines": f"median of the rounds; {where}"}
    for name, text in (("cost", cost_plot(found, subtitle["lines"])), ("share", share_plot(found, subtitle["lines"])),
                       ("jitter", jitter_plot(found, subtitle["rows"])),
                       ("neighbour", neighbour_plot(found, alone, subtitle["rows"]))):
        if text:
            with open(os.path.join(folder, f"{name}.svg"), "w", encoding="utf-8") as f:
                f.write(text)
