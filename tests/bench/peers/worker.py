"""One peer in a process of its own: answers each line of JSON with one, until there are no more.

    worker.py PEER CATALOG COUNT
"""

import json
import sys
import time

from peers import make
from texts import QUERY, texts


def rate(peer, texts, batch):
    cpu, wall = peer.cpu(), time.perf_counter()
    peer.embed(texts, batch)
    return {"cpu": peer.cpu() - cpu, "wall": time.perf_counter() - wall}


def latency(peer, count):
    cpu, walls = peer.cpu(), []
    for _ in range(count):
        wall = time.perf_counter()
        peer.query(QUERY)
        walls.append(time.perf_counter() - wall)
    return {"cpu": (peer.cpu() - cpu) / count, "walls": walls}


def memory(peer):
    """In MB: private pages, those among them that were written, and the largest size there was."""
    values = {}
    for file in ["smaps_rollup", "status"]:
        with open(f"/proc/{peer.process()}/{file}", encoding="utf-8") as lines:
            for line in lines:
                name, _, rest = line.partition(":")
                if rest.endswith(" kB\n"):
                    values[name] = int(rest.split()[0]) / 1024
    dirty = values["Private_Dirty"]
    return {"private": dirty + values["Private_Clean"], "dirty": dirty, "peak": values["VmHWM"]}


def vectors(peer, texts, batch):
    return {"vectors": [[float(x) for x in vector] for vector in peer.embed(texts, batch)]}


def main(name, catalog, count):
    peer = make(name)
    peer.query(QUERY)
    print(json.dumps({"first": time.monotonic() - peer.begun, "batches": peer.batches}), flush=True)
    of = texts(catalog, int(count))
    of["mixed"] = [text for pair in zip(of["short"], of["long"]) for text in pair]
    for line in sys.stdin:
        task, *values = json.loads(line)
        if task == "rate":
            kind, batch, limit = values
            answer = rate(peer, of[kind][:limit], batch)
        elif task == "vectors":
            batch, limit = values
            answer = vectors(peer, of["mixed"][:limit], batch)
        elif task == "latency":
            answer = latency(peer, *values)
        else:
            answer = memory(peer)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
