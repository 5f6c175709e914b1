"""Writes all-MiniLM-L6-v2 as ONNX graphs, as exported and optimised.

    graphs.py MODEL DIRECTORY

MODEL is the directory of the safetensors file.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from onnxruntime.transformers import optimizer
from sentence_transformers import SentenceTransformer

INPUTS = ["input_ids", "attention_mask", "token_type_ids"]


class Sentence(torch.nn.Module):
    """The model with mean pooling and normalisation, as its modules.json has it."""

    def __init__(self, bert):
        super().__init__()
        self.bert = bert

    def forward(self, input_ids, attention_mask, token_type_ids):
        tokens = self.bert(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)[0]
        weights = attention_mask.unsqueeze(-1).to(tokens.dtype)
        mean = (tokens * weights).sum(1) / weights.sum(1)
        return tokens, torch.nn.functional.normalize(mean, dim=1)


def export(model, path):
    # ONNX Runtime's optimizer knows this implementation of attention, and what the exporter by tracing makes of it.
    bert = SentenceTransformer(str(model), device="cpu", model_kwargs={"attn_implementation": "eager"})[0].model
    outputs = ["last_hidden_state", "sentence_embedding"]
    torch.onnx.export(
        Sentence(bert).eval(),
        (torch.ones(2, 7, dtype=torch.long),) * 3,
        path,
        input_names=INPUTS,
        output_names=outputs,
        dynamic_axes={name: {0: "batch", 1: "length"} for name in INPUTS + outputs[:1]} | {outputs[1]: {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )


def optimize(path, optimized):
    model = optimizer.optimize_model(str(path), model_type="bert", num_heads=12, hidden_size=384, opt_level=1)
    print(model.get_fused_operator_statistics())
    model.save_model_to_file(str(optimized))


def main(model, directory):
    model, directory = Path(model), Path(directory)
    onnx = directory / "onnx"
    onnx.mkdir(parents=True)
    shutil.copytree(model, directory / "safetensors")
    export(model, onnx / "model.onnx")
    optimize(onnx / "model.onnx", onnx / "optimized.onnx")
    # fastembed looks for these beside the graph.
    for name in ["config.json", "tokenizer.json"]:
        shutil.copy(model / name, onnx)
    special = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]"}
    (onnx / "special_tokens_map.json").write_text(json.dumps(special))
    (onnx / "tokenizer_config.json").write_text(json.dumps({**special, "model_max_length": 256}))


if __name__ == "__main__":
    main(*sys.argv[1:])
