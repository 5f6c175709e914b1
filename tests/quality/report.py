#!/usr/bin/env python3
"""Prints what quality.sh has exported, and plots what meaning, words and both are worth, and what a weight for the words is.

usage: report.py DIRECTORY COLLECTION
"""

import csv
import sys
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples/catalog/report"))
from plots import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, bars, lines
from report import processor


def read(directory, name):
    with open(directory / f"{name}.tsv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def show(title, heads, rows):
    """A table for the terminal, which is one of Markdown too. Columns of figures are set to the right."""
    if not rows:
        return
    rows = [[value or "" for value in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(heads, *rows)]
    right = [any(c) and all(not cell or cell.replace(".", "", 1).isdigit() for cell in c) for c in zip(*rows)]
    print(f"\n{title}\n")
    for row in [heads, ["-" * (w - 1) + (":" if r else "-") for w, r in zip(widths, right)], *rows]:
        print("| " + " | ".join(cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(row, widths, right)) + " |")


def show_searches(searches):
    rows = []
    for s in searches:
        words, mixed = s["method"].startswith("words"), s["questions_model"] != s["model"]
        model = "" if words else s["model"] + (f", questions by {s['questions_model']}" if mixed else "")
        # Of the weights only the even one; the others are in the plot.
        if not s["method"].startswith("both, exact") or s["setting"] == "1":
            figures = [s[c] for c in ("ndcg_10", "reference", "recall_10", "recall_100", "precision_10", "exact_10", "ms")]
            rows.append([s["method"], model, s["setting"], *figures])
    heads = ["search", "model", "setting", "nDCG@10", "reference", "recall@10", "recall@100", "P@10", "of exact's 10", "ms"]
    show(f"{searches[0]['questions']} questions; the setting is hnsw.ef_search, or the words' weight", heads, rows)


def searches_plot(searches, collection):
    """Of the first model."""
    model = searches[0]["model"]
    names = {
        "vectors, exact": "meaning",
        "words, with rarity": "words",
        "both, exact, with rarity": "both",
        "words, ts_rank_cd": "words by ts_rank_cd",
        "both, exact, ts_rank_cd": "both by ts_rank_cd",
    }
    found = {
        s["method"]: s
        for s in searches
        if s["model"] == s["questions_model"] == model and (s["setting"] == "1" or not s["method"].startswith("both"))
    }
    rows = []
    for method, name in names.items():
        ndcg, precision = (float(found[method][measure]) for measure in ("ndcg_10", "precision_10"))
        rows.append((name, ndcg, precision, f"{ndcg:.3f}"))
    marks = [n / 10 for n in range(0, 11, 2)]
    title = f"{collection}, {searches[0]['questions']} questions"
    return bars(title, "nDCG at 10", 1.0, marks, rows, second="precision at 10")


def weights_plot(searches):
    """Of the first model. What has no weight is a level line."""
    model = searches[0]["model"]
    of_model = [s for s in searches if s["model"] == s["questions_model"] == model]
    series, alone = {}, {}
    for s in of_model:
        if s["method"].startswith("both, exact"):
            series.setdefault(s["method"].replace("exact, ", ""), []).append((float(s["setting"]), float(s["ndcg_10"]), ""))
        elif s["method"] in ("vectors, exact", "words, with rarity"):
            alone[s["method"]] = float(s["ndcg_10"])
    low, high = (end(x for points in series.values() for x, _, _ in points) for end in (min, max))
    series.update({name: [(low, value, ""), (high, value, "")] for name, value in alone.items()})
    x = Axis("weight of the words (logarithmic)", low, high, LEFT, WIDTH - RIGHT, log=True)
    y = Axis("nDCG at 10", 0, 1, HEIGHT - BOTTOM, TOP, marks=[n / 10 for n in range(0, 11, 2)])
    return lines(f"Vectors of {model} and words, fused", x, y, list(series.items()))


def main():
    directory, collection = Path(sys.argv[1]), sys.argv[2]
    searches = read(directory, "searches")
    show_searches(searches)
    for name, title in (
        ("halves", "Weights of the words, chosen on one half of the questions and tested on the other"),
        ("cosines", "Cosines of a model's vectors and those of its int8 form"),
        ("sts", "Spearman's correlation of cosines with people's scores"),
    ):
        rows = read(directory, name)
        show(title, [head.replace("_", " ") for head in rows[0]] if rows else [], [list(row.values()) for row in rows])
    print(f"\n{collection}, measured on {date.today():%d %B %Y} on {processor()}")
    (directory / f"{collection}.svg").write_text(searches_plot(searches, collection), encoding="utf-8")
    (directory / "weights.svg").write_text(weights_plot(searches), encoding="utf-8")


if __name__ == "__main__":
    main()
