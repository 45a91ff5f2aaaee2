"""From tokenised documents to the rows of training steps.

A row is some documents laid end to end, up to a budget of tokens; a step is some rows. Which documents make which
step follows from the seed and the epoch alone, so a run that goes on at step n of an epoch sees what it would have
seen. Documents are never cut and never see each other.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ..tasks.rng import GOLDEN_GAMMA, MASK64, derive_seed

Ints = npt.NDArray[np.int64]


class Document(NamedTuple):
    """A tokenised conversation."""

    ids: Sequence[int]
    learned: Sequence[bool]
    """For every token whether it is to be predicted; the first never is, nothing stands before it."""
    uid: str = ""
    kind: str = ""
    """What it is an example of; held-out losses are told apart by it."""
    context: Sequence[bool] = ()
    """For every token whether it was given to the model: prompts, observations, the template's own; () if unknown."""


class Documents:
    """Many documents in a few arrays.

    Args:
        ids: The tokens of all documents, end to end, `[T]`.
        learned: For every token whether it is to be predicted, `[T]`.
        starts: Where each document begins, and at last T, `[D + 1]`.
        kinds: The index of each document's kind, `[D]`.
        kind_names: What they are called.
        fingerprint: SHA-256 of what they were made of.
        context: For every token whether it was given to the model, `[T]`; None: unknown.
    """

    def __init__(
        self,
        ids: npt.NDArray[np.integer],
        learned: npt.NDArray[np.bool_],
        starts: Ints,
        kinds: Ints,
        kind_names: Sequence[str],
        fingerprint: str = "",
        context: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        self.ids, self.learned, self.starts, self.kinds = ids, learned, starts, kinds
        self.context = np.zeros(len(ids), dtype=bool) if context is None else context
        self.kind_names = list(kind_names)
        self.fingerprint = fingerprint
        self.lengths: Ints = np.diff(starts)
        sums = np.concatenate(([0], np.cumsum(learned, dtype=np.int64)))
        self.targets: Ints = sums[starts[1:]] - sums[starts[:-1]]
        """How many tokens each document has to predict."""

    @classmethod
    def of(cls, documents: Iterable[Document], fingerprint: str = "") -> "Documents":
        """Collect documents."""
        every = list(documents)
        names = sorted({document.kind for document in every})
        number = {name: index for index, name in enumerate(names)}
        learned = np.array([flag for document in every for flag in document.learned], dtype=bool)
        starts = np.cumsum([0, *(len(document.ids) for document in every)], dtype=np.int64)
        context = np.array([flag for one in every for flag in one.context or [False] * len(one.ids)], dtype=bool)
        learned[starts[:-1]] = context[starts[:-1]] = False
        ids = np.array([one for document in every for one in document.ids], dtype=np.int32)
        kinds = np.array([number[document.kind] for document in every], dtype=np.int64)
        return cls(ids, learned, starts, kinds, names, fingerprint, context)

    def __len__(self) -> int:
        return len(self.lengths)

    def select(self, chosen: npt.NDArray[np.bool_] | Ints) -> "Documents":
        """Return some of the documents."""
        numbers = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        tokens = spans(self.starts[numbers], self.lengths[numbers])
        starts = np.concatenate(([0], np.cumsum(self.lengths[numbers])))
        return Documents(
            self.ids[tokens],
            self.learned[tokens],
            starts,
            self.kinds[numbers],
            self.kind_names,
            self.fingerprint,
            self.context[tokens],
        )

    def row(self, numbers: Ints, context: float = 0.0) -> "Row":
        """Lay documents end to end.

        Args:
            numbers: Which.
            context: What a token that was given to the model counts for beside one that is learned (1).
        """
        lengths = self.lengths[numbers]
        tokens = spans(self.starts[numbers], lengths)
        ids = self.ids[tokens].astype(np.int64)
        positions = np.arange(len(tokens)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        learned = self.learned[tokens]
        places = np.flatnonzero(learned | self.context[tokens] if context else learned)
        kinds = np.repeat(self.kinds[numbers], lengths)[places]
        weights = np.where(learned[places], 1.0, context).astype(np.float32)
        return Row(ids, positions, lengths.tolist(), places - 1, ids[places], kinds, weights, learned[places])


class Row(NamedTuple):
    """Documents laid end to end, N tokens of which M are to be predicted."""

    ids: Ints
    """`[N]`"""
    positions: Ints
    """`[N]`, from 0 in every document."""
    lengths: list[int]
    """Of the documents; they sum to N."""
    predicts: Ints
    """`[M]`: the tokens whose hidden states predict."""
    targets: Ints
    """`[M]`: the tokens that come next there."""
    kinds: Ints
    """`[M]`: the kind of the document that each target is in."""
    weights: npt.NDArray[np.float32]
    """`[M]`: what each target counts for; 1 where it is learned."""
    learned: npt.NDArray[np.bool_]
    """`[M]`: whether a target is learned, and not one that was given to the model."""


def spans(starts: Ints, lengths: Ints) -> Ints:
    """Return the indices of stretches, end to end."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)


def permutation(n: int, *names: str | int) -> Ints:
    """Return a permutation of 0 to n-1 named by a path: the order of splitmix64's numbers (see `tasks.rng`)."""
    with np.errstate(over="ignore"):
        key = np.uint64(derive_seed(*names) & MASK64)
        state = key + (np.arange(n, dtype=np.uint64) + np.uint64(1)) * np.uint64(GOLDEN_GAMMA)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return np.argsort(state, kind="stable")


Packing = Literal["packed", "unpacked"]


class Order(NamedTuple):
    """How documents become steps."""

    budget: int
    """Tokens in a row, at most; a longer document is a row of its own."""
    rows: int
    """Rows in a step."""
    seed: int
    packing: Packing = "packed"
    """packed: rows are filled by first fit, the longest first. unpacked: a row is the next documents of the shuffle,
    as many as fit."""
    window: int = 2048
    """Documents that are packed at a time; the shuffle is finer than that, the fill better the larger it is."""


def epoch_steps(lengths: Ints, order: Order, epoch: int) -> list[list[Ints]]:
    """Return the steps of an epoch: of each its rows, of each the numbers of its documents.

    Every document is in one row. Rows are shuffled once more before they make steps, so that the well-filled ones do
    not come first. The last step may have fewer rows.
    """
    shuffled = permutation(len(lengths), "sft order", order.seed, epoch)
    rows: list[Ints] = []
    window = order.window if order.packing == "packed" else len(lengths) or 1
    for first in range(0, len(shuffled), window):
        part = shuffled[first : first + window]
        if order.packing == "packed":
            rows += first_fit_decreasing(part, lengths[part], order.budget)
        else:
            rows += next_fit(part, lengths[part], order.budget)
    rows = [rows[number] for number in permutation(len(rows), "sft rows", order.seed, epoch)]
    return [rows[first : first + order.rows] for first in range(0, len(rows), order.rows)]


def first_fit_decreasing(numbers: Ints, lengths: Ints, budget: int) -> list[Ints]:
    """Fill rows: each document, the longest first, goes into the first row that has room (Johnson 1973)."""
    rows: list[list[int]] = []
    room: list[int] = []
    row, before = 0, 0
    for place in np.argsort(-lengths, kind="stable"):
        length = int(lengths[place])
        if length != before:  # where one did not fit, the next of its length does not
            row, before = 0, length
        while row < len(rows) and room[row] < length:
            row += 1
        if row == len(rows):
            rows.append([])
            room.append(budget)
        rows[row].append(int(numbers[place]))
        room[row] -= length
    return [np.array(row, dtype=np.int64) for row in rows]


def next_fit(numbers: Ints, lengths: Ints, budget: int) -> list[Ints]:
    """Fill rows in the order given: a document that does not fit begins the next row."""
    rows: list[list[int]] = []
    room = -1
    for number, length in zip(numbers.tolist(), lengths.tolist(), strict=True):
        if length > room:
            rows.append([])
            room = budget
        rows[-1].append(number)
        room -= length
    return [np.array(row, dtype=np.int64) for row in rows]
