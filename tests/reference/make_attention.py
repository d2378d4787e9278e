"""Writes attention.safetensors: what PyTorch computes, in float64, for attention, positions and transformer layers.

    python make_attention.py               (torch==2.13.0, safetensors; CPU, a few seconds)

Keys and metadata are those of make_recurrent.py ("float32": how far PyTorch's own float32 results are from float64).
"""

import json
import math
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from make_recurrent import float32_errors
from make_values import cases, normal, record, tensors
from safetensors.torch import save_file
from torch import Tensor, nn

BATCH, TIME, KEYS, WIDTH, HEADS = 2, 5, 4, 6, 3
LENGTHS = torch.tensor([3, 1])


def case(name: str, function: Callable, inputs: dict[str, Tensor], params: dict[str, Tensor] | None = None, **arguments):
    def results(**leaves: Tensor) -> dict[str, Tensor]:
        out = function(**leaves)
        return out if isinstance(out, dict) else {"y": out}

    record(name, results, inputs, params, **arguments)
    cases[name]["float32"] = float32_errors(name, results)


def allowed_by(lengths: Tensor, keys: int) -> Tensor:
    """(batch, 1, 1, keys)"""
    return (torch.arange(keys) < lengths[:, None])[:, None, None]


def scaled_dot_product() -> None:
    def inputs(queries: int, keys: int, heads: int = 2, kv_heads: int = 2) -> dict[str, Tensor]:
        return {
            "q": normal(BATCH, queries, heads, 4),
            "k": normal(BATCH, keys, kv_heads, 4),
            "v": normal(BATCH, keys, kv_heads, 3),
        }

    def attend(q, k, v, **options):
        y = F.scaled_dot_product_attention(*(x.transpose(1, 2) for x in (q, k, v)), **options)
        return y.transpose(1, 2)

    case("attention.plain", attend, inputs(TIME, KEYS))
    case("attention.causal", lambda **x: attend(**x, is_causal=True), inputs(TIME, TIME), causal=True)
    case("attention.scale", lambda **x: attend(**x, scale=0.3), inputs(TIME, KEYS), scale=0.3)
    case("attention.grouped", lambda **x: attend(**x, enable_gqa=True), inputs(TIME, KEYS, 6, 2))
    case(
        "attention.lengths",
        lambda lengths, **x: attend(**x, attn_mask=allowed_by(lengths, KEYS)),
        inputs(TIME, KEYS) | {"lengths": LENGTHS},
    )
    case(
        "attention.mask",
        lambda mask, **x: attend(**x, attn_mask=mask),
        inputs(TIME, KEYS) | {"mask": normal(1, 2, TIME, KEYS)},
    )

    def from_places(first, **x):
        places = first[:, None] + torch.arange(2)
        return attend(**x, attn_mask=(torch.arange(TIME) <= places[:, :, None])[:, None])

    case("attention.first", from_places, inputs(2, TIME) | {"first": torch.tensor([3, 1])}, causal=True)

    def in_window(**x):
        i, j = torch.arange(TIME)[:, None], torch.arange(TIME)
        return attend(**x, attn_mask=(j <= i) & (i - j < 3))

    case("attention.window", in_window, inputs(TIME, TIME), causal=True, window=3)

    def with_slopes(slopes, **x):
        i, j = torch.arange(TIME)[:, None], torch.arange(TIME)
        return attend(**x, attn_mask=-slopes[:, None, None] * (i - j).abs())

    case("attention.slopes", with_slopes, inputs(TIME, TIME) | {"slopes": torch.rand(2, dtype=torch.float64)})


