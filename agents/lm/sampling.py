"""How a batch of rows draws its next tokens: each with its own temperature, limits and stream of random numbers.

Nothing here loops over rows. A token is the inverse of the cumulative distribution, in the order of token ids, at the
uniform number that the row's key and the token's place name; so it depends on the row's logits and on nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...tasks.rng import GOLDEN_GAMMA

_HEAD = 128
"""How many of the likeliest tokens are sorted at first; more only where a row's `top_p` needs them."""

_NEVER = float("-inf")


@dataclass(frozen=True)
class RowSampling:
    """How one row draws; see `agents.types.Sampling` for the meaning of the limits."""

    temperature: float = 1.0
    """0: the likeliest token, its log-probability taken at temperature 1."""
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    key: int = 0
    """Names the row's stream of uniform numbers (`tasks.rng.counter_uniform`)."""
    logprobs: bool = False
    top_logprobs: int = 0


class Drawn(NamedTuple):
    """What a batch drew."""

    tokens: Tensor
    """`[R]`, int64."""
    logprobs: Tensor | None
    """`[R]`, under the sampling distribution; None where no row wants them."""
    top_ids: Tensor | None
    """`[R, most]`, likeliest first; None where no row wants them."""
    top_logprobs: Tensor | None
    """`[R, most]`; minus infinity for tokens that cannot be drawn."""


