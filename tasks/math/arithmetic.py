"""Arithmetic with exact answers: from one-step sums to nested expressions with fractions and powers."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from ..rng import Rng
from ..task import GeneratedSource
from .task import MathTask

LEVELS: tuple[str, ...] = ("two-digit", "easy", "medium", "hard", "expert")
"""One sum or difference of numbers up to 99, or up to 999; two or three operations without brackets; four to six with
brackets; fractions and powers."""

_LARGEST = {"two-digit": 99, "easy": 999}
"""The largest operand of the levels with one operation."""

MAX_SIZE = 100_000
"""Bound of numerator and denominator of every intermediate value, so that a person could follow."""

_BINDING = {"+": 1, "-": 1, "*": 2, "/": 2}
_SIGNS = {"+": "+", "-": "-", "*": r"\times", "/": r"\div"}


class Expression(NamedTuple):
    """An expression with its exact value and its LaTeX."""

    value: Fraction
    latex: str
    binding: int
    """How tightly the outermost operation binds: 1 sums, 2 products, 3 powers and fractions, 4 numbers."""


def _number(value: int) -> Expression:
    return Expression(Fraction(value), str(value), 4)


def _fraction(rng: Rng) -> Expression:
    bottom = rng.integer(2, 12)
    top = rng.integer(1, 3 * bottom)
    while top % bottom == 0:
        top = rng.integer(1, 3 * bottom)
    return Expression(Fraction(top, bottom), rf"\frac{{{top}}}{{{bottom}}}", 3)


def _join(left: Expression, sign: str, right: Expression) -> Expression | None:
    """Return the operation's result; None for a division by zero."""
    binding = _BINDING[sign]
    if sign == "/" and not right.value:
        return None
    value = {
        "+": lambda: left.value + right.value,
        "-": lambda: left.value - right.value,
        "*": lambda: left.value * right.value,
        "/": lambda: left.value / right.value,
    }[sign]()
    # The right side of - and / needs brackets at equal binding; + and * get them too, which changes nothing.
    first = left.latex if left.binding >= binding else _bracket(left.latex)
    second = right.latex if right.binding > binding else _bracket(right.latex)
    return Expression(value, f"{first} {_SIGNS[sign]} {second}", binding)


def _bracket(latex: str) -> str:
    return rf"\left( {latex} \right)" if "frac" in latex else f"({latex})"


def _over(top: Expression, bottom: Expression) -> Expression | None:
    if not bottom.value or top.binding >= 3:
        return None
    return Expression(top.value / bottom.value, rf"\frac{{{top.latex}}}{{{bottom.latex}}}", 3)


def _raised(base: Expression, exponent: int) -> Expression:
    latex = base.latex if base.binding == 4 else _bracket(base.latex)
    return Expression(base.value**exponent, f"{latex}^{{{exponent}}}", 3)


def _tame(expression: Expression | None, whole: bool) -> bool:
    if expression is None:
        return False
    value = expression.value
    if whole and value.denominator != 1:
        return False
    return abs(value.numerator) <= MAX_SIZE and value.denominator <= MAX_SIZE


def _tree(rng: Rng, operations: int, level: str) -> Expression | None:
    """Return a random expression with so many operations; None where a value would be out of bounds."""
    fractions = level == "expert"
    if operations == 0:
        if fractions and rng.below(2):
            return _fraction(rng)
        return _number(rng.integer(2, 20 if fractions else 60))
    if fractions and rng.below(6) == 0:
        base = _tree(rng, operations - 1, level)
        result = None if base is None else _raised(base, rng.integer(2, 3))
        return result if _tame(result, whole=False) else None
    left_size = rng.below(operations)
    left, right = _tree(rng, left_size, level), _tree(rng, operations - 1 - left_size, level)
    if left is None or right is None:
        return None
    if fractions and rng.below(4) == 0:
        result = _over(left, right)
    else:
        even = [d for d in range(2, 61) if left.value % d == 0] if right.binding == 4 and left.value else []
        # Whole numbers are divided only by one of their divisors.
        sign = rng.choice("+-*/" if fractions or even else "+-*")
        if sign == "/" and not fractions:
            right = _number(rng.choice(even))
        result = _join(left, sign, right)
    return result if _tame(result, whole=not fractions) else None


def _fits(expression: Expression, level: str) -> bool:
    """Return whether an expression has what its level promises: no brackets, some brackets, a fraction."""
    if level == "medium":
        return "(" not in expression.latex
    return "(" in expression.latex if level == "hard" else level != "expert" or "frac" in expression.latex


class ArithmeticSource(GeneratedSource[MathTask]):
    """Expressions to evaluate; the answer is an integer, at level `expert` often a fraction."""

    difficulties = LEVELS
    default_difficulty = "easy"

    def generate(self, rng: Rng, difficulty: str) -> MathTask:
        """Return an expression of a level."""
        while True:
            if difficulty in _LARGEST:
                most = _LARGEST[difficulty]
                expression = _join(_number(rng.integer(1, most)), rng.choice("+-"), _number(rng.integer(1, most)))
            else:
                low, high = {"medium": (2, 3), "hard": (4, 6), "expert": (3, 5)}[difficulty]
                expression = _tree(rng, rng.integer(low, high), difficulty)
            if expression is not None and _fits(expression, difficulty):
                return self._task(expression, rng)

    @staticmethod
    def _task(expression: Expression, rng: Rng) -> MathTask:
        opening = rng.choice(("Compute", "Evaluate", "Find the value of"))
        closing = " Give the exact value, as an integer or as a fraction." if "frac" in expression.latex else ""
        return MathTask(
            problem=f"{opening} ${expression.latex}$.{closing}",
            answer=str(expression.value),
            area="arithmetic",
            origin=expression.latex,
        )

    def split_content(self, task: MathTask) -> str:
        """Return the expression without the words around it."""
        return task.origin
