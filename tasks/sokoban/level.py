"""The fixed part of a Sokoban level, and positions in it, as bit masks that search can work on.

Only cells that are not on the grid's border can be stood on, so cell (row, column) is bit
`(row - 1) * (columns - 1) + column - 1`: one bit column is left over as a wall between the rows. A neighbouring
cell is then a shift by 1 or by `stride`, and a shift never leaks from one row into the next.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

WALL, FLOOR, GOAL, VOID = "#", " ", ".", "-"

DIRECTIONS = "udlr"
"""The four moves, in the order that everything here lists them; a capital letter is a push (LURD notation)."""


def flood(seed: int, free: int, stride: int) -> int:
    """Return the free cells connected to `seed` (a mask), `seed` included."""
    reached = seed
    while True:
        grown = reached | (reached << 1 | reached >> 1) & free
        grown |= (grown << stride | grown >> stride) & free
        if grown == reached:
            return reached
        reached = grown


def bits(mask: int) -> Iterator[int]:
    """Yield the set bits of a mask, each as a mask of its own, lowest first."""
    while mask:
        bit = mask & -mask
        yield bit
        mask ^= bit


def pull_distances(goal: int, floor: int, stride: int) -> dict[int, int]:
    """Return the pulls by which a lone box gets from a goal to each cell, wherever the player has to be for it."""
    distances = {}
    layer = seen = goal
    distance = 0
    while layer:
        for box in bits(layer):
            distances[box] = distance
        layer = _pulled(layer, floor, stride) & ~seen
        seen |= layer
        distance += 1
    return distances


def _pulled(boxes: int, floor: int, stride: int) -> int:
    """Return where lone boxes can be pulled: to a floor cell with another one behind it, for the player."""
    return floor & (
        boxes << 1 & floor >> 1
        | boxes >> 1 & floor << 1
        | boxes << stride & floor >> stride
        | boxes >> stride & floor << stride
    )


class Level:
    """Walls and goals; immutable, compared by content, shared by all positions in it.

    Args:
        grid: The rows, all of one length, of `#` (wall), space (floor), `.` (goal), `-` (outside) and `*` (a box on
            a goal that is out of reach, no more than a wall).

    The floor must not touch the border; `xsb.parse` checks that.
    """

    def __init__(self, grid: tuple[str, ...]) -> None:
        self.grid = grid
        self.height = len(grid)
        self.width = len(grid[0])
        self.stride = self.width - 1
        floor = goals = 0
        for row in range(1, self.height - 1):
            bit = 1 << (row - 1) * self.stride
            for cell in grid[row][1:-1]:
                if cell in (FLOOR, GOAL):
                    floor |= bit
                    if cell == GOAL:
                        goals |= bit
                bit <<= 1
        self.floor = floor
        self.goals = goals
        self._hash = hash(grid)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Level) and self.grid == other.grid)

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[type["Level"], tuple[tuple[str, ...]]]:
        return Level, (self.grid,)

    def __repr__(self) -> str:
        return f"Level({self.grid!r})"

    def bit(self, row: int, column: int) -> int:
        """Return the mask of one cell (row and column from 0, borders counted)."""
        return 1 << (row - 1) * self.stride + column - 1

    def cell(self, bit: int) -> tuple[int, int]:
        """Return the row and column of a one-cell mask."""
        row, column = divmod(bit.bit_length() - 1, self.stride)
        return row + 1, column + 1

    @cached_property
    def shifts(self) -> tuple[int, int, int, int]:
        """How far each of the `DIRECTIONS` moves a bit; negative is to the right."""
        return -self.stride, self.stride, -1, 1

    @cached_property
    def live(self) -> int:
        """The cells from which a lone box can be pushed to some goal; a box elsewhere is lost."""
        live = 0
        grown = self.goals
        while grown != live:
            live = grown
            grown = live | _pulled(live, self.floor, self.stride)
        return live

    @cached_property
    def push_distances(self) -> dict[int, dict[int, int]]:
        """For each goal, the least pushes of a lone box from each cell; cells without a way are absent.

        The player must be able to walk round the box between two pushes in different directions.
        """
        sides = {box: self._sides(box) for box in bits(self.live)}
        return {goal: self._pull_distances(goal, sides) for goal in bits(self.goals)}

    def _sides(self, box: int) -> list[int]:
        """Return the regions that a lone box cuts the floor into, those that touch it."""
        free, stride = self.floor ^ box, self.stride
        around = (box << 1 | box >> 1 | box << stride | box >> stride) & free
        regions = []
        while around:
            region = flood(around & -around, free, stride)
            regions.append(region)
            around &= ~region
        return regions

    def _pull_distances(self, goal: int, sides: dict[int, list[int]]) -> dict[int, int]:
        floor = self.floor
        distances: dict[int, int] = {}
        layer = [(goal, region) for region in sides[goal]]
        seen = dict.fromkeys(sides, 0)
        for box, region in layer:
            seen[box] |= region
        distance = 0
        distances[goal] = 0
        while layer:
            distance += 1
            following = []
            for box, region in layer:
                for shift in self.shifts:
                    if shift > 0:
                        pulled, player = box << shift, box << 2 * shift
                    else:
                        pulled, player = box >> -shift, box >> -2 * shift
                    # The pulling player stands beside the box and needs the cell beyond.
                    if pulled & region and player & floor and not seen[pulled] & player:
                        side = next(side for side in sides[pulled] if side & player)
                        seen[pulled] |= side
                        following.append((pulled, side))
                        distances.setdefault(pulled, distance)
            layer = following
        return distances


class Position(NamedTuple):
    """Where the player and the boxes are; masks of `Level`."""

    level: Level
    player: int
    """One bit."""
    boxes: int
    """One bit a box."""

    @property
    def solved(self) -> bool:
        """Whether every box is on a goal."""
        return self.boxes == self.level.goals

    def reach(self) -> int:
        """Return the cells that the player can walk to."""
        return flood(self.player, self.level.floor & ~self.boxes, self.level.stride)

    def after(self, moves: str) -> "Position":
        """Return the position after moves in LURD notation.

        Raises:
            ValueError: If a move runs into a wall, pushes a stuck box, or its case does not say rightly whether it
                pushes.
        """
        level, player, boxes = self
        for index, letter in enumerate(moves):
            shift = level.shifts[DIRECTIONS.index(letter.lower())]
            front = player << shift if shift > 0 else player >> -shift
            if front & boxes:
                behind = front << shift if shift > 0 else front >> -shift
                if not behind & level.floor & ~boxes:
                    raise ValueError(f"move {index} ({letter}) pushes a box that cannot move")
                boxes ^= front | behind
                pushes = True
            else:
                pushes = False
            if not front & level.floor:
                raise ValueError(f"move {index} ({letter}) runs into a wall")
            if pushes != letter.isupper():
                raise ValueError(f"move {index} ({letter}) {'is' if pushes else 'is not'} a push")
            player = front
        return Position(level, player, boxes)


def walk(start: int, target: int, free: int, stride: int) -> str:
    """Return a shortest walk from one cell to another as LURD letters.

    Raises:
        ValueError: If there is no way.
    """
    layers = [start]
    seen = start
    while not layers[-1] & target:
        last = layers[-1]
        layer = (last << 1 | last >> 1 | last << stride | last >> stride) & free & ~seen
        if not layer:
            raise ValueError("there is no way to walk there")
        seen |= layer
        layers.append(layer)
    letters = []
    cell = target
    for layer in reversed(layers[:-1]):
        for letter, before in zip(DIRECTIONS, (cell << stride, cell >> stride, cell << 1, cell >> 1), strict=True):
            if before & layer:
                letters.append(letter)
                cell = before
                break
    return "".join(reversed(letters))
