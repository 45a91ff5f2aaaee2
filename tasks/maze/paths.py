"""The whole path in one turn, as MLM-U's models write it."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar, Literal, NamedTuple, get_args

from ..actions import ActionSpec, Param
from ..errors import UnknownName
from ..rng import Rng
from ..rules import Invalid, Rules, StopReason, Transition
from .grid import GOAL, START, WALL, Maze
from .moves import COLOURS
from .task import Cell, MazeTask
from .tokens import PATH_PATTERN, format_path, prompt, read_cells

Format = Literal["picture", "tokens", "mlmu"]
"""`picture`: drawn with characters. `tokens`: maze-dataset's connection list. `mlmu`: the same without arrows."""

CHARS_PER_CELL = 16
"""A path text longer than this for every cell of the maze is refused before it is read."""
PATH_COLOUR = (230, 176, 76)


class Walk(NamedTuple):
    """The maze, and the answer once there is one."""

    maze: Maze
    path: tuple[Cell, ...] | None = None
    correct: bool = False
    shortest: bool = False


def check_path(maze: Maze, path: Sequence[Cell]) -> str | None:
    """Return what is wrong with a path from the start to the goal, as a sentence, or None if it is right."""
    for row, column in path:
        if row >= maze.rows or column >= maze.columns:
            return f"The cell ({row},{column}) is outside the maze."
    numbers = [maze.number(cell) for cell in path]
    if numbers[0] != maze.start:
        return f"The path begins at ({maze.keys[numbers[0]]}), not at the start."
    for a, b in pairwise(numbers):
        if b not in maze.neighbours[a]:
            return f"There is no way from ({maze.keys[a]}) to ({maze.keys[b]})."
    if numbers[-1] != maze.goal:
        return f"The path ends at ({maze.keys[numbers[-1]]}), not at the exit."
    return None


