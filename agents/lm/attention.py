"""Who a token sees: documents packed end to end (training), or the keys and values of a cache (generation)."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .batch import Batch, Stretch


class PackedAttention:
    """Causal attention within each of several documents that are laid end to end; see `Attend`.

    Args:
        lengths: The documents' lengths, in tokens; they sum to N.
    """

    def __init__(self, lengths: Sequence[int]) -> None:
        self.lengths = list(lengths)

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
        """Return `[N, heads, head_dim]`."""
        if window is not None or softcap is not None or sinks is not None:
            raise NotImplementedError("windows, soft caps and sinks")
        group = q.shape[1] // k.shape[1]
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        # Four dimensions, although the first is 1: the fused kernel takes nothing else.
        documents = zip(*(x.transpose(0, 1).unsqueeze(0).split(self.lengths, dim=2) for x in (q, k, v)), strict=True)
        seen = [
            F.scaled_dot_product_attention(queries, keys, values, is_causal=True, scale=scale)
            for queries, keys, values in documents
        ]
        return torch.cat(seen, dim=2).squeeze(0).transpose(0, 1)


class CachedAttention:
    """Attention of a batch's new tokens to the rows of a cache, where their keys and values go first; see `Attend`.

    Queries that share a key's head are folded into one longer query, so that no key is repeated. A stretch of
    neighbouring rows with one new token each is one call; a row with several is a call of its own.

    Args:
        batch: The tokens; the same object serves all layers of one forward pass.
        chosen: The rows, ascending, of whose last tokens alone queries may come at the last layer; None: all tokens'.
    """

    def __init__(self, batch: Batch, chosen: np.ndarray | None = None) -> None:
        self._batch = batch
        self._calls = [_Call(stretch) for stretch in batch.stretches]
        self._ends = None if chosen is None else [_Call(stretch) for stretch in batch.ends(chosen)]

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
        """Return `[N, heads, head_dim]`, or `[M, heads, head_dim]` for the M queries that came."""
        head = k.shape[2]
        for group in self._batch.groups:
            new = torch.stack((k[group.start : group.stop], v[group.start : group.stop]))
            group.shelf.data[layer].view(-1, head).index_copy_(0, group.targets, new.view(-1, head))
        if len(q) == self._batch.tokens:
            calls = self._calls
        else:
            assert self._ends is not None, "a query for every token"
            calls = self._ends
        if len(calls) == 1:
            return calls[0](layer, q, scale, window, softcap, sinks).reshape(q.shape)
        seen = torch.empty_like(q, memory_format=torch.contiguous_format)
        for call in calls:
            found = call(layer, q[call.start : call.stop], scale, window, softcap, sinks)
            seen[call.start : call.stop].view(found.shape).copy_(found)
        return seen


class _Call:
    """Attention of one stretch.

    Args:
        stretch: Its rows.
    """

    def __init__(self, stretch: Stretch) -> None:
        self.start, self.stop = stretch.start, stretch.stop
        self._stretch = stretch
        self._length = stretch.length
        self._masks: dict[tuple[int | None, bool], tuple[Tensor | None, int]] = {}

    def __call__(
        self, layer: int, q: Tensor, scale: float, window: int | None, softcap: float | None, sinks: Tensor | None
    ) -> Tensor:
        """Return the attention of `q` `[tokens, heads, head_dim]` in that order, if not in that shape."""
        one, head = self._stretch, q.shape[2]
        keys, values = one.shelf.data[layer, :, one.rows, :, : self._length]
        kv_heads = keys.shape[1]
        if one.new == 1:
            q = q.reshape(len(q), kv_heads, -1, head)
        else:
            q = q.reshape(one.new, kv_heads, -1, head).transpose(0, 1).reshape(1, kv_heads, -1, head)
        plain = softcap is None and sinks is None
        if plain and (one.new > 1 or q.device.type != "cpu"):
            mask, _ = self._mask(window, q, whole=True)
            found = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask, scale=scale)
        else:
            mask, first = self._mask(window, q, whole=False)
            found = _explicit(q, keys, values, mask, first, scale, softcap, sinks)
        return found if one.new == 1 else found.view(kv_heads, one.new, -1, head).transpose(0, 1)

    def _mask(self, window: int | None, q: Tensor, *, whole: bool) -> tuple[Tensor | None, int]:
        """Return what hides from queries what they must not see, and the first column that it covers.

        Zero or minus infinity: `[rows, 1, 1, columns]` for one new token a row, else `[1, 1, queries, columns]`. None
        where nothing has to be hidden. It covers every column if `whole`, else those that matter.
        """
        known = self._masks.get((window, whole))
        if known is not None:
            return known
        one, length = self._stretch, self._length
        first = int(one.places.min()) + 1
        if window is not None and length > window:
            first = 0
        mask: Tensor | None = None
        if first < length:
            columns = torch.arange(first, length, device=q.device)
            places = torch.from_numpy(one.places).to(q.device)
            if one.new > 1:
                places = places + torch.arange(one.new, device=q.device)
            hidden = columns > places[:, None]
            if window is not None:
                hidden |= columns <= places[:, None] - window
            mask = torch.zeros(hidden.shape, dtype=q.dtype, device=q.device).masked_fill_(hidden, float("-inf"))
            if one.new == 1:
                mask = mask[:, None, None]
            else:
                mask = mask.repeat_interleave(q.shape[2] // one.new, dim=0)[None, None]
            if whole and first:
                mask, first = F.pad(mask, (first, 0)), 0
        self._masks[window, whole] = mask, first
        return mask, first


def _explicit(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    first: int,
    scale: float,
    softcap: float | None,
    sinks: Tensor | None,
) -> Tensor:
    """Return attention written out: `[rows, kv_heads, queries, head_dim]`.

    For one query a row this is faster on a CPU than the fused kernel, which also knows no soft caps and no sinks.

    Args:
        q: `[rows, kv_heads, queries, head_dim]`; the queries of one key head, tokens first, then its heads.
        k: `[rows, kv_heads, length, head_dim]`.
        v: The same.
        mask: Added to the products from column `first` on.
        first: The first column that `mask` covers.
        scale: See `Attend`.
        softcap: See `Attend`.
        sinks: See `Attend`.
    """
    rows, kv_heads, queries, head = q.shape
    length = k.shape[2]
    flat = rows * kv_heads
    own, keys, values = (
        (q * scale).reshape(flat, queries, head),
        k.reshape(flat, length, head),
        v.reshape(flat, length, head),
    )
    if q.dtype == torch.bfloat16:  # the layout that its kernels like
        scores = torch.bmm(keys, own.transpose(1, 2)).transpose(1, 2).float()
    else:
        scores = torch.bmm(own, keys.transpose(1, 2))
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    if mask is not None:
        scores.view(rows, kv_heads, queries, length)[..., first:].add_(mask)
    if sinks is None:
        weights = torch.softmax(scores, -1)
    else:
        heads = sinks.view(kv_heads, 1, -1).expand(kv_heads, queries * kv_heads // len(sinks), -1)
        more = heads.reshape(1, kv_heads, queries, 1).expand(rows, -1, -1, -1).reshape(flat, queries, 1)
        weights = torch.softmax(torch.cat((scores, more.to(scores.dtype)), -1), -1)[..., :-1]
    return torch.bmm(weights.to(values.dtype), values).view(rows, kv_heads, queries, head)
