"""A maze as text for sequence models: maze-dataset's token grammar, and MLM-U's form of it.

    <ADJLIST_START> (0,1) <--> (0,0) ; ... ; <ADJLIST_END> <ORIGIN_START> (0,0) <ORIGIN_END>
    <TARGET_START> (2,0) <TARGET_END> <PATH_START> (0,0) (0,1) ... <PATH_END>

Cells are (row,column). The connections, and the two ends of each, come in random order, here one that the maze
itself determines. MLM-U leaves out the arrows (Nolte et al. 2024, "Transformers Can Navigate Mazes With Multi-Step
Prediction").
"""

import re
from collections.abc import Iterable

from ..rng import Rng, derive_seed
from .grid import Maze
from .task import Cell

PATH_START, PATH_END = "<PATH_START>", "<PATH_END>"
_CELL = r"\([0-9]{1,4},\s?[0-9]{1,4}\)"
PATH_PATTERN = rf"(?:{PATH_START}\s*)?(?P<path>{_CELL}(?:\s*(?:(?:->|[,;])\s*)?{_CELL})*)(?:\s*{PATH_END})?"
"""A path: cells with blanks (or `->`, commas, semicolons) between them; the two tokens around it may be there."""
_PAIR = re.compile(r"\(([0-9]+),\s?([0-9]+)\)")


def format_path(cells: Iterable[Cell]) -> str:
    """Write a path as `(0,0) (0,1) ...`."""
    return " ".join(f"({row},{column})" for row, column in cells)


def read_cells(text: str) -> list[Cell]:
    """Return all cells written in a text, in order."""
    return [(int(row), int(column)) for row, column in _PAIR.findall(text)]


def prompt(maze: Maze, *, arrows: bool) -> str:
    """Return the maze as tokens, up to and including `<PATH_START>`.

    Args:
        maze: The maze.
        arrows: Whether `<-->` stands between connected cells (maze-dataset) or not (MLM-U).
    """
    rng = Rng(derive_seed("maze connections", *maze.geometry[0], *maze.geometry[1]))
    edges = maze.edges()
    rng.shuffle(edges)
    link = " <--> " if arrows else " "
    words = ["<ADJLIST_START>"]
    for pair in edges:
        a, b = pair if rng.below(2) else pair[::-1]
        words.append(f"({maze.keys[a]}){link}({maze.keys[b]}) ;")
    words += ["<ADJLIST_END>", "<ORIGIN_START>", f"({maze.keys[maze.start]})", "<ORIGIN_END>"]
    words += ["<TARGET_START>", f"({maze.keys[maze.goal]})", "<TARGET_END>", PATH_START]
    return " ".join(words)
