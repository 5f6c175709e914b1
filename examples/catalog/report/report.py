#!/usr/bin/env python3
"""Turns the measurements that report.sh has exported into report.md and its plots.

usage: report.py DIRECTORY_OF_CSV_FILES DIRECTORY_OF_REPORT
"""

import csv
import platform
import sys
from pathlib import Path

from plots import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, bars, lines


TENTHS = [n / 10 for n in range(11)]


def read(directory, name):
    with open(directory / f"{name}.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def table(heads, rows, texts=1):
    """A Markdown table; all columns but the first, or so many, are numbers."""
    out = ["| " + " | ".join(heads) + " |", "|" + "---|" * texts + "---:|" * (len(heads) - texts)]
    out += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(out)


def processor():
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def mean(rows, column):
    return sum(float(row[column]) for row in rows) / len(rows)


def x_axis(label, low, high, **more):
    return Axis(label, low, high, LEFT, WIDTH - RIGHT, **more)


def y_axis(label, low, high, **more):
    return Axis(label, low, high, HEIGHT - BOTTOM, TOP, **more)


def steps_plot(steps):
    rows = [(s["step"], float(s["seconds"]), None, f"{float(s['seconds']):.1f} s") for s in steps]
    longest = max(value for _, value, _, _ in rows)
    # Five marks or so, at round numbers.
    gap = min(g for g in (d * 10.0**p for p in range(-2, 5) for d in (1, 2, 5)) if g * 6 > longest)
    return bars("Time by step", "seconds", longest, [gap * n for n in range(7)], rows)


def recall_plot(searches):
    methods = {}
    for s in searches:
        methods.setdefault(s["method"], []).append((float(s["ms"]), float(s["recall"]), s["value"]))
    times = [float(s["ms"]) for s in searches]
    x = x_axis("mean time per query in ms (logarithmic)", min(times) * 0.8, max(times) * 1.4, log=True)
    y = y_axis("recall at 10", 0, 1.0, marks=TENTHS[::2])
    return lines("Recall against time; the numbers are ef_search and probes", x, y, list(methods.items()))


def rates_plot(rates):
    points = [(float(r["mean_tokens"]), float(r["texts_per_second"]), number_of(r)) for r in rates]
    x = x_axis("tokens a text (logarithmic)", 6, 300, log=True, marks=[8, 16, 32, 64, 128, 256])
    lowest, highest = min(p[1] for p in points), max(p[1] for p in points)
    y = y_axis("texts a second (logarithmic)", lowest * 0.7, highest * 1.5, log=True)
    return lines("embed_texts: texts a second by length", x, y, [("", points)])


def number_of(rate):
    return f"{float(rate['texts_per_second']):,.0f}"


def attributes_plot(attributes):
    rows = [(a["attribute"], float(a["hits"]), float(a["chance"]), f"{float(a['hits']):.2f}") for a in attributes]
    return bars("Answers that have the attribute asked for", "share of the ten answers", 1.0, TENTHS[::2], rows, "by chance")


def ways_plot(ways):
    rows = [(w["way"], float(w["ndcg_10"]), float(w["precision_10"]), f"{float(w['ndcg_10']):.2f}") for w in ways]
    return bars("nDCG and precision at 10", "nDCG at 10", 1.0, TENTHS[::2], rows, "precision")


def languages_plot(languages):
    rows = [
        (f"{x['queries']} in {x['texts']}, {x['model']}", float(x["has_both"]), float(x["chance"]), f"{float(x['has_both']):.2f}")
        for x in languages
    ]
    # Names of models can be long.
    left = min(60 + 6 * max(len(name) for name, *_ in rows), 400)
    return bars("Precision at 10", "share of the ten answers", 1.0, TENTHS[::2], rows, "by chance", left)


def machine_section(facts):
    return (
        f"{int(facts['rows']):,} products of catalog-generator with {facts['least_tokens']} to {facts['most_tokens']} tokens"
        f" ({facts['mean_tokens']} on average), embedded with {facts['threads']} threads on {processor()}."
        f" PostgreSQL {facts['postgresql'].split()[0]}, pgvector {facts['pgvector']}, pg_embed {facts['pg_embed']},"
        " default settings but for `fsync = off`."
    )


def steps_section(steps, facts):
    embed = next(float(s["seconds"]) for s in steps if s["step"] == "embed")
    return (
        "## Time by step\n\n![time by step](steps.svg)\n\n"
        + table(["step", "seconds"], [(s["step"], f"{float(s['seconds']):.2f}") for s in steps])
        + f"\n\nThe embedding makes {int(facts['rows']) / embed:.0f} products a second."
    )


def rates_section(rates):
    rows = [(f"{float(r['mean_tokens']):.1f}", r["texts"], number_of(r)) for r in rates]
    return (
        "## Rate by length of the text\n\n![texts a second by length](rates.svg)\n\n"
        + table(["tokens on average", "texts", "texts a second"], rows)
        + "\n\n`embed_texts` on pieces of the descriptions, the median of three calls."
    )


def recall_section(searches, queries):
    rows = [
        (s["method"], f"`{s['setting']} = {s['value']}`" if s["setting"] else "", f"{float(s['recall']):.3f}", f"{float(s['ms']):.2f}")
        for s in searches
    ]
    return (
        "## Approximate search\n\n![recall against time](recall.svg)\n\n"
        + table(["index", "setting", "recall at 10", "ms a query"], rows)
        + f"\n\nRecall is the share of the ten products of exact search that the index finds too, over {queries} queries."
        " The time is the mean of five rounds, planning included, the embedding of the query left out."
    )


def precision_section(precision, attributes):
    by_attribute = [
        (a["attribute"], a["queries"], f"{float(a['hits']):.3f}", f"{float(a['chance']):.3f}") for a in attributes
    ]
    by_query = [
        (p["query"], f"{float(p['has_both']):.1f}", f"{float(p['has_either']):.1f}", f"{float(p['chance']):.3f}") for p in precision
    ]
    return (
        "## Precision\n\n"
        f"Precision at 10 of exact search is **{mean(precision, 'has_both'):.3f}** over {len(precision)} queries of two"
        " attributes each: the share of answers that have both. Ten products drawn blindly would reach"
        f" {mean(precision, 'chance'):.3f}. {mean(precision, 'has_either'):.3f} of the answers have at least one of the two.\n\n"
        "A value has to be exactly the one asked for: navy does not count as blue. The queries were drawn by a rule and"
        " worded alike, not chosen for the model.\n\n![precision by attribute](precision.svg)\n\n"
        + table(["attribute", "queries", "answers that have it", "by chance"], by_attribute)
        + "\n\n"
        + table(["query", "both", "at least one", "both by chance"], by_query)
    )


def ways_section(ways):
    rows = [(w["way"], f"{float(w['ndcg_10']):.3f}", f"{float(w['precision_10']):.3f}") for w in ways]
    return (
        "## Words and meaning\n\n![nDCG and precision by words, meaning and both](ways.svg)\n\n"
        + table(["search by", "nDCG at 10", "precision at 10"], rows)
        + "\n\nThe queries name attributes as the descriptions do, which is where words are at their best."
    )


def languages_section(languages, wordings, steps, facts):
    seconds = {s["step"]: float(s["seconds"]) for s in steps}
    model = next(x["model"] for x in languages if x["texts"] == "German")
    rates = {"English": int(facts["rows"]) / seconds["embed"], "German": int(facts["rows"]) / seconds["embed german"]}
    by_language = [
        (x["model"], x["texts"], x["queries"], *(f"{float(x[column]):.3f}" for column in ("has_both", "has_either", "chance")))
        for x in languages
    ]
    by_wording = [
        (w["english"], w["german"], *(f"{float(w[c]):.1f}" for c in ("english_in_english", "german_in_german", "english_in_german")))
        for w in wordings
    ]
    return (
        "## Languages\n\n"
        "The generator describes the same products in German too, and the queries are worded in German by a rule as well. What"
        " is true of a product, and so which answers are right, is the same in both languages.\n\n"
        "![precision by language](languages.svg)\n\n"
        + table(["model", "descriptions", "queries", "precision at 10", "at least one", "both by chance"], by_language, texts=3)
        + f"\n\nall-MiniLM-L6-v2 embedded {rates['English']:.0f} English products a second, {model} {rates['German']:.0f} German"
        " ones.\n\n"
        + table(["English query", "German query", "English in English", "German in German", "English in German"], by_wording, texts=2)
    )


def main():
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    facts = read(source, "facts")[0]
    steps, searches, rates = read(source, "steps"), read(source, "searches"), read(source, "rates")
    precision, attributes, ways = read(source, "precision"), read(source, "attributes"), read(source, "ways")
    plots = {
        "steps": steps_plot(steps),
        "recall": recall_plot(searches),
        "rates": rates_plot(rates),
        "precision": attributes_plot(attributes),
        "ways": ways_plot(ways),
    }
    # Only with another model.
    multilingual = (source / "languages.csv").exists()
    if multilingual:
        languages, wordings = read(source, "languages"), read(source, "wordings")
        plots["languages"] = languages_plot(languages)
    for name, svg in plots.items():
        (target / f"{name}.svg").write_text(svg, encoding="utf-8")
    sections = [
        "# The catalogue example, measured",
        machine_section(facts),
        steps_section(steps, facts),
        rates_section(rates),
        recall_section(searches, len(precision)),
        precision_section(precision, attributes),
        ways_section(ways),
    ]
    if multilingual:
        sections.append(languages_section(languages, wordings, steps, facts))
    (target / "report.md").write_text("\n\n".join(sections) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
