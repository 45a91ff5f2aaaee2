"""A small model and made-up documents, for the tests of supervised training."""

from pathlib import Path

import torch

from rlvr.agents.lm.qwen3 import Qwen3, Qwen3Config
from rlvr.tasks.rng import Rng
from rlvr.trainers.packing import Document, Documents

WEIGHTS = Path(__file__).resolve().parents[2] / "agents" / "weights" / "tiny"
"""Where the tokenizer is."""
SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
         "head_dim": 8, "intermediate_size": 48, "max_position_embeddings": 512}  # fmt: skip


def small_model(seed=3, vocab_size=64):
    model = Qwen3(Qwen3Config(**SHAPE, vocab_size=vocab_size))
    model.initialise(seed)
    with torch.no_grad():  # new weights are so small that a wrong mask hardly shows
        for weight in model.parameters():
            if weight.dim() == 2:
                weight.mul_(6)
    return model


def made_documents(count, *, longest=60, vocab_size=64, seed=0):
    rng = Rng.named("sft test", seed)
    made = []
    for number in range(count):
        length = 2 + rng.below(longest - 1)
        ids = [rng.below(vocab_size) for _ in range(length)]
        learned = [rng.random() < 0.3 for _ in range(length)]
        learned[1 + rng.below(length - 1)] = True
        made.append(Document(ids, learned, str(number), "even" if number % 2 == 0 else "odd"))
    return Documents.of(made)
