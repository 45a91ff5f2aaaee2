"""A maze laid out for play: neighbours, pictures, and distances to the goal.

Built once a task and shared by all of its states, so that a step only looks things up.
"""

from collections import deque
from collections.abc import Sequence
from functools import cached_property
from hashlib import blake2b
from typing import NamedTuple

from .task import Cell, MazeTask

DIRECTIONS = ("up", "down", "left", "right")
"""The moves, in the order of `Maze.neighbours`."""
WINDOW = 2
"""Cells that a partial view shows on each side of the player: a 5 by 5 window."""
WALL, OPEN, START, GOAL, PLAYER = "#", " ", "S", "E", "@"


class Glimpse(NamedTuple):
    """A partial view and its identity."""

    picture: str
    key: str


class Maze:
    """One maze; cells are numbered row by row.

    Attributes:
        rows: Number of rows of cells.
        columns: Number of columns of cells.
        start: The start's number.
        goal: The exit's number.
        neighbours: For each cell, the cell up, down, left and right of it, -1 where there is a wall.
        legal: For each cell, the moves that lead elsewhere.
        keys: For each cell, its name `row,column`.
        picture: 2 rows + 1 lines of 2 columns + 1 characters, with S and E but without the player.
        offsets: For each cell, its position in the picture.
    """

    def __init__(self, task: MazeTask) -> None:
        self.geometry = task.geometry()
        self.rows = rows = len(task.down)
        self.columns = columns = len(task.down[0])
        self.start = self.number(task.start)
        self.goal = self.number(task.goal)
        neighbours = [[-1, -1, -1, -1] for _ in range(rows * columns)]
        width = 2 * columns + 2  # with the line break
        canvas = list((WALL * (2 * columns + 1) + "\n") * (2 * rows + 1))
        cell = 0
        offsets = []
        for i in range(rows):
            for j in range(columns):
                at = (2 * i + 1) * width + 2 * j + 1
                offsets.append(at)
                canvas[at] = OPEN
                if task.down[i][j] == "1":
                    neighbours[cell][1] = cell + columns
                    neighbours[cell + columns][0] = cell
                    canvas[at + width] = OPEN
                if task.right[i][j] == "1":
                    neighbours[cell][3] = cell + 1
                    neighbours[cell + 1][2] = cell
                    canvas[at + 1] = OPEN
                cell += 1
        canvas[offsets[self.start]] = START
        canvas[offsets[self.goal]] = GOAL
        self.neighbours = tuple([tuple(row) for row in neighbours])
        self.legal = tuple(
            [tuple([name for name, to in zip(DIRECTIONS, row, strict=True) if to >= 0]) for row in neighbours]
        )
        self.keys = tuple([f"{i},{j}" for i in range(rows) for j in range(columns)])
        self.picture = "".join(canvas[:-1])
        self.offsets = tuple(offsets)
        self._glimpses: dict[int, Glimpse] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Maze) and self.geometry == other.geometry

    def __hash__(self) -> int:
        return hash(self.geometry)

    def number(self, cell: Cell) -> int:
        """Return a cell's number."""
        return cell[0] * self.columns + cell[1]

    def cell(self, number: int) -> Cell:
        """Return the cell of a number."""
        return divmod(number, self.columns)

    def view(self, at: int) -> str:
        """Return the whole picture with the player in a cell."""
        offset = self.offsets[at]
        return f"{self.picture[:offset]}{PLAYER}{self.picture[offset + 1 :]}"

    def glimpse(self, at: int) -> Glimpse:
        """Return the 5 by 5 cells around a cell, walls included; what lies outside the maze looks like wall."""
        found = self._glimpses.get(at)
        if found is None:
            lines = self._padded
            row, column = self.cell(at)
            # The window's first line is the wall above its first cell: 2 (row - WINDOW), and the padding adds 2 WINDOW.
            span = slice(2 * column, 2 * column + 4 * WINDOW + 3)
            window = [line[span] for line in lines[2 * row : 2 * row + 4 * WINDOW + 3]]
            middle = 2 * WINDOW + 1
            window[middle] = window[middle][:middle] + PLAYER + window[middle][middle + 1 :]
            picture = "\n".join(window)
            found = Glimpse(picture, blake2b(picture.encode(), digest_size=8).hexdigest())
            self._glimpses[at] = found
        return found

    @cached_property
    def _padded(self) -> list[str]:
        margin = WALL * (2 * WINDOW)
        lines = [margin + line + margin for line in self.picture.split("\n")]
        outside = [WALL * len(lines[0])] * (2 * WINDOW)
        return outside + lines + outside

    @cached_property
    def distances(self) -> tuple[int, ...]:
        """For each cell, the moves on a shortest way to the goal (breadth-first); -1 where there is none."""
        return tuple(distances(self.neighbours, self.goal))

    def shortest_path(self, start: int) -> list[int] | None:
        """Return the cells of a shortest way from a cell to the goal, both included, or None; exact.

        Of several, the one that goes up, else down, else left, else right first.
        """
        left = self.distances[start]
        if left < 0:
            return None
        path = [start]
        while left:
            left -= 1
            path.append(next(to for to in self.neighbours[path[-1]] if to >= 0 and self.distances[to] == left))
        return path

    def edges(self) -> list[tuple[int, int]]:
        """Return every pair of connected cells once, row by row."""
        return [(cell, to) for cell, row in enumerate(self.neighbours) for to in (row[1], row[3]) if to >= 0]


def distances(neighbours: Sequence[Sequence[int]], origin: int) -> list[int]:
    """Return each cell's distance in moves from a cell, -1 where it cannot be reached (breadth-first search)."""
    found = [-1] * len(neighbours)
    found[origin] = 0
    queue = deque([origin])
    while queue:
        cell = queue.popleft()
        further = found[cell] + 1
        for to in neighbours[cell]:
            if to >= 0 and found[to] < 0:
                found[to] = further
                queue.append(to)
    return found
