"""Reference values of byte-level BPE by Hugging Face's `tokenizers` 0.23: tests/reference/bpe.safetensors.

    python tests/reference/make_bpe.py

`text` is a made-up text of English, Korean, code, emoji and broken white space. Two tokenizers are trained on its lines,
cut as GPT-2 and as LLaMA 3 do (the second begins texts with a token of its own), and written as tokenizer.json; `.ids` are
theirs of the whole text, `.special` those with what is added to texts. `letters`, `numbers` and `blanks` are the ranges of
code points that their \\p{L}, \\p{N} and \\s match.
"""

import pathlib
import random
import re

import numpy as np
from safetensors.numpy import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

ENGLISH = "the a river house letter morning that was not as it had been when we'd last seen it they've I'm she'll he'd"
KOREAN = "나는 학교에 갑니다 오늘은 날씨가 좋아서 친구들과 함께 강가를 걸었다 책을 읽고 밥을 먹었습니다 그러나 바람이"
CODE = [
    "for (int i = 0; i < n; ++i) { sum += x[i] * 0x%X; }",
    "def f(a, b=None):\n\treturn {'k': a, \"v\": b or %d}",
    "    if x != y and not done: # %d\r\n        pass",
    "<div class=\"c%d\">&nbsp;</div>",
    "SELECT * FROM t WHERE id=%d;--",
]
EMOJI = "😀 👩‍👩‍👧‍👦 🇰🇷 👍🏽 ❤️ ☃ ½ Ⅷ ² ١٢٣ ไทย 中文字 ДОМ'S ǅ ﬁ e\u0301 \u1112\u1161\u11ab ſ'ſ 'RE 'Ll"
BLANKS = [" ", "  ", "   ", "\t", "\n", "\n\n", " \n ", "\r\n", "\u00a0", "\u3000", "\u2028", "\u180e", "\u200b", "\x0b\x0c", "\x85"]


def made_up_text(seed: int = 20) -> str:
    draw = random.Random(seed)
    pieces = []
    for _ in range(700):
        kind = draw.random()
        if kind < 0.4:
            words = draw.choices(ENGLISH.split(), k=draw.randint(3, 14))
            pieces.append(" ".join(words).capitalize() + draw.choice([".", "!", "?", ",", ";", "..."]))
        elif kind < 0.65:
            pieces.append(" ".join(draw.choices(KOREAN.split(), k=draw.randint(2, 8))) + ".")
        elif kind < 0.8:
            code = draw.choice(CODE)
            pieces.append(code % draw.randint(0, 99999) if "%" in code else code)
        elif kind < 0.9:
            pieces.append(draw.choice(["", " "]).join(draw.choices(EMOJI.split(), k=4)))
        elif kind < 0.95:
            pieces.append("".join(draw.choices(BLANKS, k=5)))
        else:
            pieces.append(draw.choice(["<|endoftext|>", "<|endoftext|>x", " <|end", "<|endoftext|><|endoftext|>"]))
        pieces.append(draw.choice(BLANKS[:6] + ["\n"] * 4))
    pieces.append("a" * 300 + "ab" * 100 + " " * 200 + "x")
    return "".join(pieces)


def lines_of(text: str) -> list[str]:
    """Lines with their ends, cut at \\n alone."""
    return [line for line in re.split(r"(?<=\n)", text) if line]


def trained(text: str, pre_tokenizer, size: int, specials: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines_of(text), trainer)
    return tokenizer


def ranges(expression: str) -> np.ndarray:
    characters = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
    split = pre_tokenizers.Split(Regex(expression), "removed", invert=True)
    found = [characters[at] for _, (at, _) in split.pre_tokenize_str("".join(map(chr, characters)))]
    result = []
    for c in found:
        if result and result[-1][1] + 1 == c:
            result[-1][1] = c
        else:
            result.append([c, c])
    return np.array(result, dtype=np.int32)


def main() -> None:
    text = made_up_text()
    gpt2 = trained(text, GPT2, 700, ["<|endoftext|>"])
    llama3 = trained(
        text,
        pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        ),
        600,
        [],
    )
    llama3.add_special_tokens(["<|begin|>", "<|end|>"])
    llama3.add_tokens([AddedToken("house le", normalized=True), AddedToken("house", normalized=False)])
    llama3.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(
                single="<|begin|> $A <|end|>", special_tokens=[("<|begin|>", 600), ("<|end|>", 601)]
            ),
        ]
    )

    def as_bytes(string: str) -> np.ndarray:
        return np.frombuffer(string.encode(), dtype=np.uint8).copy()

    def as_ids(tokenizer: Tokenizer, special: bool) -> np.ndarray:
        return np.array(tokenizer.encode(text, add_special_tokens=special).ids, dtype=np.int32)

    values = {"text": as_bytes(text)}
    for name, tokenizer in [("gpt2", gpt2), ("llama3", llama3)]:
        values[f"{name}.json"] = as_bytes(tokenizer.to_str())
        values[f"{name}.ids"] = as_ids(tokenizer, False)
        values[f"{name}.special"] = as_ids(tokenizer, True)
    for name, expression in [("letters", r"\p{L}"), ("numbers", r"\p{N}"), ("blanks", r"\s")]:
        values[name] = ranges(expression)
    path = pathlib.Path(__file__).with_name("bpe.safetensors")
    save_file(values, path)
    print(path.name, path.stat().st_size, "bytes,", len(text.encode()), "of text")


if __name__ == "__main__":
    main()
