"""Has each peer do the same in turns, each in a process of its own and all on one core, and writes what was measured.

    bench.py CATALOG RESULTS

Called by ../peers.sh, with a server at hand. TEXTS and ROUNDS say how much; MODELS names those of pg_embed.
"""

import json
import os
import subprocess
import sys
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy
import psycopg

from peers import OTHERS, PG_EMBED
from texts import QUERY, texts

HERE = Path(__file__).parent
TEXTS = int(os.environ["TEXTS"])
ROUNDS = int(os.environ["ROUNDS"])
QUERIES = 50
REFERENCE = "sentence-transformers"


class Worker:
    def __init__(self, name, catalog):
        self.name = name
        command = [sys.executable, str(HERE / "worker.py"), name, catalog, str(TEXTS)]
        environment = {**os.environ, "BEGUN": repr(time.monotonic())}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        started = self.answer()
        self.first, self.batches = started["first"], started["batches"]

    def answer(self):
        line = self.process.stdout.readline()
        # Libraries may have something to say, too.
        while line and not line.startswith("{"):
            line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} has failed:\n{self.process.stderr.read()}")
        return json.loads(line)

    def ask(self, *task):
        self.process.stdin.write(json.dumps(task) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def end(self):
        self.process.communicate()


def say(text):
    print(text, flush=True)


def pg_embed_models():
    """Those of MODELS that the server has."""
    found = []
    with psycopg.connect(autocommit=True) as connection:
        for model in os.environ["MODELS"].split():
            try:
                connection.execute("SELECT embed_text('x', %s)", [model])
                found.append(model)
            except psycopg.Error as error:
                say(f"left out: {PG_EMBED}{model}: {error.diag.message_primary}")
    return found


def best_batch(worker, kind):
    """The size with which the peer takes the least time."""
    worker.ask("rate", kind, worker.batches[-1], TEXTS)
    times = {batch: min(worker.ask("rate", kind, batch, TEXTS)["cpu"] for _ in range(2)) for batch in worker.batches}
    return min(times, key=times.get)


def unlike(vectors, others):
    """Cosines of vectors of two peers, by text."""
    a, b = (v / numpy.linalg.norm(v, axis=1, keepdims=True) for v in (vectors, others))
    return (a * b).sum(axis=1)


def measure(workers, results):
    for kind in ["short", "long"]:
        for worker in workers:
            results[worker.name]["batch"][kind] = best_batch(worker, kind)
        for n in range(ROUNDS):
            say(f"{kind} texts: round {n + 1} of {ROUNDS}")
            for worker in workers:
                result = results[worker.name]
                result["rates"][kind].append(worker.ask("rate", kind, result["batch"][kind], TEXTS))
    for n in range(ROUNDS):
        say(f"queries: round {n + 1} of {ROUNDS}")
        for worker in workers:
            worker.ask("latency", 5)
            results[worker.name]["latency"].append(worker.ask("latency", QUERIES))
    for worker in workers:
        results[worker.name]["memory"] = worker.ask("memory")


def compare(workers, results):
    """The vectors of short and long texts, alone and in batches of both."""
    say("vectors")
    count = min(2 * TEXTS, 128)
    alone = {worker.name: numpy.array(worker.ask("vectors", 1, count)["vectors"]) for worker in workers}
    for worker in workers:
        cosines = unlike(alone[worker.name], alone[REFERENCE])
        batched = numpy.array(worker.ask("vectors", 32, count)["vectors"])
        results[worker.name] |= {
            "least_cosine": cosines.min(),
            "mean_cosine": cosines.mean(),
            "batch_difference": numpy.abs(batched - alone[worker.name]).max(),
        }


def processor():
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "an unknown processor"


def facts(catalog):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(os.environ["PEERS"] + "/models/onnx/tokenizer.json")
    tokenizer.no_padding()
    tokens = {
        kind: numpy.mean([len(tokens.ids) for tokens in tokenizer.encode_batch(some)])
        for kind, some in texts(catalog, TEXTS).items()
    }
    packages = ["torch", "sentence-transformers", "onnxruntime", "openvino", "nncf", "fastembed"]
    versions = {package: version(package) for package in packages}
    with psycopg.connect() as connection:
        versions["PostgreSQL"] = connection.execute("SHOW server_version").fetchone()[0].split()[0]
        extension = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'pg_embed'")
        versions["pg_embed"] = extension.fetchone()[0]
    return {
        "date": date.today().isoformat(), "processor": processor(), "versions": versions, "texts": TEXTS, "rounds": ROUNDS,
        "queries": ROUNDS * QUERIES, "tokens": tokens, "query_tokens": len(tokenizer.encode(QUERY).ids),
    }


def main(catalog, directory):
    names = [PG_EMBED + model for model in pg_embed_models()] + list(OTHERS)
    results = {name: {"batch": {}, "rates": {"short": [], "long": []}, "latency": [], "first": []} for name in names}
    workers = []
    for n in range(ROUNDS):
        say(f"first vectors: round {n + 1} of {ROUNDS}")
        for name in names:
            worker = Worker(name, catalog)
            results[name]["first"].append(worker.first)
            if n < ROUNDS - 1:
                worker.end()
            else:
                workers.append(worker)
    measure(workers, results)
    compare(workers, results)
    for worker in workers:
        worker.end()
    content = {"facts": facts(catalog), "peers": results}
    (Path(directory) / "peers.json").write_text(json.dumps(content, indent=1, default=float) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
