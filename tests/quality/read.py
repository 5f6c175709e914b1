#!/usr/bin/env python3
"""Reads the layouts that collections and sentence pairs come in, and writes them as CSV files for COPY.

usage: read.py collection DIRECTORY TARGET   documents or corpus, queries, judgements: texts, questions, relevant
       read.py sts FILE_OR_DIRECTORY TARGET  sentence_pairs

A reference.json beside them, {model: {measure: figure}}, becomes reference.
"""

import csv
import json
import sys
from pathlib import Path


def write(target, name, rows):
    with open(target / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
        # All in quotes: to COPY, an empty text without them is NULL.
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)


def reference(directory, target):
    path = directory / "reference.json"
    figures = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    write(target, "reference", [(model, name, value) for model, values in figures.items() for name, value in values.items()])


def lines(path):
    """One JSON object a line, as (id, text). BEIR has "_id", and a title that belongs to the text."""
    with open(path, encoding="utf-8") as file:
        for item in map(json.loads, file):
            yield item.get("_id", item.get("id")), " ".join(filter(None, (item.get("title"), item["text"])))


def judgements(path):
    """Query, document and perhaps a grade, tab separated. BEIR's file has a heading; what has no grade is relevant."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            query, document, *grade = line.rstrip("\n").split("\t")
            if query != "query-id" and float(grade[0] if grade else 1) > 0:
                yield query, document, grade[0] if grade else 1


def collection(source, target):
    beir = (source / "corpus.jsonl").exists()
    write(target, "texts", lines(source / ("corpus.jsonl" if beir else "documents.jsonl")))
    relevant = list(judgements(source / ("qrels/test.tsv" if beir else "relevant.tsv")))
    write(target, "relevant", relevant)
    # BEIR's queries are those of all its splits.
    judged = {query for query, _, _ in relevant}
    write(target, "questions", (query for query in lines(source / "queries.jsonl") if str(query[0]) in judged))
    reference(source, target)


def pairs(path):
    """(sentence, sentence, score), from three columns, STS-B's own seven or more, or GLUE's, which has a heading."""
    with open(path, encoding="utf-8", newline="") as file:
        first = file.readline()
        file.seek(0)
        # STS-B's own files are tab separated whatever they are called, with quotes that mean themselves.
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if "\t" in first else csv.reader(file)
        columns = None
        for row in rows:
            if columns is None:
                heading = "sentence1" in row
                names = ("sentence1", "sentence2", "score")
                columns = [row.index(name) for name in names] if heading else [0, 1, 2] if len(row) == 3 else [5, 6, 4]
                if heading:
                    continue
            yield [row[column] for column in columns]


def sts(source, target):
    directory = source if source.is_dir() else source.parent
    paths = sorted(p for p in source.iterdir() if p.suffix in (".csv", ".tsv")) if source.is_dir() else [source]
    write(target, "sentence_pairs", ((path.name, *pair) for path in paths for pair in pairs(path)))
    reference(directory, target)


if __name__ == "__main__":
    {"collection": collection, "sts": sts}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
