"""Writes bleu.json: what sacreBLEU makes of some corpora, and how it cuts texts.

    python make_bleu.py                    (sacrebleu==2.6.0; a second)
"""

import json
from pathlib import Path

import sacrebleu
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

TEXTS = [
    "Ein Mann, der 3,5 Meter hoch springt.", "He said: \"Hello, world!\" - twice.", "U.S.A. costs $1,000.50...",
    "state-of-the-art 10-15 years, 3-fold", "&quot;quoted&quot; &amp; &lt;tagged&gt;", "안녕, 세계! 3.14는 원주율이다.",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.", ".,.,. a.b,c 1.2,3 -", "", "   ",
    "tabs\tand\nlines -\nbroken", "what's it's (really) [odd] {text}/slash @home #1 50% a_b ~x", "e.g. i.e., etc.", "1-2 a-b",
    "zero\u200bwidth no\u00a0break thin\u2009space file\x1cseparator next\u0085line wide\u3000blank",
    "x<skipped>y", "¿Qué? «Oui» – non… “quotes”",
]

CORPORA = {
    "close": (["the cat sat on the mat .", "a man is riding a horse on the beach ."],
              ["the cat sat on a mat .", "a man rides a horse at the beach ."]),
    "same": (["Two men, one dog.", "She said 'no'."], ["Two men, one dog.", "She said 'no'."]),
    "short": (["the cat"], ["the cat sat on the mat"]),
    "long": (["the cat sat on the mat and then it slept there"], ["the cat sat on the mat"]),
    "cased": (["The Cat sat on the mat"], ["the cat sat on the mat"]),
    "no four": (["a b c x d e f y", "g h"], ["a b c d e f z", "g h"]),
    "no two": (["cat the sat mat on"], ["the cat on sat mat"]),
    "nothing": (["x y z w"], ["a b c d"]),
    "tiny": (["abc", "d"], ["abc", "e"]),
    "empty": (["", "a b c d e"], ["a b", "a b c d e"]),
    "repeated": (["the the the the the the the"], ["the cat is on the mat"]),
    "real": (["Ein Mann in einem blauen Hemd steht auf einer Leiter und putzt ein Fenster.",
              "Zwei Hunde spielen im Schnee.", "Eine Frau, die 2,5 kg Äpfel kauft, lächelt."],
             ["Ein Mann in blauem Hemd steht auf einer Leiter und reinigt das Fenster.",
              "Zwei Hunde toben im Schnee.", "Eine Frau lächelt, die 2,5 kg Äpfel gekauft hat."]),
}


def main() -> None:
    cut = Tokenizer13a()
    values = {"texts": [{"text": text, "tokens": cut(text.rstrip()).split()} for text in TEXTS], "corpora": []}
    for name, (answers, references) in CORPORA.items():
        score = sacrebleu.corpus_bleu(answers, [references])
        values["corpora"].append({"name": name, "answers": answers, "references": references, "bleu": score.score,
                                  "precisions": score.precisions, "brevity_penalty": score.bp,
                                  "tokens": score.sys_len, "reference_tokens": score.ref_len})
    values["signature"] = f"sacrebleu {sacrebleu.__version__}"
    path = Path(__file__).with_name("bleu.json")
    path.write_text(json.dumps(values, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
