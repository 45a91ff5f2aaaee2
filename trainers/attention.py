"""Attention for training: documents laid end to end, each token sees its own document's past.

A CPU spends half of a small model's step in attention. `BlockAttention` is made for that: blocks of 128 queries, all
heads of a group of keys in one product, only the keys that some query of the block may see, and probabilities that
are kept for the backward pass where that is cheaper than computing them again. Measured beside torch's fused kernel
it takes about half of the time at documents of 500 tokens (`benchmarks/sft.py`).
"""

from collections.abc import Sequence
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


class Block(NamedTuple):
    """Consecutive queries, and the keys that one of them or another may see."""

    start: int
    end: int
    first_key: int
    """The first token of the document that `start` is in; keys end at `end`."""
    open: int
    """So many of the keys are seen by all queries of the block."""
    mask: Tensor
    """`[queries, keys - open]`, float32: 0 where a key is seen, else minus infinity."""


def blocks_of(lengths: Sequence[int], queries: int = QUERIES) -> list[Block]:
    """Return the blocks of documents laid end to end."""
    total = sum(lengths)
    document_start = torch.repeat_interleave(
        torch.tensor([0, *lengths[:-1]]).cumsum(0), torch.tensor(lengths), output_size=total
    )
    places = torch.arange(total)
    blocks = []
    for start in range(0, total, queries):
        end = min(start + queries, total)
        first = int(document_start[start])
        # All queries see what belongs to the last one's document and stands before the block.
        seen_by_all = start - first if int(document_start[end - 1]) == first else 0
        keys = places[first + seen_by_all : end]
        own = places[start:end, None]
        hidden = (keys > own) | (keys < document_start[start:end, None])
        mask = torch.zeros(hidden.shape).masked_fill_(hidden, float("-inf"))
        blocks.append(Block(start, end, first, seen_by_all, mask))
    return blocks


class BlockAttention(torch.autograd.Function):
    """Causal attention within documents, in blocks; grouped queries share their keys' product."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, scale: float, blocks: list[Block]) -> Tensor:
        """Return `[N, heads, head_dim]` of `q`'s type; shapes as in `Attend`."""
        rows, heads, size = q.shape
        groups = k.shape[1]
        with torch.autocast(q.device.type, enabled=False):
            # [groups, heads of a group, N, size], [groups, size, N], [groups, N, size]
            q = (q * scale).view(rows, groups, heads // groups, size).permute(1, 2, 0, 3).contiguous()
            k = k.permute(1, 2, 0).contiguous()
            v = v.transpose(0, 1).contiguous()
            out = torch.empty_like(q)
            kept: list[Tensor | None] = []
            for block in blocks:
                weights = _weights(q, k, block)
                seen = torch.bmm(weights, v[:, block.first_key : block.end])
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
                start, end, first = block.start, block.end, block.first_key
                grad_seen = grad[:, :, start:end].reshape(groups, -1, size)
                grad_v[:, first:end] += torch.bmm(weights.transpose(1, 2), grad_seen)
                grad_weights = torch.bmm(grad_seen, values[:, :, first:end])
                grad_scores = torch._softmax_backward_data(grad_weights, weights, -1, weights.dtype)
                grad_q[:, :, start:end] = torch.bmm(grad_scores, keys[:, first:end]).view(groups, -1, end - start, size)
                grad_k[:, first:end] += torch.bmm(
                    grad_scores.transpose(1, 2), q[:, :, start:end].reshape(groups, -1, size)
                )
            grad_q = (grad_q * ctx.scale).permute(2, 0, 1, 3).reshape(rows, -1, size)
        return grad_q, grad_k.to(q.dtype).transpose(0, 1), grad_v.to(q.dtype).transpose(0, 1), None, None


def _weights(q: Tensor, k: Tensor, block: Block) -> Tensor:
    """Return the probabilities `[groups, heads of a group * queries, keys]`; softmax in float32 at least."""
    groups, _, _, size = q.shape
    queries, keys = block.end - block.start, block.end - block.first_key
    scores = torch.bmm(q[:, :, block.start : block.end].reshape(groups, -1, size), k[:, :, block.first_key : block.end])
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
    """

    def __init__(self, lengths: Sequence[int], device: torch.device | str = "cpu") -> None:
        self.lengths = list(lengths)
        self._blocks: list[Block] = []
        self._into = self._back = torch.empty(0)
        if torch.device(device).type == "cpu":
            self._blocks = blocks_of(self.lengths)
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
        """Return `[N, heads, head_dim]` (see `Attend`)."""
        if softcap is not None or sinks is not None or (window is not None and window < max(self.lengths)):
            parts = zip(q.split(self.lengths), k.split(self.lengths), v.split(self.lengths), strict=True)
            return torch.cat([dense(*part, scale, window, softcap, sinks) for part in parts])
        if self._blocks:
            seen: Tensor = BlockAttention.apply(q, k, v, scale, self._blocks)
            return seen
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
