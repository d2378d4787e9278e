"""Writes gpt.safetensors: what Hugging Face's GPT-2 and LLaMA compute, in float64, and what they generate.

    python make_gpt.py [--check FOLDER]     (torch==2.13.0, transformers==5.23.0, safetensors; CPU, a few seconds)

Keys and the metadata "cases" are those of sequence_models.safetensors (make_sequence_models.py); besides
    <case>.greedy.prompt, .greedy.tokens   i64: a prompt, and the tokens that greedy generation writes behind it
Metadata "configs": case -> the text of config.json.
With --check: loads every folder FOLDER/<case> (config.json, model.safetensors) with transformers and compares its
logits with the case's: what was saved from here must be readable there.
"""

import argparse
import json
from pathlib import Path

import make_sequence_models as sequences
import torch
from make_values import cases, store, tensors
from safetensors.torch import save_file
from torch import nn
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

VOCABULARY, CONTEXT, BATCH, STEPS = 13, 24, 3, 7
configs: dict[str, str] = {}


class Logits(nn.Module):
    """The network with answers as the other cases have them."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(input_ids=x, use_cache=False).logits, ()

    def named_parameters(self, *args, **kwargs):
        return self.network.named_parameters(*args, **kwargs)

    def state_dict(self, *args, **kwargs):
        state = self.network.state_dict(*args, **kwargs)
        if self.network.config.tie_word_embeddings:
            del state["lm_head.weight"]
        return state


def one(name: str, network, options: dict) -> None:
    network.eval()
    wrapped = Logits(network)
    inputs = {"x": torch.randint(VOCABULARY, (BATCH, STEPS)), "labels": torch.randint(VOCABULARY, (BATCH, STEPS))}
    sequences.VOCABULARY = VOCABULARY
    sequences.case(name, wrapped, inputs, VOCABULARY, model="gpt", task="language_model", options=options)
    network.double()
    prompt = torch.randint(VOCABULARY, (1, 5))
    with torch.no_grad():
        written = network.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=CONTEXT - 5,
                                   do_sample=False, eos_token_id=None, pad_token_id=0)
    store(name, "greedy", {"prompt": prompt[0], "tokens": written[0, 5:]})
    network.float()
    configs[name] = network.config.to_json_string(use_diff=False)


def gpt2(name: str, heads: int, layers: int, tied: bool = True, hidden: int | None = None) -> None:
    config = GPT2Config(vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=12, n_layer=layers, n_head=heads,
                        n_inner=hidden, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, tie_word_embeddings=tied,
                        bos_token_id=0, eos_token_id=0, architectures=["GPT2LMHeadModel"])
    one(f"gpt2.{name}", GPT2LMHeadModel(config),
        dict(form="gpt2", width=12, layers=layers, heads=heads, context=CONTEXT, tied=tied, hidden=hidden or 0))


def llama(name: str, heads: int, kv_heads: int, layers: int, tied: bool = False, base: float = 10000.0) -> None:
    config = LlamaConfig(vocab_size=VOCABULARY, max_position_embeddings=CONTEXT, hidden_size=16, num_hidden_layers=layers,
                         num_attention_heads=heads, num_key_value_heads=kv_heads, intermediate_size=20,
                         rms_norm_eps=1e-5, rope_parameters={"rope_type": "default", "rope_theta": base},
                         tie_word_embeddings=tied, bos_token_id=0, eos_token_id=0,
                         architectures=["LlamaForCausalLM"])
    one(f"llama.{name}", LlamaForCausalLM(config),
        dict(form="llama", width=16, layers=layers, heads=heads, kv_heads=kv_heads, hidden=20, context=CONTEXT,
             tied=tied, rotary_base=base))


def check(folder: Path) -> None:
    for name in cases:
        network = AutoModelForCausalLM.from_pretrained(folder / name).double().eval()
        with torch.no_grad():
            logits = network(input_ids=tensors[f"{name}.in.x"]).logits
        expected = tensors[f"{name}.out.logits"]
        error = ((logits - expected).norm() / expected.norm()).item()
        print(f"{name}: {error:.1e}")
        assert error < 1e-12, name


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", type=Path)
    arguments = parser.parse_args()
    torch.manual_seed(5)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    gpt2("small", heads=3, layers=2)
    gpt2("untied", heads=2, layers=1, tied=False, hidden=20)
    llama("grouped", heads=4, kv_heads=2, layers=2)
    llama("tied", heads=2, kv_heads=2, layers=1, tied=True, base=500.0)
    if arguments.check:
        check(arguments.check)
        return
    path = Path(__file__).with_name("gpt.safetensors")
    save_file(tensors, path, {"cases": json.dumps(cases), "configs": json.dumps(configs)})
    path.chmod(0o644)
    print(f"{len(cases)} cases, {len(tensors)} tensors, {path.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
