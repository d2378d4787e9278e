"""Writes values.safetensors: what PyTorch computes, in float64, for activations, losses, layers and training parts.

    python make_values.py                  (torch==2.13.0, safetensors; CPU, a few seconds)

Keys
    <case>.in.<name>, <case>.param.<name>            what goes in: data (indices are i64); weights and buffers
    <case>.out.<name>                                what comes out
    <case>.cotangent.<name>                          random v of the shape of out.<name>
    <case>.grad.<name>                               gradient of sum over all outputs of <v, out> by in/param <name>
Metadata, one JSON text under the key "cases" (one key, so that the same run writes the same bytes)
    case -> {"kind", ...arguments as PyTorch names them}; the kind is the test's switch ("conv2d", "huber_loss", ...)
"""

import json
import math
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import lr_scheduler

STEPS = 50  # of every schedule

tensors: dict[str, Tensor] = {}
cases: dict[str, dict] = {}


def normal(*shape: int, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(shape, dtype=torch.float64)


def positive(*shape: int) -> Tensor:
    return 0.5 + torch.rand(shape, dtype=torch.float64)


def store(case: str, group: str, values: dict[str, Tensor]) -> None:
    tensors.update({f"{case}.{group}.{name}": value.detach().clone().contiguous() for name, value in values.items()})


def record(
    case: str,
    function: Callable[..., Tensor | dict[str, Tensor]],
    inputs: dict[str, Tensor],
    params: dict[str, Tensor] | None = None,
    constants: tuple[str, ...] = (),
    **arguments,
) -> None:
    """Stores one differentiable case; everything of floating type that is not named in `constants` gets a gradient."""
    params = params or {}
    assert case not in cases
    cases[case] = {"kind": case.split(".")[0], **arguments}
    store(case, "in", inputs)
    store(case, "param", params)
    leaves = {
        name: value.clone().requires_grad_(value.is_floating_point() and name not in constants)
        for name, value in {**inputs, **params}.items()
    }
    out = function(**leaves)
    out = out if isinstance(out, dict) else {"y": out}
    store(case, "out", out)
    carrying = {name: value for name, value in out.items() if value.requires_grad}
    cotangents = {name: normal(*value.shape) for name, value in carrying.items()}
    store(case, "cotangent", cotangents)
    wanted = {name: leaf for name, leaf in leaves.items() if leaf.requires_grad}
    gradients = torch.autograd.grad(list(carrying.values()), list(wanted.values()), list(cotangents.values()))
    store(case, "grad", dict(zip(wanted, gradients)))


def activations() -> None:
    # Far into both tails as well, where a careless formula overflows or cancels.
    tails = torch.tensor([-800.0, -100.0, -30.0, -5.0, -1e-4, 1e-4, 5.0, 19.0, 21.0, 30.0, 100.0, 800.0])
    x = torch.cat([normal(4, 5, scale=2.0).flatten(), tails.double()]).reshape(4, 8)
    for name in ("sigmoid", "tanh", "relu", "gelu", "silu"):
        record(name, lambda x: getattr(F, name)(x), {"x": x})
    record("gelu_tanh", lambda x: F.gelu(x, approximate="tanh"), {"x": x})
    for slope in (0.01, 0.2):
        record(f"leaky_relu.{slope}", lambda x: F.leaky_relu(x, slope), {"x": x}, negative_slope=slope)
    for alpha in (1.0, 0.7):
        record(f"elu.{alpha}", lambda x: F.elu(x, alpha), {"x": x}, alpha=alpha)
    for beta in (1.0, 2.0):
        # A threshold so high that PyTorch's switch to the identity changes nothing: log(1 + exp(beta x)) / beta.
        record(f"softplus.{beta}", lambda x: F.softplus(x, beta, 200.0), {"x": x}, beta=beta)
    cube = normal(2, 5, 3, scale=3.0)
    cube[0, :, 0] = torch.tensor([1000.0, 999.0, 998.5, -1000.0, 0.0])
    for name in ("softmax", "log_softmax"):
        for dim in (1, -1):
            record(f"{name}.dim{dim}", lambda x: getattr(F, name)(x, dim), {"x": cube}, dim=dim)


def losses() -> None:
    x, target = normal(5, 4, scale=1.5), normal(5, 4, scale=1.5)
    for reduction in ("mean", "sum", "none"):
        how = {"reduction": reduction}
        record(f"mse_loss.{reduction}", lambda x, target: F.mse_loss(x, target, **how), dict(x=x, target=target), **how)
        record(f"l1_loss.{reduction}", lambda x, target: F.l1_loss(x, target, **how), dict(x=x, target=target), **how)
        record(
            f"huber_loss.{reduction}",
            lambda x, target: F.huber_loss(x, target, delta=0.7, **how),
            dict(x=x, target=target),
            delta=0.7,
            **how,
        )
        record(
            f"smooth_l1_loss.{reduction}",
            lambda x, target: F.smooth_l1_loss(x, target, beta=0.7, **how),
            dict(x=x, target=target),
            beta=0.7,
            **how,
        )

    logits, labels = normal(6, 5, scale=2.0), torch.tensor([0, 3, 4, 2, 2, 1])
    some = torch.tensor([0, -100, 4, 2, -100, 1])
    weight = positive(5)
    for p in (1, 2):
        for margin in (1.0, 0.4):
            record(
                f"multi_margin_loss.p{p}_margin{margin}",
                lambda x, target: F.multi_margin_loss(x, target, p, margin),
                dict(x=logits, target=labels),
                p=p,
                margin=margin,
            )
    variants = {
        "plain": dict(target=labels),
        "label_smoothing": dict(target=labels, label_smoothing=0.1),
        "ignore_index": dict(target=some),
        "class_weights": dict(target=labels, weight=weight),
        "all": dict(target=some, weight=weight, label_smoothing=0.1),
    }
    for name, variant in variants.items():
        for reduction in ("mean", "sum", "none"):
            arguments = {
                "label_smoothing": variant.get("label_smoothing", 0.0),
                "ignore_index": -100,
                "reduction": reduction,
            }
            record(
                f"cross_entropy.{name}.{reduction}",
                lambda x, target, weight=None: F.cross_entropy(x, target, weight, **arguments),
                {"x": logits} | {k: v for k, v in variant.items() if isinstance(v, Tensor)},
                constants=("weight",),
                **arguments,
            )
    for reduction in ("mean", "sum", "none"):
        arguments = {"ignore_index": -100, "reduction": reduction}
        record(
            f"nll_loss.{reduction}",
            lambda x, target, weight: F.nll_loss(x, target, weight, **arguments),
            {"x": F.log_softmax(logits, 1), "target": some, "weight": weight},
            constants=("weight",),
            **arguments,
        )

    wide = normal(4, 3, scale=3.0)
    wide[0] = torch.tensor([-800.0, 40.0, 800.0])
    share = torch.rand(4, 3, dtype=torch.float64)
    record(
        "binary_cross_entropy_with_logits.plain",
        lambda x, target: F.binary_cross_entropy_with_logits(x, target),
        dict(x=wide, target=share),
        constants=("target",),
        reduction="mean",
    )
    for reduction in ("mean", "none"):
        record(
            f"binary_cross_entropy_with_logits.pos_weight.{reduction}",
            lambda x, target, pos_weight: F.binary_cross_entropy_with_logits(
                x, target, pos_weight=pos_weight, reduction=reduction
            ),
            dict(x=wide, target=share, pos_weight=positive(3)),
            constants=("target", "pos_weight"),
            reduction=reduction,
        )
    log_p, q = F.log_softmax(normal(4, 5), 1), F.softmax(normal(4, 5), 1)
    q[1, 2] = 0.0  # 0 log 0 = 0
    for reduction in ("batchmean", "sum", "none"):
        record(
            f"kl_div.{reduction}",
            lambda x, target: F.kl_div(x, target, reduction=reduction),
            dict(x=log_p, target=q),
            constants=("target",),
            log_target=False,
            reduction=reduction,
        )
    record(
        "kl_div.log_target",
        lambda x, target: F.kl_div(x, target, reduction="batchmean", log_target=True),
        dict(x=log_p, target=F.log_softmax(normal(4, 5), 1)),
        constants=("target",),
        log_target=True,
        reduction="batchmean",
    )


def convolutions() -> None:
    variants = {
        "plain": (2, 3, (3, 3), {}),
        "no_bias": (2, 3, (3, 3), {"bias": False}),
        "stride": (2, 3, (3, 3), {"stride": [2, 2]}),
        "padding": (2, 3, (3, 3), {"padding": [1, 1]}),
        "stride_padding": (3, 2, (3, 2), {"stride": [2, 1], "padding": [1, 2]}),
        "dilation": (2, 3, (3, 3), {"dilation": [2, 2], "padding": [2, 2]}),
        "dilation_stride": (2, 2, (2, 3), {"dilation": [3, 1], "stride": [2, 2], "padding": [0, 1]}),
        "groups": (4, 6, (3, 3), {"groups": 2, "padding": [1, 1]}),
        "depthwise": (3, 6, (3, 3), {"groups": 3, "stride": [2, 2], "padding": [1, 1]}),
        "pointwise": (5, 4, (1, 1), {}),
    }
    for name, (channels, filters, kernel, options) in variants.items():
        arguments = {"stride": [1, 1], "padding": [0, 0], "dilation": [1, 1], "groups": 1, "bias": True} | options
        params = {"weight": normal(filters, channels // arguments["groups"], *kernel)}
        if arguments["bias"]:
            params["bias"] = normal(filters)
        geometry = {k: v for k, v in arguments.items() if k != "bias"}
        record(
            f"conv2d.{name}",
            lambda x, weight, bias=None: F.conv2d(x, weight, bias, **geometry),
            {"x": normal(2, channels, 7, 6)},
            params,
            **arguments,
        )


def pools() -> None:
    geometries = {
        "plain": {"kernel_size": [2, 2], "stride": [2, 2], "padding": [0, 0]},
        "overlap": {"kernel_size": [3, 3], "stride": [2, 2], "padding": [1, 1]},
        "uneven": {"kernel_size": [2, 3], "stride": [1, 2], "padding": [1, 0]},
    }
    for name, geometry in geometries.items():
        x = normal(2, 2, 7, 6)
        record(f"max_pool2d.{name}", lambda x: F.max_pool2d(x, **geometry), {"x": x}, **geometry)
        for include in (True, False):
            arguments = geometry | {"count_include_pad": include}
            suffix = "include_pad" if include else "exclude_pad"
            record(f"avg_pool2d.{name}_{suffix}", lambda x: F.avg_pool2d(x, **arguments), {"x": x}, **arguments)
    for size in ([1, 1], [3, 2], [5, 4]):
        record(
            f"adaptive_avg_pool2d.{size[0]}x{size[1]}",
            lambda x: F.adaptive_avg_pool2d(x, size),
            {"x": normal(2, 2, 7, 6)},
            output_size=size,
        )


def layers() -> None:
    affine = {"weight": normal(3, 4), "bias": normal(3)}
    record("linear.bias", lambda x, weight, bias: F.linear(x, weight, bias), {"x": normal(5, 4)}, affine, bias=True)
    record(
        "linear.no_bias_3d",
        lambda x, weight: F.linear(x, weight),
        {"x": normal(2, 3, 4)},
        {"weight": normal(3, 4)},
        bias=False,
    )
    convolutions()
    pools()
    for name, shape in {"batch_norm1d": (6, 3), "batch_norm2d": (3, 3, 2, 4)}.items():
        for mode in ("training", "evaluation"):
            arguments = {"training": mode == "training", "momentum": 0.1, "eps": 1e-5}

            def batch_norm(x, weight, bias, running_mean, running_var):
                y = F.batch_norm(x, running_mean, running_var, weight, bias, **arguments)  # updates both in place
                return {"y": y, "running_mean": running_mean, "running_var": running_var}

            record(
                f"{name}.{mode}",
                batch_norm,
                {"x": 2.0 + normal(*shape, scale=1.5)},
                {"weight": normal(3), "bias": normal(3), "running_mean": normal(3), "running_var": positive(3)},
                constants=("running_mean", "running_var"),
                **arguments,
            )
    for name, shape in {"last": [5], "last_two": [3, 5]}.items():
        record(
            f"layer_norm.{name}",
            lambda x, weight, bias: F.layer_norm(x, shape, weight, bias, 1e-5),
            {"x": 1.0 + normal(2, 3, 5)},
            {"weight": normal(*shape), "bias": normal(*shape)},
            normalized_shape=shape,
            eps=1e-5,
        )
    record(
        "embedding",
        lambda indices, weight: F.embedding(indices, weight),
        {"indices": torch.tensor([[1, 0, 6, 1], [3, 1, 6, 2]])},  # repeated, and rows 4 and 5 never
        {"weight": normal(7, 3)},
    )


def clipping() -> None:
    # PyTorch multiplies by max_norm / (norm + 1e-6) where that is below 1.
    grads = {"a": normal(3, 4), "b": normal(5), "c": normal(2, 2, 2)}
    for name, max_norm, norm_type in (("active", 1.5, 2.0), ("idle", 100.0, 2.0), ("inf", 0.5, math.inf)):
        case = f"clip_grad_norm.{name}"
        cases[case] = {"kind": "clip_grad_norm", "max_norm": max_norm, "norm_type": str(norm_type)}
        parameters = {key: nn.Parameter(torch.zeros_like(value)) for key, value in grads.items()}
        for key, parameter in parameters.items():
            parameter.grad = grads[key].clone()
        total = nn.utils.clip_grad_norm_(parameters.values(), max_norm, norm_type)
        store(case, "in", grads)
        store(case, "out", {key: parameter.grad for key, parameter in parameters.items()} | {"total_norm": total})
    cases["clip_grad_value"] = {"kind": "clip_grad_value", "clip_value": 0.6}
    parameter = nn.Parameter(torch.zeros_like(grads["a"]))
    parameter.grad = grads["a"].clone()
    nn.utils.clip_grad_value_([parameter], 0.6)
    store("clip_grad_value", "in", {"a": grads["a"]})
    store("clip_grad_value", "out", {"a": parameter.grad})


class Recorder(Tensor):
    """A tensor that notes the deviation or the bounds that an initialiser of torch.nn.init draws with."""

    def normal_(self, mean=0.0, std=1.0, *, generator=None):
        self.drawn = {"std": std}
        return self

    def uniform_(self, low=0.0, high=1.0, *, generator=None):
        assert low == -high
        self.drawn = {"bound": high}
        return self


def initialisers() -> None:
    shapes = {"linear": [84, 120], "conv": [16, 6, 5, 5], "grouped": [8, 2, 3, 3]}
    for label, shape in shapes.items():

        def keep(case: str, draw: Callable[[Tensor], object], **arguments) -> None:
            weight = torch.empty(shape, dtype=torch.float64).as_subclass(Recorder)
            draw(weight)
            cases[f"{case}.{label}"] = {"kind": case.split(".")[0], "shape": shape, **arguments}
            store(f"{case}.{label}", "out", {k: torch.tensor(v, dtype=torch.float64) for k, v in weight.drawn.items()})

        for gain in (1.0, 5.0 / 3.0):
            suffix = f"gain{gain:.2f}"
            keep(f"xavier_uniform.{suffix}", lambda w: nn.init.xavier_uniform_(w, gain), gain=gain)
            keep(f"xavier_normal.{suffix}", lambda w: nn.init.xavier_normal_(w, gain), gain=gain)
        for mode in ("fan_in", "fan_out"):
            for nonlinearity, a in (("relu", 0.0), ("leaky_relu", 0.2), ("tanh", 0.0), ("linear", 0.0)):
                arguments = {"mode": mode, "nonlinearity": nonlinearity, "a": a}
                for name in ("kaiming_uniform", "kaiming_normal"):
                    keep(
                        f"{name}.{mode}_{nonlinearity}",
                        lambda w: getattr(nn.init, name + "_")(w, **arguments),
                        **arguments,
                    )
        # How nn.Linear and nn.Conv2d draw weight and bias when nothing is said: a = sqrt(5), which is 1 / sqrt(fan in).
        keep("default_weight", lambda w: nn.init.kaiming_uniform_(w, a=math.sqrt(5)))
    for nonlinearity, parameter in (
        ("linear", None),
        ("sigmoid", None),
        ("tanh", None),
        ("relu", None),
        ("leaky_relu", 0.2),
        ("selu", None),
    ):
        cases[f"gain.{nonlinearity}"] = {"kind": "gain", "nonlinearity": nonlinearity, "parameter": parameter}
        gain = nn.init.calculate_gain(nonlinearity, parameter)
        store(f"gain.{nonlinearity}", "out", {"gain": torch.tensor(gain, dtype=torch.float64)})


def schedules() -> None:
    def keep(case: str, rates: list[float], inputs: dict[str, Tensor] | None = None, **arguments) -> None:
        """out.lr[s] is the rate of the update with index s."""
        assert len(rates) == STEPS
        cases[f"schedule.{case}"] = {"kind": "schedule", "name": case, **arguments}
        store(f"schedule.{case}", "in", inputs or {})
        store(f"schedule.{case}", "out", {"lr": torch.tensor(rates, dtype=torch.float64)})

    def rates(build: Callable, metrics: list[float] | None = None) -> list[float]:
        optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
        schedule = build(optimiser)
        collected = []
        for step in range(STEPS):
            collected.append(float(optimiser.param_groups[0]["lr"]))
            optimiser.step()
            schedule.step(*([metrics[step]] if metrics else []))
        return collected

    def simple(case: str, kind: type, arguments: dict) -> None:
        base = {} if "max_lr" in arguments else {"lr": 0.1}
        keep(case, rates(lambda o: kind(o, **arguments)), **base, **arguments)

    simple("step", lr_scheduler.StepLR, {"step_size": 12, "gamma": 0.3})
    simple("multi_step", lr_scheduler.MultiStepLR, {"milestones": [5, 20, 21, 40], "gamma": 0.5})
    simple("exponential", lr_scheduler.ExponentialLR, {"gamma": 0.93})
    simple("cosine", lr_scheduler.CosineAnnealingLR, {"T_max": 50, "eta_min": 0.0})
    simple("cosine_eta_min", lr_scheduler.CosineAnnealingLR, {"T_max": 50, "eta_min": 0.004})
    cycle = {"max_lr": 0.4, "total_steps": 50, "div_factor": 25.0, "final_div_factor": 1e4}
    simple("one_cycle", lr_scheduler.OneCycleLR, cycle | {"pct_start": 0.3, "anneal_strategy": "cos"})
    simple("one_cycle_linear", lr_scheduler.OneCycleLR, cycle | {"pct_start": 0.2, "anneal_strategy": "linear"})

    # Falls, then three stretches without progress (one of them broken by less than the threshold).
    metrics = [2.0 * 0.8**min(step, 9) for step in range(20)] + [0.2] * 8 + [0.19999] * 8 + [0.1] + [0.3] * 13
    for mode in ("rel", "abs"):
        plateau = {"factor": 0.5, "patience": 3, "threshold": 1e-3, "threshold_mode": mode, "cooldown": 2}
        plateau |= {"mode": "min", "min_lr": 0.004, "eps": 1e-8}
        keep(
            f"reduce_on_plateau_{mode}",
            # The loss of step s is reported after its update: it can change out.lr from s + 1 on.
            rates(lambda o: lr_scheduler.ReduceLROnPlateau(o, **plateau), metrics=metrics),
            {"loss": torch.tensor(metrics, dtype=torch.float64)},
            lr=0.1,
            **plateau,
        )

    # Linear warm-up to lr over `warmup` updates, then half a cosine to zero at `total` (the update never made), in both
    # usual countings: from 0, as transformers.get_cosine_schedule_with_warmup, and from 1, which wastes no update.
    warmup = 10
    for first in (0, 1):
        keep(
            f"warmup_cosine_from{first}",
            [
                0.1 * (step + first) / warmup
                if step < warmup
                else 0.1 * 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / (STEPS - warmup)))
                for step in range(STEPS)
            ],
            lr=0.1,
            warmup=warmup,
            total=STEPS,
            first=first,
        )
    # Vaswani et al. 2017, equation 3, where the first update is number 1; and the same curve scaled to a peak of lr.
    width = 512
    curve = [min(n**-0.5, n * warmup**-1.5) for n in range(1, STEPS + 1)]
    keep("inverse_sqrt_vaswani", [width**-0.5 * value for value in curve], d_model=width, warmup=warmup)
    keep("inverse_sqrt_peak", [0.1 * warmup**0.5 * value for value in curve], lr=0.1, warmup=warmup)


def main() -> None:
    torch.manual_seed(2)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for part in (activations, losses, layers, clipping, initialisers, schedules):
        part()
    path = Path(__file__).with_name("values.safetensors")
    save_file(tensors, path, {"cases": json.dumps(cases)})
    path.chmod(0o644)
    print(f"{len(cases)} cases, {len(tensors)} tensors, {path.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
