"""Looking into a model while it answers, and changing what it thinks: probes, steering vectors, input embeddings.

A `Hooks` object is what a caller asks for; it travels with one request and is never recorded. Hidden states and
attention are reduced where they arise; whole tensors are kept only where they are asked for. Steering comes first:
what a probe reads of a block's output is what flows on. Nothing here needs torch (see `hooked` for the work).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class Where(StrEnum):
    """Which tokens of a request are meant; P is the length of its prompt."""

    ALL = "all"
    """Every token."""
    PROMPT = "prompt"
    """The tokens at 0 to P - 1."""
    GENERATED = "generated"
    """The tokens at P and after. The last token of an answer is not run through the model, so it is not met."""
    LAST = "last"
    """The tokens that another one was sampled after: P - 1 and all after it. As many as the answer has tokens."""


Positions = Where | tuple[int, ...]
"""Which tokens of a request: a rule, or places counted from the prompt's beginning."""


class Reduce(StrEnum):
    """What is kept of the hidden states `[tokens, hidden_size]` of a block."""

    MEAN = "mean"
    """Their mean: `[layers, hidden_size]`."""
    LAST = "last"
    """The last one: `[layers, hidden_size]`."""
    NORM = "norm"
    """The Euclidean length of each: `[tokens, layers]`."""
    PROJECT = "project"
    """The inner product of each with `direction`: `[tokens, layers]`."""
    FULL = "full"
    """All: `[tokens, layers, hidden_size]`."""


class ReduceAttention(StrEnum):
    """What is kept of a token's attention to the s tokens up to itself, for each head."""

    ENTROPY = "entropy"
    """The entropy of the weights in nats: `[tokens, layers, heads]`."""
    PEAK = "peak"
    """The largest weight: `[tokens, layers, heads]`."""
    FIRST = "first"
    """The weight of the first token: `[tokens, layers, heads]`."""
    DISTANCE = "distance"
    """The mean distance looked back, in tokens: `[tokens, layers, heads]`."""
    FULL = "full"
    """All weights, zeros behind: `[tokens, layers, heads, longest s]`."""


@dataclass(frozen=True, eq=False)
class Steer:
    """Add `strength * vector` to the output of a block (activation addition; Turner et al. 2023)."""

    layer: int
    """Counted from 0, or from -1 backwards."""
    vector: "Tensor"
    """`[hidden_size]`."""
    strength: float = 1.0
    positions: Positions = Where.ALL


@dataclass(frozen=True)
class HiddenProbe:
    """Read the outputs of blocks."""

    layers: tuple[int, ...] | None = None
    """Which blocks, as in `Steer.layer`; None: all."""
    reduce: Reduce = Reduce.MEAN
    positions: Positions = Where.LAST
    direction: "Tensor | None" = field(default=None, compare=False)
    """`[hidden_size]`, for `Reduce.PROJECT`."""


@dataclass(frozen=True)
class AttentionProbe:
    """Read how tokens attend. Costs one more product of queries and keys for every layer that is read."""

    layers: tuple[int, ...] | None = None
    reduce: ReduceAttention = ReduceAttention.ENTROPY
    positions: Positions = Where.LAST


@dataclass(frozen=True, eq=False)
class Embeds:
    """Input embeddings in place of n token ids of the prompt, which are then never looked at."""

    vectors: "Tensor"
    """`[n, hidden_size]`."""
    start: int = 0
    """The place of the first of them."""


@dataclass(frozen=True, eq=False)
class Hooks:
    """What one request asks for besides its answer."""

    probes: Mapping[str, HiddenProbe | AttentionProbe] = field(default_factory=dict)
    """By name; the readings come back under the same names."""
    steer: tuple[Steer, ...] = ()
    embeds: tuple[Embeds, ...] = ()


@dataclass(frozen=True, eq=False)
class Readings:
    """What a request's probes have read."""

    values: "Mapping[str, Tensor]"
    """By the probe's name, float32 (or float64) on the CPU; `layers` in the order in which they were asked for."""
    tokens: Mapping[str, tuple[int, ...]]
    """The places of the tokens that were read, by the probe's name."""

    def __getitem__(self, name: str) -> "Tensor":
        return self.values[name]
