"""A start from which a small model copies: two heads that together make an induction head.

An induction head (Olsson et al. 2022, arXiv 2209.11895) finds the place where the present token stood before and says
what followed. A model from scratch discovers it late: of a few million weights and tens of millions of tokens, never in
our runs (a shape with 2.8 million weights learned 3.4 million answers and still named options that were not on offer).
So its start is written down, and learning goes on from there: in the first block one head attends to the previous
token and writes what it was into a third of the residual stream that embeddings leave empty; in the second one another
head looks for that by what the present token is. The placing is ours; the idea that attention may start with
structure instead of noise is that of Trockman and Kolter 2023 (arXiv 2305.09828).
"""

import math

import torch
from torch import Tensor

from ..agents.lm.qwen3 import Block, Qwen3
from ..tasks.errors import UserError

SHARPNESS = 1.7
"""Gains of queries and keys in both blocks: scores are multiplied by its square."""
FASTEST = 4
"""Pairs of dimensions that tell the previous token: the fastest to turn, since they tell neighbours apart."""
SLOWEST_RATE = 0.003
"""Radians a token: pairs that turn more slowly compare tokens hundreds of places apart."""
FAINT = 0.1
"""The share of its noise that a head keeps."""
EMBEDDING_GAIN = 2.5
READ = 0.5
WRITE_PREVIOUS, WRITE_COPY = 4.0, 8.0
"""What the heads add to the residual stream, in deviations of the embeddings, for an input of one deviation."""


def set_induction(model: Qwen3) -> None:
    """Change new weights so that the first two blocks copy.

    Raises:
        UserError: The shape has no room for it.
    """
    config = model.config
    hidden, size = config.hidden_size, config.head_dim
    rates = config.rope_theta ** (-torch.arange(0, size, 2, dtype=torch.float32) / size)
    slow = [pair for pair in range(size // 2) if rates[pair] < SLOWEST_RATE]
    if (
        config.num_attention_heads != config.num_key_value_heads
        or config.num_attention_heads < 2
        or config.num_hidden_layers < 2
        or 3 * size > hidden
        or not slow
    ):
        raise UserError(
            "model.induction needs two blocks, two heads with keys of their own, a head_dim of at most a third of "
            "hidden_size, and a rope_theta that turns some pairs slowly (1000000 does)."
        )
    own = range(1, 1 + size)  # where both heads read the token; 0 is the same for all tokens
    free = range(hidden - size, hidden)
    with torch.no_grad():
        model.embedding.mul_(EMBEDDING_GAIN)
        spread = float(model.embedding.std())
        model.embedding[:, hidden - size :] = 0
        model.embedding[:, 0] = spread * math.sqrt(hidden) / 2

        first, second = model.blocks[0], model.blocks[1]
        assert isinstance(first, Block) and isinstance(second, Block)
        query, key, value, out = _head(first, 0)
        for pair in range(FASTEST):
            key[pair, 0] = READ
            # turned back by one token, so that it fits best the key one place earlier
            query[pair, 0] = READ * math.cos(rates[pair])
            query[pair + size // 2, 0] = -READ * math.sin(rates[pair])
        for place in range(size):
            value[place, own[place]] = READ
            out[free[place], place] = READ * WRITE_PREVIOUS * spread

        query, key, value, out = _head(second, 1)
        for place, dimension in enumerate([*slow, *(pair + size // 2 for pair in slow)]):
            query[dimension, own[place]] = READ
            key[dimension, free[place]] = READ
        for place in range(size):
            value[place, own[place]] = READ
            out[own[place], place] = READ * WRITE_COPY * spread


def _head(block: Block, head: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return a head's query, key and value weights `[head_dim, hidden]` and output weights `[hidden, head_dim]`."""
    size, heads = block.head_dim, block.heads
    block.qk_norm.fill_(SHARPNESS)
    parts = [block.qkv[start * size : (start + 1) * size] for start in (head, heads + head, 2 * heads + head)]
    parts.append(block.out[:, head * size : (head + 1) * size])
    for part in parts:
        part.mul_(FAINT)
    return parts[0], parts[1], parts[2], parts[3]
