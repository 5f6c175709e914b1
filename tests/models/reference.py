"""Records what sentence-transformers makes of texts with the models that make.sh wrote.

    python3 reference.py MODELS GOLDEN

MODELS is the directory of the models, GOLDEN that of the files to write, one for each model: a line for each text, with
the name of the prompt that stands before it, the number of its tokens (truncated), and its vector. Needs
sentence-transformers 6.2.0; the files that are there were written with PyTorch 2.15.0 on a CPU, one text at a time.
"""

import json
import pathlib
import sys

from sentence_transformers import SentenceTransformer

# Ten texts in each of ten languages.
TEXTS = (pathlib.Path(__file__).parent / "texts.txt").read_text(encoding="utf-8").splitlines()
SPECIAL = [
    "",
    " \n\t ",
    "word\u00a0and\u3000space  \r\n twice ",
    "[SEP] [MASK] </s> <pad>tail <mask> x",
    "ﬁne ＦＵＬＬ ½ ² ™ Ⅷ ﷺ e\u0301a\u0308 İstanbul ΟΔΟΣ ẞ",
    "👩‍👩‍👧 👗💚 \u200bzero\u200dwidth\u0000control\u0007",
    "a" * 150 + " " + "字" * 30 + " " + "=" * 40,
    "many words of a long text, " * 120,
    "".join(TEXTS[50:70]) * 3,
]
# A few texts in each language are enough where only the form of the model's files is new.
SOME = TEXTS[::7]


def record(models, golden, name, cases):
    model = SentenceTransformer(str(models / name), device="cpu")
    with open(golden / f"{name}.jsonl", "w", encoding="utf-8") as file:
        for text, prompt in cases:
            before = model.prompts[prompt] if prompt else ""
            vector = model.encode(before + text, prompt="", normalize_embeddings=False)
            tokens = model.preprocess([before + text])["input_ids"].shape[1]
            line = {"text": text, "prompt": prompt, "tokens": tokens}
            line["embedding"] = [float(f"{x:.8g}") if abs(x) >= 1 else round(float(x), 8) for x in vector]
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def main(models, golden):
    models, golden = pathlib.Path(models), pathlib.Path(golden)
    prompts = ["query", "passage"]
    both = [(text, prompts[i % 2]) for i, text in enumerate(TEXTS)]
    record(models, golden, "e5", both + [(text, prompt) for text in SPECIAL[3:] for prompt in [None, *prompts]][::2])
    plain = [(text, None) for text in SPECIAL + SOME]
    for name in ["minilm-cls", "minilm-dense", "bert", "xlm-roberta", "distilbert"]:
        record(models, golden, name, plain)
    record(models, golden, "minilm-layers", plain + [(text, "search") for text in SOME])


if __name__ == "__main__":
    main(*sys.argv[1:])
