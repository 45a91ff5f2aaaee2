"""The least total of pushes from boxes to goals, each box alone on the floor: a lower bound for the solver."""

from collections.abc import Callable
from functools import lru_cache
from itertools import combinations
from operator import add

from .deadlock import frozen
from .level import Level, bits

_INFINITE = 1 << 20
_HALVES = 6


class Assignment:
    """Lower bounds for the box sets of one level, remembered.

    Args:
        level: The level.
        distances: For each goal, the least pushes of a lone box from each cell that it can come from;
            `level.push_distances` if None.
    """

    def __init__(self, level: Level, distances: dict[int, dict[int, int]] | None = None) -> None:
        self.level = level
        if distances is None:
            distances = level.push_distances
        by_goal = list(distances.values())
        self.costs: dict[int, tuple[int, ...]] = {
            box: tuple(distance.get(box, _INFINITE) for distance in by_goal) for box in bits(level.live)
        }
        self._half = len(by_goal) // 2
        self._known: dict[int, int | None] = {}
        self._tables: dict[int, tuple[int, ...]] = {}
        self.total: Callable[[int], int] = self._by_halves if len(by_goal) <= _HALVES else self._hungarian

    def __call__(self, boxes: int, moved: int = 0) -> int | None:
        """Return the bound for some boxes, `moved` (a mask) being the one pushed last; None if they are lost."""
        try:
            return self._known[boxes]
        except KeyError:
            bound = self._known[boxes] = self._bound(boxes, moved)
            return bound

    def _bound(self, boxes: int, moved: int) -> int | None:
        level = self.level
        if boxes & ~level.live:
            return None
        if moved and frozen(level, boxes, moved):
            return None
        total = self.total(boxes)
        return total if total < _INFINITE else None

    def _by_halves(self, boxes: int) -> int:
        """Few boxes: the best of one half for every set of goals, plus the other half's best for the other goals."""
        first = 0
        rest = boxes
        for _ in range(self._half):
            low = rest & -rest
            first |= low
            rest ^= low
        # In lexicographic order, the complements of the k-subsets are the (n-k)-subsets in reverse.
        return min(map(add, self._table(first), reversed(self._table(rest))))

    def _table(self, boxes: int) -> tuple[int, ...]:
        """Return the least total of some boxes for every set of as many goals, in lexicographic order."""
        table = self._tables.get(boxes)
        if table is None:
            low = boxes & -boxes
            rest = boxes ^ low
            if not boxes:
                table = (0,)
            elif not rest:
                table = self.costs[low]
            else:
                cost, others = self.costs[low], self._table(rest)
                table = tuple(
                    min(cost[goal] + others[index] for goal, index in ways)
                    for ways in _ways(len(self.costs[low]), boxes.bit_count())
                )
            self._tables[boxes] = table
        return table

    def _hungarian(self, boxes: int) -> int:
        """Many boxes: the Hungarian method with potentials (Kuhn 1955, in Jonker and Volgenant's row-wise form)."""
        rows = [self.costs[box] for box in bits(boxes)]
        size = len(rows)
        columns = range(size)
        row_potential = [0] * (size + 1)
        column_potential = [0] * size
        owner = [size] * size  # the row that holds each column; `size` for none
        for index, row in enumerate(rows):
            # Grow a tree of reduced costs from this row until it meets a free column, then flip the path to it.
            nearest = [cost - potential for cost, potential in zip(row, column_potential, strict=True)]
            before = [-1] * size
            used: list[int] = []
            left = list(columns)
            while True:
                column = min(left, key=nearest.__getitem__)
                distance = nearest[column]
                left.remove(column)
                used.append(column)
                holder = owner[column]
                if holder == size:
                    break
                held, shift = rows[holder], distance - row_potential[holder]
                for other in left:
                    through = held[other] - column_potential[other] + shift
                    if through < nearest[other]:
                        nearest[other] = through
                        before[other] = column
            for other in used:
                gain = distance - nearest[other]
                column_potential[other] -= gain
                if owner[other] != size:
                    row_potential[owner[other]] += gain
            row_potential[index] = distance
            while before[column] >= 0:
                owner[column] = owner[before[column]]
                column = before[column]
            owner[column] = index
        return sum(rows[holder][column] for column, holder in enumerate(owner))


@lru_cache(maxsize=64)
def _ways(count: int, size: int) -> tuple[tuple[tuple[int, int], ...], ...]:
    """For every `size`-subset of `count` goals: each of its goals, with the place of the subset without it."""
    places = {subset: place for place, subset in enumerate(combinations(range(count), size - 1))}
    return tuple(
        tuple((goal, places[subset[:at] + subset[at + 1 :]]) for at, goal in enumerate(subset))
        for subset in combinations(range(count), size)
    )
