"""Carrying out what `hooks` asks for, token by token, in the forward passes of many requests at once.

The engine keeps one `Hooked` for every request that has hooks, and hands the tokens of every pass to `forward`. A
steered token's keys and values differ from the plain ones, so a cache may reuse them only for the same token steered in
the same way: `Hooked.cache_keys` gives the numbers to compare in place of token ids.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import torch
from torch import Tensor

from ...tasks.errors import UserError
from ...tasks.rng import derive_seed
from .dense import attention_weights
from .hooks import AttentionProbe, Hooks, Positions, Readings, Reduce, Steer, Where
from .model import Attend, CausalModel, ModelInfo
from .readers import AttentionReader, HiddenReader


class Hooked:
    """A request with hooks, under way.

    Args:
        hooks: What it asks for.
        prompt_length: Its prompt's length, in tokens.
        info: The measures of the model that answers it.

    Raises:
        UserError: A layer, a vector's size or a place does not fit the model or the prompt.
    """

    def __init__(self, hooks: Hooks, prompt_length: int, info: ModelInfo) -> None:
        self.hooks = hooks
        self.prompt_length = prompt_length
        self._steer: dict[int, list[Steer]] = {}
        self._marks: list[tuple[Steer, int]] = []
        self._embedded: list[tuple[int, list[int]]] = []
        for steer in hooks.steer:
            _check_vector(steer.vector, info.hidden_size, "A steering vector")
            layer = _layer(steer.layer, info.layers)
            if steer.strength:
                self._steer.setdefault(layer, []).append(steer)
                self._marks.append((steer, _number("steer", layer, repr(float(steer.strength)), _digest(steer.vector))))
        for embeds in hooks.embeds:
            _check_vector(embeds.vectors, info.hidden_size, "A row of input embeddings")
            if embeds.vectors.dim() != 2 or embeds.start < 0 or embeds.start + len(embeds.vectors) > prompt_length:
                raise UserError(
                    f"Input embeddings stand in for tokens of the prompt, which has {prompt_length}; "
                    f"{len(embeds.vectors)} from {embeds.start} on do not fit."
                )
            marks = [_number("embedded", _digest(vector)) for vector in embeds.vectors]
            self._embedded.append((embeds.start, marks))
        self._hidden: dict[str, HiddenReader] = {}
        self._attention: dict[str, AttentionReader] = {}
        for name, probe in hooks.probes.items():
            layers = tuple(range(info.layers)) if probe.layers is None else probe.layers
            layers = tuple(_layer(layer, info.layers) for layer in layers)
            if isinstance(probe, AttentionProbe):
                self._attention[name] = AttentionReader(probe, layers)
                continue
            if probe.reduce is Reduce.PROJECT:
                if probe.direction is None:
                    raise UserError(f"The probe {name!r} projects, so it needs a direction.")
                _check_vector(probe.direction, info.hidden_size, "A probe's direction")
            self._hidden[name] = HiddenReader(probe, layers)

    @property
    def edits(self) -> bool:
        """Whether it needs the outputs of blocks."""
        return bool(self._steer or self._hidden)

    @property
    def attends(self) -> bool:
        """Whether it needs attention weights."""
        return bool(self._attention)

    def reusable(self) -> int:
        """Return how many tokens of the prompt may come from a cache without a probe missing them."""
        first = self.prompt_length
        for probe in self.hooks.probes.values():
            if isinstance(probe.positions, tuple):
                first = min(first, *probe.positions) if probe.positions else first
            elif probe.positions in (Where.ALL, Where.PROMPT):
                return 0
            elif probe.positions is Where.LAST:
                first = min(first, self.prompt_length - 1)
        return max(0, first)

    def cache_keys(self, ids: Sequence[int], first: int = 0) -> list[int]:
        """Return what names the keys and values of tokens: the ids themselves, other numbers where a hook acts.

        A name of 2**62 or more is no token id; all names fit into a signed 64-bit integer.

        Args:
            ids: Token ids.
            first: The place of the first of them.
        """
        names = list(ids)
        for start, marks in self._embedded:
            for offset in range(max(0, first - start), min(len(marks), first + len(names) - start)):
                names[start + offset - first] = marks[offset]
        for steer, mark in self._marks:
            for place in self._chosen(steer.positions, first, len(names)):
                names[place] = _number("steered", names[place], mark)
        return names

    def readings(self) -> Readings:
        """Return what has been read so far."""
        every = {**self._hidden, **self._attention}
        values = {name: reader.result() for name, reader in every.items()}
        return Readings(values, {name: tuple(reader.places) for name, reader in every.items()})

    def _chosen(self, positions: Positions, first: int, count: int) -> range | list[int]:
        """Return which of `count` tokens from place `first` on are meant, counted from 0."""
        if isinstance(positions, tuple):
            return sorted({place - first for place in positions if first <= place < first + count})
        prompt = min(max(self.prompt_length - first, 0), count)
        if positions is Where.PROMPT:
            return range(prompt)
        if positions is Where.GENERATED:
            return range(prompt, count)
        if positions is Where.LAST:
            return range(min(max(self.prompt_length - 1 - first, 0), count), count)
        return range(count)


@dataclass(frozen=True, eq=False)
class HookedRow:
    """The tokens of one hooked request in one forward pass."""

    hooked: Hooked
    start: int
    """Where they begin among the N tokens of the pass."""
    count: int
    first: int
    """The place of the first of them in its own sequence."""
    keys: Callable[[int], Tensor] | None = None
    """The keys of its whole sequence at a layer, these tokens included: `[s, kv_heads, head_dim]`. For probes of
    attention; asked for right after that layer's attention."""


