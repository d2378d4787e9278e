"""Writes zoo.safetensors: what PyTorch computes with the networks of narae/models, forwards and backwards.

    python make_zoo.py   (torch==2.13.0, torchvision==0.28.0, numpy, safetensors; CPU, some minutes)

No weights are kept in the file: both sides compute them from the tensor's name and the element's number, see `numbers`.
torchvision's own networks stand for those that it has; the others are built here from its parts.

Keys
    <case>.logits (n, classes) f64          evaluation in float64. The running statistics come from one pass in training
                                            mode with dropout off: they are that batch's mean and unbiased variance.
    <case>.outputs.<i> (n, classes) f64     of cases in training mode: the logits, then those of auxiliary classifiers
    <case>.error (outputs) f64              max |float32 output - float64 output| / max |output| of PyTorch itself
    <case>.norm (tensors) f64               norms of the gradients of the loss by each parameter, in training mode with
                                            dropout off, in float64
    <case>.error (tensors) f64              |float32 gradient - float64 gradient| / norm of PyTorch itself
    <case>.projection (tensors, 16) f64     products of the float64 gradient with 16 vectors of signs, see `signs`: the
                                            mean square of the differences of two tensors' products estimates the
                                            square of the norm of their difference
    <case>.loss () f64
Metadata, one JSON text under the key "zoo": case -> {"model", "options", "input", "seed", "classes", "kind",
    "parameters"}
    with kind "logits", "outputs" or "gradients", and the names of the parameters that the rows of "gradients" are about.
    The input is `numbers("input." + its seed, shape)`, labels are 0, 1, 2, ... modulo the classes.
"""

import copy
import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models
from torchvision.models.googlenet import BasicConv2d, GoogLeNet
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet
from torchvision.ops import SqueezeExcitation

GOLDEN = 0x9E3779B97F4A7C15
PROJECTIONS = 16


# ---- Numbers that depend on a name and a position alone


def name_hash(name: str) -> int:
    """FNV-1a, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def words(name: str, first: int, last: int) -> np.ndarray:
    """Random 64-bit words number first .. last - 1 of a name: SplitMix64 (Steele, Lea and Flood 2014)."""
    with np.errstate(over="ignore"):
        z = (np.arange(first + 1, last + 1, dtype=np.uint64)) * np.uint64(GOLDEN) + np.uint64(name_hash(name))
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(name: str, count: int) -> np.ndarray:
    """float64 in [0, 1) with 24 bits."""
    pieces = [
        (words(name, i, min(i + (1 << 22), count)) >> np.uint64(40)).astype(np.float64) for i in range(0, count, 1 << 22)
    ]
    return np.concatenate(pieces) * 2.0**-24


def numbers(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The value of a parameter, or the input, in float32: weights keep the variance through ReLU, factors and biases lie
    around 1, the input has variance 1. (With biases around 0 half of all units are off, and a hundred normalised layers
    multiply what float32 rounds by a million: PyTorch's own logits of plain-110 would be wrong by half their size.)"""
    u = uniform(name, math.prod(shape))
    if name.startswith("input."):
        values = (2 * u - 1) * math.sqrt(3)
    elif len(shape) > 1:
        values = (2 * u - 1) * math.sqrt(6 / math.prod(shape[1:]))
    else:
        values = 0.75 + 0.5 * u
    return torch.from_numpy(values.astype(np.float32)).reshape(shape)


def project(name: str, gradient: torch.Tensor) -> np.ndarray:
    """Products with vectors of signs: element i of vector k is -1 where bit k of word i of "signs.<name>" is set."""
    flat = gradient.double().numpy().reshape(-1)
    result = np.zeros(PROJECTIONS)
    for start in range(0, flat.size, 1 << 22):
        piece = flat[start : start + (1 << 22)]
        bits = words("signs." + name, start, start + piece.size)
        for k in range(PROJECTIONS):
            sign = 1 - 2 * ((bits >> np.uint64(k)) & np.uint64(1)).astype(np.float64)
            result[k] += sign @ piece
    return result


# ---- Networks that torchvision does not have


