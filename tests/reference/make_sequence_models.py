"""Writes sequence_models.safetensors: what PyTorch computes, in float64, for the networks for sequences.

    python make_sequence_models.py         (torch==2.13.0, safetensors; CPU, a few seconds)

Keys
    <case>.param.<name>                    weights, under PyTorch's names
    <case>.in.x, .in.labels, .in.lengths   the batch; tokens, classes and lengths are i64, labels of -1 do not count
    <case>.in.before                       the batch before it in a running text, with whose final state it begins
    <case>.out.logits, .out.loss           what comes out; the loss is the task's, the mean over the labels that count
    <case>.out.state.<i>                   the final state of a language model
    <case>.grad.<name>                     the loss's gradient by every parameter; by a shared one under its first name
Metadata, one JSON text under the key "cases"
    case -> {"model", "task", "options", "input" (of one sample), "classes", "vocabulary" as the model is asked for,
             "float32": how far PyTorch's own float32 results are from those in float64, as |difference| / |value|
             (Euclidean norms) of every out and grad}
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from make_values import cases, normal, store, tensors
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

VOCABULARY, BATCH, STEPS, CLASSES = 11, 3, 6, 4


def recurrent(cell: str, inputs: int, hidden: int, layers: int, bidirectional: bool = False) -> nn.Module:
    options = {"num_layers": layers, "bidirectional": bidirectional, "batch_first": True}
    if cell == "relu-rnn":
        return nn.RNN(inputs, hidden, nonlinearity="relu", **options)
    return {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[cell](inputs, hidden, **options)


def through(rnn: nn.Module, x: Tensor, lengths: Tensor | None, state=None):
    if lengths is None:
        return rnn(x, state)
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    y, state = rnn(packed, state)
    return pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])[0], state


class LanguageModel(nn.Module):
    def __init__(self, cell, embedding, hidden, layers, tied=False):
        super().__init__()
        self.encoder = nn.Embedding(VOCABULARY, embedding)
        self.rnn = recurrent(cell, embedding, hidden, layers)
        self.decoder = nn.Linear(hidden, VOCABULARY)
        if tied:
            self.decoder.weight = self.encoder.weight

    def forward(self, x, lengths=None, before=None):
        state = None
        if before is not None:
            _, state = self.rnn(self.encoder(before))
            state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        y, state = through(self.rnn, self.encoder(x), lengths, state)
        return self.decoder(y), state if isinstance(state, tuple) else (state,)


class Classifier(nn.Module):
    def __init__(self, cell, embedding, hidden, layers, bidirectional, pooling=None):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, embedding)
        self.rnn = recurrent(cell, embedding, hidden, layers, bidirectional)
        self.fc = nn.Linear(hidden * (2 if bidirectional else 1), CLASSES)
        self.pooling = pooling  # None: a class for each token

    def forward(self, x, lengths=None):
        y, state = through(self.rnn, self.embedding(x), lengths)
        if self.pooling is None:
            return self.fc(y), ()
        ends = [x.shape[1]] * len(x) if lengths is None else lengths.tolist()
        if self.pooling == "max":
            features = torch.stack([row[:end].amax(0) for row, end in zip(y, ends)])
        elif self.pooling == "mean":
            features = torch.stack([row[:end].mean(0) for row, end in zip(y, ends)])
        else:
            h = state[0] if isinstance(state, tuple) else state
            features = torch.cat([h[-2], h[-1]], 1) if self.rnn.bidirectional else h[-1]
        return self.fc(features), ()


class TextCnn(nn.Module):
    """Filters over the windows of each text by itself; zeros follow a text that is shorter than a filter."""

    def __init__(self, embedding, filters, heights):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, embedding)
        self.convs = nn.ModuleList(nn.Conv2d(1, filters, (height, embedding)) for height in heights)
        self.fc = nn.Linear(filters * len(heights), CLASSES)

    def forward(self, x, lengths=None):
        ends = [x.shape[1]] * len(x) if lengths is None else lengths.tolist()
        rows = []
        for row, end in zip(x, ends):
            text = self.embedding(row[:end])
            strongest = []
            for conv in self.convs:
                padded = F.pad(text, (0, 0, 0, max(0, conv.kernel_size[0] - end)))
                strongest.append(F.relu(conv(padded[None, None]))[0, :, :, 0].amax(1))
            rows.append(torch.cat(strongest))
        return self.fc(torch.stack(rows)), ()


class Regressor(nn.Module):
    def __init__(self, features, outputs, cell, hidden, layers, residual="none", season=1):
        super().__init__()
        self.rnn = recurrent(cell, features, hidden, layers)
        self.fc = nn.Linear(hidden, outputs)
        self.season = 0 if residual == "none" else 1 if residual == "last" else season

    def forward(self, x):
        _, state = self.rnn(x)
        h = state[0] if isinstance(state, tuple) else state
        found = self.fc(h[-1])
        if self.season:
            ahead = torch.arange(found.shape[1]) % self.season
            found = found + x[:, x.shape[1] - self.season + ahead, -1]
        return found, ()


def values_of(model: nn.Module, inputs: dict[str, Tensor], dtype) -> dict[str, Tensor]:
    """Everything that is compared, by its key."""
    model = model.to(dtype)
    given = {key: value.to(dtype) if value.is_floating_point() else value for key, value in inputs.items()}
    labels = given.pop("labels")
    logits, state = model(**given)
    if labels.is_floating_point():
        loss = F.mse_loss(logits, labels)
    else:
        loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), ignore_index=-1)
    names = [name for name, _ in model.named_parameters()]
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    values = {"out.logits": logits, "out.loss": loss.reshape(1)}
    values |= {f"out.state.{i}": part for i, part in enumerate(state)}
    return values | {f"grad.{name}": gradient for name, gradient in zip(names, gradients)}


def case(name: str, network: nn.Module, inputs: dict[str, Tensor], classes: int, **description) -> None:
    network.double()
    with torch.no_grad():
        for parameter in network.parameters():  # float32 values, so that both types begin with the same
            parameter.copy_(normal(*parameter.shape, scale=0.5).float())
    inputs = {k: v.float().double() if v.is_floating_point() else v for k, v in inputs.items()}
    store(name, "param", {key: value.float() for key, value in network.state_dict().items()})
    store(name, "in", inputs)
    wide = values_of(network, inputs, torch.float64)
    for key, value in wide.items():
        tensors[f"{name}.{key}"] = value.detach().clone().contiguous()
    errors = {
        key: ((value.detach().double() - wide[key]).norm() / wide[key].norm().clamp_min(1e-300)).item()
        for key, value in values_of(network, inputs, torch.float32).items()
    }
    vocabulary = VOCABULARY if inputs["x"].dtype == torch.int64 else 0
    cases[name] = {**description, "input": list(inputs["x"].shape[1:]), "classes": classes, "vocabulary": vocabulary,
                   "float32": errors}


def tokens(*shape: int) -> Tensor:
    return torch.randint(VOCABULARY, shape)


def language_models() -> None:
    def one(name, lengths=None, carried=False, **options):
        labels = tokens(BATCH, STEPS)
        inputs = {"x": tokens(BATCH, STEPS), "labels": labels}
        if carried:
            inputs["before"] = tokens(BATCH, STEPS)
        if lengths is not None:
            inputs["lengths"] = torch.tensor(lengths)
            for row, length in enumerate(lengths):
                labels[row, length:] = -1
        case(f"lm.{name}", LanguageModel(**options), inputs, VOCABULARY, model="rnn-lm", task="language_model",
             options=options)

    one("lstm", cell="lstm", embedding=5, hidden=7, layers=2)
    one("lstm.carried", carried=True, cell="lstm", embedding=5, hidden=7, layers=2)
    one("gru.carried", carried=True, cell="gru", embedding=5, hidden=7, layers=1)
    one("relu-rnn.carried", carried=True, cell="relu-rnn", embedding=5, hidden=7, layers=1)
    one("rnn", cell="rnn", embedding=5, hidden=7, layers=2)
    one("lstm.tied", carried=True, cell="lstm", embedding=6, hidden=6, layers=2, tied=True)
    one("gru.sentences", lengths=[3, STEPS, 1], cell="gru", embedding=5, hidden=7, layers=1)


def classifiers() -> None:
    def one(name, lengths=None, **options):
        inputs = {"x": tokens(BATCH, STEPS), "labels": torch.randint(CLASSES, (BATCH,))}
        if lengths is not None:
            inputs["lengths"] = torch.tensor(lengths)
        case(f"classifier.{name}", Classifier(**options), inputs, CLASSES, model="rnn-classifier",
             task="classify_text", options=options)

    for pooling in ("max", "mean", "last"):
        shape = dict(cell="lstm", embedding=5, hidden=4, layers=2 if pooling == "last" else 1, bidirectional=True)
        one(f"{pooling}.lengths", lengths=[4, 1, STEPS], pooling=pooling, **shape)
        one(pooling, pooling=pooling, **shape)
    one("gru.last", lengths=[4, 1, STEPS], pooling="last", cell="gru", embedding=5, hidden=4, layers=1,
        bidirectional=False)


def taggers() -> None:
    labels = torch.randint(CLASSES, (BATCH, STEPS))
    lengths = torch.tensor([5, STEPS, 2])
    for row, length in enumerate(lengths):
        labels[row, length:] = -1
    options = dict(cell="lstm", embedding=5, hidden=4, layers=1, bidirectional=True)
    inputs = {"x": tokens(BATCH, STEPS), "labels": labels, "lengths": lengths}
    case("tagger.lengths", Classifier(**options), inputs, CLASSES, model="rnn-tagger", task="tag", options=options)


def text_cnns() -> None:
    options = dict(embedding=5, filters=3, heights=[2, 3, 5])
    for name, steps, lengths in (("whole", STEPS, None), ("lengths", STEPS, [2, STEPS, 4, 1]), ("short", 3, [2, 3, 1]),
                                 ("short.whole", 3, None)):
        batch = BATCH if lengths is None else len(lengths)
        inputs = {"x": tokens(batch, steps), "labels": torch.randint(CLASSES, (batch,))}
        if lengths is not None:
            inputs["lengths"] = torch.tensor(lengths)
        case(f"text-cnn.{name}", TextCnn(**options), inputs, CLASSES, model="text-cnn", task="classify_text",
             options=options)


def regressors() -> None:
    for name, outputs, options in (
        ("gru.season", 5, dict(cell="gru", hidden=6, layers=1, residual="season", season=3)),
        ("lstm.last", 2, dict(cell="lstm", hidden=6, layers=2, residual="last")),
        ("relu-rnn", 1, dict(cell="relu-rnn", hidden=6, layers=1)),
    ):
        inputs = {"x": normal(BATCH, STEPS, 2), "labels": normal(BATCH, outputs)}
        case(f"regressor.{name}", Regressor(2, outputs, **options), inputs, outputs, model="rnn-regressor",
             task="forecast", options=options)


def main() -> None:
    torch.manual_seed(7)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    language_models()
    classifiers()
    taggers()
    text_cnns()
    regressors()
    path = Path(__file__).with_name("sequence_models.safetensors")
    save_file(tensors, path, {"cases": json.dumps(cases)})
    path.chmod(0o644)
    print(f"{len(cases)} cases, {len(tensors)} tensors, {path.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
