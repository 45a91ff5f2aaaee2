"""Attention for training: documents laid end to end, each token sees its own document's past.

A CPU spends half of a small model's step in attention. `BlockAttention` is made for that: blocks of 128 queries, all
heads of a group of keys in one product, only the keys that some query of the block may see, and probabilities that
are kept for the backward pass where that is cheaper than computing them again. Measured beside torch's fused kernel
it takes about half of the time at documents of 500 tokens (`benchmarks/sft.py`).
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..agents.lm.dense import dense

QUERIES = 128
"""Queries in a block: their scores against a document's keys should stay in a core's own cache."""
KEPT_KEYS = 2048
"""Probabilities of blocks with more keys are computed again in the backward pass instead of kept: they grow with the
square of a document's length."""


SPAN = 512
"""Queries of several documents share a block while its keys are no more than these."""


class Block(NamedTuple):
    """Consecutive queries, and the keys that one of them or another may see."""

    start: int
    end: int
    """Behind the last of the queries."""
    first_key: int
    """The first token of the document that the first query is in."""
    end_key: int
    """Behind the last query's own token."""
    open: int
    """So many of the keys are seen by all queries of the block."""
    mask: Tensor
    """`[queries, keys - open]`, float32: 0 where a key is seen, else minus infinity."""


def blocks_of(lengths: Sequence[int], wanted: Tensor | None = None) -> list[Block]:
    """Return the blocks of documents laid end to end.

    Args:
        lengths: The documents' lengths.
        wanted: The tokens that ask, in order; None: all.
    """
    every = torch.tensor(lengths)
    document = torch.repeat_interleave(every.cumsum(0) - every, every)
    """For every token the first of its document."""
    places = torch.arange(len(document))
    asking = places if wanted is None else wanted.cpu()
    start_of = document[asking]
    blocks = []
    for start, end in _cut(asking.tolist(), start_of.tolist()):
        own, first = asking[start:end, None], int(start_of[start])
        end_key = int(asking[end - 1]) + 1
        # All queries see what belongs to the last one's document and stands before the first.
        seen_by_all = int(asking[start]) - first if int(start_of[end - 1]) == first else 0
        keys = places[first + seen_by_all : end_key]
        hidden = (keys > own) | (keys < start_of[start:end, None])
        mask = torch.zeros(hidden.shape).masked_fill_(hidden, float("-inf"))
        blocks.append(Block(start, end, first, end_key, seen_by_all, mask))
    return blocks