class ResponseNormAlexNet(nn.Module):
    """The network of 2012 in one tower. The paper's alpha is for the sum over 5 channels, PyTorch's for their mean."""

    def __init__(self, classes: int, side: int) -> None:
        super().__init__()
        norm = lambda: nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
        pool = lambda: nn.MaxPool2d(3, 2)
        self.features = nn.Sequential(
            *[nn.Conv2d(3, 96, 11, 4), nn.ReLU(), pool(), norm()],
            *[nn.Conv2d(96, 256, 5, padding=2), nn.ReLU(), pool(), norm()],
            *[nn.Conv2d(256, 384, 3, padding=1), nn.ReLU()],
            *[nn.Conv2d(384, 384, 3, padding=1), nn.ReLU()],
            *[nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(), pool()],
        )
        with torch.no_grad():
            features = self.features(torch.zeros(1, 3, side, side)).numel()
        self.classifier = nn.Sequential(
            *[nn.Linear(features, 4096), nn.ReLU(), nn.Dropout()],
            *[nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, classes)],
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x).flatten(1))


class NaiveInception(nn.Module):
    """GoogLeNet's module without reductions; takes the same numbers and leaves those of the reductions unused."""

    def __init__(self, channels: int, one: int, _r3: int, three: int, _r5: int, five: int, _pool: int) -> None:
        super().__init__()
        self.branch1 = BasicConv2d(channels, one, kernel_size=1)
        self.branch2 = BasicConv2d(channels, three, kernel_size=3, padding=1)
        self.branch3 = BasicConv2d(channels, five, kernel_size=5, padding=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = nn.functional.max_pool2d(x, 3, 1, 1)
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), pooled], 1)


def naive_googlenet(classes: int) -> GoogLeNet:
    """torchvision's GoogLeNet with naive modules, whose inputs are as wide as what comes before them."""
    model = GoogLeNet(num_classes=classes, init_weights=False)
    channels, seen = 192, {}
    for name, module in list(model.named_children()):
        if not name.startswith("inception"):
            continue
        one, three, five = (
            module.branch1.conv.out_channels,
            module.branch2[1].conv.out_channels,
            module.branch3[1].conv.out_channels,
        )
        setattr(model, name, NaiveInception(channels, one, 0, three, 0, five, 0))
        channels += one + three + five
        seen[name] = channels
    model.aux1.conv = BasicConv2d(seen["inception4a"], 128, kernel_size=1)
    model.aux2.conv = BasicConv2d(seen["inception4d"], 128, kernel_size=1)
    model.fc = nn.Linear(channels, classes)
    return model


class ZeroPadded(nn.Module):
    """Shortcut of option A: every second pixel, zeros for new channels."""

    def __init__(self, stride: int, channels: int) -> None:
        super().__init__()
        self.stride, self.channels = stride, channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x[:, :, :: self.stride, :: self.stride]
        return nn.functional.pad(x, (0, 0, 0, 0, 0, self.channels - x.shape[1]))


