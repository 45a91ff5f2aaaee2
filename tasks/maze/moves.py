"""Walking through a maze, one cell a turn."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar, Literal, NamedTuple, get_args

from ..actions import MAX_ACTION_CHARS, ActionSpec, Param
from ..errors import UnknownName
from ..rules import Invalid, Rules, StopReason, Transition
from .grid import DIRECTIONS, GOAL, OPEN, PLAYER, START, WALL, WINDOW, Maze
from .task import MazeTask

View = Literal["full", "partial"]
"""`full`: the whole maze. `partial`: the 5 by 5 cells around the player, their walls included."""
Reward = Literal["sparse", "step_cost"]
"""`sparse`: 1 at the exit, else 0. `step_cost`: 1 at the exit, else -0.1 / (number of cells), as gym-maze has it."""

STEP_COST = 0.1

COLOURS = {
    WALL: (38, 43, 51),
    OPEN: (236, 233, 224),
    START: (128, 170, 214),
    GOAL: (88, 170, 98),
    PLAYER: (209, 73, 62),
}

_NUMBERS = {name: number for number, name in enumerate(DIRECTIONS)}
_MOVED = tuple(f"You moved {name}." for name in DIRECTIONS)
_ARRIVED = tuple(f"You moved {name} and reached the exit." for name in DIRECTIONS)
_BUMPED = tuple(f"There is a wall {where}; you stay where you are." for where in (
    "above you", "below you", "to your left", "to your right"
))  # fmt: skip
_NOT_A_MOVE = Invalid("this is not a direction")


class Position(NamedTuple):
    """Where the player is."""

    maze: Maze
    cell: int
    """The cell's number, row by row."""


class MoveRules(Rules[MazeTask, Position, int]):
    """Rules of walking; an action is a direction's number.

    Args:
        view: See `View`.
        reward: See `Reward`.
    """

    family: ClassVar[str] = "maze"
    task_type = MazeTask
    actions = (
        ActionSpec(
            name="move",
            pattern=rf"(?P<direction>{'|'.join(DIRECTIONS)})",
            template="{direction}",
            example="up",
            description="go one cell up, down, left or right",
            params=(Param("direction", "string", "which way to go", DIRECTIONS),),
        ),
    )

    def __init__(self, view: View = "full", reward: Reward = "sparse") -> None:
        if view not in get_args(View):
            raise UnknownName("maze view", str(view), get_args(View))
        if reward not in get_args(Reward):
            raise UnknownName("maze reward", str(reward), get_args(Reward))
        self.partial = view == "partial"
        self.costs = reward == "step_cost"
        if self.costs:
            self.reward_range = (-STEP_COST / 4, 1.0)
        side = 2 * WINDOW + 1
        seen = f"You see the {side} by {side} cells around you" if self.partial else "You see the whole maze"
        self.instructions = (
            f"You walk through a maze of square cells and must reach its exit. {seen}, drawn with characters: "
            f"{WALL} is wall, {START} the start, {GOAL} the exit, {PLAYER} you. Between two neighbouring cells "
            f"there is one more character: wall, or a blank where you can pass; so one move goes two characters far. "
            f"Each action is one move: up, down, left or right. Moving against a wall costs the turn."
        )

    def initial(self, task: MazeTask) -> Position:
        """Return the state at the start."""
        maze = Maze(task)
        return Position(maze, maze.start)

    def parse(self, state: Position, text: str) -> int | Invalid:
        """Return the number of a direction; case and white space around it do not count."""
        number = _NUMBERS.get(text)
        if number is None and len(text) <= MAX_ACTION_CHARS:
            number = _NUMBERS.get(text.strip().lower())
        return _NOT_A_MOVE if number is None else number

    def step(self, state: Position, action: int) -> Transition:
        """Go to the next cell, or stay where a wall is in the way."""
        maze, cell = state
        to = maze.neighbours[cell][action]
        if to == maze.goal:
            return Transition(Position(maze, to), 1.0, True, StopReason.SOLVED, _ARRIVED[action])
        reward = -STEP_COST / len(maze.keys) if self.costs else 0.0
        if to < 0:
            return Transition(state, reward, False, None, _BUMPED[action])
        return Transition(Position(maze, to), reward, False, None, _MOVED[action])

    def statement(self, task: MazeTask) -> str:
        """Return the task in one sentence."""
        return f"Find the way to the exit {GOAL} of a maze of {len(task.down)} by {len(task.down[0])} cells."

    def view(self, state: Position) -> str:
        """Return the picture: the whole maze, or what is near."""
        maze, cell = state
        return maze.glimpse(cell).picture if self.partial else maze.view(cell)

    def key(self, state: Position) -> str:
        """Return the cell as `row,column`."""
        return state.maze.keys[state.cell]

    def observation_key(self, state: Position) -> str:
        """Return the cell, or a hash of the partial view: cells that look the same have the same."""
        maze, cell = state
        return maze.glimpse(cell).key if self.partial else maze.keys[cell]

    def score(self, state: Position) -> float:
        """Return 1 at the exit, else 0."""
        return 1.0 if state.cell == state.maze.goal else 0.0

    def is_success(self, state: Position) -> bool:
        """Return whether the player is at the exit."""
        return state.cell == state.maze.goal

    def legal_actions(self, state: Position) -> tuple[str, ...]:
        """Return the moves that lead to another cell (the others are accepted, but only cost the turn)."""
        maze, cell = state
        return () if cell == maze.goal else maze.legal[cell]

    def solve(self, state: Position) -> list[str] | None:
        """Return the moves of a shortest way to the exit, or None where there is none (exact)."""
        maze, cell = state
        path = maze.shortest_path(cell)
        if path is None:
            return None
        return [DIRECTIONS[maze.neighbours[a].index(b)] for a, b in pairwise(path)]

    def horizon(self, task: MazeTask) -> int:
        """Return twice the number of cells: enough to search a maze without loops to its last corner."""
        return 2 * len(task.down) * len(task.down[0])

    def state_to_json(self, state: Position) -> Any:
        """Return the cell as [row, column]."""
        return list(state.maze.cell(state.cell))

    def state_from_json(self, task: MazeTask, data: Any) -> Position:
        """Return the state of such a cell."""
        maze = Maze(task)
        row, column = data
        return Position(maze, maze.number((row, column)))

    def colours(self, state: Position) -> Sequence[Sequence[tuple[int, int, int]]]:
        """Return the picture in colours; what a partial view hides is dimmed."""
        maze, cell = state
        row, column = maze.cell(cell)
        reach = 2 * WINDOW + 1
        grid = []
        for i, line in enumerate(maze.view(cell).split("\n")):
            cells = []
            for j, mark in enumerate(line):
                red, green, blue = COLOURS[mark]
                if self.partial and max(abs(i - 2 * row - 1), abs(j - 2 * column - 1)) > reach:
                    red, green, blue = red // 3, green // 3, blue // 3
                cells.append((red, green, blue))
            grid.append(cells)
        return grid
