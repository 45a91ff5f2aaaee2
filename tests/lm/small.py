"""A small random model for tests, and the truth about it: a fresh pass over all tokens at once."""

import torch

from rlvr.agents.lm.attention import PackedAttention
from rlvr.agents.lm.engine import Job
from rlvr.agents.lm.qwen3 import Qwen3, Qwen3Config
from rlvr.agents.lm.sampling import RowSampling, distribution
from rlvr.tasks.rng import Rng

SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "intermediate_size": 48,
    "vocab_size": 200,
    "max_position_embeddings": 1000,
}


def small_model(dtype=torch.float32, seed=3, **shape):
    """Return a model whose next token is neither certain nor uniform."""
    model = Qwen3(Qwen3Config(**{**SHAPE, **shape}))
    model.initialise(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2:
                weight.mul_(5)
    model = model.to(dtype).eval().requires_grad_(False)
    model.set_rotation(dtype)
    return model


def random_ids(rng: Rng, count, vocabulary=200):
    return [rng.below(vocabulary) for _ in range(count)]


def fresh_logits(model, ids):
    """Return the logits at every place of a sequence, from one pass without any cache: `[len(ids), vocab_size]`."""
    with torch.no_grad():
        hidden = model.forward(torch.tensor(ids), torch.arange(len(ids)), PackedAttention([len(ids)]))
        return model.logits(hidden)


def fresh_logprobs(model, job: Job):
    """Return what the log-probabilities of a job's tokens should be."""
    ids = [*job.prompt, *job.tokens]
    logits = fresh_logits(model, ids)[len(job.prompt) - 1 : -1].double()
    how, count = job.sampling, len(job.tokens)
    if how.temperature == 0:
        how = RowSampling()
    found = distribution(
        logits,
        torch.full((count,), how.temperature, dtype=torch.float64),
        torch.full((count,), how.top_k),
        torch.full((count,), how.top_p, dtype=torch.float64),
        torch.full((count,), how.min_p, dtype=torch.float64),
    )
    return found.gather(1, torch.tensor(job.tokens)[:, None])[:, 0]


def worst(model, jobs):
    """Return the largest difference between recorded and true log-probabilities."""
    return max(
        float((fresh_logprobs(model, job) - torch.tensor(job.logprobs, dtype=torch.float64)).abs().max())
        for job in jobs
    )
