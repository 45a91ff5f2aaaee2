"""What the engine and the trainers ask of a causal language model, whoever wrote it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Edit = Callable[[int, Tensor], Tensor]
"""Called after every block with its index and its output `[N, hidden_size]`; what it returns flows on."""


@dataclass(frozen=True)
class ModelInfo:
    """The measures of a model."""

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    hidden_size: int
    vocab_size: int
    context_length: int
    """The longest sequence, in tokens, prompt and answer together."""
    eos_ids: tuple[int, ...]
    """Tokens that end an answer."""
    fingerprint: str
    """SHA-256 of the weights."""


class Attend(Protocol):
    """Attention over keys and values that its owner keeps: a cache, or the packed documents of a batch."""

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
        """Let N new tokens, laid end to end without padding, attend to their pasts and to themselves.

        Args:
            layer: The index of the block.
            q: Queries `[N, heads, head_dim]`, positions already applied.
            k: Keys `[N, kv_heads, head_dim]`, positions already applied.
            v: Values `[N, kv_heads, head_dim]`.
            scale: What the products are multiplied by.
            window: How many tokens a query sees at most, itself included; None: all of its past.
            softcap: Products are squeezed into (-softcap, softcap) by tanh.
            sinks: One more logit for every head, `[heads]`, that takes weight and gives no value.

        Returns:
            `[N, heads, head_dim]`.
        """
        ...


class CausalModel(Protocol):
    """A causal language model over ragged rows: N tokens of any number of sequences, laid end to end."""

    info: ModelInfo

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """What it computes in."""
        ...

    def forward(
        self,
        ids: Tensor | None,
        positions: Tensor,
        attend: Attend,
        *,
        embeds: Tensor | None = None,
        edit: Edit | None = None,
        wanted: Tensor | None = None,
    ) -> Tensor:
        """Return the final hidden states, normed: `[N, hidden_size]`, or `[M, hidden_size]` of those that are wanted.

        Args:
            ids: Token ids `[N]`; None where `embeds` stands in for them.
            positions: The place of each token in its own sequence, `[N]`, from 0.
            attend: Where keys and values go, and what comes back.
            embeds: Input embeddings `[N, hidden_size]`.
            edit: Reads or changes the output of every block.
            wanted: Which of the N tokens' hidden states are returned, `[M]`; None: all. A model may leave out what
                only the others need: then `attend` gets M queries at the last layer, still with all N keys and values.
        """
        ...

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the next token's logits `[M, vocab_size]` for M rows of hidden states."""
        ...

    def embed(self, ids: Tensor) -> Tensor:
        """Return the input embeddings of token ids `[N]`: `[N, hidden_size]`."""
        ...

    def parameters(self) -> Iterable[Tensor]:
        """Return the weights that can be trained."""
        ...
