"""The maze's expert: a shortest way, told ahead, or found by a search that is told as it goes."""

from itertools import pairwise
from typing import Any, ClassVar

from ...agents.direct import Tally
from ...envs.core import TextEnv
from ...tasks.maze.grid import DIRECTIONS, Maze
from ...tasks.maze.moves import Position
from ...tasks.maze.tokens import format_path
from .advice import MAX_GOALS, Advice, Adviser, segments


def search_text(maze: Maze, start: int) -> str:
    """Return a depth-first search for the exit in words: each cell entered as `row,column`, and the dead ends.

    Neighbours are tried in the order up, down, left, right. After `back` stands the cell from which the search goes
    on, so that every word follows from the picture and the words before it.
    """
    said = [maze.keys[start]]
    visited = {start}
    stack = [start]
    while stack[-1] != maze.goal:
        here = stack[-1]
        to = next((cell for cell in maze.neighbours[here] if cell >= 0 and cell not in visited), None)
        if to is not None:
            visited.add(to)
            stack.append(to)
            said.append(maze.keys[to])
            continue
        while stack and all(cell < 0 or cell in visited for cell in maze.neighbours[stack[-1]]):
            stack.pop()
        if not stack:
            break
        said.append(f"back {maze.keys[stack[-1]]}")
    return " ".join(said)


def _goals(maze: Maze, path: list[int]) -> tuple[list[int], list[str]]:
    """Return where the sub-goals of a way end, and the sub-goals: the forks on it, then the exit."""
    forks = [step for step, cell in enumerate(path[1:-1]) if sum(to >= 0 for to in maze.neighbours[cell]) > 2]
    while len(forks) >= MAX_GOALS:
        forks = forks[1::2]
    goals = [f"Go to row {row}, column {column}." for row, column in (maze.cell(path[step + 1]) for step in forks)]
    return [*forks, len(path) - 2], [*goals, "Go to the exit."]


_RIGHT_OF = {"up": "right", "right": "down", "down": "left", "left": "up"}


def along_the_wall(maze: Maze, cell: int, heading: str) -> list[str]:
    """Return what one tries who keeps a hand on the wall to the right: moves into walls, then the one that is free.

    It needs to see no further than the four walls around it, so a small model can learn it, and in a maze of n cells
    without loops it takes fewer than 2 n moves: the limit of the environment.

    Args:
        maze: The maze.
        cell: Where the player stands.
        heading: The direction of the last move; `up` at the start.
    """
    tried = [_RIGHT_OF[heading]]
    while maze.neighbours[cell][DIRECTIONS.index(tried[-1])] < 0 and len(tried) < len(DIRECTIONS):
        tried.append(_RIGHT_OF[_RIGHT_OF[_RIGHT_OF[tried[-1]]]])
    return tried


def heading_of(message: str) -> str:
    """Return the direction that the last turn's message names, that of a move or of a wall; else `up`."""
    words = {"above": "up", "below": "down", **{name: name for name in DIRECTIONS}}
    return next((words[word] for word in message.rstrip(".").split() if word in words), "up")


class MazeAdviser(Adviser):
    """What an expert of mazes says.

    `way`: the moves to the exit. `search`: first a search for it (see `search_text`), then the moves. `wall`: along
    the wall to the right, a move at a time.
    """

    styles: ClassVar[tuple[str, ...]] = ("way", "search", "wall")

    def advise(self, env: TextEnv[Any], state: Any, style: str, tally: Tally) -> list[Advice]:
        """Return the moves of a shortest way, or the whole path where it is asked for at once."""
        maze: Maze = state.maze
        start = state.cell if isinstance(state, Position) else maze.start
        path = maze.shortest_path(start)
        if path is None:
            return []
        moves = [DIRECTIONS[maze.neighbours[a].index(b)] for a, b in pairwise(path)]
        if style == "wall" and isinstance(state, Position):
            heading = heading_of(env.snapshot().message)
            moves = along_the_wall(maze, state.cell, heading)
            walls = "".join(f"{move} wall, " for move in moves[:-1])
            return [Advice(moves[-1], f"last {heading}: {walls}{moves[-1]} open")]
        search = f"{search_text(maze, start)}: " if style == "search" else ""
        if not isinstance(state, Position):
            return [Advice(format_path(map(maze.cell, path)), search + " ".join(moves))]
        ends, goals = _goals(maze, path)
        return [
            Advice(move, way := " ".join(moves[step:]), f"{search}{way}" if step == 0 else "", left, reaches)
            for step, (move, (left, reaches)) in enumerate(zip(moves, segments(ends, goals, len(moves)), strict=True))
        ]
