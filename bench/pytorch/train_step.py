"""Times PyTorch's steps, in rounds that another program's rounds can alternate with.

    python train_step.py mlp|lenet5|resnet20|resnet18|vgg16-bn|resnet50|lstm128|lstm650|gpt|attention|
                         resnet18-answer|gpt-text|resnet50-b16|vgg16-b8
                         [--mode eager|channels_last|compile|onnxruntime] [--threads N] [--weights FILE] [--warm-up STEPS]

After a warm-up it prints `ready <loss of the first step>`. Then it answers standard input, line by line:
`run N` makes N steps and prints the seconds per step; `memory` prints the bytes that the process occupied at its peak;
`quit` (or the end of the input) ends it.

FILE holds float32 weights, named as in the model or `<model>.init.<name>`, and may hold u8 `images` (n, 1, 28, 28) with
i64 `labels` (n); without them both are drawn from a fixed seed. The default is the file that the tests use. Step s
trains on rows (64 s + j) mod n, j < 64; pictures are divided by 255 and lie in memory before the clock starts.
The convolutional networks and the language models need no file: their weights and their one batch are worked out by a
formula on both sides. `attention` is no model: causal attention and its gradient, without an optimiser; its "loss" is
the mean square of the result. `resnet18-answer` is inference on one photograph (the mean square of the logits), also
by onnxruntime; `gpt-text` writes 256 tokens, the likeliest each time, with cached keys and values (the last token's logit).
"""

import argparse
import io
import math
import resource
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

BATCH = 64
REFERENCE = Path(__file__).parents[2] / "tests/reference/trajectories.safetensors"


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))


class LeNet5(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)
        )
        self.classifier = nn.Sequential(
            nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


class Block(nn.Module):
    def __init__(self, channels: int, filters: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        same = stride == 1 and channels == filters
        project = nn.Sequential(nn.Conv2d(channels, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))
        self.downsample = nn.Identity() if same else project

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)), inplace=True)))
        return F.relu(y + self.downsample(x), inplace=True)


def small_stem(width: int) -> list[nn.Module]:
    return [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]


def photograph_stem() -> list[nn.Module]:
    convolution = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
    return [convolution, nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]


def resnet(layers: list[nn.Module], width: int, blocks: int, stages: int, classes: int) -> nn.Sequential:
    """`layers`: the stem."""
    channels = width
    for stage in range(stages):
        for block in range(blocks):
            layers.append(Block(channels, width << stage, 2 if stage > 0 and block == 0 else 1))
            channels = width << stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


class Bottleneck(nn.Module):
    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = nn.Identity()
        if stride != 1 or channels != 4 * width:
            project = nn.Conv2d(channels, 4 * width, 1, stride, bias=False)
            self.downsample = nn.Sequential(project, nn.BatchNorm2d(4 * width))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x), inplace=True)


def resnet50() -> nn.Sequential:
    layers = photograph_stem()
    channels = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for block in range(blocks):
            layers.append(Bottleneck(channels, 64 << stage, 2 if stage > 0 and block == 0 else 1))
            channels = 256 << stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))


def vgg16(norm: bool) -> nn.Sequential:
    """Without dropout, whose random numbers differ."""
    layers: list[nn.Module] = []
    channels = 3
    for filters, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers.append(nn.Conv2d(channels, filters, 3, padding=1))
            if norm:
                layers.append(nn.BatchNorm2d(filters))
            layers.append(nn.ReLU(inplace=True))
            channels = filters
        layers.append(nn.MaxPool2d(2))
    hidden = [nn.Linear(512 * 49, 4096), nn.ReLU(inplace=True), nn.Linear(4096, 4096), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Flatten(), *hidden, nn.Linear(4096, 1000))


# network, batch, side of the pictures, classes
PICTURES = {
    "resnet20": (lambda: resnet(small_stem(16), 16, 3, 3, 10), 128, 32, 10),
    "resnet18": (lambda: resnet(small_stem(64), 64, 2, 4, 10), 32, 32, 10),
    "vgg16-bn": (lambda: vgg16(norm=True), 4, 224, 1000),
    "resnet50": (resnet50, 8, 224, 1000),
    "resnet50-b16": (resnet50, 16, 224, 1000),
    "vgg16-b8": (lambda: vgg16(norm=False), 8, 224, 1000),
    "resnet18-answer": (lambda: resnet(photograph_stem(), 64, 2, 4, 1000), 1, 224, 1000),
}