class Nothing(nn.Module):
    """The shortcut of a plain net: zeros of the block's shape."""

    def __init__(self, stride: int, channels: int) -> None:
        super().__init__()
        self.stride, self.channels = stride, channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = [(n + self.stride - 1) // self.stride for n in x.shape[2:]]
        return x.new_zeros(x.shape[0], self.channels, *size)


class Squeezed(nn.Sequential):
    """A last normalisation with a squeeze-and-excitation behind it."""

    def __init__(self, norm: nn.Module, channels: int) -> None:
        super().__init__()
        self.norm, self.se = norm, SqueezeExcitation(channels, channels // 16)


def with_shortcuts(model: ResNet, shortcut: type[nn.Module] | None, squeeze: bool) -> ResNet:
    """Changes the blocks of a torchvision ResNet."""
    for module in list(model.modules()):
        if not isinstance(module, (BasicBlock, Bottleneck)):
            continue
        last = "bn3" if isinstance(module, Bottleneck) else "bn2"
        channels = getattr(module, last).num_features
        if shortcut is Nothing or (shortcut is not None and module.downsample is not None):
            module.downsample = shortcut(module.stride, channels)
        if squeeze:
            setattr(module, last, Squeezed(getattr(module, last), channels))
    return model


def cifar_resnet(depth: int, classes: int) -> ResNet:
    """torchvision's ResNet with the stem and the widths of section 4.2 of the paper."""
    n = (depth - 2) // 6
    model = ResNet(BasicBlock, [n, n, n, 1], num_classes=classes)
    model.inplanes = 16
    model.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
    model.bn1 = nn.BatchNorm2d(16)
    model.maxpool = nn.Identity()
    model.layer1 = model._make_layer(BasicBlock, 16, n)
    model.layer2 = model._make_layer(BasicBlock, 32, n, stride=2)
    model.layer3 = model._make_layer(BasicBlock, 64, n, stride=2)
    model.layer4 = nn.Identity()
    model.fc = nn.Linear(64, classes)
    return model


def small_vgg(make, classes: int, hidden: int, pooled: int = 7) -> nn.Module:
    """VGG with narrow linear layers."""
    model = make(num_classes=classes)
    model.avgpool = nn.AdaptiveAvgPool2d(pooled)
    model.classifier[0] = nn.Linear(512 * pooled * pooled, hidden)
    model.classifier[3] = nn.Linear(hidden, hidden)
    model.classifier[6] = nn.Linear(hidden, classes)
    return model


# ---- What is computed


def narae_name(name: str) -> str:
    """The names of parts that only this file has."""
    for last in ("bn2", "bn3"):
        name = name.replace(f".{last}.norm.", f".{last}.").replace(f".{last}.se.", ".se.")
    return name


def fill(model: nn.Module) -> nn.Module:
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(numbers(narae_name(name), tuple(parameter.shape)))
    return model


def training_without_dropout(model: nn.Module) -> None:
    model.train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.eval()


def outputs_of(result) -> list[torch.Tensor]:
    """torchvision gives the logits, then the auxiliary ones, the last first."""
    if isinstance(result, torch.Tensor):
        return [result]
    return [result[0], *[x for x in reversed(result[1:]) if x is not None]]


def evaluation_logits(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Logits after one pass in training mode that gives the running statistics, which are rounded to float32."""
    model = copy.deepcopy(model).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    training_without_dropout(model)
    with torch.no_grad():
        model(x.double())
        for _, buffer in model.named_buffers():
            if buffer.is_floating_point():
                buffer.copy_(buffer.float())
        model.eval()
        return model(x.double())


def loss_and_gradients(model: nn.Module, x: torch.Tensor, dtype: torch.dtype, nudge: float = 0.0):
    model = copy.deepcopy(model).to(dtype)
    training_without_dropout(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1 + nudge * torch.randn_like(parameter))
    outputs = outputs_of(model(x.to(dtype)))
    labels = torch.arange(x.shape[0]) % outputs[0].shape[1]
    losses = [nn.functional.cross_entropy(y, labels) for y in outputs]
    loss = losses[0] + 0.3 * sum(losses[1:])
    loss.backward()
    return loss.item(), {narae_name(n): p.grad for n, p in model.named_parameters()}


def distance(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> dict[str, float]:
    """|a - b| / |b| of each tensor."""
    return {n: (a[n].double() - g).norm().item() / g.norm().item() for n, g in b.items()}


def is_smooth(model: nn.Module, x: torch.Tensor, exact: dict[str, torch.Tensor], large: float = 3e-7) -> bool:
    """True where rounding decides nothing: where nudging the weights by more than what float32 rounds moves no argument
    of a ReLU across 0 and makes no other element of a pooling window the largest, so that gradients change in
    proportion to the nudge. (Gradients that are 0 but for rounding, of biases before batch norm, do not count.)"""
    small = 1e-9
    for seed in range(4):
        distances = []
        for nudge in (small, large):
            torch.manual_seed(seed)
            _, nudged = loss_and_gradients(model, x, torch.float64, nudge)
            distances.append(distance(nudged, exact))
        if any(d > 1.5 * large / small * distances[0][n] for n, d in distances[1].items() if exact[n].norm() > 1e-9):
            return False
    return True


# Inputs with which the gradients are smooth (python make_zoo.py --search [MODEL] finds them).
SMOOTH = {"resnet18": 51, "vgg11-bn": 20, "googlenet": 16}


def gradient_cases() -> dict[str, tuple[nn.Module, tuple[int, ...], dict]]:
    """Networks with their inputs and the options by which narae makes the same network."""
    return {
        "resnet18": (models.resnet18(num_classes=10), (4, 3, 64, 64), {}),
        "vgg11-bn": (small_vgg(models.vgg11_bn, 10, 256, 2), (2, 3, 48, 48), {"hidden": 256, "pooled": 2}),
        "googlenet": (models.googlenet(num_classes=10, init_weights=False), (4, 3, 64, 64), {}),
    }


def search() -> None:
    """Prints the input that stands the largest nudge for each network."""
    for name, (model, shape, _) in gradient_cases().items():
        if name not in sys.argv and len(sys.argv) > 2:
            continue
        fill(model)
        best, largest = 0, 0.0
        for seed in range(60):
            x = numbers(f"input.{seed}", shape)
            _, exact = loss_and_gradients(model, x, torch.float64)
            for nudge in (3e-7, 1e-6, 3e-6, 1e-5):
                if nudge > largest:
                    if not is_smooth(model, x, exact, nudge):
                        break
                    best, largest = seed, nudge
        print(name, best, largest, flush=True)


def main() -> None:
    torch.set_num_threads(2)
    tensors: dict[str, torch.Tensor] = {}
    cases: dict[str, dict] = {}

    def case(kind: str, name: str, model: nn.Module, shape: tuple[int, ...], options=None, suffix: str = "") -> None:
        fill(model)
        seed = SMOOTH[name] if kind == "gradients" else 0
        x = numbers(f"input.{seed}", shape)
        key = name + suffix
        cases[key] = {"model": name, "options": options or {}, "input": list(shape), "seed": seed, "classes": 10,
                      "kind": kind}
        if kind == "logits":
            logits = evaluation_logits(model, x)
            tensors[key + ".logits"] = logits
            print(f"{key:28} largest logit {logits.abs().max():10.3g}", flush=True)
        elif kind == "outputs":
            training_without_dropout(model)
            with torch.no_grad():
                rounded = outputs_of(copy.deepcopy(model)(x))
                exact = outputs_of(model.double()(x.double()))
            for i, output in enumerate(exact):
                tensors[f"{key}.outputs.{i}"] = output
            errors = [(a - b).abs().max() / b.abs().max() for a, b in zip(rounded, exact)]
            tensors[key + ".error"] = torch.stack(errors).double()
            print(f"{key:28} PyTorch's own float32 errors {errors}", flush=True)
        else:
            loss, exact = loss_and_gradients(model, x, torch.float64)
            _, rounded = loss_and_gradients(model, x, torch.float32)
            norms = {n: g.norm().item() for n, g in exact.items()}
            errors = distance(rounded, exact)
            assert is_smooth(model, x, exact), f"{key}: choose another input (--search)"
            cases[key]["parameters"] = list(exact)
            tensors[key + ".loss"] = torch.tensor(loss, dtype=torch.float64)
            tensors[key + ".norm"] = torch.tensor(list(norms.values()), dtype=torch.float64)
            tensors[key + ".error"] = torch.tensor(list(errors.values()), dtype=torch.float64)
            tensors[key + ".projection"] = torch.from_numpy(np.stack([project(n, g) for n, g in exact.items()]))
            print(f"{key:28} loss {loss:.6f}, PyTorch's own float32 errors {min(errors.values()):.1e} to "
                  f"{max(errors.values()):.1e}", flush=True)

    image, small = (2, 3, 64, 64), (2, 3, 32, 32)
    case("logits", "alexnet", models.alexnet(num_classes=10), image)
    case("logits", "alexnet-227", ResponseNormAlexNet(10, 67), (2, 3, 67, 67))
    for depth in (11, 13, 16, 19):
        for norm in ("", "_bn"):
            make = getattr(models, f"vgg{depth}{norm}")
            hidden = 4096 if depth == 16 and not norm else 64
            model = small_vgg(make, 10, hidden)
            case("logits", f"vgg{depth}{norm.replace('_', '-')}", model, small, {"hidden": hidden})
    case("logits", "googlenet", models.googlenet(num_classes=10, init_weights=False), image)
    case("logits", "googlenet-naive", naive_googlenet(10), image)
    case("logits", "inception-v3", models.inception_v3(num_classes=10, init_weights=False, aux_logits=False),
         (2, 3, 107, 107), {"auxiliary": False})
    for depth in (18, 34, 50, 101, 152):
        case("logits", f"resnet{depth}", getattr(models, f"resnet{depth}")(num_classes=10), image)
    for depth in (18, 34):
        model = with_shortcuts(getattr(models, f"resnet{depth}")(num_classes=10), Nothing, False)
        case("logits", f"plain{depth}", model, image)
    for depth in (18, 34, 50):
        model = with_shortcuts(getattr(models, f"resnet{depth}")(num_classes=10), None, True)
        case("logits", f"se-resnet{depth}", model, image)
    for depth in (20, 32, 44, 56, 110):
        case("logits", f"resnet{depth}", with_shortcuts(cifar_resnet(depth, 10), ZeroPadded, False), small)
        case("logits", f"plain{depth}", with_shortcuts(cifar_resnet(depth, 10), Nothing, False), small)
    case("logits", "se-resnet20", with_shortcuts(cifar_resnet(20, 10), ZeroPadded, True), small)

    inception = models.inception_v3(num_classes=10, init_weights=False)
    case("outputs", "inception-v3", inception, (2, 3, 299, 299), suffix=".training")

    for name, (model, shape, options) in gradient_cases().items():
        case("gradients", name, model, shape, options, suffix=".gradients")

    path = Path(__file__).with_name("zoo.safetensors")
    save_file(tensors, path, {"zoo": json.dumps(cases)})
    path.chmod(0o644)


if __name__ == "__main__":
    search() if "--search" in sys.argv else main()
