"""The text space: every string, and it survives everything that Gymnasium does with spaces."""

import copy
import json
import pickle

import pytest
from gymnasium import spaces
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array, iterate
from hypothesis import given
from hypothesis import strategies as st

from rlvr.envs.spaces import UnicodeText


@given(st.text(alphabet=st.characters()))
def test_every_string_is_contained(text: str) -> None:
    assert text in UnicodeText()


@pytest.mark.parametrize("text", ["", "\x00", "\ud800", "x" * 10**6])
def test_odd_strings_are_contained(text: str) -> None:
    assert UnicodeText().contains(text)


@pytest.mark.parametrize("value", [None, 0, b"bytes", ["a"], ("a",)])
def test_nothing_else_is_contained(value: object) -> None:
    assert value not in UnicodeText()


def test_samples_are_short_strings_and_follow_the_seed() -> None:
    one, other, third = UnicodeText(seed=1), UnicodeText(seed=1), UnicodeText(seed=2)
    samples = [one.sample() for _ in range(200)]
    assert samples == [other.sample() for _ in range(200)]
    assert samples != [third.sample() for _ in range(200)]
    assert all(len(text) <= 32 for text in samples) and "" in samples
    assert any(not text.isascii() for text in samples)


def test_masks_are_refused() -> None:
    with pytest.raises(ValueError, match="neither a mask"):
        UnicodeText().sample(mask=(None, None))  # type: ignore[arg-type]


def test_it_is_a_text_space_equal_to_its_like() -> None:
    space = UnicodeText()
    assert isinstance(space, spaces.Text)
    assert space == UnicodeText(seed=5) and hash(space) == hash(UnicodeText())
    assert space != spaces.Text(10)


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda space: pickle.loads(pickle.dumps(space))])
def test_it_can_be_copied_and_pickled(clone: object) -> None:
    twin = clone(UnicodeText(seed=3))  # type: ignore[operator]
    assert twin == UnicodeText() and "\ud800" in twin and isinstance(twin.sample(), str)


def test_it_batches_as_a_tuple() -> None:
    batched = batch_space(UnicodeText(), 3)
    assert isinstance(batched, spaces.Tuple) and all(isinstance(space, UnicodeText) for space in batched)
    empty = create_empty_array(UnicodeText(), n=3)
    texts = ("", "é\ud800", "long " * 1000)
    assert tuple(concatenate(UnicodeText(), texts, empty)) == texts
    assert tuple(iterate(batched, texts)) == texts


def test_samples_can_be_written_as_json() -> None:
    space = UnicodeText(seed=0)
    samples = [space.sample() for _ in range(5)]
    assert space.from_jsonable(json.loads(json.dumps(space.to_jsonable(samples)))) == samples
