"""Compares `narae forward` with PyTorch on weights that PyTorch wrote.

    python compare_forward.py NARAE [MODEL ...] [--side 224]      (as make_zoo.py; NARAE: the command)

For each network: PyTorch's first weights, running statistics of one pass in training mode, the state dict as a
safetensors file, `narae forward MODEL --weights FILE`; prints the largest difference of the logits over the largest
logit and fails above 1e-4. The tests do the same without Python for the numbers in zoo.safetensors.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import make_zoo
import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

TOLERANCE = 1e-4


def networks() -> dict:
    """Model -> what builds it, for 1000 classes (10 for CIFAR), and the side of its pictures."""
    result = {
        "alexnet": (models.alexnet, 64),
        "alexnet-227": (lambda: make_zoo.ResponseNormAlexNet(1000, 227), 227),
        "googlenet": (lambda: models.googlenet(init_weights=False), 64),
        "googlenet-naive": (lambda: make_zoo.naive_googlenet(1000), 64),
        "inception-v3": (lambda: models.inception_v3(init_weights=False), 299),
    }
    for depth in (11, 13, 16, 19):
        result[f"vgg{depth}"] = (getattr(models, f"vgg{depth}"), 64)
        result[f"vgg{depth}-bn"] = (getattr(models, f"vgg{depth}_bn"), 64)
    change = make_zoo.with_shortcuts
    for depth in (18, 34, 50, 101, 152):
        make = getattr(models, f"resnet{depth}")
        result[f"resnet{depth}"] = (make, 64)
        if depth <= 50:
            result[f"se-resnet{depth}"] = (lambda make=make: change(make(), None, True), 64)
        if depth <= 34:
            result[f"plain{depth}"] = (lambda make=make: change(make(), make_zoo.Nothing, False), 64)
    for depth in (20, 32, 44, 56, 110):
        make = lambda depth=depth: make_zoo.cifar_resnet(depth, 10)
        result[f"resnet{depth}"] = (lambda make=make: change(make(), make_zoo.ZeroPadded, False), 32)
        result[f"plain{depth}"] = (lambda make=make: change(make(), make_zoo.Nothing, False), 32)
    result["se-resnet20"] = (lambda: change(make_zoo.cifar_resnet(20, 10), make_zoo.ZeroPadded, True), 32)
    return result


def compare(narae: str, name: str, model: nn.Module, x: torch.Tensor, folder: Path) -> float:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    make_zoo.training_without_dropout(model)
    with torch.no_grad():
        model(x)
        model.eval()
        expected = model(x).numpy()
    state = {make_zoo.narae_name(n): t.contiguous() for n, t in model.state_dict().items()}
    save_file(state, folder / "weights.safetensors")
    np.save(folder / "x.npy", x.numpy())
    command = [narae, "forward", name, "--weights", "weights.safetensors", "--input", "x.npy", "--output", "y.npy"]
    subprocess.run(command, cwd=folder, check=True)
    return float(np.abs(np.load(folder / "y.npy") - expected).max() / np.abs(expected).max())


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("narae")
    parser.add_argument("models", nargs="*")
    parser.add_argument("--side", type=int, default=0)
    arguments = parser.parse_args()
    narae = str(Path(arguments.narae).resolve())
    worst = 0.0
    for name, (make, side) in networks().items():
        if arguments.models and name not in arguments.models:
            continue
        torch.manual_seed(0)
        model = make()
        x = torch.randn(2, 3, arguments.side or side, arguments.side or side)
        with tempfile.TemporaryDirectory() as folder:
            distance = compare(narae, name, model, x, Path(folder))
        print(f"{name:16} {x.shape[2]}x{x.shape[3]} {distance:.1e}", flush=True)
        worst = max(worst, distance)
    print(f"worst {worst:.1e}")
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
