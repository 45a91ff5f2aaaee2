"""A level as text that can be played on: what a move changes in it is two characters at most."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from ..errors import UnknownName
from .level import FLOOR, GOAL, Position, bits
from .task import SokobanTask
from .xsb import BOX_ON_GOAL, parse

NAMES = ("up", "down", "left", "right")


class Symbols(NamedTuple):
    """What the picture is drawn with."""

    wall: str
    floor: str
    goal: str
    box: str
    box_on_goal: str
    player: str
    player_on_goal: str


SYMBOLS: dict[str, Symbols] = {
    "letters": Symbols("#", "_", "O", "X", "√", "P", "S"),
    "xsb": Symbols("#", " ", ".", "$", "*", "@", "+"),
}
"""`letters`: the text form of gym-sokoban's descendants for language agents. `xsb`: that of level collections."""


class Board:
    """A level drawn with some symbols, without player and boxes; shared by all states in it.

    Args:
        position: Where the task starts.
        symbols: What to draw with.
        solution: The task's known solution, if any.

    A cell is named by its place in the picture: row times `stride` plus column, each row ending in a line break.
    """

    def __init__(self, position: Position, symbols: Symbols, solution: str | None = None) -> None:
        self.position = position
        self.level = level = position.level
        self.symbols = symbols
        self.solution = solution
        self.stride = level.width + 1
        self.steps = (-self.stride, self.stride, -1, 1)
        self.open = symbols.floor + symbols.goal
        self.boxes = symbols.box + symbols.box_on_goal
        drawn = {FLOOR: symbols.floor, GOAL: symbols.goal, BOX_ON_GOAL: symbols.box_on_goal}
        self.picture = "\n".join("".join(drawn.get(cell, symbols.wall) for cell in row) for row in level.grid)
        self.goals = sum(1 << self.place(goal) for goal in bits(level.goals))

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Board) and self.symbols == other.symbols and self.level == other.level
        )

    def __hash__(self) -> int:
        return hash((self.level, self.symbols))

    def __reduce__(self) -> tuple[type["Board"], tuple[Position, Symbols, str | None]]:
        return Board, (self.position, self.symbols, self.solution)

    def place(self, bit: int) -> int:
        """Return the place of a cell of the level (a mask) in the picture."""
        row, column = self.level.cell(bit)
        return row * self.stride + column

    def cell(self, place: int) -> tuple[int, int]:
        """Return the row and column of a place."""
        return divmod(place, self.stride)


class State(NamedTuple):
    """A position on a board."""

    board: Board
    player: int
    """The player's place in the picture."""
    boxes: int
    """A mask with one bit a box, at its place in the picture."""
    picture: str
    """The board's picture with the boxes, without the player."""


@lru_cache(maxsize=64)
def _start(text: str, symbols: Symbols, solution: str | None) -> State:
    position = parse(text)
    return from_position(Board(position, symbols, solution), position)


def start(task: SokobanTask, symbols: Symbols) -> State:
    """Return the first state of a task."""
    return _start(task.level, symbols, task.solution)


def find_symbols(name: str) -> Symbols:
    """Return the symbols of a name; an unknown one is an `UnknownName`."""
    try:
        return SYMBOLS[name]
    except KeyError:
        raise UnknownName("set of symbols", str(name), SYMBOLS) from None


def from_position(board: Board, position: Position) -> State:
    """Return a position as a state."""
    return placed(board, board.place(position.player), [board.place(box) for box in bits(position.boxes)])


def placed(board: Board, player: int, boxes: list[int]) -> State:
    """Return the state with player and boxes at these places."""
    symbols = board.symbols
    cells = list(board.picture)
    for box in boxes:
        cells[box] = symbols.box_on_goal if cells[box] == symbols.goal else symbols.box
    return State(board, player, sum(1 << box for box in boxes), "".join(cells))


def to_position(state: State) -> Position:
    """Return a state as a position for the solver."""
    board, player, boxes, _ = state
    level = board.level
    return Position(
        level,
        level.bit(*board.cell(player)),
        sum(level.bit(*board.cell(place)) for place in places(boxes)),
    )


def places(boxes: int) -> Iterator[int]:
    """Yield the places of the boxes of a mask, in reading order."""
    for bit in bits(boxes):
        yield bit.bit_length() - 1