class PathRules(Rules[MazeTask, Walk, tuple[Cell, ...]]):
    """Rules of answering with the whole path.

    Args:
        format: How the maze is shown, see `Format`.
    """

    family: ClassVar[str] = "maze"
    task_type = MazeTask
    actions = (
        ActionSpec(
            name="path",
            pattern=PATH_PATTERN,
            template="{path}",
            example="(0,0) (0,1) (1,1)",
            description="write every cell of the path, from the start to the exit",
            params=(Param("path", "string", "the cells as (row,column), both ends included, blanks between them"),),
        ),
    )

    def __init__(self, format: Format = "picture") -> None:
        if format not in get_args(Format):
            raise UnknownName("maze format", str(format), get_args(Format))
        self.format = format
        self._pattern = re.compile(PATH_PATTERN, re.IGNORECASE)
        if format == "picture":
            shown = (
                f"The maze is drawn with characters: {WALL} is wall, {START} the start, {GOAL} the exit. Between two "
                "neighbouring cells there is one more character: wall, or a blank where you can pass."
            )
        else:
            pair = "(0,0) <--> (0,1) ;" if format == "tokens" else "(0,0) (0,1) ;"
            shown = (
                f"The maze is given as the list of all pairs of connected cells, each as {pair} followed by the "
                "origin, which is the start, and the target, which is the exit."
            )
        self.instructions = (
            f"You are given a maze of square cells and must find a way from its start to its exit. {shown} Cells are "
            "named (row,column), counted from (0,0) at the top left. Answer once, with all cells of the path in "
            "order, the start and the exit included, such as (0,0) (0,1) (1,1)."
        )

    def initial(self, task: MazeTask) -> Walk:
        """Return the state without an answer."""
        return Walk(Maze(task))

    def parse(self, state: Walk, text: str) -> tuple[Cell, ...] | Invalid:
        """Return the cells of a path; whether it leads anywhere is for `step`."""
        if len(text) > CHARS_PER_CELL * len(state.maze.keys):
            return Invalid("the path is longer than any way through this maze", final=True)
        found = self._pattern.fullmatch(text.strip())
        if found is None:
            return Invalid("this is not a list of cells such as (0,0) (0,1)", final=True)
        return tuple(read_cells(found["path"]))

    def step(self, state: Walk, action: tuple[Cell, ...]) -> Transition:
        """Check the path; the episode ends."""
        after = self._walk(state.maze, action)
        if after.correct:
            message = f"The path leads to the exit in {len(action) - 1} moves."
            return Transition(after, 1.0, True, StopReason.SOLVED, message)
        return Transition(after, 0.0, True, StopReason.FAILED, check_path(state.maze, action) or "")

    @staticmethod
    def _walk(maze: Maze, path: tuple[Cell, ...]) -> Walk:
        correct = check_path(maze, path) is None
        return Walk(maze, path, correct, correct and len(path) - 1 == maze.distances[maze.start])

    def statement(self, task: MazeTask) -> str:
        """Return the task in one sentence; empty for the token formats, whose prompt stands alone."""
        if self.format != "picture":
            return ""
        ends = f"from the start {format_path([task.start])} to the exit {format_path([task.goal])}"
        return f"Find the path {ends} of this maze of {len(task.down)} by {len(task.down[0])} cells."

    def view(self, state: Walk) -> str:
        """Return the maze."""
        return state.maze.picture if self.format == "picture" else prompt(state.maze, arrows=self.format == "tokens")

    def key(self, state: Walk) -> str:
        """Return the answer, empty before it."""
        return "" if state.path is None else format_path(state.path)

    def score(self, state: Walk) -> float:
        """Return 1 for a path that leads to the exit, else 0."""
        return 1.0 if state.correct else 0.0

    def is_success(self, state: Walk) -> bool:
        """Return whether the path leads to the exit."""
        return state.correct

    def extra_info(self, state: Walk) -> dict[str, Any]:
        """Return `shortest`: whether the path is right and none is shorter (without loops: MLM-U's exact match)."""
        return {"shortest": state.shortest}

    def solve(self, state: Walk) -> list[str] | None:
        """Return a shortest path (exact), or None where there is none or the answer has been given."""
        maze = state.maze
        path = maze.shortest_path(maze.start) if state.path is None else None
        return None if path is None else [format_path(maze.cell(number) for number in path)]

    def random_action(self, state: Walk, rng: Rng) -> str:
        """Return a random walk from the start that enters no cell twice, until it is stuck or at the exit."""
        maze = state.maze
        path = [maze.start]
        while path[-1] != maze.goal:
            ways = [cell for cell in maze.neighbours[path[-1]] if cell >= 0 and cell not in path]
            if not ways:
                break
            path.append(rng.choice(ways))
        return format_path(maze.cell(number) for number in path)

    def horizon(self, task: MazeTask) -> int:
        """Return 1."""
        return 1

    def state_to_json(self, state: Walk) -> Any:
        """Return the answer's cells, or None."""
        return None if state.path is None else [list(cell) for cell in state.path]

    def state_from_json(self, task: MazeTask, data: Any) -> Walk:
        """Return the state of such an answer, checked anew."""
        maze = Maze(task)
        return Walk(maze) if data is None else self._walk(maze, tuple((row, column) for row, column in data))

    def render(self, task: MazeTask, state: Walk) -> str:
        """Return the maze with the cells of the answer marked."""
        maze = state.maze
        canvas = list(maze.picture)
        for cell in self._marked(state):
            canvas[maze.offsets[cell]] = "x"
        return "\n\n".join(part for part in (self.statement(task), "".join(canvas)) if part)

    def colours(self, state: Walk) -> Sequence[Sequence[tuple[int, int, int]]]:
        """Return the picture in colours, with the cells of the answer marked."""
        maze = state.maze
        grid = [[COLOURS[mark] for mark in line] for line in maze.picture.split("\n")]
        for cell in self._marked(state):
            row, column = maze.cell(cell)
            grid[2 * row + 1][2 * column + 1] = PATH_COLOUR
        return grid

    @staticmethod
    def _marked(state: Walk) -> list[int]:
        maze = state.maze
        inside = [cell for cell in state.path or () if cell[0] < maze.rows and cell[1] < maze.columns]
        return [number for number in map(maze.number, inside) if number not in (maze.start, maze.goal)]
