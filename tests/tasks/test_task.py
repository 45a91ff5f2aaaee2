"""Tasks and sources: stable names, splits by content, items of a data set."""

from collections import Counter
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rlvr.tasks.errors import UnknownName, UserError
from rlvr.tasks.rng import Rng
from rlvr.tasks.task import (
    SPLITS,
    DataSource,
    GeneratedSource,
    Split,
    Task,
    content_hash,
    split_of,
    text_hash,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


class WordTask(Task):
    family: ClassVar[str] = "word"

    word: str
    times: int = 1


class WordSource(GeneratedSource[WordTask]):
    difficulties = ("short", "long")

    def generate(self, rng: Rng, difficulty: str) -> WordTask:
        length = 2 if difficulty == "short" else 6
        return WordTask(word="".join(rng.choice("abcdefgh") for _ in range(length)))


class StubbornSource(WordSource):
    """Only ever makes one word, which is in one split."""

    max_attempts = 20

    def generate(self, rng: Rng, difficulty: str) -> WordTask:
        return WordTask(word="always")


def data_source() -> DataSource[WordTask]:
    words = [("ant", "train", "easy"), ("bee", "train", "hard"), ("cat", "test", "easy")]
    tasks = [WordTask(word=word, split=split, difficulty=level, item=f"w-{word}") for word, split, level in words]
    return DataSource(tasks, name="words", fingerprint="0" * 64)


def test_a_uid_is_golden() -> None:
    assert WordTask(word="ant").uid == "word-426dec0aa6a26bbb"
    assert content_hash({"b": 1, "a": [1, "é"]}) == 5258461762018303632


def test_a_uid_names_the_content_and_nothing_else() -> None:
    task = WordTask(word="ant")
    assert WordTask(word="ant", split="test", difficulty="hard", item="7").uid == task.uid
    assert WordTask(word="ant", times=2).uid != task.uid
    assert task.model_copy(update={"split": "valid"}).uid == task.uid


def test_a_uid_survives_json() -> None:
    task = WordTask(word="a\u2028é", item="x")
    assert WordTask.model_validate_json(task.model_dump_json()) == task
    assert WordTask.model_validate_json(task.model_dump_json()).uid == task.uid


def test_a_task_is_frozen_and_takes_no_unknown_field() -> None:
    with pytest.raises(ValidationError):
        WordTask(word="ant").word = "bee"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        WordTask(word="ant", wrod="bee")  # type: ignore[call-arg]


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=4))
def test_the_order_of_keys_does_not_count(content: dict[str, Any]) -> None:
    assert content_hash(dict(reversed(content.items()))) == content_hash(content)


def test_splits_are_golden_and_eight_one_one() -> None:
    assert [split_of([i]) for i in range(6)] == ["train", "test", "train", "test", "test", "train"]
    shares = Counter(split_of(f"item {i}") for i in range(20_000))
    for split, share in (("train", 0.8), ("valid", 0.1), ("test", 0.1)):
        assert abs(shares[split] / 20_000 - share) < 0.01


def test_a_text_hash_takes_every_text() -> None:
    assert text_hash("") != text_hash("\ud800") != text_hash("\x00")
    assert len(text_hash("x" * 10**6)) == 24


# Generators


def test_generated_tasks_belong_to_their_split_by_content() -> None:
    source = WordSource()
    for split in SPLITS:
        for seed in range(40):
            task = source.sample(seed, split, "short")
            assert task.split == split and task.difficulty == "short"
            assert split_of(task.content()) == split


def test_no_instance_is_in_two_splits() -> None:
    source = WordSource()
    owner: dict[str, Split] = {}
    for split in SPLITS:
        for seed in range(300):
            uid = source.sample(seed, split, "short").uid
            assert owner.setdefault(uid, split) == split
    assert len(owner) > 50


def test_the_first_split_and_the_easiest_level_are_the_default() -> None:
    task = WordSource().sample(3)
    assert task == WordSource().sample(3, "train", "short")
    assert task.split == "train" and len(task.word) == 2


def test_an_unknown_split_or_level_is_refused_with_the_choices() -> None:
    with pytest.raises(UserError, match=r"'dev'.*train, valid, test"):
        WordSource().sample(0, "dev")  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"'huge'.*short, long"):
        WordSource().sample(0, "train", "huge")


def test_a_generator_that_never_meets_a_split_says_so() -> None:
    home = split_of(WordTask(word="always").content())
    other: Split = next(split for split in SPLITS if split != home)
    assert StubbornSource().sample(0, home).word == "always"
    with pytest.raises(RuntimeError, match=f"StubbornSource drew 20 instances, none of split {other!r}"):
        StubbornSource().sample(0, other)


# Data sets


def test_a_data_set_lists_the_splits_and_levels_that_it_has() -> None:
    source = data_source()
    assert source.splits == ("train", "test")
    assert source.difficulties == ("easy", "hard")
    assert len(source) == 3 and source[2].word == "cat"


def test_items_are_found_by_id_and_by_position() -> None:
    source = data_source()
    assert source.find("w-bee") == source.find(1) == source[1]


@pytest.mark.parametrize("item", [3, -1])
def test_a_position_outside_is_refused(item: int) -> None:
    with pytest.raises(UserError, match="items 0 to 2"):
        data_source().find(item)


@pytest.mark.parametrize("item", ["w-bea", True, None, 1.0])
def test_an_unknown_item_is_refused(item: Any) -> None:
    with pytest.raises(UnknownName, match="item in data set words"):
        data_source().find(item)


def test_an_unknown_id_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"Did you mean w-bee"):
        data_source().find("w-be")


def test_sampling_respects_split_and_level() -> None:
    source = data_source()
    assert {source.sample(seed).word for seed in range(40)} == {"ant", "bee"}
    assert {source.sample(seed, "train", "hard").word for seed in range(10)} == {"bee"}
    assert {source.sample(seed, "test").word for seed in range(10)} == {"cat"}
    assert [source.sample(seed).word for seed in range(20)] == [data_source().sample(seed).word for seed in range(20)]


def test_an_empty_choice_is_refused() -> None:
    with pytest.raises(UserError, match="no task of split 'test' and difficulty 'hard'"):
        data_source().sample(0, "test", "hard")
    with pytest.raises(UserError, match="has no rows"):
        DataSource([], name="nothing")
