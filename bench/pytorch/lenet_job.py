"""The whole job: LeNet-5 (tanh, average pooling) for some epochs of MNIST with evaluation, as fast as PyTorch goes.

    python lenet_job.py FOLDER [--epochs 1] [--threads N] [--compile]

FOLDER holds the four `*-ubyte.gz` files. The pictures are tensors in memory, so no loader is in the way; shuffling
is one permutation an epoch. Time the process from outside: its start and its imports are part of the job.
Prints one JSON line with test accuracy in percent, mean training loss of the last epoch, and seconds by part.
"""

import time

BEGAN = time.perf_counter()

import argparse
import gzip
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train_step import LeNet5

BATCH, TEST_BATCH, RATE, MOMENTUM = 64, 1000, 0.05, 0.9
MEAN, DEVIATION = 0.1307, 0.3081


def idx(path: Path) -> Tensor:
    """The u8 array of a gzipped IDX file: magic 0 0 8 rank, then rank big-endian sizes, then the values."""
    raw = gzip.decompress(path.read_bytes())
    rank = raw[3]
    sizes = np.frombuffer(raw, ">i4", rank, offset=4)
    return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(sizes).copy())


def load(folder: Path, split: str) -> tuple[Tensor, Tensor]:
    images = idx(folder / f"{split}-images-idx3-ubyte.gz").unsqueeze(1)
    labels = idx(folder / f"{split}-labels-idx1-ubyte.gz")
    return images.float().div_(255).sub_(MEAN).div_(DEVIATION), labels.long()


def initialise(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(arguments.seed)
    imported = time.perf_counter()
    images, labels = load(arguments.folder, "train")
    test_images, test_labels = load(arguments.folder, "t10k")
    loaded = time.perf_counter()

    model = LeNet5().apply(initialise)
    optimiser = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM, fused=True)
    steps = arguments.epochs * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)

    def loss_of(x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(model(x), y)

    if arguments.compile:
        loss_of = torch.compile(loss_of)
    for _ in range(arguments.epochs):
        total = torch.zeros(())
        for rows in torch.randperm(len(images)).split(BATCH):
            optimiser.zero_grad(set_to_none=True)
            loss = loss_of(images[rows], labels[rows])
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.detach() * len(rows)
    trained = time.perf_counter()

    model.eval()
    with torch.inference_mode():
        batches = zip(test_images.split(TEST_BATCH), test_labels.split(TEST_BATCH))
        correct = sum((model(x).argmax(1) == y).sum() for x, y in batches)
    tested = time.perf_counter()
    report = {
        "accuracy": 100 * correct.item() / len(test_labels),
        "loss": total.item() / len(images),
        "seconds": {
            "import": imported - BEGAN,
            "load": loaded - imported,
            "train": trained - loaded,
            "test": tested - trained,
        },
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
