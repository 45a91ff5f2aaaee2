"""The instance: which neighbouring cells are connected, where to start, and where the exit is."""

from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from ..task import Task

Cell = tuple[int, int]
"""(row, column), counted from 0 at the top left."""

MAX_SIDE = 100


class MazeTask(Task):
    """One maze, in the form of maze-dataset's connection list.

    Two connected cells are neighbours without a wall between them.
    """

    family: ClassVar[str] = "maze"

    down: Annotated[tuple[str, ...], Field(min_length=2, max_length=MAX_SIDE)]
    """One text a row; character j of row i is `1` if (i, j) and (i + 1, j) are connected. The last row is all `0`."""
    right: Annotated[tuple[str, ...], Field(min_length=2, max_length=MAX_SIDE)]
    """Character j of row i is `1` if (i, j) and (i, j + 1) are connected. The last column is all `0`."""
    start: Cell
    goal: Cell

    @model_validator(mode="after")
    def _consistent(self) -> "MazeTask":
        rows, columns = len(self.down), len(self.down[0])
        if not 2 <= columns <= MAX_SIDE:
            raise ValueError(f"a maze has 2 to {MAX_SIDE} columns, not {columns}")
        for name, links in (("down", self.down), ("right", self.right)):
            if len(links) != rows or any(len(row) != columns or row.strip("01") for row in links):
                raise ValueError(f"the {name} links are not {rows} rows of {columns} characters 0 or 1")
        if "1" in self.down[-1] or any(row[-1] == "1" for row in self.right):
            raise ValueError("a link leads out of the maze")
        for name, (row, column) in (("start", self.start), ("goal", self.goal)):
            if not (0 <= row < rows and 0 <= column < columns):
                raise ValueError(f"the {name} {(row, column)} is outside the {rows} by {columns} cells")
        if self.start == self.goal:
            raise ValueError("the start and the goal are the same cell")
        return self

    def geometry(self) -> tuple[Any, ...]:
        """Return everything that play depends on, as one hashable value."""
        return (self.down, self.right, self.start, self.goal)
