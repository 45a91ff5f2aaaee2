"""The oracle of the workers: sample points first, math-verify for everything that they cannot settle."""

from fractions import Fraction
from typing import Any

import mpmath
from mpmath import mp

from .closeness import approximates, same_number
from .compare import Undecided
from .exact import rational
from .nodes import Decimal, Node, symbols, walk
from .numeric import (
    CONSTANT_DIGITS,
    DIGITS,
    NoValue,
    Point,
    close,
    evaluate,
    has_imaginary,
    is_discrete,
    is_real,
)
from .policy import VerifyPolicy
from .regions import same_region

_POINTS = (("small", 3), ("large", 3), ("signed", 3))
_NEEDED = 4
"""Points at which two functions must have been seen to agree."""


class SymbolicOracle:
    """Decides equality of values with symbols, functions, roots and powers."""

    def __init__(self, policy: VerifyPolicy) -> None:
        self.policy = policy

    def under(self, policy: VerifyPolicy) -> "SymbolicOracle":
        """The same oracle under another policy."""
        return SymbolicOracle(policy)

    def equal(self, gold: Node, answer: Node) -> bool:
        """Whether both are the same value or the same function of their symbols."""
        if gold == answer:
            return True
        first, second = rational(gold), rational(answer)
        if first is not None and second is not None:
            return same_number(first, second, self.policy)
        if any(part.op == "matrix" for node in (gold, answer) for part in walk(node)):
            return self._proved(gold, answer)
        if any(node.op in ("group", "set", "list", "rel", "union") for node in (gold, answer)):
            return False
        if not symbols(gold) and not symbols(answer):
            verdict = self._constants(gold, answer, first, second)
        else:
            verdict = agree(gold, answer)
        if verdict is None:
            return self._proved(gold, answer)
        return verdict

    def _constants(self, gold: Node, answer: Node, first: Decimal | None, second: Decimal | None) -> bool | None:
        with mp.workdps(DIGITS):
            try:
                one, two = evaluate(gold, Point(0, "large")), evaluate(answer, Point(0, "large"))
            except NoValue:
                return None
            if self._near(one, two, first, second):
                return True
            if not close(one, two):
                return False
        with mp.workdps(CONSTANT_DIGITS):
            try:
                one, two = evaluate(gold, Point(0, "large")), evaluate(answer, Point(0, "large"))
            except NoValue:
                return None
            return close(one, two, mpmath.mpf(10) ** (30 - CONSTANT_DIGITS))

    def _near(self, one: Any, two: Any, first: Decimal | None, second: Decimal | None) -> bool:
        """Whether a decimal stands for the other value, or the policy's tolerance covers the difference."""
        if self.policy.tolerance and abs(one - two) <= self.policy.tolerance * abs(one):
            return True
        for literal, other in ((first, two), (second, one)):
            if literal is not None and literal.places and is_real(other):
                value = Fraction(int(mpmath.nint(mpmath.re(other) * mpmath.mpf(10) ** 45)), 10**45)
                if approximates(literal, value, abs(literal.exact - value), self.policy):
                    return True
        return False

    def _proved(self, gold: Node, answer: Node) -> bool:
        """Where no sample point helps, math-verify must prove the equality."""
        from .mathverify import proved_equal

        return proved_equal(gold, answer)

    def ratio_sign(self, gold: Node, answer: Node) -> int:
        """Sign of the constant by which the answer's equation is the gold's multiplied; 0 where there is none."""
        if symbols(gold) != symbols(answer):
            return 0
        ratios = []
        with mp.workdps(DIGITS):
            for point in points(discrete=is_discrete(gold) or is_discrete(answer)):
                try:
                    one, two = evaluate(gold, point), evaluate(answer, point)
                except NoValue:
                    continue
                if (one == 0) != (two == 0):
                    return 0
                if one != 0:
                    ratios.append(two / one)
        if len(ratios) < _NEEDED or not all(close(ratio, ratios[0]) for ratio in ratios):
            return 0
        return 0 if not is_real(ratios[0]) else 1 if mpmath.re(ratios[0]) > 0 else -1

    def same_region(self, gold: Node, answer: Node) -> bool:
        """Whether two unions of intervals and points are the same set of reals."""
        return same_region(gold, answer, self.equal)


def points(*, discrete: bool) -> list[Point]:
    """The sample points, in the order in which they are tried."""
    chosen = [Point(index, kind) for kind, count in _POINTS for index in range(count)]
    if discrete:
        chosen += [Point(index, "integer") for index in range(6)]
    return chosen


def agree(gold: Node, answer: Node) -> bool | None:
    """Whether two trees are the same function, judged at sample points.

    Args:
        gold: One tree.
        answer: The other tree.

    Returns:
        False if they differ at a point where both are defined, True if they agree at enough points, `None` where too
        few points say anything.
    """
    discrete = is_discrete(gold) or is_discrete(answer)
    complex_values = has_imaginary(gold) or has_imaginary(answer)
    seen = 0
    with mp.workdps(DIGITS):
        for point in points(discrete=discrete):
            try:
                one, two = evaluate(gold, point), evaluate(answer, point)
            except NoValue:
                continue
            if close(one, two):
                seen += 1
                continue
            if point.kind == "signed" and not (is_real(one) and is_real(two)):
                # Roots and logarithms of negative numbers: branches may differ where no reader looks.
                continue
            if complex_values or (is_real(one) and is_real(two)):
                return False
            if is_real(one) != is_real(two):
                return False
    if seen < _NEEDED:
        return None
    return True


def has_unknown(node: Node) -> bool:
    """Whether some part of the tree cannot be evaluated at a point at all."""
    return any(part.op in ("matrix", "group", "set", "rel", "list") for part in walk(node))


__all__ = ["SymbolicOracle", "Undecided", "agree", "has_unknown", "points"]
