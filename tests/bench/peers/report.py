"""Prints what bench.py has measured as a table, and draws it.

    report.py PEERS.JSON [PLOTS]

PLOTS is a directory for the plots. The page PLOTS.md beside it, if there is one, gets the table between its markers.
"""

import json
import re
import sys
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "examples/catalog/report"))
sys.dont_write_bytecode = True

from plots import bars
from report import table as markdown

HEADS = [
    "", "short texts/s", "long texts/s", "batch", "query, ms", "p99", "first vector, s", "private MB", "written", "peak",
    "least cosine", "mean cosine", "batch changes it by",
]


def row_of(peer, texts):
    """The figures of a peer; the rates are by processor time, the least and the median of all rounds."""
    times = {kind: [r["cpu"] for r in peer["rates"][kind]] for kind in ["short", "long"]}
    walls = sorted(wall for round in peer["latency"] for wall in round["walls"])
    return {
        **{kind: texts / min(some) for kind, some in times.items()},
        **{f"{kind} median": texts / median(some) for kind, some in times.items()},
        **{f"{kind} wall": texts / min(r["wall"] for r in peer["rates"][kind]) for kind in times},
        "query": 1000 * median(walls),
        "p99": 1000 * walls[int(len(walls) * 0.99)],
        "query cpu": 1000 * min(round["cpu"] for round in peer["latency"]),
        "first": min(peer["first"]),
    }


def cells(name, peer, row):
    batch, memory = peer["batch"], peer["memory"]
    return [
        name,
        f"{row['short']:,.0f} ({row['short median']:,.0f}; {row['short wall']:,.0f})",
        f"{row['long']:,.1f} ({row['long median']:,.1f}; {row['long wall']:,.1f})",
        f"{batch['short']}, {batch['long']}",
        f"{row['query']:.2f} ({row['query cpu']:.2f})",
        f"{row['p99']:.2f}",
        f"{row['first']:.3f}",
        *(f"{memory[name]:,.0f}" for name in ["private", "dirty", "peak"]),
        f"{peer['least_cosine']:.6f}",
        f"{peer['mean_cosine']:.6f}",
        f"{peer['batch_difference']:.0e}",
    ]


def made_with(facts):
    return (
        f"Measured on {facts['date']} on one core of {facts['processor']}, in {facts['rounds']} rounds of {facts['texts']} short"
        f" and as many long texts, {facts['tokens']['short']:.0f} and {facts['tokens']['long']:.0f} tokens on average, and with"
        f" {facts['queries']} queries of {facts['query_tokens']} tokens; "
        + ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
        + "."
    )


def plot(title, label, rows, form):
    longest = max(value for _, value in rows)
    # Five marks or so, at round numbers.
    gap = min(g for g in (d * 10.0**p for p in range(-3, 6) for d in (1, 2, 5)) if g * 6 > longest)
    named = [(name, value, None, format(value, form)) for name, value in rows]
    return bars(title, label, longest, [gap * n for n in range(7)], named, left=220)


def draw(directory, peers, rows):
    directory.mkdir(parents=True, exist_ok=True)
    plots = {
        "short": ("Short texts", "texts a second of processor time", ",.0f"),
        "long": ("Long texts", "texts a second of processor time", ",.1f"),
        "query": ("One query", "milliseconds, median", ",.2f"),
        "first": ("From the start to the first vector", "seconds", ",.2f"),
        "memory": ("Private memory", "MB", ",.0f"),
    }
    for key, (title, label, form) in plots.items():
        value = {name: peers[name]["memory"]["private"] if key == "memory" else rows[name][key] for name in peers}
        # The best one first.
        order = sorted(value, key=value.get, reverse=key in ("short", "long"))
        text = plot(title, label, [(name, value[name]) for name in order], form)
        (directory / f"{key}.svg").write_text(text, encoding="utf-8")


def put_into(page, content):
    """Between the page's markers."""
    begin, end = "<!-- table of make bench-peers -->", "<!-- end of the table -->"
    text = page.read_text(encoding="utf-8")
    place = re.compile(f"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
    new, count = place.subn(lambda _: f"{begin}\n{content}\n{end}", text)
    if count != 1:
        sys.exit(f"{page} has no place for the table: {begin} … {end}")
    page.write_text(new, encoding="utf-8")


def main(file, plots=None):
    content = json.loads(Path(file).read_text(encoding="utf-8"))
    facts, peers = content["facts"], content["peers"]
    rows = {name: row_of(peer, facts["texts"]) for name, peer in peers.items()}
    table = markdown(HEADS, [cells(name, peers[name], rows[name]) for name in peers])
    print(f"\n{table}\n\n{made_with(facts)}")
    if plots:
        draw(Path(plots), peers, rows)
        page = Path(plots).with_suffix(".md")
        if page.exists():
            put_into(page, f"{made_with(facts)}\n\n{table}")


if __name__ == "__main__":
    main(*sys.argv[1:])
