"""Writes recurrent.safetensors: what PyTorch computes, in float64, for recurrent layers and cells.

    python make_recurrent.py               (torch==2.13.0, safetensors; CPU, a few seconds)

Keys and metadata are those of make_values.py. Metadata have one more entry for each case: "float32", how far PyTorch's
own float32 results are from those in float64, as |difference| / |value| (Euclidean norms) of every out and grad.
"""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from make_values import cases, normal, record, tensors
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

TIME, BATCH, INPUTS, UNITS = 4, 3, 2, 3
GATES = {"rnn": 1, "lstm": 4, "gru": 3, "gru_before": 3}
LENGTHS = torch.tensor([3, 4, 1])


def parameters(kind: str, layers: int, directions: int, bias: str, projection: int) -> dict[str, Tensor]:
    gates, outputs = GATES[kind] * UNITS, projection or UNITS
    result = {}
    for layer in range(layers):
        for suffix in ("", "_reverse")[:directions]:
            name = f"l{layer}{suffix}"
            width = INPUTS if layer == 0 else directions * outputs
            result[f"weight_ih_{name}"] = normal(gates, width, scale=0.6)
            result[f"weight_hh_{name}"] = normal(gates, outputs, scale=0.6)
            if bias != "none":
                result[f"bias_ih_{name}"] = normal(gates)
            if bias == "two":
                result[f"bias_hh_{name}"] = normal(gates)
            if projection:
                result[f"weight_hr_{name}"] = normal(projection, UNITS)
    return result


def torch_layer(kind: str, layers: int, directions: int, bias: str, projection: int, nonlinearity: str, dtype):
    options = {"num_layers": layers, "bidirectional": directions == 2, "bias": bias != "none", "dtype": dtype}
    if kind == "rnn":
        options["nonlinearity"] = nonlinearity
    if kind == "lstm":
        options["proj_size"] = projection
    return getattr(nn, kind.upper())(INPUTS, UNITS, **options)


def through_torch(kind: str, layers: int, directions: int, bias: str, projection: int, nonlinearity: str):
    """A function of x (batch, time, inputs), the states and the parameters; with one bias, the other one is zero."""

    def function(x, lengths=None, h0=None, c0=None, **weights):
        layer = torch_layer(kind, layers, directions, bias, projection, nonlinearity, x.dtype)
        if bias == "one":
            weights |= {k.replace("_ih_", "_hh_"): torch.zeros_like(v) for k, v in weights.items() if "bias_ih" in k}
        sequence = x.transpose(0, 1)
        if lengths is not None:
            sequence = pack_padded_sequence(sequence, lengths, enforce_sorted=False)
        state = None if h0 is None else (h0, c0) if kind == "lstm" else h0
        y, last = torch.func.functional_call(layer, weights, (sequence, state))
        if lengths is not None:
            y, _ = pad_packed_sequence(y, total_length=x.shape[1])
        h, c = last if kind == "lstm" else (last, None)
        return {"y": y.transpose(0, 1), "h": h} | ({} if c is None else {"c": c})

    return function


def reset_before(layers: int, directions: int):
    """A GRU whose reset gate acts on the state before the product; PyTorch has none."""

    def direction(x, h, length, weights, name, reverse):
        bias = weights.get(f"bias_ih_{name}", torch.zeros(3 * UNITS, dtype=x.dtype))
        bias = bias + weights.get(f"bias_hh_{name}", torch.zeros_like(bias))
        p = x @ weights[f"weight_ih_{name}"].T + bias
        w_r, w_z, w_n = weights[f"weight_hh_{name}"].split(UNITS)
        y = [torch.zeros_like(h)] * len(x)
        for t in reversed(range(length)) if reverse else range(length):
            p_r, p_z, p_n = p[t].split(UNITS)
            r, z = torch.sigmoid(p_r + w_r @ h), torch.sigmoid(p_z + w_z @ h)
            n = torch.tanh(p_n + w_n @ (r * h))
            y[t] = h = (1 - z) * n + z * h
        return torch.stack(y), h

    def function(x, lengths=None, h0=None, **weights):
        sequences, states = [], []
        for n in range(len(x)):
            y, last = x[n], []
            length = x.shape[1] if lengths is None else int(lengths[n])
            for layer in range(layers):
                both = []
                for d in range(directions):
                    h = torch.zeros(UNITS, dtype=x.dtype) if h0 is None else h0[layer * directions + d, n]
                    name = f"l{layer}" + ("_reverse" if d else "")
                    out, h = direction(y, h, length, weights, name, d == 1)
                    both.append(out)
                    last.append(h)
                y = torch.cat(both, -1)
            sequences.append(y)
            states.append(torch.stack(last))
        return {"y": torch.stack(sequences), "h": torch.stack(states, 1)}

    return function


