"""Attention by the textbook, over all keys at once: the yardstick of faster ones, and where weights are read."""

from collections.abc import Sequence

import torch
from torch import Tensor


class DenseAttention:
    """Keeps every row's keys and values and attends to them by the textbook; for checks and tests.

    Args:
        rows: The number of rows.
    """

    def __init__(self, rows: int) -> None:
        self._kept: list[dict[int, tuple[Tensor, Tensor]]] = [{} for _ in range(rows)]
        self._now: list[tuple[int, int]] = []

    def expect(self, row_lengths: Sequence[tuple[int, int]]) -> "DenseAttention":
        """Say which rows come next, `(row, new tokens)`, in the order in which they are laid end to end."""
        self._now = list(row_lengths)
        return self

    def keys(self, row: int, layer: int) -> Tensor:
        """Return all keys of a row, `[s, kv_heads, head_dim]`."""
        return self._kept[row][layer][0]

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
        lengths = [length for _, length in self._now]
        pieces = []
        for (row, _), one, keys, values in zip(
            self._now, q.split(lengths), k.split(lengths), v.split(lengths), strict=True
        ):
            if layer in self._kept[row]:
                keys, values = (torch.cat(pair) for pair in zip(self._kept[row][layer], (keys, values), strict=True))
            self._kept[row][layer] = keys, values
            pieces.append(dense(one, keys, values, scale, window, softcap, sinks))
        return torch.cat(pieces)


def dense(
    q: Tensor, k: Tensor, v: Tensor, scale: float, window: int | None, softcap: float | None, sinks: Tensor | None
) -> Tensor:
    """Return the attention of the last n of s tokens, `[n, heads, head_dim]`; softmax in float32 at least."""
    weights = attention_weights(q, k, scale, window, softcap, sinks)
    group = q.shape[1] // k.shape[1]
    return torch.einsum("hns,shd->nhd", weights.to(v.dtype), v.repeat_interleave(group, dim=1))


def attention_weights(
    q: Tensor, k: Tensor, scale: float, window: int | None, softcap: float | None, sinks: Tensor | None
) -> Tensor:
    """Return what each of the last n of s tokens gives to each token, `[heads, n, s]`, float32 at least.

    Rows sum to one, or to less where there are sinks.
    """
    group = q.shape[1] // k.shape[1]
    scores = torch.einsum("nhd,shd->hns", q, k.repeat_interleave(group, dim=1))
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32)) * scale
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    new, length = q.shape[0], k.shape[0]
    place = torch.arange(length - new, length, device=q.device)[:, None]
    other = torch.arange(length, device=q.device)
    unseen = other > place
    if window is not None:
        unseen |= other <= place - window
    scores = scores.masked_fill(unseen, float("-inf"))
    if sinks is None:
        return scores.softmax(-1)
    more = sinks.to(scores.dtype)[:, None, None].expand(-1, new, 1)
    return torch.cat((scores, more), dim=-1).softmax(-1)[..., :-1]
