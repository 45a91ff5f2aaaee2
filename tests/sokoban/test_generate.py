"""Generated levels: solvable, not trivial, different from each other, the same for a seed, split by their rooms."""

import random
import threading
from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.tasks.errors import UserError
from rlvr.tasks.rng import Rng
from rlvr.tasks.sokoban.generate import generate, shape
from rlvr.tasks.sokoban.level import flood
from rlvr.tasks.sokoban.solve import solve
from rlvr.tasks.sokoban.source import LEVELS, SokobanSource
from rlvr.tasks.sokoban.xsb import dump, layout, parse
from rlvr.tasks.task import split_of

from .reference import read, step

SHAPES = {name: shape(*map(int, name.replace("-", "x").split("x"))) for name in LEVELS}
levels = st.sampled_from(LEVELS)
seeds = st.integers(0, 2**63 - 1)


def straight(text):
    """Return whether going on in one direction solves a level."""
    walls, goals, start, begin = read(text)
    for letter in "udlr":
        boxes, player = start, begin
        while (after := step(walls, boxes, player, letter)) is not None:
            boxes, player = after
            if boxes == goals:
                return True
    return False


@settings(max_examples=80, deadline=None)
@given(seeds, levels)
def test_every_level_is_sound(seed, name):
    wanted = SHAPES[name]
    made = generate(Rng(seed), wanted)
    level, _, boxes = made.position
    assert (level.height, level.width, boxes.bit_count()) == wanted[:3]
    assert not boxes & level.goals
    assert made.position.after(made.moves).solved
    assert flood(made.position.player, level.floor, level.stride) == level.floor, "the room is in one piece"
    assert not straight(dump(made.position))
    found = solve(made.position)
    assert wanted.min_pushes <= made.bound <= found.pushes <= sum(letter.isupper() for letter in made.moves)


@pytest.mark.parametrize(("name", "pushes"), [("6x6-1", 3), ("6x6-2", 4), ("8x8-3", 10), ("10x10-4", 18)])
def test_levels_differ_and_are_as_hard_as_promised(name, pushes):
    made = [generate(Rng.named("levels", seed), SHAPES[name]) for seed in range(100)]
    assert len({dump(one.position) for one in made}) >= 99
    needed = sorted(solve(one.position).pushes for one in made)
    assert needed[50] >= pushes


def test_small_levels_still_differ_among_a_thousand():
    made = {dump(generate(Rng.named("many", seed), SHAPES["6x6-1"]).position) for seed in range(1000)}
    assert len(made) >= 990


def test_eight_threads_make_the_same_levels_as_one():
    def work(out, order):
        for seed in order:
            out[seed] = SokobanSource().sample(seed, None, LEVELS[seed % 4])

    serial: dict = {}
    work(serial, range(24))
    results: list[dict] = [{} for _ in range(8)]
    threads = [
        threading.Thread(target=work, args=(out, range(24) if number % 2 else range(23, -1, -1)))
        for number, out in enumerate(results)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(out == serial for out in results)


def test_no_global_random_state_is_touched():
    random.seed(5)
    np.random.seed(5)
    before = random.getstate(), np.random.get_state()[1].tolist()
    SokobanSource().sample(1, "test", "8x8-3")
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


GOLDEN = {
    "6x6-1": "f87b0a0270c1c774",
    "6x6-2": "8f9caaa3640ee5f1",
    "8x8-3": "7491a0544c5b4142",
    "10x10-4": "b4fe5a6efb08cc56",
}


@pytest.mark.parametrize("name", LEVELS)
def test_seeds_keep_their_levels(name):
    tasks = [SokobanSource().sample(seed, split, name) for seed in range(3) for split in ("train", "test")]
    digest = blake2b(digest_size=8)
    for task in tasks:
        digest.update(f"{task.level}\n{task.solution}\n".encode())
    assert digest.hexdigest() == GOLDEN[name], "another level for a seed needs a new version of the id"


@settings(max_examples=60, deadline=None)
@given(seeds, levels, st.sampled_from(["train", "valid", "test"]))
def test_a_room_is_in_one_split_wherever_its_boxes_are(seed, name, split):
    source = SokobanSource()
    task = source.sample(seed, split, name)
    assert task.split == split and task.difficulty == name
    rows = task.level.split("\n")
    for image in (rows, rows[::-1], [row[::-1] for row in rows], list(map("".join, zip(*rows, strict=True)))):
        turned = task.model_copy(update={"level": "\n".join(image)})
        assert split_of(source.split_content(turned)) == split
        assert layout(parse(turned.level).level) == layout(parse(task.level).level)


def test_any_size_is_a_difficulty_and_nonsense_is_refused():
    source = SokobanSource()
    task = source.sample(1, None, "5x9-2")
    assert task.difficulty == "5x9-2"
    assert [len(row) for row in task.level.split("\n")] == [9] * 5
    for bad in ("hard", "6x6", "4x6-1", "6x6-9", "6x6-0", "30x6-1", "6x6-1 "):
        with pytest.raises(UserError):
            source.sample(1, None, bad)
    with pytest.raises(UserError, match="min_pushes"):
        SokobanSource(min_pushes=0)


def test_more_pushes_can_be_asked_for_and_the_impossible_gives_the_most_there_is():
    task = SokobanSource(min_pushes=5).sample(1, None, "6x6-1")
    assert solve(parse(task.level)).pushes >= 5
    task = SokobanSource(min_pushes=40).sample(1, None, "6x6-1")
    assert 4 <= solve(parse(task.level)).pushes < 40
