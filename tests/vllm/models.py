"""Small models of random weights, and what our own forward pass says about them."""

import asyncio
import shutil
from pathlib import Path

import pytest
import torch

from rlvr.agents.lm.attention import PackedAttention
from rlvr.agents.lm.qwen3 import random_model, save
from rlvr.agents.types import Sampling

TOKENIZER = Path(__file__).resolve().parents[2] / "agents" / "weights" / "tiny"
CONTEXT = 1024
PROMPT = (4, *range(100, 140), 1, 5)
GREEDY = Sampling(temperature=0, max_tokens=24, logprobs=True)


def ask(runner, policy, *requests):
    return runner.run(policy.generate(requests))


async def under_way(policy, count):
    """Wait until the engine has so many requests."""
    while policy._engine.unfinished != count:
        await asyncio.sleep(0.01)


def filtered(logits, sampling):
    """The sampling distribution, as the interface defines it: temperature, top-k, top-p, min-p, renormalised."""
    probabilities = torch.softmax(logits.double() / (sampling.temperature or 1.0), -1)
    order = probabilities.sort(descending=True)
    ranked = order.values.clone()
    if sampling.top_k:
        ranked[sampling.top_k :] = 0
    ranked /= ranked.sum()
    before = ranked.cumsum(-1) - ranked
    ranked[before >= sampling.top_p] = 0
    ranked[ranked < sampling.min_p * ranked[0]] = 0
    kept = torch.zeros_like(probabilities).scatter(-1, order.indices, ranked)
    return (kept / kept.sum()).log()


def check_logprobs(model, completion, sampling):
    ids = (*completion.prompt_token_ids, *completion.token_ids)
    logits = model.logits(ids)[len(completion.prompt_token_ids) - 1 : -1]
    for place, (token, found) in enumerate(zip(completion.token_ids, completion.logprobs, strict=True)):
        assert found == pytest.approx(filtered(logits[place], sampling)[token].item(), abs=1e-4)
    return logits


def make_model(folder: Path, seed: int):
    """Write a model whose answers wander: its blocks say more than the embedding of the last token."""
    model = random_model(folder, seed, num_hidden_layers=3)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith((".out", ".down", ".qkv", ".gate_up")):
                weight.mul_(8)
            elif name == "embedding":
                weight.mul_(5)
    save(model, folder, torch.float32)
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"):
        shutil.copy(TOKENIZER / file, folder / file)
    return model


class Model:
    """A folder with a model, and our own implementation of the same."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.own = make_model(folder, seed)

    def logits(self, ids):
        """Return the logits of our own forward pass at every place of a sequence, float32."""
        with torch.inference_mode():
            tokens = torch.tensor(ids)
            return self.own.logits(self.own.forward(tokens, torch.arange(len(ids)), PackedAttention([len(ids)])))
