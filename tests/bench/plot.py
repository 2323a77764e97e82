# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plots as plain SVG, of two kinds: lines over a logarithmic axis, and rows of distributions. Colours and greys are such
that they can be read on a light ground and on a dark one; the ground itself is left out."""

import math
from html import escape

GREY, FAINT = "#7d8590", "#7d859055"
COLOURS = {
    "hobbled": "#e5532d", "hobbled-freeze-idle": "#e8a33d", "python-asyncio": "#3f8fd6", "python-gevent": "#2aa6a6",
    "python-threads": "#6f7be0", "cpulimit": "#c061cb", "quota": "#3fa34d", "quota-each": "#8fb339",
    "c-kill": "#a8795b", "c-freeze": "#8c959f", "c-freeze-each": "#5f6b78",
}
FONT = "font-family=\"system-ui, 'DejaVu Sans', sans-serif\""


def colour(name):
    return COLOURS.get(name, GREY)


class Canvas:
    def __init__(self, width, height, title, subtitle):
        self.width, self.height, self.parts = width, height, []
        self.text(16, 26, title, size=16, weight="600")
        self.text(16, 45, subtitle, size=12)

    def text(self, x, y, words, size=12, anchor="start", fill=GREY, weight="400"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{fill}" '
                          f'font-weight="{weight}">{escape(words)}</text>')

    def line(self, points, stroke=FAINT, width=1.0, dash=""):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{stroke}" stroke-width="{width}"'
                          f'{dashes} stroke-linejoin="round" stroke-linecap="round"/>')

    def dot(self, x, y, fill, r=3.0):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" fill="{fill}"/>')

    def svg(self):
        body = "\n".join(self.parts)
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
                f'width="{self.width}" height="{self.height}" {FONT}>\n'
                f'<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->\n{body}\n</svg>\n')


class Axis:
    """Values to places, linear or logarithmic. Values outside are put at the edge."""

    def __init__(self, low, high, begin, end, log=True):
        self.low, self.high, self.begin, self.end, self.log = low, high, begin, end, log

    def place(self, value):
        value = min(max(value, self.low), self.high)
        part = math.log(value / self.low) / math.log(self.high / self.low) if self.log else \
            (value - self.low) / (self.high - self.low)
        return self.begin + part * (self.end - self.begin)

    def ticks(self):
        if not self.log:
            return [self.low + (self.high - self.low) * i / 5 for i in range(6)]
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        steps = (1, 2, 5) if len(decades) < 4 else (1,)
        return [v for e in decades for step in steps if self.low * 0.999 <= (v := step * 10.0 ** e) <= self.high * 1.001]


def number(value):
    return f"{value:,.0f}" if value >= 10 else f"{value:.3g}"


def round_out(values):
    """The powers of ten around values."""
    low, high = min(values), max(values)
    return 10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high) + 1e-9)


def panel(canvas, box, series, axes, labels, target=None):
    """One diagram of lines in a box (left, top, right, bottom). `series`: {name: [(x, y)]}; `axes`: ((low, high), (low,
    high, whether logarithmic)); `labels`: of x and y; target: the points of a line of what is wanted, and its name."""
    left, top, right, bottom = box
    x, y = Axis(*axes[0], left, right), Axis(*axes[1][:2], bottom, top, axes[1][2])
    for tick in y.ticks():
        canvas.line([(left, y.place(tick)), (right, y.place(tick))])
        canvas.text(left - 6, y.place(tick) + 4, number(tick), 11, "end")
    for tick in x.ticks():
        canvas.line([(x.place(tick), bottom), (x.place(tick), bottom + 4)], GREY)
        canvas.text(x.place(tick), bottom + 18, number(tick), 11, "middle")
    canvas.text((left + right) / 2, bottom + 36, labels[0], 12, "middle")
    canvas.text(left - 6, top - 10, labels[1], 12)
    if target:
        points = [(x.place(a), y.place(b)) for a, b in target[0]]
        canvas.line(points, GREY, 1, "5 4")
        canvas.text(right, points[-1][1] - 5, target[1], 11, "end")
    for name, points in reversed(series.items()):
        canvas.line([(x.place(a), y.place(b)) for a, b in points], colour(name), 2.4 if name == "hobbled" else 1.6)
        for a, b in points:
            canvas.dot(x.place(a), y.place(b), colour(name))


def legend(canvas, left, top, names):
    for i, (name, label) in enumerate(names.items()):
        canvas.line([(left, top + i * 19 - 4), (left + 18, top + i * 19 - 4)], colour(name), 2.4)
        canvas.text(left + 25, top + i * 19, label)


def lines(title, subtitle, panels, names):
    """Diagrams beside each other with one legend. `panels`: the arguments of panel() after the box."""
    each, gap, side = (560 if len(panels) == 1 else 360), 62, 240
    width = 66 + len(panels) * (each + gap) + side - gap + 16
    canvas = Canvas(width, 420, title, subtitle)
    for i, arguments in enumerate(panels):
        left = 66 + i * (each + gap)
        panel(canvas, (left, 92, left + each, 366), *arguments)
    legend(canvas, width - side + 4, 104, names)
    return canvas.svg()


def quantiles(values):
    ordered = sorted(values)
    return [ordered[min(len(ordered) - 1, int(q * len(ordered)))] for q in (0.01, 0.25, 0.5, 0.75, 0.99)] + [ordered[-1]]


def rows(title, subtitle, found, unit):
    """A row for each distribution: from 1 % to 99 % thin, from 25 % to 75 % thick, the median, the most. `found`: [(name,
    label, values)]."""
    known = [(n, label, quantiles(v)) for n, label, v in found if v]
    low, high = round_out([max(q, 1e-3) for _, _, qs in known for q in (qs[0], qs[-1])])
    left, right, top = 250, 860, 76
    bottom = top + len(known) * 26
    canvas = Canvas(900, bottom + 60, title, subtitle)
    axis = Axis(low, high, left, right)
    for tick in axis.ticks():
        canvas.line([(axis.place(tick), top - 8), (axis.place(tick), bottom)])
        canvas.text(axis.place(tick), bottom + 18, number(tick), 11, "middle")
    canvas.text((left + right) / 2, bottom + 40, unit, 12, "middle")
    for i, (name, label, (first, quarter, middle, three, last, most)) in enumerate(known):
        y, paint = top + i * 26 + 10, colour(name)
        canvas.text(left - 14, y + 4, label, 12, "end", weight="600" if name == "hobbled" else "400")
        canvas.line([(axis.place(first), y), (axis.place(last), y)], paint, 1.6)
        canvas.line([(axis.place(quarter), y), (axis.place(three), y)], paint, 7)
        canvas.line([(axis.place(last), y - 5), (axis.place(last), y + 5)], paint, 1.6)
        canvas.dot(axis.place(most), y, paint, 2.2)
        canvas.dot(axis.place(middle), y, "#ffffff", 2.6)
    return canvas.svg()