def uniforms(keys: np.ndarray, counters: np.ndarray) -> np.ndarray:
    """Return `counter_uniform(key, counter)` for arrays of 64-bit keys and counters: float64 in [0, 1)."""
    with np.errstate(over="ignore"):
        value = keys.astype(np.uint64) + (counters.astype(np.uint64) + np.uint64(1)) * np.uint64(GOLDEN_GAMMA)
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        value ^= value >> np.uint64(31)
    found: np.ndarray = (value >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return found


def _keep_largest(logits: Tensor, threshold: Tensor, count: Tensor) -> Tensor:
    """Return which entries `[R, V]` are the `count` largest, of equals the lowest ids; `threshold` is the smallest."""
    above = logits > threshold
    level = logits == threshold
    spare = count - above.sum(-1, keepdim=True)
    return above | (level & (level.cumsum(-1) <= spare))


def _kept(logits: Tensor, top_k: Tensor, top_p: Tensor) -> Tensor:
    """Return which entries `[R, V]` top-k, then top-p keep; `top_k` `[R, 1]` is V and `top_p` 1 without a limit."""
    vocabulary = logits.shape[-1]
    total = torch.logsumexp(logits, -1, keepdim=True)
    sized = top_k < vocabulary
    head = min(vocabulary, max(_HEAD, int(torch.where(sized, top_k, 0).max())))
    while True:
        values = torch.topk(logits, head, dim=-1).values
        chances = (values - total).exp().to(torch.float64)
        sums = chances.cumsum(-1)
        # What is left after top-k counts as 1 to top-p.
        mass = torch.where(sized, sums.gather(-1, (top_k - 1).clamp(max=head - 1)), 1.0)
        needed = top_p * mass
        unbounded = (top_p >= 1) & ~sized
        if head == vocabulary or bool((unbounded | sized | (sums[:, -1:] >= needed)).all()):
            break
        head = min(vocabulary, head * 16)
    count = ((sums - chances) < needed).sum(-1, keepdim=True).clamp(min=1)
    count = torch.where(top_p >= 1, top_k, torch.minimum(count, top_k))
    threshold = values.gather(-1, (count - 1).clamp(max=head - 1))
    return _keep_largest(logits, threshold, count) | (count >= vocabulary)


def distribution(logits: Tensor, temperature: Tensor, top_k: Tensor, top_p: Tensor, min_p: Tensor) -> Tensor:
    """Return the log-probabilities that rows draw from, minus infinity for what is cut off.

    Temperature, then top-k (the k likeliest), then top-p (the fewest of the likeliest that reach p together), then
    min-p (at least that share of the likeliest's probability); what is left is renormalised. Of equally likely
    tokens the lower ids stay.

    Args:
        logits: `[R, V]`, float32 or float64.
        temperature: `[R]`, above 0.
        top_k: `[R]`, int64; 0: no limit.
        top_p: `[R]`; 1: no limit.
        min_p: `[R]`; 0: no limit.
    """
    scaled = logits / temperature[:, None].to(logits.dtype)
    vocabulary = scaled.shape[-1]
    if bool((top_k > 0).any()) or bool((top_p < 1).any()):
        limit = torch.where(top_k > 0, top_k.clamp(max=vocabulary), vocabulary)[:, None]
        scaled = scaled.masked_fill(~_kept(scaled, limit, top_p.to(torch.float64)[:, None]), _NEVER)
    if bool((min_p > 0).any()):
        floor = scaled.amax(-1, keepdim=True) + min_p.log()[:, None].to(scaled.dtype)
        scaled = scaled.masked_fill(scaled < floor, _NEVER)
    return torch.log_softmax(scaled, -1)


def invert(logprobs: Tensor, uniform: Tensor) -> Tensor:
    """Return the first token ids `[R]` whose cumulative probability exceeds `uniform` `[R]` (float64).

    In two levels (blocks, then the one block), so that a large vocabulary is not summed up token by token.
    """
    rows, vocabulary = logprobs.shape
    width = 1 << (vocabulary.bit_length() // 2)
    chances = logprobs.exp()
    if vocabulary % width:
        chances = torch.nn.functional.pad(chances, (0, -vocabulary % width))
    blocks = chances.view(rows, -1, width)
    sums = blocks.sum(-1, dtype=torch.float64).cumsum(-1)
    block, rest = _find(sums, uniform[:, None] * sums[:, -1:])
    inner = blocks[torch.arange(rows, device=blocks.device), block[:, 0]].to(torch.float64).cumsum(-1)
    place, _ = _find(inner, rest)
    return (block * width + place)[:, 0]


def _find(sums: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first place where ascending `sums` `[R, n]` exceed `target` `[R, 1]`, and the rest of the target."""
    total = sums[:, -1:]
    target = torch.minimum(target, torch.nextafter(total, torch.zeros_like(total))).clamp(min=0)
    place = torch.searchsorted(sums, target, right=True).clamp(max=sums.shape[-1] - 1)
    before = torch.where(place > 0, sums.gather(-1, (place - 1).clamp(min=0)), 0.0)
    return place, target - before


class Sampler:
    """Draws for a fixed list of rows, step after step.

    Args:
        rows: How each row draws.
        device: Where the logits will be.
    """

    def __init__(self, rows: Sequence[RowSampling], device: torch.device) -> None:
        drawn = [row for row in rows if row.temperature > 0]
        self.rows = list(rows)
        self._keys = np.array([row.key for row in drawn], dtype=np.uint64)
        self._any_drawn = bool(drawn)
        self._all_drawn = len(drawn) == len(self.rows)
        self._where_np = np.array([i for i, row in enumerate(rows) if row.temperature > 0], dtype=np.int64)
        self._where = torch.from_numpy(self._where_np).to(device)
        self._temperature = torch.tensor([row.temperature for row in drawn], dtype=torch.float64, device=device)
        self._top_k = torch.tensor([row.top_k for row in drawn], dtype=torch.int64, device=device)
        self._top_p = torch.tensor([row.top_p for row in drawn], dtype=torch.float64, device=device)
        self._min_p = torch.tensor([row.min_p for row in drawn], dtype=torch.float64, device=device)
        self._logprobs = any(row.logprobs or row.top_logprobs for row in rows)
        self._most = max((row.top_logprobs for row in rows), default=0)

    def __call__(self, logits: Tensor, counters: np.ndarray) -> Drawn:
        """Draw one token a row.

        Args:
            logits: `[R, V]`.
            counters: How many tokens each row has drawn before, `[R]`.
        """
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if not self._any_drawn:
            tokens = logits.argmax(-1)
            found = torch.log_softmax(logits, -1) if self._logprobs else None
        elif self._all_drawn:
            tokens, found = self._draw(logits, counters)
        else:
            tokens = logits.argmax(-1)
            drawn, logprobs = self._draw(logits[self._where], counters[self._where_np])
            tokens[self._where] = drawn
            found = None
            if self._logprobs:
                found = torch.log_softmax(logits, -1)
                found[self._where] = logprobs
        if not self._logprobs or found is None:
            return Drawn(tokens, None, None, None)
        own = found.gather(-1, tokens[:, None])[:, 0]
        if not self._most:
            return Drawn(tokens, own, None, None)
        best = torch.topk(found, min(self._most, found.shape[-1]), dim=-1)
        return Drawn(tokens, own, best.indices, best.values)

    def _draw(self, logits: Tensor, counters: np.ndarray) -> tuple[Tensor, Tensor]:
        found = distribution(logits, self._temperature, self._top_k, self._top_p, self._min_p)
        uniform = torch.from_numpy(uniforms(self._keys, counters)).to(logits.device)
        return invert(found, uniform), found
