"""When two exactly known numbers count as equal."""

from fractions import Fraction

from .nodes import Decimal
from .policy import VerifyPolicy

_FLOAT_DIGITS = 15
"""A decimal of so many significant digits may carry the noise of binary floating point."""
_FLOAT_NOISE = Fraction(1, 10**12)


def same_number(gold: Decimal, answer: Decimal, policy: VerifyPolicy) -> bool:
    """Whether two exactly known numbers count as equal.

    Equal values are equal. Beyond that a decimal may stand for a value that it rounds or truncates, if it has
    `policy.approx_digits` significant digits, and two values may differ by `policy.tolerance`.

    Args:
        gold: The gold number.
        answer: The answer's number.
        policy: The conventions.

    Returns:
        Whether they count as equal.
    """
    difference = abs(gold.exact - answer.exact)
    if difference == 0:
        return True
    if policy.tolerance and difference <= Fraction(policy.tolerance) * abs(gold.exact):
        return True
    return approximates(gold, answer.exact, difference, policy) or approximates(answer, gold.exact, difference, policy)


def approximates(literal: Decimal, value: Fraction, difference: Fraction, policy: VerifyPolicy) -> bool:
    """Whether a decimal literal has enough digits and differs from the value by less than its last digit."""
    if not policy.approx_digits or not literal.places or literal.significant < policy.approx_digits:
        return False
    if difference < Fraction(1, 10**literal.places):
        return True
    return literal.significant >= _FLOAT_DIGITS and difference <= _FLOAT_NOISE * abs(value)
