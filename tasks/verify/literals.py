"""Number literals."""

from fractions import Fraction

from .limits import TooLarge
from .nodes import Decimal, Node


def literal_number(text: str) -> Node:
    """A number literal, thousands separators and exponent included."""
    text = text.replace(",", "")
    mantissa, mark, exponent = text.replace("E", "e").partition("e")
    whole, point, decimals = mantissa.partition(".")
    digits = whole + decimals
    if len(exponent) > 5:
        raise TooLarge("an exponent has too many digits")
    scale = int(exponent) if mark else 0
    exact = Fraction(int(digits or "0"))
    shift = scale - len(decimals)
    exact = exact * 10**shift if shift >= 0 else exact / 10**-shift
    places = max(0, -shift) if point or mark else None
    if mark and exact.denominator == 1 and not point:
        places = None
    significant = len(digits.lstrip("0")) or 1
    return Node("num", (), Decimal(exact, places if places else (0 if point else None), significant))
