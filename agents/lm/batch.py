"""Which tokens of which rows are run through the model next, laid end to end."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .kv import Row, Shelf


class Group(NamedTuple):
    """The tokens of a batch whose rows stand on one shelf."""

    shelf: Shelf
    start: int
    stop: int
    targets: Tensor
    """Where their keys and values go, `[2 * tokens * kv_heads]`: rows of `data[layer]` seen as `[-1, head_dim]`."""


class Stretch(NamedTuple):
    """Neighbouring rows of a shelf with as many new tokens each: one call of attention."""

    shelf: Shelf
    start: int
    """The first of their tokens in the batch."""
    rows: slice
    new: int
    """New tokens a row."""
    places: np.ndarray
    """The place of each row's first new token, `[rows]`."""

    @property
    def length(self) -> int:
        """How many tokens the longest row has, the new ones included."""
        return int(self.places.max()) + self.new

    @property
    def stop(self) -> int:
        """The end of their tokens in the batch."""
        return self.start + len(self.places) * self.new


class Batch:
    """The next tokens of some rows: `count[i]` of the `i`-th, from its `filled` on.

    Rows with one new token come first on each shelf, in the order in which they stand there, so that a stretch of
    them is one call; `order` says where each of the given rows went.

    Args:
        rows: The rows, each once.
        counts: How many of their known tokens are run, at least 1.
        device: Where the model is.
    """

    def __init__(self, rows: Sequence[Row], counts: Sequence[int], device: torch.device) -> None:
        keys = [(row.shelf.capacity, count > 1, row.index) for row, count in zip(rows, counts, strict=True)]
        self.order = sorted(range(len(rows)), key=keys.__getitem__)
        """Positions in `rows`, in the batch's order."""
        self.rows = [rows[i] for i in self.order]
        counted = np.array([counts[i] for i in self.order], dtype=np.int64)
        self.counts = counted
        ends = counted.cumsum()
        self._starts = ends - counted
        self.tokens = int(ends[-1])
        self.groups: list[Group] = []
        self.stretches: list[Stretch] = []
        self._shelves: list[tuple[Shelf, slice, np.ndarray]] = []
        ids: list[np.ndarray] = []
        places: list[np.ndarray] = []
        first = 0
        while first < len(self.rows):
            shelf = self.rows[first].shelf
            last = first
            while last < len(self.rows) and self.rows[last].shelf is shelf:
                last += 1
            members = slice(first, last)
            indices = np.array([row.index for row in self.rows[members]], dtype=np.int64)
            self._shelves.append((shelf, members, indices))
            own, place = self._add(shelf, indices, counted[members], int(self._starts[first]), device)
            ids.append(own)
            places.append(place)
            first = last
        self.ids = torch.from_numpy(np.concatenate(ids)).to(device)
        self.positions = torch.from_numpy(np.concatenate(places)).to(device)
        self.last = torch.from_numpy(ends - 1).to(device)
        """The last token of each row, `[rows]`."""

    def span(self, i: int) -> slice:
        """Return the tokens of the `i`-th row, in the batch's order."""
        start = int(self._starts[i])
        return slice(start, start + int(self.counts[i]))

    def done(self) -> None:
        """Say that the tokens have been run: their keys and values are in the cache."""
        for shelf, members, indices in self._shelves:
            shelf.filled[indices] += self.counts[members]

    def ends(self, chosen: np.ndarray) -> list[Stretch]:
        """Return the stretches of the last tokens of some rows, as though these were the batch.

        Args:
            chosen: Which rows, ascending.
        """
        found: list[Stretch] = []
        start = 0
        for shelf, members, indices in self._shelves:
            low, high = np.searchsorted(chosen, (members.start, members.stop))
            own = chosen[low:high] - members.start
            if len(own):
                rows = indices[own]
                places = shelf.filled[rows] + self.counts[members][own] - 1
                found += _stretches(shelf, rows, np.ones_like(rows), places, start)
                start += len(own)
        return found

    def complete(self) -> np.ndarray:
        """Return which rows have no token left to run after these, bool `[rows]`."""
        return np.concatenate(
            [
                shelf.filled[indices] + self.counts[members] == shelf.length[indices]
                for shelf, members, indices in self._shelves
            ]
        )

    def append(self, chosen: np.ndarray | None, tokens: np.ndarray) -> None:
        """Append one token to each of the chosen rows.

        Args:
            chosen: Which rows, ascending; None: all.
            tokens: One for each of them.
        """
        for shelf, members, indices in self._shelves:
            if chosen is None:
                where, own = indices, tokens[members]
            else:
                low, high = np.searchsorted(chosen, (members.start, members.stop))
                where, own = indices[chosen[low:high] - members.start], tokens[low:high]
            places = shelf.length[where]
            shelf.ids[where, places] = shelf.names[where, places] = own
            shelf.length[where] += 1

    def advance(self, tokens: Tensor) -> None:
        """Become the next batch of the same rows, where each has one new token.

        Args:
            tokens: The new tokens, `[rows]`, in the batch's order.
        """
        self.ids = tokens
        self.positions = self.positions + 1
        for group in self.groups:
            group.targets.add_(1)
        for stretch in self.stretches:
            np.add(stretch.places, 1, out=stretch.places)

    def _add(
        self, shelf: Shelf, indices: np.ndarray, counts: np.ndarray, start: int, device: torch.device
    ) -> tuple[np.ndarray, np.ndarray]:
        """Add the rows of one shelf; returns their tokens' ids and places."""
        filled = shelf.filled[indices]
        total = int(counts.sum())
        if total == len(indices):
            rows, places = indices, filled.copy()
        else:
            rows = np.repeat(indices, counts)
            within = np.arange(total) - np.repeat(counts.cumsum() - counts, counts)
            places = np.repeat(filled, counts) + within
        _, _, all_rows, kv_heads, capacity, _ = shelf.data.shape
        targets = (rows[:, None] * kv_heads + np.arange(kv_heads)) * capacity + places[:, None]
        both = np.stack((targets, targets + all_rows * kv_heads * capacity)).reshape(-1)
        self.groups.append(Group(shelf, start, start + total, torch.from_numpy(both).to(device)))
        self.stretches += _stretches(shelf, indices, counts, filled, start)
        return shelf.ids[rows, places], places


def _stretches(
    shelf: Shelf, indices: np.ndarray, counts: np.ndarray, places: np.ndarray, start: int
) -> Iterator[Stretch]:
    """Yield the stretches of rows of one shelf, whose first tokens have the given places, from token `start` on."""
    breaks = (np.flatnonzero((np.diff(indices) != 1) | (counts[1:] > 1) | (counts[:-1] > 1)) + 1).tolist()
    for low, high in zip([0, *breaks], [*breaks, len(indices)], strict=True):
        first, count = int(indices[low]), int(counts[low])
        yield Stretch(shelf, start, slice(first, first + high - low), count, places[low:high].copy())
        start += count * (high - low)
