"""Writes transformer.safetensors: what PyTorch computes, in float64, for encoder-decoder transformers.

    python make_transformer.py             (torch==2.13.0, safetensors; CPU, a few seconds)

Keys and the metadata "cases" are those of sequence_models.safetensors (make_sequence_models.py); besides
    <case>.in.target                       i64: what stands before each token of the answers
"""

import json
import math
from pathlib import Path

import make_sequence_models as sequences
import torch
from make_values import cases, tensors
from safetensors.torch import save_file
from torch import nn

VOCABULARY, BATCH, SOURCE, ANSWER = 13, 3, 7, 5


def sinusoids(steps: int, width: int, dtype) -> torch.Tensor:
    position = torch.arange(steps, dtype=dtype)[:, None]
    frequency = 10000 ** (-torch.arange(0, width, 2, dtype=dtype) / width)
    return torch.stack([torch.sin(position * frequency), torch.cos(position * frequency)], -1).flatten(1)


class TransformerModel(nn.Module):
    def __init__(self, width, heads, layers, decoder_layers, hidden, norm_first, activation, tied):
        super().__init__()
        if tied:
            self.embedding = nn.Embedding(VOCABULARY, width)
        else:
            self.source_embedding = nn.Embedding(VOCABULARY, width)
            self.target_embedding = nn.Embedding(VOCABULARY, width)
        self.transformer = nn.Transformer(width, heads, layers, decoder_layers, hidden, 0.0, activation,
                                          batch_first=True, norm_first=norm_first)
        self.generator = nn.Linear(width, VOCABULARY, bias=False)
        if tied:
            self.generator.weight = self.embedding.weight
        self.tied = tied

    def embedded(self, tokens, side):
        table = self.embedding if self.tied else getattr(self, f"{side}_embedding")
        x = table(tokens) * math.sqrt(table.weight.shape[1])
        return x + sinusoids(tokens.shape[1], x.shape[2], x.dtype)

    def forward(self, x, target, lengths=None):
        padding = None
        if lengths is not None:
            padding = torch.arange(x.shape[1])[None, :] >= lengths[:, None]
        mask = torch.ones(target.shape[1], target.shape[1], dtype=torch.bool).triu(1)
        y = self.transformer(self.embedded(x, "source"), self.embedded(target, "target"), tgt_mask=mask,
                             src_key_padding_mask=padding, memory_key_padding_mask=padding)
        return self.generator(y), ()


def one(name: str, width: int, heads: int, layers: int, decoder_layers: int, hidden: int, norm_first: bool,
        activation: str, tied: bool, padded: bool) -> None:
    torch.manual_seed(len(name))
    model = TransformerModel(width, heads, layers, decoder_layers or layers, hidden, norm_first, activation, tied)
    inputs = {"x": torch.randint(VOCABULARY, (BATCH, SOURCE)), "target": torch.randint(VOCABULARY, (BATCH, ANSWER)),
              "labels": torch.randint(-1, VOCABULARY, (BATCH, ANSWER))}
    if padded:
        inputs["lengths"] = torch.tensor([SOURCE, 2, 4])
    sequences.VOCABULARY = VOCABULARY
    sequences.case(name, model, inputs, VOCABULARY, model="transformer", task="translate",
                   options=dict(width=width, heads=heads, layers=layers, decoder_layers=decoder_layers, hidden=hidden,
                                norm_first=norm_first, activation=activation, tied=tied, context=16, dropout=0.0))


def main() -> None:
    one("transformer.post", 8, 2, 2, 0, 16, False, "relu", True, False)
    one("transformer.padded", 8, 2, 2, 0, 12, False, "relu", True, True)
    one("transformer.pre", 12, 3, 1, 2, 16, True, "gelu", False, True)
    path = Path(__file__).with_name("transformer.safetensors")
    save_file({key: value.contiguous().clone() for key, value in tensors.items()}, path,
              metadata={"cases": json.dumps(cases)})
    path.chmod(0o644)


if __name__ == "__main__":
    main()