def made_up(shape: torch.Size, k: int, scale: float) -> Tensor:
    """Element i is scale (2 frac((i + 1) phi + k psi) - 1), as in bench/made_up.cpp."""
    turn = torch.arange(1, shape.numel() + 1, dtype=torch.float64) * 0.6180339887498949 + k * 0.7548776662466927
    return (scale * (2 * (turn - turn.floor()) - 1)).float().reshape(shape)


@torch.no_grad()
def make_up_weights(model: nn.Module) -> None:
    for k, (key, parameter) in enumerate(model.named_parameters()):
        if parameter.dim() > 1:
            fan_in = parameter.numel() / parameter.shape[0]
            parameter.copy_(made_up(parameter.shape, k, math.sqrt(6 / fan_in)))
        elif not key.endswith("weight"):
            parameter.zero_()


def make_convolutional(name: str) -> tuple[nn.Module, Tensor, Tensor]:
    make, batch, side, classes = PICTURES[name]
    model = make()
    make_up_weights(model)
    return model, made_up(torch.Size([batch, 3, side, side]), 1000, 1.0), torch.arange(batch) % classes


class LanguageModel(nn.Module):
    """Tokens (time, batch) -> logits (time * batch, vocabulary)."""

    def __init__(self, vocabulary: int, units: int, layers: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, units)
        self.lstm = nn.LSTM(units, units, layers)
        self.head = nn.Linear(units, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.lstm(self.embedding(tokens))[0].flatten(0, 1))


# vocabulary, units, layers, time steps, batch
TEXTS = {"lstm128": (65, 128, 1, 64, 32), "lstm650": (10000, 650, 2, 35, 20)}


def make_language_model(name: str) -> tuple[nn.Module, Tensor, Tensor]:
    vocabulary, units, layers, steps, batch = TEXTS[name]
    model = LanguageModel(vocabulary, units, layers)
    make_up_weights(model)
    text = ((made_up(torch.Size([(steps + 1) * batch]), 1000, 0.5) + 0.5) * vocabulary).long()
    return model, text[: steps * batch].reshape(steps, batch), text[batch:]


class GptBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln_1 = nn.LayerNorm(width)
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)
        self.ln_2 = nn.LayerNorm(width)
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_out = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, steps, width = x.shape
        q, k, v = (
            part.view(batch, steps, self.heads, -1).transpose(1, 2) for part in self.c_attn(self.ln_1(x)).split(width, 2)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(y.transpose(1, 2).reshape(batch, steps, width))
        return x + self.c_out(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))


