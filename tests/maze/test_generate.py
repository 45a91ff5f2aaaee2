"""Generated mazes: connected, of their kind, reproducible, and never in two splits."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.tasks.errors import UserError
from rlvr.tasks.maze.generate import (
    GENERATORS,
    LEVELS,
    MazeSource,
    dfs,
    kruskal,
    make_maze,
    percolation,
    wilson,
)
from rlvr.tasks.maze.grid import Maze, distances
from rlvr.tasks.rng import Rng

seeds = st.integers(0, 2**63 - 1)
TREES = ("dfs", "wilson", "kruskal")


@settings(max_examples=60, deadline=None)
@given(seeds, st.sampled_from(GENERATORS), st.integers(3, 12))
def test_the_exit_can_be_reached_and_is_not_near(seed, generator, size):
    maze = Maze(make_maze(Rng(seed), size, generator))
    away = distances(maze.neighbours, maze.start)
    assert away[maze.goal] >= min(size, max(away)) > 0
    row, column = maze.cell(maze.start)
    to_row, to_column = maze.cell(maze.goal)
    if away[maze.goal] >= size:
        assert abs(row - to_row) + abs(column - to_column) < away[maze.goal] or (row != to_row and column != to_column)


@settings(max_examples=40, deadline=None)
@given(seeds, st.sampled_from(TREES), st.integers(2, 12))
def test_tree_generators_make_spanning_trees(seed, generator, size):
    maze = Maze(make_maze(Rng(seed), size, generator))
    assert len(maze.edges()) == size * size - 1
    assert min(maze.distances) == 0  # connected, so with that many links without loops


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(3, 12))
def test_a_maze_without_forks_is_one_corridor_that_ran_into_a_dead_end(seed, size):
    edges = dfs(Rng(seed), size, forks=False)
    degree = Counter(cell for edge in edges for cell in edge)
    assert sorted(degree.values()) == [1, 1] + [2] * (len(degree) - 2)
    ends = [cell for cell, count in degree.items() if count == 1]

    def free(cell):
        row, column = divmod(cell, size)
        around = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
        return [(r, c) for r, c in around if 0 <= r < size and 0 <= c < size and r * size + c not in degree]

    assert not all(free(end) for end in ends)


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(4, 10))
def test_dfs_percolation_adds_links_to_a_tree(seed, size):
    maze = Maze(make_maze(Rng(seed), size, "dfs_percolation"))
    assert len(maze.edges()) >= size * size - 1 and min(maze.distances) == 0


def chi_square(maker, draws):
    """Of the 192 spanning trees of 3 by 3 cells; 191 degrees of freedom."""
    rng = Rng(2024)
    counts = Counter(frozenset(maker(rng, 3)) for _ in range(draws))
    expected = draws / 192
    return len(counts), sum((count - expected) ** 2 / expected for count in counts.values()) + (
        192 - len(counts)
    ) * expected


def test_wilson_draws_every_spanning_tree_equally_often():
    trees, statistic = chi_square(wilson, 192 * 40)
    assert trees == 192
    assert statistic < 191 + 4 * (2 * 191) ** 0.5


@pytest.mark.parametrize("maker", [dfs, kruskal])
def test_the_same_statistic_tells_the_biased_generators_apart(maker):
    _, statistic = chi_square(maker, 192 * 40)
    assert statistic > 191 + 10 * (2 * 191) ** 0.5


def test_percolation_links_six_tenths_of_the_neighbours():
    rng = Rng(5)
    pairs = 2 * 9 * 10
    share = sum(len(percolation(rng, 10)) for _ in range(200)) / (200 * pairs)
    assert abs(share - 0.6) < 4 * (0.24 / (200 * pairs)) ** 0.5


@settings(max_examples=30, deadline=None)
@given(seeds, st.sampled_from(GENERATORS), st.sampled_from(["5x5", "7x7"]))
def test_a_seed_names_a_maze_and_splits_share_no_walls(seed, generator, level):
    source, twin = MazeSource(generator), MazeSource(generator)
    tasks = {split: source.sample(seed, split, level) for split in source.splits}
    assert len({(task.down, task.right) for task in tasks.values()}) == 3
    for split, task in tasks.items():
        assert twin.sample(seed, split, level) == task
        assert (task.split, task.difficulty, len(task.down)) == (split, level, LEVELS[level])


def test_train_and_test_mazes_are_disjoint_even_without_their_ends():
    source = MazeSource("dfs_noforks")  # the generator with the fewest different mazes
    walls = {
        split: {(task.down, task.right) for task in (source.sample(seed, split, "5x5") for seed in range(400))}
        for split in source.splits
    }
    assert not (walls["train"] & walls["test"] or walls["train"] & walls["valid"] or walls["valid"] & walls["test"])
    assert len(walls["test"]) > 350


@pytest.mark.parametrize(
    ("generator", "uid"),
    [
        ("dfs", "maze-4d4e1b54ac2f1b9a"),
        ("dfs_noforks", "maze-fdef993e55a6a95a"),
        ("wilson", "maze-13fa18f04edd846c"),
        ("kruskal", "maze-2638754c3eeb4afb"),
        ("percolation", "maze-22535ce85ee335e3"),
        ("dfs_percolation", "maze-93f04596e4ecfd29"),
    ],
)
def test_what_a_seed_gives_is_part_of_the_contract(generator, uid):
    assert MazeSource(generator).sample(0, "test", "7x7").uid == uid


def test_an_unknown_generator_or_level_is_named():
    with pytest.raises(UserError, match="wilson"):
        MazeSource("wilsons")
    with pytest.raises(UserError, match="10x10"):
        MazeSource().sample(0, difficulty="10")
