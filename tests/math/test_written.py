"""A number written down against a computation that is left to the reader."""

from typing import Any

import gymnasium as gym
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rlvr  # noqa: F401 (registers the ids)
from rlvr.tasks.math.written import is_written_number
from rlvr.tasks.verify import VerdictStatus


@pytest.mark.parametrize(
    "answer",
    [
        "42",
        "042",
        "-42",
        "+42",
        "42.",
        "42.0",
        ".5",
        "1,234",
        "1{,}234",
        "1 234 567",
        r"1\,234",
        "$42$",
        r"\(42\)",
        "(42)",
        r"\left(42\right)",
        r"\mathbf{42}",
        "x = 42",
        r"\angle ABC = 42^\circ",
        "42^{\\circ}",
        "42°",
        r"42\text{ square units}",
        "42 apples",
        "$42",
        r"\$1,234.50",
        r"42\%",
        "2+40=42",
        "3/4",
        r"\frac{3}{4}",
        r"-\dfrac{3}{4}",
        r"\frac{-3}{4}",
        r"\frac34",
        r"1\frac{1}{2}",
        "1 1/2",
        "6/8",
        r"4.2 \times 10^{3}",
        "4.2e3",
    ],
)
def test_a_number_is_a_number_however_it_is_written(answer: str) -> None:
    assert is_written_number(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "2+40",
        "84-42",
        "84 - 42 apples",
        "6*7",
        r"6 \times 7",
        r"6 \cdot 7",
        "(6)(7)",
        "6(7)",
        "6 7",
        "84/2",
        r"\frac{84}{2}",
        r"84 \div 2",
        r"\frac{1+2}{4}",
        r"\frac{1}{2}+\frac{1}{4}",
        "2^5",
        "2**5",
        r"10^{2}",
        "5!",
        r"\binom{10}{3}",
        r"{10 \choose 3}",
        r"\sqrt{16}",
        r"7^{5} \bmod 1000",
        "807 mod 1000",
        r"1807 \pmod{1000}",
        "6 times 7",
        "3 dozen",
        r"\sum_{i=1}^{6} 2i",
        r"\lfloor 42.5 \rfloor",
        r"\gcd(84, 126)",
        "x = 2 \\cdot 21",
        "1/0",
        "answer",
        "\ud800",
        "9" * 1000,
    ],
)
def test_a_computation_is_not(answer: str) -> None:
    assert not is_written_number(answer)


@given(st.text(alphabet=st.characters(), max_size=40))
def test_no_text_raises(answer: str) -> None:
    assert is_written_number(answer) in (True, False)


@given(st.integers(-(10**9), 10**9))
def test_every_integer_is_written(value: int) -> None:
    assert is_written_number(str(value)) and is_written_number(f"{value:,}") and is_written_number(f"{value}.00")


def made(name: str, problem: str, answer: str) -> Any:
    env = gym.make(name)
    env.reset(options={"task": {"problem": problem, "answer": answer}})
    return env


@pytest.mark.parametrize("name", ["rlvr/aime-v0", "rlvr/arithmetic-v0"])
@pytest.mark.parametrize("answer", [r"\boxed{7^{5} \bmod 1000}", r"\boxed{800+7}", r"The answer is $7^5 - 16000$."])
def test_repeating_the_question_is_no_answer(name: str, answer: str) -> None:
    env = made(name, "Find the remainder when $7^5$ is divided by $1000$.", "807")
    _, reward, terminated, _, info = env.step(answer)
    assert reward == 0.0 and terminated and info["score"] == 0.0
    assert info["verdict"].status is VerdictStatus.WRONG and "computation" in info["verdict"].reason


@pytest.mark.parametrize("answer", ["807", r"\boxed{807}", r"$7^5 = 16807$, so the answer is \boxed{807}."])
def test_computing_it_is(answer: str) -> None:
    env = made("rlvr/aime-v0", "Find the remainder when $7^5$ is divided by $1000$.", "807")
    assert env.step(answer)[4]["is_success"]
