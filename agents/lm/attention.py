"""Who a token sees: documents packed end to end (training), or the keys and values of a cache (generation)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


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
        pieces = [
            F.scaled_dot_product_attention(
                one.transpose(0, 1), keys.transpose(0, 1), values.transpose(0, 1), is_causal=True, scale=scale
            ).transpose(0, 1)
            for one, keys, values in zip(
                q.split(self.lengths), k.split(self.lengths), v.split(self.lengths), strict=True
            )
        ]
        return torch.cat(pieces)
