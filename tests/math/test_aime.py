"""The source of generated problems: splits, determinism, choice of generators, and the floor of constant answers."""

import json
from collections import Counter

import pytest

from rlvr.tasks.errors import UnknownName, UserError
from rlvr.tasks.math.aime import AREAS, GENERATORS, AimeSource
from rlvr.tasks.task import split_of


@pytest.fixture(scope="module")
def source():
    return AimeSource()


def test_same_seed_same_problem(source):
    again = AimeSource()
    for seed in range(40):
        task = source.sample(seed, "test", "hard")
        assert again.sample(seed, "test", "hard") == task
        assert task.split == "test" and task.difficulty == "hard"
        assert task.uid == again.sample(seed, "test", "hard").uid


def test_splits_never_share_a_problem_not_even_in_other_words(source):
    origins = {
        split: {source.sample(seed, split, level).origin for seed in range(250) for level in source.difficulties}
        for split in source.splits
    }
    assert not origins["train"] & origins["test"]
    assert not origins["train"] & origins["valid"]
    assert not origins["valid"] & origins["test"]
    assert all(split_of(origin) == split for split, found in origins.items() for origin in found)
    assert all("wording" not in origin for found in origins.values() for origin in found)


def test_all_generators_and_areas_come_up(source):
    tasks = [source.sample(seed, "train", source.difficulties[seed % 3]) for seed in range(1200)]
    assert {json.loads(task.origin)[0] for task in tasks} == set(GENERATORS)
    assert {task.area for task in tasks} == set(AREAS)
    assert all(task.answer == str(int(task.answer)) and 0 <= int(task.answer) <= 999 for task in tasks)


def test_no_constant_answer_scores_above_the_documented_floor(source):
    for level in source.difficulties:
        answers = Counter(source.sample(seed, "train", level).answer for seed in range(3000))
        assert answers.most_common(1)[0][1] <= 0.015 * 3000, answers.most_common(3)


def test_areas_and_generators_can_be_chosen():
    geometry = AimeSource(areas=["geometry"])
    assert {geometry.sample(seed).area for seed in range(50)} == {"geometry"}
    one = AimeSource(generators=["necklaces"])
    assert {json.loads(one.sample(seed).origin)[0] for seed in range(20)} == {"necklaces"}


def test_every_generator_has_problems_in_every_split():
    for name in GENERATORS:
        source = AimeSource(generators=[name])
        for split in source.splits:
            for level in source.difficulties:
                assert source.sample(3, split, level).split == split


def test_unknown_choices_name_the_nearest():
    with pytest.raises(UnknownName, match="geometry"):
        AimeSource(areas=["geometri"])
    with pytest.raises(UnknownName, match="necklaces"):
        AimeSource(generators=["necklace"])
    with pytest.raises(UserError):
        AimeSource(areas=["geometry"], generators=["necklaces"])
    with pytest.raises(UserError, match="easy, medium, hard"):
        AimeSource().sample(0, "train", "extreme")