def multi_head() -> None:
    def weights(rows: int = 3 * WIDTH, bias: bool = True, separate: tuple[int, int] | None = None):
        result = {}
        if separate:
            widths = (WIDTH, *separate)
            result |= {f"{part}_proj_weight": normal(WIDTH, width, scale=0.5) for part, width in zip("qkv", widths)}
        else:
            result["in_proj_weight"] = normal(rows, WIDTH, scale=0.5)
        if bias:
            result["in_proj_bias"] = normal(rows)
        result["out_proj.weight"] = normal(WIDTH, WIDTH, scale=0.5)
        if bias:
            result["out_proj.bias"] = normal(WIDTH)
        return result

    def layer(dtype, bias=True, separate=None):
        widths = dict(zip(("kdim", "vdim"), separate)) if separate else {}
        return nn.MultiheadAttention(WIDTH, HEADS, bias=bias, batch_first=True, dtype=dtype, **widths)

    def run(query, key, value, bias=True, separate=None, **rest):
        options = {name: rest.pop(name) for name in ("key_padding_mask", "attn_mask") if name in rest}
        module = layer(query.dtype, bias, separate)
        y, p = torch.func.functional_call(
            module, rest, (query, key, value), options | {"average_attn_weights": False, "need_weights": True}
        )
        return {"y": y, "p": p}

    def self_attention(x, **rest):
        return run(x, x, x, **rest)

    x = normal(BATCH, TIME, WIDTH)
    case("multi_head.self", self_attention, {"x": x}, weights(), heads=HEADS)
    case("multi_head.no_bias", lambda **a: self_attention(**a, bias=False), {"x": x}, weights(bias=False), heads=HEADS)
    later = torch.ones(TIME, TIME, dtype=torch.bool).triu(1)
    case(
        "multi_head.causal",
        lambda **a: self_attention(**a, attn_mask=later),
        {"x": normal(BATCH, TIME, WIDTH)},
        weights(),
        heads=HEADS,
        causal=True,
    )
    cross = {"query": normal(BATCH, TIME, WIDTH), "key": normal(BATCH, KEYS, WIDTH), "value": normal(BATCH, KEYS, WIDTH)}
    case("multi_head.cross", run, cross, weights(), heads=HEADS)
    case(
        "multi_head.lengths",
        lambda lengths, **a: run(**a, key_padding_mask=torch.arange(KEYS) >= lengths[:, None]),
        cross | {"lengths": LENGTHS},
        weights(),
        heads=HEADS,
    )
    widths = (3, 5)
    apart = {"query": normal(BATCH, TIME, WIDTH), "key": normal(BATCH, KEYS, 3), "value": normal(BATCH, KEYS, 5)}
    case(
        "multi_head.widths",
        lambda **a: run(**a, separate=widths),
        apart,
        weights(separate=widths),
        heads=HEADS,
        key_width=3,
        value_width=5,
    )

    def grouped(x, **w):
        size = WIDTH // HEADS
        q, k, v = (x @ w["in_proj_weight"].T + w["in_proj_bias"]).split([WIDTH, size, size], -1)
        q = q.unflatten(-1, (HEADS, size)).transpose(1, 2)
        p = torch.softmax(q @ k[:, None].transpose(-1, -2) / math.sqrt(size), -1)
        y = (p @ v[:, None]).transpose(1, 2).flatten(2)
        return {"y": y @ w["out_proj.weight"].T + w["out_proj.bias"], "p": p}

    case(
        "multi_head.grouped", grouped, {"x": x}, weights(WIDTH + 2 * WIDTH // HEADS), heads=HEADS, kv_heads=1
    )


def layers() -> None:
    activations = {"relu": F.relu, "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh")}

    def parameters(module: nn.Module) -> dict[str, Tensor]:
        return {name: normal(*p.shape, scale=0.5) for name, p in module.named_parameters()}

    for norm_first in (False, True):
        for activation in activations:
            options = dict(
                d_model=WIDTH, nhead=HEADS, dim_feedforward=7, dropout=0.0, activation=activations[activation],
                norm_first=norm_first, batch_first=True,
            )
            name = ("pre" if norm_first else "post") + "." + activation
            arguments = dict(heads=HEADS, feed_forward=7, activation=activation, norm_first=norm_first)

            def encode(x, lengths, options=options, **weights):
                module = nn.TransformerEncoderLayer(**options, dtype=x.dtype)
                hidden = torch.arange(TIME) >= lengths[:, None]
                return torch.func.functional_call(module, weights, (x,), {"src_key_padding_mask": hidden})

            def decode(x, memory, lengths, options=options, **weights):
                module = nn.TransformerDecoderLayer(**options, dtype=x.dtype)
                hidden = torch.arange(KEYS) >= lengths[:, None]
                later = torch.ones(TIME, TIME, dtype=torch.bool).triu(1)
                masks = {"tgt_mask": later, "memory_key_padding_mask": hidden}
                return torch.func.functional_call(module, weights, (x, memory), masks)

            inputs = {"x": normal(BATCH, TIME, WIDTH), "lengths": LENGTHS}
            case(f"encoder_layer.{name}", encode, inputs, parameters(nn.TransformerEncoderLayer(**options)), **arguments)
            inputs |= {"memory": normal(BATCH, KEYS, WIDTH)}
            case(f"decoder_layer.{name}", decode, inputs, parameters(nn.TransformerDecoderLayer(**options)), **arguments)

    def swiglu(x, **w):
        return (F.silu(x @ w["gate_proj.weight"].T) * (x @ w["up_proj.weight"].T)) @ w["down_proj.weight"].T

    weights = {"gate_proj.weight": normal(7, WIDTH), "up_proj.weight": normal(7, WIDTH), "down_proj.weight": normal(WIDTH, 7)}
    case("swiglu", swiglu, {"x": normal(BATCH, TIME, WIDTH)}, weights, hidden=7)