def float32_errors(case: str, function: Callable) -> dict[str, float]:
    def group(name: str, dtype=torch.float32) -> dict[str, Tensor]:
        start = f"{case}.{name}."
        found = {key[len(start) :]: value for key, value in tensors.items() if key.startswith(start)}
        return {key: value.to(dtype) if value.is_floating_point() else value for key, value in found.items()}

    leaves = {**group("in"), **group("param")}
    leaves = {key: value.clone().requires_grad_(value.is_floating_point()) for key, value in leaves.items()}
    out = function(**leaves)
    cotangents = group("cotangent")
    wanted = {key: leaf for key, leaf in leaves.items() if leaf.requires_grad}
    gradients = torch.autograd.grad([out[k] for k in cotangents], list(wanted.values()), list(cotangents.values()))
    got = {f"out.{k}": v for k, v in out.items()} | {f"grad.{k}": v for k, v in zip(wanted, gradients)}
    errors = {}
    for key, value in got.items():
        expected = tensors[f"{case}.{key}"]
        errors[key] = ((value.double() - expected).norm() / expected.norm().clamp_min(1e-300)).item()
    return errors


def layer_case(kind: str, layers=1, bidirectional=False, bias="two", projection=0, packed=False, state=True,
               nonlinearity="tanh") -> None:
    directions = 2 if bidirectional else 1
    options = dict(units=UNITS, layers=layers, bidirectional=bidirectional, bias=bias, projection=projection,
                   nonlinearity=nonlinearity)
    parts = [kind, nonlinearity if kind == "rnn" else "", f"l{layers}", "both" if bidirectional else "", bias,
             f"projected{projection}" if projection else "", "packed" if packed else "", "" if state else "from_zero"]
    case = ".".join(part for part in parts if part)
    if kind == "gru_before":
        function = reset_before(layers, directions)
    else:
        function = through_torch(kind, layers, directions, bias, projection, nonlinearity)
    inputs = {"x": normal(BATCH, TIME, INPUTS)}
    if packed:
        inputs["lengths"] = LENGTHS
    if state:
        inputs["h0"] = normal(layers * directions, BATCH, projection or UNITS)
        if kind == "lstm":
            inputs["c0"] = normal(layers * directions, BATCH, UNITS)
    record(case, function, inputs, parameters(kind, layers, directions, bias, projection), **options)
    cases[case]["float32"] = float32_errors(case, function)


def layers() -> None:
    kinds = [("rnn", "tanh"), ("rnn", "relu"), ("lstm", "tanh"), ("gru", "tanh"), ("gru_before", "tanh")]
    for kind, nonlinearity in kinds:
        for count in (1, 2):
            for bidirectional in (False, True):
                for packed in (False, True):
                    layer_case(kind, count, bidirectional, packed=packed, nonlinearity=nonlinearity)
        layer_case(kind, bias="none", nonlinearity=nonlinearity)
        layer_case(kind, bias="one", packed=True, nonlinearity=nonlinearity)
        layer_case(kind, bidirectional=True, state=False, nonlinearity=nonlinearity)
    for count, bidirectional, packed in ((1, False, False), (2, True, False), (2, True, True), (1, True, True)):
        layer_case("lstm", count, bidirectional, packed=packed, projection=2)


def cells() -> None:
    for kind, gates in (("rnn", 1), ("lstm", 4), ("gru", 3)):
        cell = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}[kind]

        def function(x, h0, c0=None, **weights):
            module = cell(INPUTS, UNITS, dtype=x.dtype)
            result = torch.func.functional_call(module, weights, (x, (h0, c0) if kind == "lstm" else h0))
            return {"h": result[0], "c": result[1]} if kind == "lstm" else {"h": result}

        inputs = {"x": normal(BATCH, INPUTS), "h0": normal(BATCH, UNITS)}
        if kind == "lstm":
            inputs["c0"] = normal(BATCH, UNITS)
        weights = {
            "weight_ih": normal(gates * UNITS, INPUTS),
            "weight_hh": normal(gates * UNITS, UNITS),
            "bias_ih": normal(gates * UNITS),
            "bias_hh": normal(gates * UNITS),
        }
        record(f"{kind}_cell", function, inputs, weights)
        cases[f"{kind}_cell"]["float32"] = float32_errors(f"{kind}_cell", function)


def main() -> None:
    torch.manual_seed(5)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    layers()
    cells()
    path = Path(__file__).with_name("recurrent.safetensors")
    save_file(tensors, path, {"cases": json.dumps(cases)})
    path.chmod(0o644)
    print(f"{len(cases)} cases, {len(tensors)} tensors, {path.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
