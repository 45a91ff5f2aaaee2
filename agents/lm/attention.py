"""Who a token sees: documents packed end to end (training), or the keys and values of a cache (generation)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .batch import Batch


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
        seen = [F.scaled_dot_product_attention(*one, is_causal=True, scale=scale) for one in documents]
        return torch.cat(seen, dim=2).squeeze(0).transpose(0, 1)


class CachedAttention:
    """Attention of a batch's new tokens to the rows of a cache, where their keys and values go first; see `Attend`.

    Queries that share a key's head are folded into one longer query, so that no key is repeated. A stretch of
    neighbouring rows with one new token each is one call; a row with several is a call of its own.

    Args:
        batch: The tokens; the same object serves all layers of one forward pass.
    """

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._masks: dict[tuple[int, int | None], tuple[Tensor | None, int]] = {}

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
        kv_heads, head = k.shape[1], k.shape[2]
        for group in self._batch.groups:
            new = torch.stack((k[group.start : group.stop], v[group.start : group.stop]))
            group.shelf.data[layer].view(-1, head).index_copy_(0, group.targets, new.view(-1, head))
        stretches = self._batch.stretches
        seen = None if len(stretches) == 1 else torch.empty_like(q, memory_format=torch.contiguous_format)
        for number, one in enumerate(stretches):
            rows, count, length = len(one.places), one.count, one.length
            keys, values = one.shelf.data[layer, :, one.rows, :, :length]
            own = q[one.start : one.stop]
            if count == 1:
                own = own.reshape(rows, kv_heads, -1, head)
            else:
                own = own.reshape(count, kv_heads, -1, head).transpose(0, 1).reshape(1, kv_heads, -1, head)
            mask, first = self._mask(number, window, own)
            if softcap is not None or sinks is not None or (count == 1 and q.device.type == "cpu"):
                found = _explicit(own, keys, values, mask, first, scale, softcap, sinks)
            else:
                if mask is not None and first:
                    mask = F.pad(mask, (first, 0))
                found = F.scaled_dot_product_attention(own, keys, values, attn_mask=mask, scale=scale)
            if count > 1:
                found = found.view(kv_heads, count, -1, head).transpose(0, 1)
            if seen is None:
                return found.reshape(q.shape)
            seen[one.start : one.stop].view(found.shape).copy_(found)
        assert seen is not None, "a batch has tokens"
        return seen

    def _mask(self, number: int, window: int | None, own: Tensor) -> tuple[Tensor | None, int]:
        """Return what hides from the queries of a stretch what they must not see, and the first column that it covers.

        Zero or minus infinity, `[rows, 1, 1, columns]` for one new token a row, else `[1, 1, queries, columns]`; None
        where nothing has to be hidden.
        """
        known = self._masks.get((number, window))
        if known is not None:
            return known
        one = self._batch.stretches[number]
        first = int(one.places.min()) + 1
        if window is not None and one.length > window:
            first = 0
        mask: Tensor | None = None
        if first < one.length:
            columns = torch.arange(first, one.length, device=own.device)
            if one.count == 1:
                places = torch.from_numpy(one.places).to(own.device)[:, None]
            else:
                places = torch.arange(one.length - one.count, one.length, device=own.device)[:, None]
            hidden = columns > places
            if window is not None:
                hidden |= columns <= places - window
            mask = torch.zeros(hidden.shape, dtype=own.dtype, device=own.device).masked_fill_(hidden, float("-inf"))
            if one.count == 1:
                mask = mask[:, None, None]
            else:
                mask = mask.repeat_interleave(own.shape[2] // one.count, dim=0)[None, None]
        self._masks[number, window] = mask, first
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