class Gpt(nn.Module):
    """Tokens (batch, time) -> logits (batch * time, vocabulary)."""

    def __init__(self, vocabulary: int, context: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.wte = nn.Embedding(vocabulary, width)
        self.wpe = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(GptBlock(width, heads) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.wte(tokens) + self.wpe.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.linear(self.ln_f(x).flatten(0, 1), self.wte.weight)


@torch.no_grad()
def make_gpt() -> tuple[nn.Module, Tensor, Tensor]:
    """nanoGPT's small setting over 5,000 words: 8 sequences of 256 steps."""
    vocabulary, batch, steps = 5000, 8, 256
    model = Gpt(vocabulary, steps, width=384, layers=6, heads=6)
    for k, (key, parameter) in enumerate(model.named_parameters()):
        if parameter.dim() == 1:
            if key.endswith("bias"):
                parameter.zero_()
            continue
        inputs_first = not key.startswith("w")  # GPT-2's weights are (inputs, outputs) where they are multiplied with
        shape = parameter.T.shape if inputs_first else parameter.shape
        value = made_up(shape, k, math.sqrt(6 * shape[0] / shape.numel()))
        parameter.copy_(value.T if inputs_first else value)
    text = ((made_up(torch.Size([batch, steps + 1]), 1000, 0.5) + 0.5) * vocabulary).long()
    return model, text[:, :-1].contiguous(), text[:, 1:].flatten()


def make_attention() -> tuple[list[Tensor], Tensor]:
    """Query, key and value of 8 sequences of 256 steps in 6 heads of 64, and the cotangent of the result."""
    shape = torch.Size([8, 256, 6, 64])
    *inputs, cotangent = (made_up(shape, k, 1.0).transpose(1, 2).contiguous() for k in range(4))
    return [x.requires_grad_() for x in inputs], cotangent


class CachedGpt:
    """Goes on with one sequence, token by token; keys and values of earlier tokens lie in memory."""

    def __init__(self, model: Gpt, context: int) -> None:
        self.model = model
        heads, width = model.blocks[0].heads, model.wte.embedding_dim
        self.keys = [torch.zeros(1, heads, context, width // heads) for _ in model.blocks]
        self.values = [torch.zeros(1, heads, context, width // heads) for _ in model.blocks]

    def through(self, x: Tensor, attend: Callable[..., Tensor]) -> Tensor:
        """Logits from the embedded token; attend(q, k, v, keys, values) keeps k and v and gives the answer."""
        for block, keys, values in zip(self.model.blocks, self.keys, self.values, strict=True):
            width = x.shape[1]
            q, k, v = (part.view(1, block.heads, 1, -1) for part in block.c_attn(block.ln_1(x)).split(width, 1))
            x = x + block.c_proj(attend(q, k, v, keys, values).reshape(1, width))
            x = x + block.c_out(F.gelu(block.c_fc(block.ln_2(x)), approximate="tanh"))
        return F.linear(self.model.ln_f(x), self.model.wte.weight)

    def logits_by_mask(self, token: Tensor, at: Tensor) -> Tensor:
        """For torch.compile: one graph for every position, with all keys under a mask."""
        seen = (torch.arange(self.keys[0].shape[2]) <= at)[None]

        def attend(q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            keys.index_copy_(2, at, k)
            values.index_copy_(2, at, v)
            return F.scaled_dot_product_attention(q, keys, values, attn_mask=seen)

        return self.through(self.model.wte(token) + self.model.wpe(at), attend)

    def logits(self, token: Tensor, at: int) -> Tensor:
        def attend(q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            keys[:, :, at : at + 1] = k
            values[:, :, at : at + 1] = v
            return F.scaled_dot_product_attention(q, keys[:, :, : at + 1], values[:, :, : at + 1])

        return self.through(self.model.wte(token) + self.model.wpe.weight[at], attend)


@torch.inference_mode()
def write_text(decoder: CachedGpt, step: Callable | None, tokens: int) -> float:
    positions = torch.arange(tokens)

    def ask(token: Tensor, at: int) -> Tensor:
        return decoder.logits(token, at) if step is None else step(token, positions[at : at + 1])

    logits = ask(torch.tensor([1]), 0)
    best = logits.max(1)
    for at in range(1, tokens):
        best = logits.max(1)
        logits = ask(best.indices, at)
    return best.values.item()


@torch.inference_mode()
def look_at(model: nn.Module, images: Tensor, times: int) -> Tensor:
    for _ in range(times):
        y = model(images)
    return y


def onnx_answer(model: nn.Module, images: Tensor, threads: int) -> Callable[[int], np.ndarray]:
    import onnxruntime

    file = io.BytesIO()
    with warnings.catch_warnings():  # the exporter that needs no further package is called old
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (images,), file, input_names=["x"], dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    pictures = {"x": images.numpy()}

    def look(times: int) -> np.ndarray:
        for _ in range(times):
            y = session.run(None, pictures)[0]
        return y

    return look


def load(name: str, path: Path) -> tuple[nn.Module, Tensor, Tensor]:
    """The model with the file's weights, its pictures as float32 in [0, 1], and their labels."""
    torch.manual_seed(0)
    model = mlp() if name == "mlp" else LeNet5()
    stored = load_file(path)
    prefix = f"{name}.init."
    names = model.state_dict().keys()
    model.load_state_dict({key: stored[prefix + key if prefix + key in stored else key] for key in names})
    images = stored.get("images", torch.randint(0, 256, (256, 1, 28, 28), dtype=torch.uint8))
    labels = stored.get("labels", torch.randint(0, 10, (len(images),)))
    return model, images.float() / 255, labels


def answer(first: float, run: Callable[[int], object]) -> None:
    """Says how the first step went, then does what standard input asks for."""
    print(f"ready {first:.8f}", flush=True)
    for line in sys.stdin:
        match line.split():
            case ["run", count]:
                start = time.perf_counter()
                run(int(count))
                print(f"{(time.perf_counter() - start) / int(count):.9f}", flush=True)
            case ["memory"]:
                print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, flush=True)
            case ["quit"]:
                break
            case _:
                sys.exit(f"train_step: expected `run N` or `quit`, got {line.strip()!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", choices=["mlp", "lenet5", "attention", "gpt", "gpt-text", *PICTURES, *TEXTS])
    parser.add_argument("--mode", choices=["eager", "channels_last", "compile", "onnxruntime"], default="eager")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--weights", type=Path, default=REFERENCE)
    parser.add_argument("--warm-up", type=int, help="steps before `ready` beside the first")
    arguments = parser.parse_args()

    if arguments.mode == "onnxruntime" and arguments.model != "resnet18-answer":
        parser.error("onnxruntime answers; of the models here only resnet18-answer asks for that")

    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    if arguments.model == "attention":
        inputs, cotangent = make_attention()

        def attend(steps: int) -> Tensor:
            for _ in range(steps):
                y = F.scaled_dot_product_attention(*inputs, is_causal=True)
                torch.autograd.grad(y, inputs, cotangent)
            return y.detach()

        first = attend(1).square().mean().item()
        attend(arguments.warm_up if arguments.warm_up is not None else 10)
        return answer(first, attend)
    warm_up = arguments.warm_up if arguments.warm_up is not None else 2
    if arguments.model == "gpt-text":
        model, _, _ = make_gpt()
        model = model.eval()
        decoder = CachedGpt(model, 256)
        step = torch.compile(decoder.logits_by_mask) if arguments.mode == "compile" else None

        def write(texts: int) -> float:
            for _ in range(texts):
                last = write_text(decoder, step, 256)
            return last if texts > 0 else 0.0

        first = write(1)
        write(warm_up)
        return answer(first, write)
    if arguments.model == "resnet18-answer":
        model, images, _ = make_convolutional(arguments.model)
        model = model.eval()
        if arguments.mode == "onnxruntime":
            look_at_onnx = onnx_answer(model, images, arguments.threads)
            first = float((look_at_onnx(1) ** 2).mean())
            look_at_onnx(10)
            return answer(first, look_at_onnx)
        if arguments.mode == "channels_last":
            model = model.to(memory_format=torch.channels_last)
            images = images.contiguous(memory_format=torch.channels_last)
        if arguments.mode == "compile":
            from torch._inductor import config as inductor

            inductor.freezing = True  # weights packed and batch norm folded, once
            model = torch.compile(model)

        def look(times: int) -> Tensor:
            return look_at(model, images, times)

        first = look(1).square().mean().item()
        look(10)
        return answer(first, look)
    made = arguments.model in PICTURES or arguments.model in TEXTS or arguments.model == "gpt"
    clip = 5.0 if arguments.model == "lstm650" else None
    if arguments.model == "gpt":
        model, images, labels = make_gpt()
    elif arguments.model in TEXTS:
        model, images, labels = make_language_model(arguments.model)
    elif made:
        model, images, labels = make_convolutional(arguments.model)
    else:
        model, images, labels = load(arguments.model, arguments.weights)
    if arguments.model == "mlp":
        images = images.flatten(1)
        optimiser = torch.optim.SGD(model.parameters(), lr=0.05, fused=True)
    elif arguments.model == "lstm650":
        optimiser = torch.optim.SGD(model.parameters(), lr=1.0, fused=True)
    elif arguments.model == "gpt":
        optimiser = torch.optim.AdamW(model.parameters(), lr=6e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    else:
        lr = 1e-3 if images.shape[-1] == 224 else 0.05  # with made-up weights larger steps end in NaN
        optimiser = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, fused=True)
    if arguments.mode == "channels_last" and images.dim() == 4:
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    if made:
        batches = [(images, labels)]
    else:
        period = len(images) // math.gcd(BATCH, len(images))
        rows = [(BATCH * step + torch.arange(BATCH)) % len(images) for step in range(period)]
        batches = [(images[row], labels[row]) for row in rows]

    def loss_of(x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(model(x), y)

    if arguments.mode == "compile":
        loss_of = torch.compile(loss_of)

    done = 0

    def run(steps: int) -> Tensor:
        nonlocal done
        for _ in range(steps):
            x, y = batches[done % len(batches)]
            optimiser.zero_grad(set_to_none=True)
            loss = loss_of(x, y)
            loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimiser.step()
            done += 1
        return loss

    first = run(1).item()
    warm_up = arguments.warm_up if arguments.warm_up is not None else 2 if made else 30
    if warm_up > 0:
        run(warm_up)
    answer(first, run)


if __name__ == "__main__":
    main()
