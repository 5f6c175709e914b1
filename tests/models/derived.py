"""Writes small models in the layout of sentence-transformers: some from parts of all-MiniLM-L6-v2, some of random weights.

    python3 derived.py MINILM E5 DIRECTORY

MINILM is the directory of all-MiniLM-L6-v2, E5 the one that e5.py wrote, of which only the tokenizer is taken.
Between them, the models have every form that a supported file can take.
"""

import copy
import json
import pathlib
import shutil
import sys

from files import directory, modules, old_pooling, random, read_tensors, write_json, write_tensors

OLD = "sentence_transformers.models."
# Since version 6 of sentence-transformers.
TRANSFORMER = "sentence_transformers.base.modules.transformer.Transformer"
POOLING = "sentence_transformers.sentence_transformer.modules.pooling.Pooling"
DENSE = "sentence_transformers.base.modules.dense.Dense"
NORMALIZE = "sentence_transformers.base.modules.normalize.Normalize"


def bert_tokenizer(limit, lower_case=True):
    return {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": lower_case,
        "model_max_length": limit,
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "mask_token": "[MASK]",
    }


def minilm(source, target):
    """A copy of all-MiniLM-L6-v2 without its weights."""
    for name in ["config.json", "modules.json", "sentence_bert_config.json", "1_Pooling/config.json", "tokenizer.json"]:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / name)
    write_json(target / "tokenizer_config.json", bert_tokenizer(512))


def layers(source, weights, target):
    """Half of the layers; a model of its own prompts."""
    minilm(source, target)
    config = json.loads((target / "config.json").read_text())
    kept = [0, 2, 4]
    write_json(target / "config.json", config | {"num_hidden_layers": len(kept)})
    tensors = {name: values for name, values in weights.items() if not name.startswith("encoder.layer.")}
    for to, layer in enumerate(kept):
        prefix = f"encoder.layer.{layer}."
        for name, values in weights.items():
            if name.startswith(prefix):
                tensors[f"encoder.layer.{to}.{name[len(prefix):]}"] = values
    write_tensors(target / "model.safetensors", tensors)
    write_json(
        target / "config_sentence_transformers.json",
        {"prompts": {"search": "search for: ", "nothing": ""}, "default_prompt_name": "search"},
    )


def cls(source, weights, target):
    """The hidden state of the first token, without normalisation."""
    minilm(source, target)
    write_json(target / "modules.json", modules((OLD + "Transformer", ""), (OLD + "Pooling", "1_Pooling")))
    write_json(target / "1_Pooling/config.json", old_pooling(384, "cls_token"))
    write_tensors(target / "model.safetensors", weights)


def dense(source, weights, target):
    """A dense layer to 128 dimensions between pooling and normalisation."""
    minilm(source, target)
    kinds = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Dense", "2_Dense"), ("Normalize", "3_Normalize")]
    write_json(target / "modules.json", modules(*[(OLD + kind, path) for kind, path in kinds]))
    activation = "torch.nn.modules.activation.Tanh"
    write_json(
        target / "2_Dense/config.json",
        {"in_features": 384, "out_features": 128, "bias": True, "activation_function": activation},
    )
    write_tensors(
        target / "2_Dense/model.safetensors",
        {"linear.weight": random(1, (128, 384), 0.3), "linear.bias": random(2, 128, 0.1)},
    )
    write_tensors(target / "model.safetensors", weights)


def encoder(names, sizes, seed):
    """Random weights of an encoder whose layers have these names for their parts, as pairs of name and shape."""
    hidden, intermediate = sizes["hidden"], sizes["intermediate"]
    tensors = {"embeddings.word_embeddings.weight": random(seed, (sizes["vocabulary"], hidden))}
    tensors["embeddings.position_embeddings.weight"] = random(seed + 1, (sizes["positions"], hidden))
    if sizes["types"]:
        tensors["embeddings.token_type_embeddings.weight"] = random(seed + 2, (sizes["types"], hidden))
    widths = {"attention": (hidden, hidden), "in": (intermediate, hidden), "out": (hidden, intermediate)}
    parts = [("embeddings.LayerNorm", "norm")]
    for layer in range(sizes["layers"]):
        parts += [(names["layer"].format(layer) + name, kind) for name, kind in names["parts"]]
    for place, (name, kind) in enumerate(parts):
        start = seed + 10 + 2 * place
        if kind == "norm":
            tensors[name + ".weight"] = 1 + random(start, hidden, 0.2)
            tensors[name + ".bias"] = random(start + 1, hidden, 0.2)
        else:
            tensors[name + ".weight"] = random(start, widths[kind], 0.3)
            tensors[name + ".bias"] = random(start + 1, widths[kind][0], 0.1)
    return tensors


BERT = {
    "layer": "encoder.layer.{}.",
    "parts": [
        ("attention.self.query", "attention"),
        ("attention.self.key", "attention"),
        ("attention.self.value", "attention"),
        ("attention.output.dense", "attention"),
        ("attention.output.LayerNorm", "norm"),
        ("intermediate.dense", "in"),
        ("output.dense", "out"),
        ("output.LayerNorm", "norm"),
    ],
}
DISTILBERT = {
    "layer": "transformer.layer.{}.",
    "parts": [
        ("attention.q_lin", "attention"),
        ("attention.k_lin", "attention"),
        ("attention.v_lin", "attention"),
        ("attention.out_lin", "attention"),
        ("sa_layer_norm", "norm"),
        ("ffn.lin1", "in"),
        ("ffn.lin2", "out"),
        ("output_layer_norm", "norm"),
    ],
}


