"""Keys and values of many sequences, kept from one request to the next.

A `Row` holds one sequence. Rows of similar length share a shelf: one tensor with room for a power of two of tokens a
row, so that a batch attends to a whole stretch of rows in one call and little of it is padding. A request gets the
row that shares its longest beginning: the row itself where the request goes on from all of it, else a copy of the
common part. Rows that no request is using stay until room is needed; the one longest unused goes first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...tasks.errors import UserError
from .model import ModelInfo

SMALLEST = 256
"""Tokens a row of the smallest shelf has room for."""

IDLE_ROWS = 128
"""So many unused rows (or twice as many as are in use) are kept before one is given up for a new request."""

WAIT_TOKENS = 16
"""A request waits for another to be read if that spares it at least so many tokens."""

FIRST_ROWS = 64
"""A shelf begins with so many rows, if they take no more than a share of the memory: growing is copying."""

_SHARES = 8

_ALIGNMENT = 64
"""Bytes; a cache line, which vector instructions like to begin at."""

_FREE, _IDLE, _BUSY = 0, 1, 2


class CacheFull(RuntimeError):
    """A sequence does not fit into the memory that the cache may use, even alone."""


class Row:
    """A handle on one sequence of the cache; it stays valid when the sequence moves."""

    __slots__ = ("index", "shelf")

    def __init__(self, shelf: "Shelf", index: int) -> None:
        self.shelf = shelf
        self.index = index

    @property
    def filled(self) -> int:
        """How many tokens have their keys and values in the cache."""
        return int(self.shelf.filled[self.index])

    @property
    def length(self) -> int:
        """How many tokens are known; those after `filled` are still to be run through the model."""
        return int(self.shelf.length[self.index])

    @property
    def ids(self) -> np.ndarray:
        """The known tokens, int64 `[length]`; a view."""
        return self.shelf.ids[self.index, : self.length]


@dataclass(frozen=True)
class Opened:
    """A row for a request, and how many of its tokens were there already."""

    row: Row
    reused: int


class Wait:
    """The answer to a request that should come again after the next step."""


WAIT = Wait()


class Shelf:
    """Rows with room for the same number of tokens.

    Attributes:
        data: Keys and values `[layers, 2, rows, kv_heads, capacity, head_dim]`.
        ids: The rows' tokens, int64 `[rows, capacity]`.
        names: What the rows' keys and values are known by, `[rows, capacity]`: the ids, or other numbers.
        length: How many of them are known, `[rows]`.
        filled: How many of them have their keys and values in `data`, `[rows]`.
    """

    def __init__(self, capacity: int, info: ModelInfo, device: torch.device, dtype: torch.dtype) -> None:
        self.capacity = capacity
        self._shape = (info.layers, 2, info.kv_heads, info.head_dim)
        self.row_bytes = info.layers * 2 * info.kv_heads * capacity * info.head_dim * dtype.itemsize
        self.data = self._tensor(0, device, dtype)
        self.ids = np.zeros((0, capacity), dtype=np.int64)
        self.names = np.zeros((0, capacity), dtype=np.int64)
        self.length = np.zeros(0, dtype=np.int64)
        self.filled = np.zeros(0, dtype=np.int64)
        self.used = np.zeros(0, dtype=np.int64)
        self.state = np.zeros(0, dtype=np.int8)
        self.owners: list[Row | None] = []

    def _tensor(self, rows: int, device: torch.device, dtype: torch.dtype) -> Tensor:
        # Zeros, since what was never written is multiplied by a weight of zero, and must not be infinite.
        layers, two, kv_heads, head_dim = self._shape
        shape = (layers, two, rows, kv_heads, self.capacity, head_dim)
        if device.type != "cpu":
            return torch.zeros(shape, device=device, dtype=dtype)
        # numpy's zeros are pages that take no memory before they are written; torch's are written at once.
        pages = np.zeros(rows * self.row_bytes + _ALIGNMENT, dtype=np.uint8)
        start = -pages.ctypes.data % _ALIGNMENT
        with torch.inference_mode(False):  # it may be written to outside of that mode, too
            return torch.from_numpy(pages[start : start + rows * self.row_bytes]).view(dtype).view(shape)

    @property
    def rows(self) -> int:
        """How many rows there is room for."""
        return len(self.owners)

    def resize(self, rows: int) -> None:
        """Make room for as many rows; those in use move to the front if they must."""
        kept = [i for i, owner in enumerate(self.owners) if owner is not None]
        if len(kept) > rows:
            raise ValueError(f"{len(kept)} rows are in use, which do not fit into {rows}")
        if kept and kept[-1] < rows:
            kept = list(range(min(rows, self.rows)))  # nobody has to move
        data = self._tensor(rows, self.data.device, self.data.dtype)
        longest = int(self.filled[kept].max(initial=0))
        if longest:
            source = self.data[:, :, : len(kept)] if kept == list(range(len(kept))) else self.data[:, :, kept]
            data[:, :, : len(kept), :, :longest] = source[:, :, :, :, :longest]
        self.data = data
        for name in ("ids", "names", "length", "filled", "used", "state"):
            old = getattr(self, name)
            new = np.zeros((rows, *old.shape[1:]), dtype=old.dtype)
            new[: len(kept)] = old[kept]
            setattr(self, name, new)
        owners = [self.owners[i] for i in kept]
        self.owners = owners + [None] * (rows - len(owners))
        for i, owner in enumerate(owners):
            if owner is not None:
                owner.index = i

    def free_index(self) -> int | None:
        """Return the first row that holds nothing."""
        free = np.flatnonzero(self.state == _FREE)
        return int(free[0]) if len(free) else None

    def copy(self, source: Row, index: int, tokens: int) -> None:
        """Copy keys and values of the beginning of a row, of any shelf, to one of this shelf's."""
        self.data[:, :, index, :, :tokens] = source.shelf.data[:, :, source.index, :, :tokens]

    def swap(self, one: int, other: int) -> None:
        """Let two rows change places."""
        longest = int(max(self.filled[one], self.filled[other]))
        pair, crossed = [one, other], [other, one]
        if longest:
            self.data[:, :, pair, :, :longest] = self.data[:, :, crossed, :, :longest]
        for array in (self.ids, self.names, self.length, self.filled, self.used, self.state):
            array[pair] = array[crossed]
        self.owners[one], self.owners[other] = self.owners[other], self.owners[one]
        for i in pair:
            owner = self.owners[i]
            if owner is not None:
                owner.index = i

    def common(self, names: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows that hold something and how many tokens of their beginning are named the same."""
        rows = np.flatnonzero(self.state != _FREE)
        shared = np.zeros(len(rows), dtype=np.int64)
        live = np.arange(len(rows))
        start, width = 0, 32
        end = min(len(names), self.capacity)
        while len(live) and start < end:
            stop = min(end, start + width)
            same = self.names[rows[live], start:stop] == names[start:stop]
            whole = same.all(axis=1)
            shared[live] = np.where(whole, stop, start + same.argmin(axis=1))
            live = live[whole]
            start, width = stop, width * 4
        return rows, np.minimum(shared, self.length[rows])


class KVCache:
    """All rows of a model.

    Args:
        info: The model's measures.
        device: Where keys and values are kept.
        dtype: In what.
        limit_bytes: How much memory all shelves may take together.
    """

    def __init__(self, info: ModelInfo, device: torch.device, dtype: torch.dtype, limit_bytes: int) -> None:
        self.info = info
        self.limit_bytes = limit_bytes
        self.device, self.dtype = device, dtype
        self.shelves: dict[int, Shelf] = {}
        self.evicted = 0
        """How many unused rows were given up so far."""
        self._clock = 0

    @property
    def bytes(self) -> int:
        """The memory that all shelves take."""
        return sum(shelf.rows * shelf.row_bytes for shelf in self.shelves.values())

    def count(self, state: int) -> int:
        """Return how many rows are in a state."""
        return sum(int((shelf.state == state).sum()) for shelf in self.shelves.values())

    @property
    def idle_rows(self) -> int:
        """How many rows wait for a request that goes on from them."""
        return self.count(_IDLE)

    @property
    def busy_rows(self) -> int:
        """How many rows a request is using."""
        return self.count(_BUSY)

    def open(
        self,
        ids: Sequence[int] | np.ndarray,
        room: int,
        *,
        names: Sequence[int] | np.ndarray | None = None,
        reusable: int | None = None,
        more: int = 0,
    ) -> Opened | Wait | None:
        """Find or make a row for a prompt.

        Args:
            ids: The prompt, at least one token. Its last token is never reused: somebody must give the next one's
                logits.
            room: How many more tokens the row must be able to take.
            names: What its keys and values are known by, where they depend on more than the ids.
            reusable: How many tokens may be reused at most.
            more: How many requests come next; room is made for all at once.

        Returns:
            The row; `WAIT` where another row is just being read that shares more; None where there is no room as
            long as the rows in use stay in use.

        Raises:
            CacheFull: Not even an empty cache has room for it.
        """
        wanted = np.asarray(ids, dtype=np.int64)
        named = wanted if names is None else np.asarray(names, dtype=np.int64)
        shelf = self._shelf(len(wanted) + room)
        most = len(wanted) - 1 if reusable is None else min(reusable, len(wanted) - 1)
        donor, whole, reused, pending = self._best(named, most)
        if pending >= reused + WAIT_TOKENS:
            return WAIT
        self._clock += 1
        if donor is None:
            index = self._place(shelf, None, more)
            if index is None:
                return None
            row = self._take(shelf, index)
        else:
            found = self._go_on(shelf, donor, whole, reused, more)
            if found is None:
                return None
            row, reused = found
        self._use(row, wanted, named, reused)
        return Opened(row, reused)

    def _go_on(self, shelf: Shelf, donor: Row, whole: bool, reused: int, more: int) -> tuple[Row, int] | None:
        """Return a row that holds the first tokens of another, and how many; None where there is no room.

        Args:
            shelf: Where it should stand.
            donor: The other row.
            whole: Whether all of the donor is wanted.
            reused: How many of its tokens are wanted.
            more: See `open`.
        """
        idle = donor.shelf.state[donor.index] == _IDLE
        if idle and whole and shelf.capacity <= donor.shelf.capacity <= 2 * shelf.capacity:
            return donor, reused
        index = self._place(shelf, donor, more)
        if index is None and idle:
            if donor.shelf.capacity >= shelf.capacity:
                return donor, reused
            self.drop(donor)  # it stands in the way of its own longer copy: begin anew
            index = self._place(shelf, None, more)
            return None if index is None else (self._take(shelf, index), 0)
        if index is None:
            return None
        row = self._take(shelf, index)
        shelf.copy(donor, index, reused)
        if idle and whole:
            self.drop(donor)
        return row, reused

    def _take(self, shelf: Shelf, index: int) -> Row:
        row = shelf.owners[index] = Row(shelf, index)
        return row

    def _use(self, row: Row, ids: np.ndarray, names: np.ndarray, filled: int) -> None:
        """Mark a row as in use, with these tokens known."""
        shelf, index = row.shelf, row.index
        shelf.state[index], shelf.used[index] = _BUSY, self._clock
        shelf.filled[index], shelf.length[index] = filled, len(ids)
        shelf.ids[index, : len(ids)] = ids
        shelf.names[index, : len(ids)] = names

    def fork(self, row: Row, room: int) -> Row | None:
        """Return a copy of a row, in use, with room for more tokens; None where there is no room."""
        shelf = self._shelf(row.length + room)
        index = self._place(shelf, row)
        if index is None:
            return None
        copy = self._take(shelf, index)
        shelf.copy(row, index, row.filled)
        self._clock += 1
        self._use(copy, row.ids, row.shelf.names[row.index, : row.length], row.filled)
        return copy

    def close(self, row: Row) -> None:
        """Let go of a row; what is in it stays for requests that begin alike."""
        shelf, index = row.shelf, row.index
        if not shelf.filled[index]:
            self.drop(row)
            return
        self._clock += 1
        shelf.length[index] = shelf.filled[index]
        shelf.state[index], shelf.used[index] = _IDLE, self._clock

    def drop(self, row: Row) -> None:
        """Let go of a row and of what is in it."""
        shelf, index = row.shelf, row.index
        shelf.state[index], shelf.filled[index], shelf.length[index] = _FREE, 0, 0
        shelf.owners[index] = None

    def clear(self) -> None:
        """Forget all rows that are not in use; for when the weights have changed."""
        for shelf in self.shelves.values():
            for index in np.flatnonzero(shelf.state == _IDLE):
                owner = shelf.owners[int(index)]
                assert owner is not None
                self.drop(owner)
        self._trim()

    def gather(self) -> None:
        """Bring the rows in use together where they are scattered, since a stretch of rows is one call."""
        for shelf in self.shelves.values():
            busy = shelf.state == _BUSY
            count = int(busy.sum())
            stretches = int((np.diff(busy.astype(np.int8), prepend=0) == 1).sum())
            if stretches <= 2 + count // 16:
                continue
            holes = np.flatnonzero(~busy[:count])
            strays = count + np.flatnonzero(busy[count:])
            for hole, stray in zip(holes, strays, strict=True):
                shelf.swap(int(hole), int(stray))

    def _shelf(self, tokens: int) -> Shelf:
        capacity = SMALLEST
        while capacity < tokens:
            capacity *= 2
        if self.info.context_length >= tokens:
            capacity = min(capacity, max(self.info.context_length, 1))
        shelf = self.shelves.get(capacity)
        if shelf is None:
            shelf = self.shelves[capacity] = Shelf(capacity, self.info, self.device, self.dtype)
        if shelf.row_bytes > self.limit_bytes:
            raise CacheFull(
                f"A sequence of {tokens} tokens needs {shelf.row_bytes / 2**20:.3g} MiB for its keys and values, "
                f"and the cache may take {self.limit_bytes / 2**20:.3g} MiB; raise cache_mb, or ask for less."
            )
        return shelf

    def _best(self, names: np.ndarray, most: int) -> tuple[Row | None, bool, int, int]:
        """Return the best row to go on from, whether all of it is wanted, how many tokens are, and how many soon."""
        best: Row | None = None
        rank, pending = (0, 0, 0), 0
        for shelf in self.shelves.values():
            rows, shared = shelf.common(names)
            if not len(rows):
                continue
            over = shelf.filled[rows] - np.minimum(shared, shelf.filled[rows])
            shared = np.minimum(shared, most)
            usable = np.minimum(shared, shelf.filled[rows])
            busy = shelf.state[rows] == _BUSY
            if busy.any():
                pending = max(pending, int(shared[busy].max()))
            # The longest; of these an unused one, of these the one with the least beyond.
            order = np.lexsort((over, busy, -usable))
            i = int(order[0])
            found = (int(usable[i]), int(not busy[i]), -int(over[i]))
            if found[0] and (best is None or found > rank):
                best, rank = shelf.owners[int(rows[i])], found
        return best, rank[2] == 0, rank[0], pending

    def _place(self, shelf: Shelf, protected: Row | None, more: int = 0) -> int | None:
        """Return a free row of a shelf, made by growing it or by evicting rows; None if that cannot be."""
        index = shelf.free_index()
        if index is not None:
            return index
        idle, busy = self.idle_rows, self.busy_rows
        if idle >= max(IDLE_ROWS, 2 * busy):
            oldest = self._oldest(protected, shelf)
            if oldest is not None:
                self._evict(oldest)
                return shelf.free_index()
        while True:
            spare = (self.limit_bytes - self.bytes) // shelf.row_bytes
            if spare >= 1:
                before = shelf.rows
                start = min(FIRST_ROWS, self.limit_bytes // _SHARES // shelf.row_bytes)
                shelf.resize(before + int(min(spare, max(1 + more, before // 2, start))))
                return shelf.free_index()
            oldest = self._oldest(protected)
            if oldest is None:
                return shelf.free_index() if self._trim() and self._spare(shelf) else None
            other = oldest.shelf
            self._evict(oldest)
            if other is shelf:
                return shelf.free_index()
            free = sum(int((one.state == _FREE).sum()) * one.row_bytes for one in self.shelves.values())
            if self.bytes - free + shelf.row_bytes <= self.limit_bytes:
                self._trim()

    def _spare(self, shelf: Shelf) -> bool:
        if self.bytes + shelf.row_bytes > self.limit_bytes:
            return False
        shelf.resize(shelf.rows + 1)
        return True

    def _trim(self) -> bool:
        """Give back the memory of rows that hold nothing; returns whether there were any."""
        trimmed = False
        for shelf in self.shelves.values():
            taken = sum(owner is not None for owner in shelf.owners)
            if taken < shelf.rows:
                shelf.resize(taken)
                trimmed = True
        return trimmed

    def _oldest(self, protected: Row | None, shelf: Shelf | None = None) -> Row | None:
        best: Row | None = None
        oldest = 0
        for one in [shelf] if shelf is not None else self.shelves.values():
            for index in np.flatnonzero(one.state == _IDLE):
                owner = one.owners[int(index)]
                if owner is not protected and (best is None or one.used[index] < oldest):
                    best, oldest = owner, int(one.used[index])
        return best

    def _evict(self, row: Row) -> None:
        self.evicted += 1
        self.drop(row)


def cache_limit(megabytes: int | None, device: torch.device) -> int:
    """Return a limit in bytes: the one that is given, else a quarter of the machine's memory, 8 GiB at most.

    Raises:
        UserError: It is not positive.
    """
    if megabytes is not None:
        if megabytes < 1:
            raise UserError(f"cache_mb must be at least 1, not {megabytes}.")
        return megabytes << 20
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free * 0.6)
    import os

    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(8 << 30, physical // 4)
