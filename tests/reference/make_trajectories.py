"""Writes trajectories.safetensors: what PyTorch's losses are over 100 steps of training, per model and optimiser.

    python make_trajectories.py            (torch==2.13.0, numpy, safetensors; CPU, about half a minute)

Keys
    images (256, 1, 28, 28) u8, labels (256) i64     the data; step s trains on rows (16 s + j) mod 256, j < 16,
                                                     as images / 255 in the type of the run
    <model>.init.<parameter>                         float32 weights before the first step (widened for float64)
    <model>.<optimiser>.loss.f64, ....loss.f32       (100) f64: mean cross entropy before each update
Metadata, one JSON text under the key "trajectories" (one key, so that the same run writes the same bytes)
    batch, steps, torch                              16, 100, PyTorch's version
    optimisers                                       optimiser -> {"class", "lr": {model: rate}, "arguments"}
"""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

BATCH, STEPS, PICTURES = 16, 100, 256

# optimiser: (class, rate for each model, other arguments). Every argument that matters is written out, so that the test
# depends on nobody's defaults.
ADAM = {"betas": [0.9, 0.999], "eps": 1e-8}
RMSPROP = {"alpha": 0.99, "eps": 1e-8}
OPTIMISERS = {
    "sgd": ("SGD", {"mlp": 0.05, "lenet5": 0.3}, {}),
    "momentum": ("SGD", {"mlp": 0.01, "lenet5": 0.05}, {"momentum": 0.9}),
    "nesterov": ("SGD", {"mlp": 0.01, "lenet5": 0.05}, {"momentum": 0.9, "nesterov": True}),
    "adagrad": ("Adagrad", {"mlp": 0.01, "lenet5": 0.01}, {"eps": 1e-10}),
    "rmsprop": ("RMSprop", {"mlp": 5e-4, "lenet5": 1e-3}, RMSPROP),
    "rmsprop_centered": ("RMSprop", {"mlp": 5e-5, "lenet5": 2e-4}, {**RMSPROP, "momentum": 0.9, "centered": True}),
    "adam": ("Adam", {"mlp": 1e-3, "lenet5": 2e-3}, ADAM),
    "adamw": ("AdamW", {"mlp": 1e-3, "lenet5": 2e-3}, {**ADAM, "weight_decay": 0.05}),
}


# The MLP's seed is one of many that were tried: with it no ReLU's argument ever comes within 4e-6 of 0 in any of the
# runs, so that rounding, which differs between programs, never decides which branch is taken.
SEEDS = {"mlp": 266, "lenet5": 1}


class LeNet5(nn.Module):
    """LeNet-5 with tanh and average pooling on (batch, 1, 28, 28)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)
        )
        self.classifier = nn.Sequential(
            nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x).flatten(1))


class Mlp(nn.Sequential):
    """784-256-10 with ReLU; takes pictures and flattens them itself."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.flatten(1))


def blur(pictures: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur with wrap-around of (..., 28, 28), rescaled to mean 0 and deviation 1 per picture."""
    frequency = np.fft.fftfreq(28)
    radius = frequency[:, None] ** 2 + frequency[None, :] ** 2
    smooth = np.fft.ifft2(np.fft.fft2(pictures) * np.exp(-2 * (np.pi * sigma) ** 2 * radius)).real
    smooth -= smooth.mean(axis=(-2, -1), keepdims=True)
    return smooth / smooth.std(axis=(-2, -1), keepdims=True)


def structured_pictures() -> tuple[torch.Tensor, torch.Tensor]:
    """One blurred random pattern per label under as much blurred noise: learnable, but not within a few steps."""
    rng = np.random.default_rng(20240607)
    labels = rng.integers(0, 10, PICTURES)
    patterns = blur(rng.standard_normal((10, 28, 28)), 2.0)
    noise = blur(rng.standard_normal((PICTURES, 28, 28)), 1.5)
    pictures = np.clip(100 + 30 * patterns[labels] + 45 * noise, 0, 255).astype(np.uint8)
    return torch.from_numpy(pictures[:, None]), torch.from_numpy(labels)


def losses(
    model: nn.Module, optimiser: torch.optim.Optimizer, images: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    recorded = []
    for step in range(STEPS):
        rows = (BATCH * step + torch.arange(BATCH)) % PICTURES
        loss = nn.functional.cross_entropy(model(images[rows]), labels[rows])
        recorded.append(loss.item())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    return torch.tensor(recorded, dtype=torch.float64)


def main() -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    images, labels = structured_pictures()
    tensors = {"images": images, "labels": labels}
    print(f"{'run':26} {'first':>8} {'last':>8} {'f32 distance':>13} {'f64 nudged':>11}")
    for name, build in {"mlp": Mlp, "lenet5": LeNet5}.items():
        torch.manual_seed(SEEDS[name])
        initial = {key: value.clone() for key, value in build().state_dict().items()}
        tensors |= {f"{name}.init.{key}": value for key, value in initial.items()}

        def run(optimiser: str, dtype: torch.dtype, nudge: float = 0.0) -> torch.Tensor:
            model = build().to(dtype)
            model.load_state_dict({key: value.to(dtype) * (1 + nudge) for key, value in initial.items()})
            kind, rate, arguments = OPTIMISERS[optimiser]
            update = getattr(torch.optim, kind)(model.parameters(), lr=rate[name], **arguments)
            return losses(model, update, images.to(dtype) / 255, labels)

        for optimiser in OPTIMISERS:
            f64, f32 = run(optimiser, torch.float64), run(optimiser, torch.float32)
            tensors[f"{name}.{optimiser}.loss.f64"] = f64
            tensors[f"{name}.{optimiser}.loss.f32"] = f32
            # A run is fit to compare with only if another order of rounding (a nudge) changes next to nothing.
            nudged = ((run(optimiser, torch.float64, 1e-15) - f64) / f64).abs().max().item()
            distance = ((f32 - f64) / f64).abs().max().item()
            print(f"{name + '.' + optimiser:26} {f64[0]:8.4f} {f64[-10:].mean():8.4f} {distance:13.1e} {nudged:11.1e}")
            assert nudged < 1e-10 and f64[-10:].mean() < 0.8 * f64[0]

    metadata = {
        "batch": BATCH,
        "steps": STEPS,
        "torch": torch.__version__,
        "optimisers": {k: {"class": c, "lr": r, "arguments": a} for k, (c, r, a) in OPTIMISERS.items()},
    }
    path = Path(__file__).with_name("trajectories.safetensors")
    save_file(tensors, path, {"trajectories": json.dumps(metadata)})
    path.chmod(0o644)


if __name__ == "__main__":
    main()
