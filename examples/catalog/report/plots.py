"""Plots as SVG files, written by hand: readable in light and dark, without any package."""

from html import escape
from math import log10

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 40, 48

LIGHT = {"ink": "#1f2328", "faint": "#d0d7de", "paper": "#ffffff", "series": ["#0969da", "#bc4c00", "#1a7f37", "#8250df"]}
DARK = {"ink": "#e6edf3", "faint": "#3d444d", "paper": "#0d1117", "series": ["#58a6ff", "#f0883e", "#3fb950", "#bc8cff"]}


def colours(theme):
    """The rules that differ between light and dark. No variables: not every viewer of SVG knows them."""
    rules = [
        f"text {{ fill: {theme['ink']}; }}",
        f".paper {{ fill: {theme['paper']}; }}",
        f".grid {{ stroke: {theme['faint']}; }}",
        f".axis {{ stroke: {theme['ink']}; }}",
    ]
    for n, colour in enumerate(theme["series"]):
        rules.append(f".s{n} {{ stroke: {colour}; }} .f{n} {{ fill: {colour}; }}")
    return "\n".join(rules)


STYLE = f"""
text {{ font: 12px system-ui, sans-serif; }}
.title {{ font-size: 14px; font-weight: 600; }}
.small {{ font-size: 10px; }}
.middle {{ text-anchor: middle; }}
.end {{ text-anchor: end; }}
.axis, .line {{ fill: none; }}
.line {{ stroke-width: 2; }}
{colours(LIGHT)}
@media (prefers-color-scheme: dark) {{
{colours(DARK)}
}}
"""


class Axis:
    """Maps values to places; a logarithmic one has marks at 1, 2 and 5 of each power of ten."""

    def __init__(self, label, low, high, start, end, log=False, marks=None):
        self.label, self.low, self.high, self.start, self.end, self.log = label, low, high, start, end, log
        self.marks = [m for m in marks or self._log_marks() if low <= m <= high]

    def _log_marks(self):
        return [digit * 10.0**power for power in range(-3, 7) for digit in (1, 2, 5)]

    def place(self, value):
        scale = log10 if self.log else float
        share = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))
        return self.start + share * (self.end - self.start)


def number(value):
    """At most three decimals, and none where they would say nothing."""
    return f"{value:,.3f}".rstrip("0").rstrip(".") if value < 10 else f"{value:,.0f}"


def document(title, shapes, height=HEIGHT):
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n"
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>\n'
        f'<text class="title" x="{LEFT}" y="20">{escape(title)}</text>\n' + "\n".join(shapes) + "\n</svg>\n"
    )


def frame(x, y):
    """The grid, the axes and their labels."""
    shapes = []
    for mark in x.marks:
        at = x.place(mark)
        shapes.append(f'<path class="grid" d="M{at:.1f} {y.start}V{y.end}"/>')
        shapes.append(f'<text class="middle" x="{at:.1f}" y="{y.start + 16}">{number(mark)}</text>')
    for mark in y.marks:
        at = y.place(mark)
        shapes.append(f'<path class="grid" d="M{x.start} {at:.1f}H{x.end}"/>')
        shapes.append(f'<text class="end" x="{x.start - 6}" y="{at + 4:.1f}">{number(mark)}</text>')
    shapes.append(f'<path class="axis" d="M{x.start} {y.end}V{y.start}H{x.end}"/>')
    middle = (x.start + x.end) / 2
    shapes.append(f'<text class="middle" x="{middle}" y="{y.start + 36}">{escape(x.label)}</text>')
    middle = (y.start + y.end) / 2
    shapes.append(f'<text class="middle" transform="translate(14 {middle}) rotate(-90)">{escape(y.label)}</text>')
    return shapes


def lines(title, x, y, series):
    """Lines through points: series is a list of (name, [(x, y, label), ...])."""
    shapes = frame(x, y)
    for n, (name, points) in enumerate(series):
        places = [(x.place(px), y.place(py), label) for px, py, label in points]
        if len(places) > 1:
            path = "L".join(f"{px:.1f} {py:.1f}" for px, py, _ in places)
            shapes.append(f'<path class="line s{n}" d="M{path}"/>')
        for px, py, label in places:
            shapes.append(f'<circle class="f{n}" cx="{px:.1f}" cy="{py:.1f}" r="3.5"/>')
            shapes.append(f'<text class="small" x="{px + 6:.1f}" y="{py + 13:.1f}">{escape(label)}</text>')
        if name:
            row = y.start - 12 - 16 * (len(series) - 1 - n)
            shapes.append(f'<rect class="f{n}" x="{x.end - 150}" y="{row - 9}" width="10" height="10"/>')
            shapes.append(f'<text x="{x.end - 134}" y="{row}">{escape(name)}</text>')
    return document(title, shapes)


def bars(title, x_label, high, marks, rows, second=None, left=170):
    """Bars from the left: rows is a list of (name, value, value of the small mark or None, text)."""
    step = 24
    height = TOP + step * len(rows) + BOTTOM
    bottom = TOP + step * len(rows) + 4
    x = Axis(x_label, 0, high, left, WIDTH - 70, marks=marks)
    shapes = []
    for mark in x.marks:
        at = x.place(mark)
        shapes.append(f'<path class="grid" d="M{at:.1f} {TOP}V{bottom}"/>')
        shapes.append(f'<text class="middle" x="{at:.1f}" y="{bottom + 16}">{number(mark)}</text>')
    for n, (name, value, mark, text) in enumerate(rows):
        y = TOP + step * n + 4
        end = x.place(value)
        shapes.append(f'<text class="end" x="{left - 8}" y="{y + 13}">{escape(name)}</text>')
        shapes.append(f'<rect class="f0" x="{left}" y="{y}" width="{end - left:.1f}" height="{step - 8}"/>')
        shapes.append(f'<text x="{end + 6:.1f}" y="{y + 13}">{escape(text)}</text>')
        if mark is not None:
            at = x.place(mark)
            shapes.append(f'<path class="line s1" d="M{at:.1f} {y - 2}v{step - 4}"/>')
    shapes.append(f'<text class="middle" x="{(left + x.end) / 2}" y="{bottom + 36}">{escape(x_label)}</text>')
    if second:
        shapes.append(f'<path class="line s1" d="M{WIDTH - 150} 10v14"/>')
        shapes.append(f'<text x="{WIDTH - 142}" y="21">{escape(second)}</text>')
    return document(title, shapes, height)