def positions() -> None:
    def sinusoidal(x):
        angle = torch.arange(x.shape[1], dtype=x.dtype)[:, None] / 10000 ** (torch.arange(0, WIDTH, 2, dtype=x.dtype) / WIDTH)
        return x + torch.stack([angle.sin(), angle.cos()], -1).flatten(1)

    case("sinusoidal", sinusoidal, {"x": normal(BATCH, TIME, WIDTH)})
    case(
        "learned", lambda x, weight: x + weight[: x.shape[1]], {"x": normal(BATCH, TIME, WIDTH)}, {"weight": normal(9, WIDTH)}
    )

    def rotary(x, positions, neighbours: bool, width: int, base: float):
        # As products of complex numbers: a pair (a, b) is a + ib and is turned by e^(i angle).
        angle = positions[..., None].to(x.dtype) * base ** (-torch.arange(0, width, 2, dtype=x.dtype) / width)
        turn = torch.polar(torch.ones_like(angle), angle)[:, :, None]
        front, rest = x[..., :width], x[..., width:]
        a, b = (front[..., ::2], front[..., 1::2]) if neighbours else front.chunk(2, -1)
        turned = torch.complex(a, b) * turn
        y = torch.stack([turned.real, turned.imag], -1).flatten(-2) if neighbours else torch.cat([turned.real, turned.imag], -1)
        return torch.cat([y, rest], -1)

    where = torch.tensor([[0, 1, 2, 3, 4], [100, 7, 8, 2000, 9]])
    for neighbours in (False, True):
        for width, base in ((8, 10000.0), (4, 500000.0)):
            case(
                f"rotary.{'neighbours' if neighbours else 'halves'}.{width}",
                lambda x, positions: rotary(x, positions, neighbours, width, base),
                {"x": normal(BATCH, TIME, 2, 8), "positions": where},
                neighbours=neighbours,
                width=width,
                base=base,
            )

    def bucket(distance: int, buckets: int, farthest: int, bidirectional: bool) -> int:
        start = 0
        if bidirectional:
            buckets //= 2
            start = buckets if distance > 0 else 0
            distance = abs(distance)
        else:
            distance = max(-distance, 0)
        exact = buckets // 2
        if distance < exact:
            return start + distance
        share = math.log(distance / exact) / math.log(farthest / exact)
        return start + min(exact + int(share * (buckets - exact)), buckets - 1)

    for bidirectional in (False, True):
        table = [[bucket(j - i, 8, 20, bidirectional) for j in range(30)] for i in range(30)]
        case(
            f"relative.{'both' if bidirectional else 'one'}",
            lambda scale, weight: scale * weight[torch.tensor(table)].permute(2, 0, 1)[None],
            {"scale": normal(1)},
            {"weight": normal(8, 2)},
            buckets=8,
            max_distance=20,
            bidirectional=bidirectional,
        )
    for heads in (1, 4, 6, 12):  # the paper's slopes: a geometric sequence that starts at its own ratio
        power = 2 ** int(math.log2(heads))
        slopes = [2 ** (-8 * (k + 1) / power) for k in range(power)]
        slopes += [2 ** (-8 * (k + 1) / (2 * power)) for k in range(0, 2 * power, 2)][: heads - power]
        case(f"alibi.{heads}", lambda x: x * torch.tensor(slopes, dtype=x.dtype), {"x": normal(heads)})


def scores() -> None:
    queries, width, units = 3, 4, 5

    def attend(query, keys, lengths, score):
        s = score(query, keys).masked_fill(~allowed_by(lengths, KEYS)[:, 0], -torch.inf)
        p = torch.softmax(s, -1)
        return {"y": p @ keys, "p": p}

    def inputs(key_width: int):
        return {"query": normal(BATCH, queries, width), "keys": normal(BATCH, KEYS, key_width), "lengths": LENGTHS}

    def dot(query, keys, lengths):
        return attend(query, keys, lengths, lambda q, k: q @ k.transpose(1, 2))

    def general(query, keys, lengths, weight):
        return attend(query, keys, lengths, lambda q, k: q @ weight @ k.transpose(1, 2))

    def additive(query, keys, lengths, query_weight, key_weight, v):
        def score(q, k):
            return torch.tanh((q @ query_weight.T)[:, :, None] + (k @ key_weight.T)[:, None]) @ v

        return attend(query, keys, lengths, score)

    def concat(query, keys, lengths, weight, v):
        def score(q, k):
            shape = (BATCH, queries, KEYS, -1)
            both = torch.cat([q[:, :, None].expand(shape), k[:, None].expand(shape)], -1)
            return torch.tanh(both @ weight.T) @ v

        return attend(query, keys, lengths, score)

    case("score.dot", dot, inputs(width), score="dot")
    case("score.general", general, inputs(3), {"weight": normal(width, 3)}, score="general")
    weights = {"query_weight": normal(units, width), "key_weight": normal(units, 3), "v": normal(units)}
    case("score.additive", additive, inputs(3), weights, score="additive", units=units)
    case("score.concat", concat, inputs(3), {"weight": normal(units, width + 3), "v": normal(units)}, score="concat", units=units)


def main() -> None:
    torch.manual_seed(6)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    scaled_dot_product()
    multi_head()
    layers()
    positions()
    scores()
    path = Path(__file__).with_name("attention.safetensors")
    save_file(tensors, path, {"cases": json.dumps(cases)})
    path.chmod(0o644)
    print(f"{len(cases)} cases, {len(tensors)} tensors, {path.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
