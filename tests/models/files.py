"""What the scripts that make models share: writing files so that they are the same byte for byte each time."""

import json
import pathlib

import numpy


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_tensors(path, tensors):
    """Writes float32 tensors as a safetensors file: length of the header, header, values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, values in sorted(tensors.items()):
        begin, end = end, end + values.size * 4
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, values in sorted(tensors.items()):
            file.write(numpy.ascontiguousarray(values, "<f4").tobytes())


def read_tensors(path):
    """The float32 tensors of a safetensors file."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, about in header.items():
        if about["dtype"] != "F32":
            continue
        begin, end = (8 + length + offset for offset in about["data_offsets"])
        tensors[name] = numpy.frombuffer(data[begin:end], "<f4").reshape(about["shape"])
    return tensors


def modules(*kinds_and_paths):
    """The content of modules.json for pairs of a module's type and path."""
    return [
        {"idx": i, "name": str(i), "path": path, "type": kind} for i, (kind, path) in enumerate(kinds_and_paths)
    ]


def old_pooling(width, mode):
    """The file of a pooling module as sentence-transformers wrote it up to version 5."""
    modes = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens"]
    return {"word_embedding_dimension": width} | {f"pooling_mode_{name}": name == mode for name in modes}


def random(seed, shape, scale=1.0):
    """Numbers between -scale and scale; the same ones each time."""
    generator = numpy.random.RandomState(seed)
    return ((generator.random_sample(shape) * 2 - 1) * scale).astype("<f4")


def directory(argument):
    path = pathlib.Path(argument)
    path.mkdir(parents=True, exist_ok=True)
    return path
