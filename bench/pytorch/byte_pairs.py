"""The peer of `narae_bench bpe`: Hugging Face's `tokenizers` trains and applies byte pairs.

    byte_pairs.py train|encode|batch FILE... [--size 10000] [--threads N]

Prints `ready <tokens>` (for `train` the vocabulary's size, otherwise how many ids the texts have), then answers `run N` with
the seconds that one of N rounds took: learning from the files, encoding the whole text in one call, or its lines as a batch
over all threads.
"""

import argparse
import gzip
import os
import sys
import tempfile
import time


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("job", choices=["train", "encode", "batch"])
    parser.add_argument("files", nargs="+")
    parser.add_argument("--size", type=int, default=10000)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    os.environ["RAYON_NUM_THREADS"] = str(arguments.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    texts = [(gzip.open if f.endswith(".gz") else open)(f, "rb").read().decode() for f in arguments.files]
    folder = tempfile.TemporaryDirectory()
    plain = [os.path.join(folder.name, str(i)) for i in range(len(texts))]
    for path, text in zip(plain, texts):
        with open(path, "wb") as file:
            file.write(text.encode())

    def train() -> Tokenizer:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=arguments.size, initial_alphabet=alphabet, show_progress=False)
        tokenizer.train(plain, trainer)
        return tokenizer

    tokenizer = train()
    whole = "".join(texts)
    lines = whole.splitlines(keepends=True)
    jobs = {
        "train": train,
        "encode": lambda: tokenizer.encode(whole),
        "batch": lambda: tokenizer.encode_batch_fast(lines),
    }
    job = jobs[arguments.job]
    job()
    count = tokenizer.get_vocab_size() if arguments.job == "train" else len(tokenizer.encode(whole).ids)
    print("ready", count, flush=True)
    for line in sys.stdin:
        if line.strip() == "quit":
            break
        rounds = int(line.split()[1])
        begin = time.perf_counter()
        for _ in range(rounds):
            job()
        print((time.perf_counter() - begin) / rounds, flush=True)


if __name__ == "__main__":
    main()
