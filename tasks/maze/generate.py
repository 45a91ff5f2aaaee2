"""Random mazes: five kinds of lattice graphs, always with a way from the start to the exit."""

from collections.abc import Callable
from typing import Any, Literal, get_args

from ..errors import UnknownName
from ..rng import Rng
from ..task import GeneratedSource
from .grid import distances
from .task import MazeTask

Generator = Literal["dfs", "dfs_noforks", "wilson", "kruskal", "percolation", "dfs_percolation"]
"""How a maze is made (the names are maze-dataset's where it has the same).

`dfs`: randomised depth-first search, a tree with long corridors. `dfs_noforks`: its first corridor only.
`wilson`: a spanning tree, each equally likely (Wilson 1996). `kruskal`: a spanning tree from edges in random order.
`percolation`: each pair of neighbours is connected with probability 0.6; loops and islands. `dfs_percolation`: a
`dfs` tree, and each further pair is connected with probability 0.1; loops.
"""
GENERATORS: tuple[Generator, ...] = get_args(Generator)

PERCOLATION = 0.6
EXTRA_LINKS = 0.1

LEVELS = {"5x5": 5, "7x7": 7, "10x10": 10, "15x15": 15, "20x20": 20}
"""Level names and the cells on a side."""

Edges = set[tuple[int, int]]
"""Connected cells, the smaller number first."""


def _adjacent(size: int) -> list[list[int]]:
    cells = []
    for cell in range(size * size):
        row, column = divmod(cell, size)
        cells.append(
            [cell - size] * (row > 0)
            + [cell + size] * (row < size - 1)
            + [cell - 1] * (column > 0)
            + [cell + 1] * (column < size - 1)
        )
    return cells


def _all_edges(size: int) -> list[tuple[int, int]]:
    return [(cell, to) for cell, row in enumerate(_adjacent(size)) for to in row if cell < to]


def _edge(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)


def dfs(rng: Rng, size: int, *, forks: bool = True) -> Edges:
    """Walk to random unvisited neighbours; when stuck, go back (or stop, without forks)."""
    adjacent = _adjacent(size)
    cell = rng.below(size * size)
    visited = {cell}
    stack = [cell]
    edges: Edges = set()
    while stack:
        options = [to for to in adjacent[stack[-1]] if to not in visited]
        if options:
            to = rng.choice(options)
            edges.add(_edge(stack[-1], to))
            visited.add(to)
            stack.append(to)
        elif forks:
            stack.pop()
        else:
            break
    return edges


def wilson(rng: Rng, size: int) -> Edges:
    """Draw a spanning tree, each with the same probability, by loop-erased random walks (Wilson 1996)."""
    adjacent = _adjacent(size)
    order = list(range(size * size))
    rng.shuffle(order)
    tree = {order[0]}
    edges: Edges = set()
    for origin in order[1:]:
        onward: dict[int, int] = {}
        cell = origin
        while cell not in tree:
            onward[cell] = cell = rng.choice(adjacent[cell])
        cell = origin
        while cell not in tree:  # the last exits alone are the walk without its loops
            tree.add(cell)
            edges.add(_edge(cell, onward[cell]))
            cell = onward[cell]
    return edges


def kruskal(rng: Rng, size: int) -> Edges:
    """Go through all pairs of neighbours in random order and connect those not yet connected by others."""
    parents = list(range(size * size))

    def root(cell: int) -> int:
        while parents[cell] != cell:
            parents[cell] = cell = parents[parents[cell]]
        return cell

    pairs = _all_edges(size)
    rng.shuffle(pairs)
    edges: Edges = set()
    for a, b in pairs:
        first, second = root(a), root(b)
        if first != second:
            parents[first] = second
            edges.add((a, b))
    return edges


def percolation(rng: Rng, size: int, probability: float = PERCOLATION) -> Edges:
    """Connect each pair of neighbours independently."""
    return {pair for pair in _all_edges(size) if rng.random() < probability}


def dfs_percolation(rng: Rng, size: int) -> Edges:
    """Connect further pairs of a `dfs` maze, which makes loops."""
    return dfs(rng, size) | percolation(rng, size, EXTRA_LINKS)


_MAKERS: dict[str, Callable[[Rng, int], Edges]] = {
    "dfs": dfs,
    "dfs_noforks": lambda rng, size: dfs(rng, size, forks=False),
    "wilson": wilson,
    "kruskal": kruskal,
    "percolation": percolation,
    "dfs_percolation": dfs_percolation,
}


def make_maze(rng: Rng, size: int, generator: Generator = "dfs") -> MazeTask:
    """Return a maze of size by size cells.

    The start is a random cell of the largest connected part; the exit is a random one of the cells that are at
    least `size` moves away, so that no straight line solves a maze, or one of the farthest where none is.
    """
    edges = _MAKERS[generator](rng, size)
    neighbours: list[list[int]] = [[] for _ in range(size * size)]
    for a, b in sorted(edges):
        neighbours[a].append(b)
        neighbours[b].append(a)
    start = rng.choice(_largest_part(neighbours))
    away = distances(neighbours, start)
    least = min(size, max(away))
    goal = rng.choice([cell for cell, moves in enumerate(away) if moves >= least])
    rows = [[(row * size + column) for column in range(size)] for row in range(size)]
    return MazeTask(
        down=tuple("".join("01"[(cell, cell + size) in edges] for cell in row) for row in rows),
        right=tuple("".join("01"[(cell, cell + 1) in edges] for cell in row) for row in rows),
        start=divmod(start, size),
        goal=divmod(goal, size),
    )


def _largest_part(neighbours: list[list[int]]) -> list[int]:
    largest: list[int] = []
    seen = [False] * len(neighbours)
    for origin in range(len(neighbours)):
        if not seen[origin]:
            part = [cell for cell, moves in enumerate(distances(neighbours, origin)) if moves >= 0]
            for cell in part:
                seen[cell] = True
            if len(part) > len(largest):
                largest = part
    return largest


class MazeSource(GeneratedSource[MazeTask]):
    """Endless mazes; levels are sizes.

    Args:
        generator: How they are made, see `Generator`.
    """

    difficulties = tuple(LEVELS)

    def __init__(self, generator: Generator = "dfs") -> None:
        if generator not in GENERATORS:
            raise UnknownName("maze generator", str(generator), GENERATORS)
        self.generator = generator

    def generate(self, rng: Rng, difficulty: str) -> MazeTask:
        """Return one maze of the level, of any split."""
        return make_maze(rng, LEVELS[difficulty], self.generator)

    def split_content(self, task: MazeTask) -> Any:
        """Return the maze without the start and the exit: no maze is in two splits with different ends."""
        return [task.down, task.right]
