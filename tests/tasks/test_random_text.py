"""Random commands from the specifications alone."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.tasks.actions import ActionSpec, Param, match_action
from rlvr.tasks.random_text import random_command
from rlvr.tasks.rng import Rng

GUESS = ActionSpec(
    "guess", r"(?P<number>\d{1,3})", "{number}", "17", "name a number", (Param("number", "integer", "your guess"),)
)


def spec(pattern: str, *params: Param, template: str = "{x}", example: str = "example") -> ActionSpec:
    return ActionSpec("act", pattern, template, example, "act", params)


def draws(one: ActionSpec, count: int = 200) -> set[str]:
    rng = Rng(5)
    return {random_command((one,), rng) for _ in range(count)}


def test_a_number_is_guessed_all_over_its_range() -> None:
    numbers = [int(random_command((GUESS,), Rng(seed))) for seed in range(2000)]
    assert len(set(numbers)) > 700 and min(numbers) < 20 and max(numbers) > 980
    assert all(120 < sum(low <= number < low + 100 for number in numbers) < 480 for low in range(0, 1000, 100))


def test_the_same_generator_gives_the_same_commands() -> None:
    assert [random_command((GUESS,), Rng(seed)) for seed in range(50)] == [
        random_command((GUESS,), Rng(seed)) for seed in range(50)
    ]


def test_every_kind_of_action_and_every_choice_comes_up() -> None:
    go = ActionSpec(
        "go", r"go (?P<way>\w+)", "go {way}", "go up", "go", (Param("way", "string", "way", ("up", "down")),)
    )
    wait = ActionSpec("wait", "wait|rest", "wait", "wait", "wait")
    rng = Rng(1)
    assert {random_command((go, wait), rng) for _ in range(100)} == {"go up", "go down", "wait", "rest"}


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?P<x>-?\d+(\.\d+)?)",
        r"(?P<x>[A-Za-z_]\w*)",
        r"(?P<x>[^\d\s]{2,4}?)",
        r"(?P<x>(?:ab|c){1,3}d*+)",
        r"^(?P<x>(?P<q>['\"]).+?(?P=q))$",
        r"(?P<x>(?!0)\d{2})",
        r"(?P<x>[\s\S]*)",
        r"(?P<x>(<)?\w(?(2)>|!))",
        r"(?P<x>(?>a|b)\b[ ;].\B)",
        r"(?P<x>(?i:yes)|\D\S\W)",
        r"(?P<x>[À-￿]{3})",
    ],
)
def test_what_is_drawn_fits_the_pattern_and_varies(pattern: str) -> None:
    one = spec(pattern, Param("x", "string", "x"))
    found = draws(one)
    assert len(found) > 5 and "example" not in found - {"example"}
    assert all(match_action((one,), text) for text in found)


def test_a_template_that_the_pattern_refuses_is_left_aside() -> None:
    one = spec(r"say (?P<x>[a-z]{3})", Param("x", "string", "x"), template="tell {x}")
    assert all(re.fullmatch("say [a-z]{3}", text) for text in draws(one, 30))


def test_a_pattern_that_nothing_fits_by_chance_gives_the_example() -> None:
    one = spec(r"(?=needle)(?P<x>[a-z]{6})", Param("x", "string", "x"), example="needle")
    assert draws(one, 5) == {"needle"}


@given(st.from_regex(r"(\\d|[a-f]|x)([+*?]|\{1,3\})?(\|y)?", fullmatch=True), st.integers(0, 2**32))
def test_any_simple_pattern_gives_fitting_texts(inner: str, seed: int) -> None:
    one = spec(rf"(?P<x>{inner})!", Param("x", "string", "x"), template="{x}!", example="")
    assert re.fullmatch(rf"(?P<x>{inner})!", random_command((one,), Rng(seed)), re.IGNORECASE)
