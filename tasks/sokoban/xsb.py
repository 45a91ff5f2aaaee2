"""Levels as text: XSB, and files of many levels (Boxoban's `; n` headers, XSB collections with titles)."""

from functools import lru_cache
from typing import NamedTuple

from ..errors import MalformedData
from .level import FLOOR, GOAL, VOID, WALL, Level, Position, bits

BOX, BOX_ON_GOAL, PLAYER, PLAYER_ON_GOAL = "$", "*", "@", "+"

MAX_SIDE = 64
"""The largest height and width that is read."""

_FLOORS = " -_"
_SYMBOLS = frozenset(WALL + _FLOORS + GOAL + BOX + BOX_ON_GOAL + PLAYER + PLAYER_ON_GOAL)
_ON_GOAL = GOAL + BOX_ON_GOAL + PLAYER_ON_GOAL


class TextLevel(NamedTuple):
    """One level of a file."""

    title: str
    """Its title, else its number in the file (from 0)."""
    line: int
    """The line that it starts on, from 1."""
    text: str
    """Its rows."""


@lru_cache(maxsize=64)
def parse(text: str) -> Position:
    """Return the start position of a level in XSB.

    `#` is a wall, a space (or `-` or `_`) floor, `.` a goal, `$` a box, `*` a box on a goal, `@` the player, `+` the
    player on a goal. Rows may be of different lengths. Floor that the player could not reach even without the boxes
    is outside and becomes `-`; a box on a goal that stands there stays as it is, for show, and is like a wall; a box
    or a goal alone there is an error.

    Raises:
        MalformedData: With the reason and the place, if this is no level.
    """
    rows = text.strip("\r\n").splitlines()
    while rows and not rows[-1].strip():
        rows.pop()
    height, width = len(rows), max((len(row.rstrip()) for row in rows), default=0)
    if not (3 <= height <= MAX_SIDE and 3 <= width <= MAX_SIDE):
        raise MalformedData(
            f"A level has 3 to {MAX_SIDE} rows and columns, this one {height} rows and {width} columns."
        )
    player: tuple[int, int] | None = None
    for number, row in enumerate(rows):
        for column, symbol in enumerate(row.rstrip()):
            if symbol not in _SYMBOLS:
                raise MalformedData(
                    f"Row {number + 1}, column {column + 1} of the level has {symbol!r}, no XSB symbol."
                )
            if symbol in (PLAYER, PLAYER_ON_GOAL):
                if player is not None:
                    raise MalformedData(f"The level has two players, the second in row {number + 1}.")
                player = number, column
    if player is None:
        raise MalformedData("The level has no player (@ or +).")
    cells = [list(row.rstrip().ljust(width)) for row in rows]
    inside = _inside(cells, player)
    grid = tuple(
        "".join(_static(symbol, (number, column) in inside) for column, symbol in enumerate(line))
        for number, line in enumerate(cells)
    )
    level = Level(grid)
    boxes = 0
    for number, line in enumerate(cells):
        for column, symbol in enumerate(line):
            if (number, column) in inside:
                if symbol in (BOX, BOX_ON_GOAL):
                    boxes |= level.bit(number, column)
            elif symbol in (BOX, GOAL):
                what = "box" if symbol == BOX else "goal"
                raise MalformedData(
                    f"The {what} in row {number + 1}, column {column + 1} is out of the player's reach."
                )
    if not boxes:
        raise MalformedData("The level has no box.")
    if boxes.bit_count() != level.goals.bit_count():
        raise MalformedData(f"The level has {boxes.bit_count()} boxes but {level.goals.bit_count()} goals.")
    return Position(level, level.bit(*player), boxes)


def _inside(cells: list[list[str]], player: tuple[int, int]) -> set[tuple[int, int]]:
    """Return the cells that the player could walk to if there were no boxes."""
    height, width = len(cells), len(cells[0])
    inside = {player}
    frontier = [player]
    while frontier:
        row, column = frontier.pop()
        if row in (0, height - 1) or column in (0, width - 1):
            raise MalformedData(
                f"The level is not closed by walls: the player can leave it at row {row + 1}, column {column + 1}."
            )
        for cell in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if cell not in inside and cells[cell[0]][cell[1]] != WALL:
                inside.add(cell)
                frontier.append(cell)
    return inside


def _static(symbol: str, inside: bool) -> str:
    if symbol == WALL or (symbol == BOX_ON_GOAL and not inside):
        return symbol
    if not inside:
        return VOID
    return GOAL if symbol in _ON_GOAL else FLOOR


def dump(position: Position) -> str:
    """Return a position as XSB, without trailing spaces; `parse` reads it back to an equal position."""
    level, player, boxes = position
    cells = [list(row.replace(VOID, FLOOR)) for row in level.grid]
    for box in bits(boxes):
        row, column = level.cell(box)
        cells[row][column] = BOX_ON_GOAL if box & level.goals else BOX
    row, column = level.cell(player)
    cells[row][column] = PLAYER_ON_GOAL if player & level.goals else PLAYER
    return "\n".join("".join(row).rstrip() for row in cells)


def layout(level: Level) -> str:
    """Return walls and goals in a form that is the same for a level and its rotations and reflections."""
    rows = [row.replace(VOID, WALL).replace(BOX_ON_GOAL, WALL) for row in level.grid]
    images = []
    for image in (rows, ["".join(column) for column in zip(*rows, strict=True)]):
        flipped = [row[::-1] for row in image]
        images += ["\n".join(image), "\n".join(image[::-1]), "\n".join(flipped), "\n".join(flipped[::-1])]
    return min(images)


def split_levels(text: str) -> list[TextLevel]:
    """Return the levels of a file, unparsed.

    Level rows are lines of XSB symbols with at least one wall; anything else separates levels. A level's title is the
    last line of text above it (Boxoban's `; 12` is `12`). Where `Title:` lines stand, they count instead, and are
    below their levels if the first level has none above.
    """
    levels: list[tuple[int, list[str]]] = []
    gaps: list[list[str]] = [[]]
    inside = False
    for line, row in enumerate(text.splitlines(), start=1):
        if WALL in row and _SYMBOLS.issuperset(row.rstrip()):
            if not inside:
                levels.append((line, []))
                gaps.append([])
            levels[-1][1].append(row.rstrip())
            inside = True
        else:
            inside = False
            gaps[-1].append(row.strip().lstrip(";'").strip())
    titles = [_titles(gap) for gap in gaps]
    if any(titles):
        below = 0 if titles[0] else 1
        named = [titles[index + below] for index in range(len(levels))]
    else:
        named = [[comment for comment in gap if comment] for gap in gaps[:-1]]
    return [
        TextLevel(names[-1] if names else str(number), line, "\n".join(rows))
        for number, ((line, rows), names) in enumerate(zip(levels, named, strict=True))
    ]


def _titles(gap: list[str]) -> list[str]:
    parts = (comment.partition(":") for comment in gap)
    return [
        value.strip() for word, colon, value in parts if colon and word.strip().lower() == "title" and value.strip()
    ]
