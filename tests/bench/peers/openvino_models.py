"""Writes the graph that graphs.py has exported for OpenVINO, in float32 and in int8. In a process of its own: beside
PyTorch and ONNX Runtime, OpenVINO's threads wait for each other for ever.

    openvino_models.py CATALOG DIRECTORY

CATALOG is a directory of examples/catalog's generator, whose texts calibrate the model in int8.
"""

import sys
from pathlib import Path

import nncf
import numpy
import openvino
from tokenizers import Tokenizer

from texts import texts


def quantize(model, tokenizer, catalog):
    """Weights and activations in int8, as NNCF does it for transformers."""
    tokenizer = Tokenizer.from_file(str(tokenizer))
    tokenizer.enable_truncation(256)
    tokenizer.no_padding()

    def inputs(text):
        tokens = tokenizer.encode(text)
        values = [tokens.ids, tokens.attention_mask, tokens.type_ids]
        return {name: numpy.array([value]) for name, value in zip(["input_ids", "attention_mask", "token_type_ids"], values)}

    # As many short texts as long ones.
    samples = [text for kind in texts(catalog, 150).values() for text in kind]
    return nncf.quantize(
        model, nncf.Dataset(samples, inputs), model_type=nncf.ModelType.TRANSFORMER, subset_size=len(samples)
    )


def main(catalog, directory):
    onnx, ir = Path(directory) / "onnx", Path(directory) / "openvino"
    ir.mkdir()
    model = openvino.Core().read_model(onnx / "model.onnx")
    openvino.save_model(model, ir / "model.xml", compress_to_fp16=False)
    openvino.save_model(quantize(model, onnx / "tokenizer.json", catalog), ir / "int8.xml", compress_to_fp16=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