def bert(source, target):
    """BERT of another size in a directory of its own, with the module types of version 6, a limit that only the
    tokenizer's file has, a dense layer that is linear, and no normalisation."""
    sizes = {"hidden": 60, "intermediate": 100, "layers": 2, "vocabulary": 30522, "positions": 48, "types": 3}
    transformer = target / "0_Transformer"
    write_json(
        target / "modules.json",
        modules((TRANSFORMER, "0_Transformer"), (POOLING, "1_Pooling"), (DENSE, "2_Dense")),
    )
    write_json(
        target / "1_Pooling/config.json",
        {"embedding_dimension": 60, "pooling_mode": "mean", "include_prompt": True},
    )
    write_json(
        target / "2_Dense/config.json",
        {
            "in_features": 60,
            "out_features": 72,
            "bias": False,
            "activation_function": "torch.nn.modules.linear.Identity",
            "module_input_name": "sentence_embedding",
            "module_output_name": "sentence_embedding",
        },
    )
    write_tensors(target / "2_Dense/model.safetensors", {"linear.weight": random(3, (72, 60), 0.2)})
    write_json(
        transformer / "config.json",
        {
            "architectures": ["BertModel"],
            "dtype": "float32",
            "hidden_act": "gelu",
            "hidden_size": 60,
            "intermediate_size": 100,
            "layer_norm_eps": 1e-6,
            "max_position_embeddings": 48,
            "model_type": "bert",
            "num_attention_heads": 5,
            "num_hidden_layers": 2,
            "pad_token_id": 0,
            "type_vocab_size": 3,
            "vocab_size": 30522,
        },
    )
    write_json(
        transformer / "sentence_bert_config.json",
        {
            "transformer_task": "feature-extraction",
            "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
            "module_output_name": "token_embeddings",
        },
    )
    shutil.copyfile(source / "tokenizer.json", transformer / "tokenizer.json")
    write_json(transformer / "tokenizer_config.json", bert_tokenizer(40))
    tensors = encoder(BERT, sizes, 1000)
    write_tensors(transformer / "model.safetensors", {"bert." + name: values for name, values in tensors.items()})


def roberta(e5, target):
    """XLM-RoBERTa with the hidden state of the first token; its limit is what is left of the position table."""
    sizes = {"hidden": 32, "intermediate": 64, "layers": 2, "vocabulary": 250002, "positions": 66, "types": 1}
    write_json(
        target / "modules.json",
        modules((TRANSFORMER, ""), (POOLING, "1_Pooling"), (NORMALIZE, "2_Normalize")),
    )
    write_json(target / "1_Pooling/config.json", {"embedding_dimension": 32, "pooling_mode": "cls"})
    write_json(target / "2_Normalize/config.json", {"module_input_name": "sentence_embedding"})
    write_json(
        target / "config.json",
        {
            "architectures": ["XLMRobertaModel"],
            "bos_token_id": 0,
            "eos_token_id": 2,
            "hidden_act": "gelu",
            "hidden_size": 32,
            "intermediate_size": 64,
            "layer_norm_eps": 1e-05,
            "max_position_embeddings": 66,
            "model_type": "xlm-roberta",
            "num_attention_heads": 4,
            "num_hidden_layers": 2,
            "pad_token_id": 1,
            "position_embedding_type": "absolute",
            "type_vocab_size": 1,
            "vocab_size": 250002,
        },
    )
    for name in ["tokenizer.json", "tokenizer_config.json"]:
        shutil.copyfile(e5 / name, target / name)
    config = json.loads((target / "tokenizer_config.json").read_text())
    write_json(target / "tokenizer_config.json", config | {"model_max_length": 64})
    tensors = encoder(BERT, sizes, 2000)
    write_tensors(target / "model.safetensors", {"roberta." + name: values for name, values in tensors.items()})


def distilbert(source, target):
    """DistilBERT with a tokenizer that tells case and accents apart, behind a module that lower-cases."""
    sizes = {"hidden": 48, "intermediate": 80, "layers": 2, "vocabulary": 30522, "positions": 64, "types": 0}
    write_json(
        target / "modules.json",
        modules((OLD + "Transformer", ""), (OLD + "Pooling", "1_Pooling"), (OLD + "Normalize", "2_Normalize")),
    )
    write_json(target / "1_Pooling/config.json", old_pooling(48, "mean_tokens"))
    write_json(
        target / "config.json",
        {
            "activation": "gelu",
            "architectures": ["DistilBertModel"],
            "dim": 48,
            "hidden_dim": 80,
            "max_position_embeddings": 64,
            "model_type": "distilbert",
            "n_heads": 6,
            "n_layers": 2,
            "pad_token_id": 0,
            "sinusoidal_pos_embds": False,
            "vocab_size": 30522,
        },
    )
    write_json(target / "sentence_bert_config.json", {"max_seq_length": 50, "do_lower_case": True})
    tokenizer = copy.deepcopy(json.loads((source / "tokenizer.json").read_text()))
    tokenizer["normalizer"]["lowercase"] = False
    (target / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False) + "\n", encoding="utf-8")
    write_json(target / "tokenizer_config.json", bert_tokenizer(64, lower_case=False))
    tensors = encoder(DISTILBERT, sizes, 3000)
    write_tensors(target / "model.safetensors", {"distilbert." + name: values for name, values in tensors.items()})


def main(source, e5, target):
    source, e5, target = pathlib.Path(source), pathlib.Path(e5), directory(target)
    weights = read_tensors(source / "model.safetensors")
    weights = {name: values for name, values in weights.items() if not name.startswith("pooler.")}
    layers(source, weights, target / "minilm-layers")
    cls(source, weights, target / "minilm-cls")
    dense(source, weights, target / "minilm-dense")
    bert(source, target / "bert")
    roberta(e5, target / "xlm-roberta")
    distilbert(source, target / "distilbert")


if __name__ == "__main__":
    main(*sys.argv[1:])
