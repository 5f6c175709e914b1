"""The texts that all peers get, from a catalogue that examples/catalog's generator wrote."""

import json
from pathlib import Path

# Twelve tokens, [CLS] and [SEP] included.
QUERY = "green sleeveless summer wear for a party in may"


def texts(catalog, count):
    """Short texts, what a dress is in a few words, and long ones, its five descriptions; as many of each."""
    catalog = Path(catalog)
    dresses = json.loads((catalog / "attributes.json").read_text(encoding="utf-8"))[:count]
    short = [f"{d['colour']} {d['length']} dress of {d['fabric']}, {d['fit']}, {d['neckline']} neckline" for d in dresses]
    products = json.loads((catalog / "catalog.json").read_text(encoding="utf-8"))[:count]
    long = [" ".join(product["descriptions"]) for product in products]
    return {"short": short, "long": long}