def forward(model: CausalModel, ids: Tensor, positions: Tensor, attend: Attend, rows: Sequence[HookedRow]) -> Tensor:
    """Run N tokens through a model with the hooks of those rows that have any.

    Args:
        model: The model.
        ids: `[N]`.
        positions: `[N]`.
        attend: Where keys and values go.
        rows: The rows with hooks, in any order.

    Returns:
        The final hidden states `[N, hidden_size]`.
    """
    edited = [row for row in rows if row.hooked.edits]
    attended = [row for row in rows if row.hooked.attends]

    def edit(layer: int, hidden: Tensor) -> Tensor:
        return edit_rows(layer, hidden, edited)

    return model.forward(
        ids,
        positions,
        _Watched(attend, attended) if attended else attend,
        embeds=mixed_embeds(model, ids, rows),
        edit=edit if edited else None,
    )


def edit_rows(layer: int, hidden: Tensor, rows: Sequence[HookedRow]) -> Tensor:
    """Steer and read what a block returned.

    Args:
        layer: The block's index.
        hidden: `[N, hidden_size]`.
        rows: The rows with hooks among the N tokens.
    """
    places: list[int] = []
    changes = []
    for row in rows:
        for steer in row.hooked._steer.get(layer, ()):
            chosen = row.hooked._chosen(steer.positions, row.first, row.count)
            if chosen:
                places += [row.start + place for place in chosen]
                vector = steer.vector.to(hidden.device, hidden.dtype) * steer.strength
                changes.append(vector.expand(len(chosen), -1))
    if places:
        hidden = hidden.index_add(0, torch.tensor(places, device=hidden.device), torch.cat(changes))
    for row in rows:
        for reader in row.hooked._hidden.values():
            if layer in reader.layers:
                own = hidden[row.start : row.start + row.count]
                reader.read(layer, own, row.hooked._chosen(reader.probe.positions, row.first, row.count), row.first)
    return hidden


def mixed_embeds(model: CausalModel, ids: Tensor, rows: Sequence[HookedRow]) -> Tensor | None:
    """Return the input embeddings `[N, hidden_size]` of a pass, or None where ids alone say it all."""
    found: Tensor | None = None
    for row in rows:
        for embeds in row.hooked.hooks.embeds:
            low = max(embeds.start, row.first)
            high = min(embeds.start + len(embeds.vectors), row.first + row.count)
            if low < high:
                found = model.embed(ids) if found is None else found
                own = embeds.vectors[low - embeds.start : high - embeds.start].to(found.device, found.dtype)
                begin = row.start + low - row.first
                found = found.slice_scatter(own, 0, begin, begin + high - low)
    return found


class _Watched:
    """An `Attend` whose weights are read on the way."""

    def __init__(self, attend: Attend, rows: Sequence[HookedRow]) -> None:
        self._attend = attend
        self._rows = rows

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
        seen = self._attend(layer, q, k, v, scale=scale, window=window, softcap=softcap, sinks=sinks)
        for row in self._rows:
            readers = [reader for reader in row.hooked._attention.values() if layer in reader.layers]
            if readers:
                assert row.keys is not None, "probes of attention need the keys"
                own = q[row.start : row.start + row.count]
                weights = attention_weights(own, row.keys(layer), scale, window, softcap, sinks)
                for reader in readers:
                    chosen = row.hooked._chosen(reader.probe.positions, row.first, row.count)
                    reader.read(layer, weights.transpose(0, 1), chosen, row.first)
        return seen


def _layer(layer: int, layers: int) -> int:
    if not -layers <= layer < layers:
        raise UserError(f"There is no layer {layer}; the model has {layers}, counted from 0 (or backwards from -1).")
    return layer % layers


def _check_vector(vector: Tensor, size: int, what: str) -> None:
    if vector.shape[-1:] != (size,):
        found = vector.shape[-1] if vector.dim() else 1
        raise UserError(f"{what} has {found} numbers, but the model's hidden size is {size}.")


def _digest(vector: Tensor) -> str:
    return blake2b(vector.detach().to("cpu", torch.float64).numpy().tobytes(), digest_size=16).hexdigest()


def _number(*names: str | int) -> int:
    """Return a number that is no token id."""
    return derive_seed(*names) >> 1 | 1 << 62
