"""What is compared, all by one interface: embed(texts, batch) and query(text) give vectors, cpu() the seconds of processor
time so far, process() the process whose memory counts."""

import os
import time
from pathlib import Path

MODELS = Path(os.environ["PEERS"]) / "models"
BATCHES = [1, 8, 32, 64]


class Peer:
    batches = BATCHES
    # When the process began, by the clock of whoever started it.
    begun = float(os.environ.get("BEGUN", 0))

    def cpu(self):
        return time.process_time()

    def process(self):
        return os.getpid()

    def query(self, text):
        return self.embed([text], 1)[0]


class SentenceTransformers(Peer):
    def __init__(self):
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(1)
        self.model = SentenceTransformer(str(MODELS / "safetensors"), device="cpu")

    def embed(self, texts, batch):
        return self.model.encode(texts, batch_size=batch, show_progress_bar=False)

    def query(self, text):
        return self.model.encode(text, show_progress_bar=False)


class ByHand(Peer):
    """Tokens by Hugging Face's tokenizers, in batches of texts of similar length, as sentence-transformers makes them."""

    def __init__(self):
        import numpy
        from tokenizers import Tokenizer

        self.numpy = numpy
        self.tokenizer = Tokenizer.from_file(str(MODELS / "onnx/tokenizer.json"))
        self.tokenizer.enable_truncation(256)
        self.tokenizer.enable_padding()

    def embed(self, texts, batch):
        vectors = self.numpy.empty((len(texts), 384), self.numpy.float32)
        order = sorted(range(len(texts)), key=lambda n: -len(texts[n]))
        for start in range(0, len(order), batch):
            part = order[start : start + batch]
            tokens = self.tokenizer.encode_batch([texts[n] for n in part])
            vectors[part] = self.run(
                {
                    "input_ids": self.numpy.array([t.ids for t in tokens]),
                    "attention_mask": self.numpy.array([t.attention_mask for t in tokens]),
                    "token_type_ids": self.numpy.array([t.type_ids for t in tokens]),
                }
            )
        return vectors


class OnnxRuntime(ByHand):
    def __init__(self, graph):
        import onnxruntime

        super().__init__()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(MODELS / "onnx" / graph, options, ["CPUExecutionProvider"])

    def run(self, inputs):
        return self.session.run(["sentence_embedding"], inputs)[0]


class OpenVino(ByHand):
    def __init__(self, graph, precision):
        import openvino

        super().__init__()
        settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
        model = openvino.Core().compile_model(MODELS / "openvino" / graph, "CPU", settings)
        self.output = model.output("sentence_embedding")
        self.request = model.create_infer_request()

    def run(self, inputs):
        return self.request.infer(inputs)[self.output]


class FastEmbed(Peer):
    def __init__(self):
        import numpy
        from fastembed import TextEmbedding
        from fastembed.common.model_description import ModelSource, PoolingType

        self.numpy = numpy
        TextEmbedding.add_custom_model(
            model="local", pooling=PoolingType.MEAN, normalization=True, sources=ModelSource(hf="local"), dim=384,
            model_file="model.onnx",
        )
        self.model = TextEmbedding("local", specific_model_path=str(MODELS / "onnx"), threads=1, local_files_only=True)

    def embed(self, texts, batch):
        return self.numpy.array(list(self.model.embed(texts, batch_size=batch)))

    def query(self, text):
        return next(iter(self.model.query_embed(text)))


class Sql(Peer):
    """A connection whose prepared statements send texts and fetch vectors, in binary; both processes' time counts."""

    def __init__(self):
        import psycopg

        # What the client spends on starting Python is none of the server's.
        self.begun = time.monotonic()
        self.connection = psycopg.connect(autocommit=True)
        self.backend = self.connection.info.backend_pid
        self.cursor = self.connection.cursor(binary=True)

    def cpu(self):
        # The backend's clock, as clock_getcpuclockid(3) finds it.
        return time.process_time() + time.clock_gettime(~self.backend << 3 | 2)

    def process(self):
        return self.backend

    def vectors(self, statement, values):
        """Vectors in pgvector's binary form: two of 16 bits, of which the first is the dimension, then the components."""
        rows = self.cursor.execute(statement, values, prepare=True).fetchall()
        return [memoryview(row[0])[4:] for row in rows]

    def query(self, text):
        return self.vectors(self.one, [text, *self.arguments])[0]

    def embed(self, texts, batch):
        import numpy

        parts = [texts[start : start + batch] for start in range(0, len(texts), batch)]
        rows = [row for part in parts for row in self.vectors(self.many, [part, *self.arguments])]
        return numpy.array([numpy.frombuffer(row, ">f4") for row in rows], numpy.float32)


class PgEmbed(Sql):
    # Texts are sent in arrays; how many the model sees at once is the extension's affair.
    batches = [*BATCHES, 1000]
    one = "SELECT embed_text(%s::text, %s::text)"
    many = "SELECT unnest(embed_texts(%s::text[], %s::text))"

    def __init__(self, model):
        super().__init__()
        self.arguments = [model]


class PlPython(Sql):
    batches = [*BATCHES, 1000]
    arguments = []
    one = "SELECT python_text(%s::text)"
    many = "SELECT python_texts(%s::text[])"


PG_EMBED = "pg_embed "
# By name; those of pg_embed have a model's name behind it.
OTHERS = {
    "sentence-transformers": SentenceTransformers,
    "onnxruntime": lambda: OnnxRuntime("model.onnx"),
    "onnxruntime, optimised": lambda: OnnxRuntime("optimized.onnx"),
    "openvino f32": lambda: OpenVino("model.xml", "f32"),
    "openvino bf16": lambda: OpenVino("model.xml", "bf16"),
    "openvino int8": lambda: OpenVino("int8.xml", "f32"),
    "fastembed": FastEmbed,
    "plpython3u": PlPython,
}


def make(name):
    """A peer by its name, opened."""
    if name.startswith(PG_EMBED):
        return PgEmbed(name.removeprefix(PG_EMBED))
    return OTHERS[name]()
