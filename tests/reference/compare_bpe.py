"""Compares `narae tokenizer` with Hugging Face's `tokenizers` on more than 10 MB of mixed text.

    python compare_bpe.py NARAE DATA [--size 10000]         (NARAE: the command; DATA: a folder with real texts)

The text: text files below DATA, about 300 kB of each folder, and code, emoji, broken white space and characters at random,
shuffled by lines. Four tokenizers: trained by `tokenizers` and read by Narae, and
trained by Narae and read by `tokenizers`, each cut as GPT-2 and as LLaMA 3 do. For each: the ids of the whole text must be
equal, both must give it back, and both trainers must learn the same merges. Exits with 1 when something differs. The tests
do the same without Python for the small text in bpe.safetensors.
"""

import argparse
import gzip
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import make_bpe
from tokenizers import Regex, Tokenizer, pre_tokenizers

PER_FOLDER = 300 << 10
WANTED = 11 << 20
ENDINGS = (".txt", ".tsv", ".csv", ".en", ".de", ".fr", ".ko", ".json", ".jsonl", ".ipynb", ".py")


def real_text(root: Path) -> str:
    pieces = []
    for folder in sorted(p for p in root.iterdir() if p.is_dir()):
        size = 0
        for file in sorted(folder.rglob("*")):
            name = file.name.removesuffix(".gz")
            if size >= PER_FOLDER or not file.is_file() or not name.endswith(ENDINGS):
                continue
            opened = gzip.open(file, "rb") if file.name.endswith(".gz") else open(file, "rb")
            with opened as stream:
                text = stream.read(PER_FOLDER).decode("utf-8", errors="ignore")
            pieces.append(text)
            size += len(text.encode())
    return "".join(pieces)


def made_up_text(size: int) -> str:
    draw = random.Random(5)
    planes = [(0, 0x7F), (0x80, 0x24F), (0x370, 0x5FF), (0x900, 0xDFF), (0x1100, 0x11FF), (0x2000, 0x2BFF), (0x3000, 0x30FF),
              (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xE000, 0xFFFD), (0x10000, 0x1FFFF), (0x20000, 0x323AF), (0, 0x10FFFF)]
    pieces = []
    length = 0
    while length < size:
        kind = draw.randrange(5)
        if kind == 0:
            piece = make_bpe.made_up_text(draw.randrange(1 << 30))
        elif kind == 1:
            low, high = draw.choice(planes)
            points = [draw.randint(low, high) for _ in range(2000)]
            piece = "".join(draw.choice(["", " "]) + chr(c) for c in points if not 0xD800 <= c <= 0xDFFF)
        elif kind == 2:
            piece = "".join(draw.choices(make_bpe.BLANKS, k=1000))
        elif kind == 3:
            piece = "".join(draw.choice(make_bpe.CODE).replace("%d", str(draw.randrange(10**6))) + "\n" for _ in range(100))
        else:
            piece = " ".join(draw.choices(make_bpe.EMOJI.split(), k=500)) + "\n"
        pieces.append(piece)
        length += len(piece.encode())
    return "".join(pieces)


def mixed_text(root: Path) -> str:
    text = real_text(root)
    text += made_up_text(max(WANTED - len(text.encode()), WANTED // 3))
    lines = make_bpe.lines_of(text)
    random.Random(1).shuffle(lines)
    return "".join(lines)


def narae_ids(command: str, tokenizer: str, text: str) -> list[int]:
    encode = [command, "tokenizer", "encode", "--tokenizer", tokenizer, "-"]
    return [int(x) for x in subprocess.run(encode, input=text.encode(), capture_output=True, check=True).stdout.split()]


def narae_text(command: str, tokenizer: str, ids: list[int]) -> str:
    decode = [command, "tokenizer", "decode", "--tokenizer", tokenizer, "-", "--keep-special"]
    numbers = " ".join(map(str, ids)).encode()
    return subprocess.run(decode, input=numbers, capture_output=True, check=True).stdout.decode()[:-1]


def parts(file: Path) -> tuple:
    model = json.loads(file.read_text(encoding="utf-8"))["model"]
    return model["vocab"], [tuple(m) for m in model["merges"]]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("narae")
    parser.add_argument("data", type=Path)
    parser.add_argument("--size", type=int, default=10000)
    arguments = parser.parse_args()
    text = mixed_text(arguments.data)
    print(f"{len(text.encode()) / 1e6:.1f} MB, {len(set(text))} different characters")
    sample = "".join(make_bpe.lines_of(text)[::4])
    cuts = {
        "gpt2": make_bpe.GPT2,
        "llama3": pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(make_bpe.LLAMA3), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        ),
    }
    failures = 0

    def check(what: str, good: bool) -> None:
        nonlocal failures
        failures += not good
        print(f"  {what}: {'equal' if good else 'DIFFERENT'}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "sample.txt").write_bytes(sample.encode())
        for name, cut in cuts.items():
            theirs, ours = root / f"{name}.json", root / name
            make_bpe.trained(sample, cut, arguments.size, ["<|endoftext|>"]).save(str(theirs))
            train = [arguments.narae, "tokenizer", "train", str(root / "sample.txt"), "--size", str(arguments.size)]
            train += ["--special", "<|endoftext|>", "--pattern", name, "--save", str(ours)]
            subprocess.run(train, check=True, capture_output=True)
            check(f"{name}: vocabulary and merges of both trainers", parts(theirs) == parts(ours / "tokenizer.json"))
            for maker, file in [("tokenizers", theirs), ("narae", ours / "tokenizer.json")]:
                tokenizer = Tokenizer.from_file(str(file))
                expected = tokenizer.encode(text).ids
                ids = narae_ids(arguments.narae, str(file), text)
                check(f"{name}, trained by {maker}: {len(expected)} ids", ids == expected)
                check(f"{name}, trained by {maker}: text back", narae_text(arguments.narae, str(file), ids) == text)
            lines = make_bpe.lines_of(text)[:20000]
            tokenizer = Tokenizer.from_file(str(theirs))
            cut_ids = [i for line in tokenizer.encode_batch(lines) for i in line.ids[1::2]]
            decoded = tokenizer.decode(cut_ids, skip_special_tokens=False)
            check(f"{name}: broken characters", narae_text(arguments.narae, str(theirs), cut_ids) == decoded)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
