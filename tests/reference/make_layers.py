"""Writes layers.safetensors: what PyTorch computes, in float64, for the layers of convolutional networks.

    python make_layers.py                  (torch==2.13.0, safetensors; CPU, a few seconds)

Keys and metadata are those of make_values.py.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from make_values import cases, normal, positive, record, tensors
from safetensors.torch import save_file
from torch import Tensor


def transposed_convolutions() -> None:
    variants = {
        "plain": (3, 2, (3, 3), {}),
        "no_bias": (3, 2, (2, 3), {"bias": False}),
        "stride": (3, 2, (4, 4), {"stride": [2, 2], "padding": [1, 1]}),
        "output_padding": (2, 3, (3, 3), {"stride": [2, 3], "padding": [1, 0], "output_padding": [1, 2]}),
        "dilation": (2, 3, (3, 2), {"stride": [2, 1], "dilation": [2, 3], "padding": [0, 1]}),
        "groups": (4, 6, (3, 3), {"stride": [2, 2], "padding": [1, 1], "output_padding": [1, 1], "groups": 2}),
        "depthwise": (3, 3, (2, 2), {"stride": [2, 2], "groups": 3}),
    }
    for name, (channels, filters, kernel, options) in variants.items():
        arguments = {"stride": [1, 1], "padding": [0, 0], "output_padding": [0, 0], "dilation": [1, 1], "groups": 1}
        arguments |= {"bias": True} | options
        params = {"weight": normal(channels, filters // arguments["groups"], *kernel)}
        if arguments["bias"]:
            params["bias"] = normal(filters)
        geometry = {k: v for k, v in arguments.items() if k != "bias"}
        record(
            f"conv_transpose2d.{name}",
            lambda x, weight, bias=None: F.conv_transpose2d(x, weight, bias, **geometry),
            {"x": normal(2, channels, 4, 5)},
            params,
            **arguments,
        )


def pools() -> None:
    geometries = {
        "googlenet": {"kernel_size": [3, 3], "stride": [2, 2], "padding": [0, 0]},
        "padded": {"kernel_size": [3, 3], "stride": [2, 2], "padding": [1, 1]},
        "cut_off": {"kernel_size": [2, 3], "stride": [3, 4], "padding": [1, 1]},
    }
    for name, geometry in geometries.items():
        geometry = geometry | {"ceil_mode": True}
        for height, width in ((8, 6), (7, 9)):
            x = normal(2, 2, height, width)
            label = f"{name}_{height}x{width}"
            record(f"max_pool2d.{label}", lambda x: F.max_pool2d(x, **geometry), {"x": x}, **geometry)
            for include in (True, False):
                arguments = geometry | {"count_include_pad": include}
                suffix = "include_pad" if include else "exclude_pad"
                record(f"avg_pool2d.{label}_{suffix}", lambda x: F.avg_pool2d(x, **arguments), {"x": x}, **arguments)
    for size in ([1, 1], [3, 2], [9, 4]):
        for kind in ("avg", "max"):
            record(
                f"adaptive_{kind}_pool2d.{size[0]}x{size[1]}",
                lambda x: getattr(F, f"adaptive_{kind}_pool2d")(x, size),
                {"x": normal(2, 3, 7, 6)},
                output_size=size,
            )


def normalisations() -> None:
    for name, (size, options) in {
        "alexnet": (5, {"alpha": 1e-4, "beta": 0.75, "k": 2.0}),
        "strong": (5, {"alpha": 0.9, "beta": 0.75, "k": 1.0}),
        "even": (4, {"alpha": 0.5, "beta": 1.3, "k": 0.5}),
        "wide": (9, {"alpha": 0.5, "beta": 0.5, "k": 1.0}),
    }.items():
        record(
            f"local_response_norm.{name}",
            lambda x: F.local_response_norm(x, size, **options),
            {"x": normal(2, 7, 3, 4, scale=2.0)},
            size=size,
            **options,
        )
    for name, (shape, groups, affine) in {
        "groups": ((2, 6, 3, 4), 3, True),
        "one": ((2, 4, 5), 1, True),
        "not_affine": ((3, 6, 2, 2), 2, False),
        "flat": ((3, 6), 2, True),
    }.items():
        channels = shape[1]
        record(
            f"group_norm.{name}",
            lambda x, weight=None, bias=None: F.group_norm(x, groups, weight, bias, 1e-5),
            {"x": 1.0 + normal(*shape)},
            {"weight": normal(channels), "bias": normal(channels)} if affine else {},
            groups=groups,
            affine=affine,
            eps=1e-5,
        )
    for kind, shape in {"instance_norm1d": (3, 4, 6), "instance_norm2d": (2, 3, 4, 5)}.items():
        for affine in (False, True):
            for tracking in (False, True):
                for training in (True, False):
                    instance_norm(kind, shape, affine, tracking, training)
    for affine in (False, True):
        for tracking in (False, True):
            for training in (True, False):
                batch_norm_options((3, 3, 2, 4), affine, tracking, training)
    for name, (shape, affine) in {"last": ([5], True), "last_two": ([3, 5], True), "not_affine": ([5], False)}.items():
        record(
            f"rms_norm.{name}",
            lambda x, weight=None: F.rms_norm(x, shape, weight, 1e-6),
            {"x": 1.0 + normal(2, 3, 5)},
            {"weight": normal(*shape)} if affine else {},
            normalized_shape=shape,
            affine=affine,
            eps=1e-6,
        )
    record(
        "rms_norm.default_eps",
        lambda x, weight: F.rms_norm(x, [5], weight),
        {"x": normal(2, 5, scale=1e-8)},  # so small that eps is most of what it is divided by
        {"weight": normal(5)},
        normalized_shape=[5],
        affine=True,
    )
    record(
        "layer_norm.no_bias",
        lambda x, weight: F.layer_norm(x, [5], weight, None, 1e-5),
        {"x": 1.0 + normal(2, 3, 5)},
        {"weight": normal(5)},
        normalized_shape=[5],
        affine=True,
        bias=False,
        eps=1e-5,
    )
    record(
        "layer_norm.not_affine",
        lambda x: F.layer_norm(x, [3, 5], None, None, 1e-5),
        {"x": 1.0 + normal(2, 3, 5)},
        normalized_shape=[3, 5],
        affine=False,
        bias=True,
        eps=1e-5,
    )


def parameters(channels: int, affine: bool, tracking: bool) -> dict[str, Tensor]:
    params = {"weight": normal(channels), "bias": normal(channels)} if affine else {}
    return params | ({"running_mean": normal(channels), "running_var": positive(channels)} if tracking else {})


def suffix_of(affine: bool, tracking: bool, training: bool) -> str:
    words = ("affine" if affine else "plain", "tracking" if tracking else "own", "training" if training else "evaluation")
    return "_".join(words)


def instance_norm(kind: str, shape: tuple[int, ...], affine: bool, tracking: bool, training: bool) -> None:
    def function(x, weight=None, bias=None, running_mean=None, running_var=None):
        own = training or not tracking
        y = F.instance_norm(x, running_mean, running_var, weight, bias, own, 0.1, 1e-5)  # updates both in place
        return {"y": y} | ({"running_mean": running_mean, "running_var": running_var} if tracking else {})

    record(
        f"{kind}.{suffix_of(affine, tracking, training)}",
        function,
        {"x": 2.0 + normal(*shape, scale=1.5)},
        parameters(shape[1], affine, tracking),
        constants=("running_mean", "running_var"),
        affine=affine,
        track_running_stats=tracking,
        training=training,
        momentum=0.1,
        eps=1e-5,
    )


def batch_norm_options(shape: tuple[int, ...], affine: bool, tracking: bool, training: bool) -> None:
    def function(x, weight=None, bias=None, running_mean=None, running_var=None):
        own = training or not tracking
        y = F.batch_norm(x, running_mean, running_var, weight, bias, own, 0.3, 1e-3)  # updates both in place
        return {"y": y} | ({"running_mean": running_mean, "running_var": running_var} if tracking else {})

    record(
        f"batch_norm2d.{suffix_of(affine, tracking, training)}",
        function,
        {"x": 2.0 + normal(*shape, scale=1.5)},
        parameters(shape[1], affine, tracking),
        constants=("running_mean", "running_var"),
        affine=affine,
        track_running_stats=tracking,
        training=training,
        momentum=0.3,
        eps=1e-3,
    )


def squeeze_excitation() -> None:
    def function(x, **params):
        means = F.adaptive_avg_pool2d(x, 1)
        hidden = F.relu(F.conv2d(means, params["fc1.weight"], params["fc1.bias"]))
        return x * torch.sigmoid(F.conv2d(hidden, params["fc2.weight"], params["fc2.bias"]))

    names = {"fc1.weight": (3, 8, 1, 1), "fc1.bias": (3,), "fc2.weight": (8, 3, 1, 1), "fc2.bias": (8,)}
    params = {name: normal(*shape) for name, shape in names.items()}
    record("squeeze_excitation", function, {"x": normal(2, 8, 3, 4)}, params, input_channels=8, squeeze_channels=3)


def main() -> None:
    torch.manual_seed(4)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for part in (transposed_convolutions, pools, normalisations, squeeze_excitation):
        part()
    path = Path(__file__).with_name("layers.safetensors")
    save_file(tensors, path, {"cases": json.dumps(cases)})
    path.chmod(0o644)
    print(f"{len(cases)} cases, {len(tensors)} tensors, {path.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