def _cut(asking: Sequence[int], start_of: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield stretches of queries: at most `QUERIES`, of one document or of few keys."""
    start = 0
    for place in range(1, len(asking) + 1):
        if (
            place == len(asking)
            or place - start == QUERIES
            or (start_of[place] != start_of[start] and asking[place] - start_of[start] >= SPAN)
        ):
            yield start, place
            start = place


class BlockAttention(torch.autograd.Function):
    """Causal attention within documents, in blocks; grouped queries share their keys' product."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, scale: float, blocks: list[Block]) -> Tensor:
        """Return `[M, heads, head_dim]` of `q`'s type, for M queries and N keys; shapes else as in `Attend`."""
        rows, heads, size = q.shape
        groups = k.shape[1]
        with torch.autocast(q.device.type, enabled=False):
            # [groups, heads of a group, M, size], [groups, size, N], [groups, N, size]
            q = (q * scale).view(rows, groups, heads // groups, size).permute(1, 2, 0, 3).contiguous()
            k = k.permute(1, 2, 0).contiguous()
            v = v.transpose(0, 1).contiguous()
            out = torch.empty_like(q)
            kept: list[Tensor | None] = []
            for block in blocks:
                weights = _weights(q, k, block)
                seen = torch.bmm(weights, v[:, block.first_key : block.end_key])
                out[:, :, block.start : block.end] = seen.view(groups, -1, block.end - block.start, size)
                kept.append(weights if weights.shape[2] <= KEPT_KEYS else None)
        ctx.save_for_backward(q, k, v, *kept)
        ctx.scale, ctx.blocks = scale, blocks
        return out.permute(2, 0, 1, 3).reshape(rows, heads, size)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        """Return the gradients of `q`, `k` and `v`."""
        (grad,) = gradients
        q, k, v, *kept = ctx.saved_tensors
        groups, per_group, rows, size = q.shape
        exact = torch.promote_types(q.dtype, torch.float32)
        with torch.autocast(q.device.type, enabled=False):
            grad = grad.to(q.dtype).view(rows, groups, per_group, size).permute(1, 2, 0, 3).contiguous()
            values = v.transpose(1, 2).contiguous()
            keys = k.transpose(1, 2).contiguous()
            grad_q = torch.empty_like(q)
            grad_k = torch.zeros(keys.shape, dtype=exact)
            grad_v = torch.zeros(keys.shape, dtype=exact)
            for block, weights in zip(ctx.blocks, kept, strict=True):
                if weights is None:
                    weights = _weights(q, k, block)
                start, end, first, last = block.start, block.end, block.first_key, block.end_key
                grad_seen = grad[:, :, start:end].reshape(groups, -1, size)
                grad_v[:, first:last] += torch.bmm(weights.transpose(1, 2), grad_seen)
                grad_weights = torch.bmm(grad_seen, values[:, :, first:last])
                grad_scores = torch._softmax_backward_data(grad_weights, weights, -1, weights.dtype)
                grad_q[:, :, start:end] = torch.bmm(grad_scores, keys[:, first:last]).view(
                    groups, -1, end - start, size
                )
                grad_k[:, first:last] += torch.bmm(
                    grad_scores.transpose(1, 2), q[:, :, start:end].reshape(groups, -1, size)
                )
            grad_q = (grad_q * ctx.scale).permute(2, 0, 1, 3).reshape(rows, -1, size)
        return grad_q, grad_k.to(q.dtype).transpose(0, 1), grad_v.to(q.dtype).transpose(0, 1), None, None


def _weights(q: Tensor, k: Tensor, block: Block) -> Tensor:
    """Return the probabilities `[groups, heads of a group * queries, keys]`; softmax in float32 at least."""
    groups, _, _, size = q.shape
    queries, keys = block.end - block.start, block.end_key - block.first_key
    scores = torch.bmm(
        q[:, :, block.start : block.end].reshape(groups, -1, size), k[:, :, block.first_key : block.end_key]
    )
    scores = scores.to(torch.promote_types(q.dtype, torch.float32)).view(groups, -1, queries, keys)
    scores[..., block.open :] += block.mask
    return torch.softmax(scores, dim=-1).to(q.dtype).view(groups, -1, keys)


class DocumentAttention:
    """Causal attention within each of several documents that are laid end to end; an `Attend` for training.

    Blocks on a CPU; elsewhere one call of torch's fused kernel over documents that are padded for that call alone.
    Windows, soft caps and sinks go by the textbook, a document at a time.

    Args:
        lengths: The documents' lengths, in tokens; they sum to N.
        device: Where the tokens are.
        wanted: The M tokens, in order, that alone ask in the last layer of models which leave out the rest; see
            `CausalModel.forward`.
    """

    def __init__(
        self, lengths: Sequence[int], device: torch.device | str = "cpu", wanted: Tensor | None = None
    ) -> None:
        self.lengths = list(lengths)
        self.total = sum(lengths)
        self._wanted = wanted
        self._blocks: list[Block] = []
        self._last_blocks: list[Block] = []
        if torch.device(device).type == "cpu":
            self._blocks = blocks_of(self.lengths)
            if wanted is not None:
                self._last_blocks = blocks_of(self.lengths, wanted)
        else:
            self._into, self._back = _padding(self.lengths, device)

    def __call__(
        self,
        layer: int,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        *,
        scale: float,
        window: int | None = None,
        softcap: float | None = None,
        sinks: Tensor | None = None,
    ) -> Tensor:
        """Return `[N, heads, head_dim]`, or `[M, heads, head_dim]` for M wanted queries (see `Attend`)."""
        q, k = q.to(v.dtype), k.to(v.dtype)  # under autocast, positions may have made them float32 again
        textbook = softcap is not None or sinks is not None or (window is not None and window < max(self.lengths))
        if self._blocks and not textbook:
            blocks = self._blocks if len(q) == self.total else self._last_blocks
            seen: Tensor = BlockAttention.apply(q, k, v, scale, blocks)
            return seen
        if len(q) < self.total:
            assert self._wanted is not None, "as many queries as tokens, unless some are wanted"
            every = self(
                layer,
                q.new_zeros(self.total, *q.shape[1:]).index_copy(0, self._wanted, q),
                *(k, v),
                scale=scale,
                window=window,
                softcap=softcap,
                sinks=sinks,
            )
            return every[self._wanted]
        if textbook:
            parts = zip(q.split(self.lengths), k.split(self.lengths), v.split(self.lengths), strict=True)
            return torch.cat([dense(*part, scale, window, softcap, sinks) for part in parts])
        return padded(q, k, v, scale, self._into, self._back)


def _padding(lengths: Sequence[int], device: torch.device | str) -> tuple[Tensor, Tensor]:
    """Return for every place of a padded batch `[documents, longest]` its token, and for every token its place."""
    longest = max(lengths)
    ends = torch.tensor(lengths).cumsum(0)
    places = torch.arange(longest)
    starts = ends - torch.tensor(lengths)
    real = places < torch.tensor(lengths)[:, None]
    into = torch.where(real, starts[:, None] + places, 0)
    return into.to(device), real.flatten().nonzero()[:, 0].to(device)


def padded(q: Tensor, k: Tensor, v: Tensor, scale: float, into: Tensor, back: Tensor) -> Tensor:
    """Attend in one call. Padding stands behind a document, where no real query looks, so it needs no mask."""
    q, k, v = (x[into].transpose(1, 2) for x in (q, k, v))
    seen = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale, enable_gqa=q.shape[1] != k.shape[1])
    return seen.transpose(1, 2).flatten(0, 1)[back]
