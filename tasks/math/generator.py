"""What a problem generator is: parameters drawn from a seed, a statement, and an exact answer from 0 to 999.

A generator never stores an answer: `answer` computes it from the same parameters that `statement` prints, and the
tests compute it again by another method.
"""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, ClassVar, NamedTuple

from ..rng import Rng

LEVELS: tuple[str, ...] = ("easy", "medium", "hard")
"""The levels of every generator."""

MAX_ANSWER = 999
MAX_DRAWS = 20_000
"""Draws before `problem` gives up; a generator that needs more than a few dozen on average is badly made."""

Params = dict[str, Any]
"""A problem's parameters: JSON values; `wording` picks the phrasing and changes nothing else."""

_NUMBER_WORDS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
}  # fmt: skip
_NUMBER = re.compile(r"(?<![A-Za-z0-9])(?:" + "|".join(_NUMBER_WORDS) + r")(?![A-Za-z])|\d+", re.IGNORECASE)


class Problem(NamedTuple):
    """One finished problem."""

    generator: str
    area: str
    params: Params
    statement: str
    answer: int


class Generator(ABC):
    """A family of original problems in AIME's format."""

    name: ClassVar[str]
    """Identifier; part of the seed, so renaming changes every problem."""
    area: ClassVar[str]
    """`number theory`, `combinatorics`, `algebra`, `geometry` or `probability`."""
    steps: ClassVar[tuple[str, ...]]
    """The reasoning that a solution needs, three steps or more."""
    wordings: ClassVar[int] = 2
    """How many phrasings `statement` has."""

    @abstractmethod
    def draw(self, rng: Rng, level: str) -> Params | None:
        """Draw parameters for a level, or None where the draw makes no good problem."""

    @abstractmethod
    def statement(self, params: Params) -> str:
        """Return the problem as a contest would print it, in LaTeX."""

    @abstractmethod
    def answer(self, params: Params) -> int | None:
        """Return the exact answer; None where these parameters have none in AIME's format."""

    def problem(self, rng: Rng, level: str) -> Problem:
        """Return a problem whose answer is an integer from 0 to 999 that no single operation on its numbers gives."""
        for _ in range(MAX_DRAWS):
            params = self.draw(rng, level)
            if params is None:
                continue
            params["wording"] = rng.below(self.wordings)
            answer = self.answer(params)
            if answer is None or not 0 <= answer <= MAX_ANSWER:
                continue
            statement = self.statement(params)
            if not one_operation_away(numbers_in(statement), answer):
                return Problem(self.name, self.area, params, statement, answer)
        raise RuntimeError(f"generator {self.name} made no {level} problem in {MAX_DRAWS} draws")

    def sample(self, rng: Rng, level: str) -> Params:
        """Return the parameters of a problem."""
        return self.problem(rng, level).params


def numbers_in(statement: str) -> list[int]:
    """Return the numbers that a statement shows, in order, those spelled out (two to ten) included."""
    return [_NUMBER_WORDS.get(found.lower()) or int(found) for found in _NUMBER.findall(statement)]


def one_operation_away(numbers: Sequence[int], answer: int) -> bool:
    """Return whether the answer is one of the numbers, or one operation on two of them gives it.

    Operations: +, -, *, / (rounded down), %, ^, gcd. Problems that would fall so cheaply are drawn again.
    """
    values = set(numbers)
    if answer in values:
        return True
    for x in values:
        for y in values:
            if answer in (x + y, x - y, x * y, math.gcd(x, y)):
                return True
            if y and answer in (x // y, x % y):
                return True
            if 1 < x <= MAX_ANSWER and 0 <= y < 10 and x**y == answer:
                return True
    return False


def terms_sum(value: Fraction) -> int:
    """Return m + n for a positive fraction m/n in lowest terms."""
    return value.numerator + value.denominator


def listed(items: Sequence[Any], last: str = "and") -> str:
    """Return the items as English lists them: `a`, `a and b`, `a, b, and c`."""
    words = [str(item) for item in items]
    if len(words) <= 2:
        return f" {last} ".join(words)
    return f"{', '.join(words[:-1])}, {last} {words[-1]}"


def factored(factors: Sequence[Sequence[int]]) -> str:
    r"""Return a product of prime powers in LaTeX: `2^{3} \cdot 5`."""
    return r" \cdot ".join(f"{prime}^{{{exponent}}}" if exponent > 1 else str(prime) for prime, exponent in factors)


def polynomial(coefficients: Sequence[int], variable: str = "x") -> str:
    """Return a polynomial in LaTeX, highest power first, zero terms left out."""
    degree = len(coefficients) - 1
    text = ""
    for i, coefficient in enumerate(coefficients):
        power = degree - i
        if not coefficient:
            continue
        sign = ("-" if coefficient < 0 else "") if not text else (" - " if coefficient < 0 else " + ")
        size = abs(coefficient)
        factor = "" if size == 1 and power else str(size)
        base = "" if power == 0 else variable if power == 1 else f"{variable}^{{{power}}}"
        text += f"{sign}{factor}{base}"
    return text or "0"


LOWEST_TERMS = "where $m$ and $n$ are relatively prime positive integers"
"""The clause that comes before the question for m + n."""
