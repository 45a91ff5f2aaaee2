"""Exact arithmetic of rational answers, and the bound on its cost."""

import math
from fractions import Fraction
from math import comb, factorial, isqrt

from .limits import (
    MAX_BITS,
    MAX_DEPTH,
    MAX_FACTORIAL_ARGUMENT,
    MAX_MATRIX_CELLS,
    MAX_SERIES_TERMS,
    MAX_SYMBOLIC_EXPONENT,
    MAX_TERMS,
    TooLarge,
)
from .nodes import Decimal, Node

_UNKNOWN = math.inf


def rational(node: Node) -> Decimal | None:
    """The exact value of a tree without symbols, where it is rational.

    Args:
        node: A tree that `check_cost` has passed or will refuse here.

    Returns:
        The value, with the decimal places of the literal where the tree is one (a sign, or a power of ten as
        factor, keeps it a literal); `None` where it is not rational or has symbols.

    Raises:
        TooLarge: The number exceeds a static limit.
    """
    if node.op == "num":
        value: Decimal = node.value
        return value
    check_cost(node)
    return rational_value(node)


def rational_value(node: Node) -> Decimal | None:
    """`rational` for a tree whose cost is already known to be small."""
    op = node.op
    if op == "num":
        literal: Decimal = node.value
        return literal
    if op == "neg":
        inner = rational_value(node.args[0])
        return None if inner is None else inner._replace(exact=-inner.exact)
    if op == "mul":
        return _product(node)
    if op not in ("add", "div", "pow", "fact", "percent", "based", "fn"):
        return None
    if op == "based":
        return _based(*node.value)
    values = []
    for part in node.args:
        value = rational_value(part)
        if value is None:
            return None
        values.append(value.exact)
    result = _apply(op, node.value, values)
    return None if result is None else Decimal(result, None, 1)


def _apply(op: str, name: str | None, values: list[Fraction]) -> Fraction | None:
    if op == "add":
        return sum(values, Fraction(0))
    if op == "div":
        return values[0] / values[1] if values[1] else None
    if op == "percent":
        return values[0] / 100
    if op == "fact":
        whole = values[0]
        return Fraction(factorial(int(whole))) if whole.denominator == 1 and whole >= 0 else None
    if op == "pow":
        return _power(values[0], values[1])
    if name == "sqrt":
        return _power(values[0], Fraction(1, 2))
    if name == "abs":
        return abs(values[0])
    if name == "floor":
        return Fraction(values[0].__floor__())
    if name == "ceil":
        return Fraction(values[0].__ceil__())
    if name == "binom" and all(v.denominator == 1 and v >= 0 for v in values):
        return Fraction(comb(int(values[0]), int(values[1])))
    if name in ("max", "min"):
        return max(values) if name == "max" else min(values)
    return None


def _power(base: Fraction, exponent: Fraction) -> Fraction | None:
    if exponent.denominator == 1:
        if base == 0 and exponent <= 0:
            return None
        return Fraction(base ** int(exponent))
    if exponent == Fraction(1, 2) and base >= 0:
        top, bottom = isqrt(base.numerator), isqrt(base.denominator)
        if top * top == base.numerator and bottom * bottom == base.denominator:
            return Fraction(top, bottom)
    return None


def _product(node: Node) -> Decimal | None:
    values = [rational_value(part) for part in node.args]
    total = Fraction(1)
    for value in values:
        if value is None:
            return None
        total *= value.exact
    first = values[0]
    assert first is not None
    if first.places is not None and len(values) == 2 and _power_of_ten(node.args[1]):
        second = values[1]
        assert second is not None
        shift = len(str(second.exact.numerator)) - len(str(second.exact.denominator))
        return Decimal(total, max(0, first.places - shift), first.significant)
    return Decimal(total, None, 1)


def _power_of_ten(node: Node) -> bool:
    """Whether the node is written as 10^k with a small integer k."""
    if node.op != "pow" or node.args[0].op != "num" or node.args[0].value.exact != 10:
        return False
    exponent = rational_value(node.args[1])
    return exponent is not None and exponent.exact.denominator == 1 and abs(exponent.exact) < 1000


def _based(digits: str, base: int) -> Decimal | None:
    """Value of digits in a base; `None` where a digit does not exist in it."""
    if not 2 <= base <= 36:
        return None
    try:
        return Decimal(Fraction(int(digits, base)), None, len(digits))
    except ValueError:
        return None


def check_cost(node: Node) -> float:
    """Refuses a tree whose numbers would become too large to compute.

    Args:
        node: A parsed answer.

    Returns:
        Upper bound of the bits of its largest number; infinite where symbols leave it open.

    Raises:
        TooLarge: An exponent, factorial, binomial, sum or matrix exceeds its limit.
    """
    _check_shape(node)
    return _bits(node)


def _check_shape(node: Node) -> None:
    """Refuses trees that are too deep for recursion, and series inside series with too many terms in all."""
    level = [(node, 1.0)]
    depth = 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise TooLarge(f"its operations are nested more than {MAX_DEPTH} deep")
        below = []
        for part, terms in level:
            if part.op in ("sum", "prod"):
                terms *= _span(part)
                if terms > MAX_TERMS:
                    raise TooLarge(f"sums and products have more than {MAX_TERMS} terms in all")
            below += [(child, terms) for child in part.args]
        level = below


def _span(series: Node) -> float:
    start, end = series.args[1:]
    if start.op == end.op == "num":
        return max(1.0, float(end.value.exact - start.value.exact))
    return 1.0


def _bits(node: Node) -> float:
    """Upper bound of log2 of the magnitude; infinite where symbols make it unknown."""
    op = node.op
    if op == "num":
        exact = node.value.exact
        return float(max(exact.numerator.bit_length(), exact.denominator.bit_length()))
    if op == "const":
        return 2.0 if node.value != "inf" else _UNKNOWN
    if op == "based":
        return len(node.value[0]) * 6.0
    if op == "matrix" and len(node.args) > MAX_MATRIX_CELLS:
        raise TooLarge(f"a matrix has {len(node.args)} cells; at most {MAX_MATRIX_CELLS} are read")
    sizes = [_bits(part) for part in node.args]
    if not sizes:
        return _UNKNOWN
    if op == "pow":
        return _power_bits(node, sizes)
    if op == "fact" or (op == "fn" and node.value in ("factorial", "gamma")):
        if sizes[0] == _UNKNOWN:
            return _UNKNOWN
        if sizes[0] > math.log2(MAX_FACTORIAL_ARGUMENT) + 1:
            raise TooLarge(f"a factorial's argument is larger than {MAX_FACTORIAL_ARGUMENT}")
        return 2.0 ** sizes[0] * sizes[0]
    if op == "fn" and node.value == "binom":
        return _binomial_bits(sizes)
    if op in ("sum", "prod"):
        return _series_bits(node, sizes)
    if op in ("mul", "div", "add"):
        # The denominators of a sum multiply too.
        return _checked(sum(sizes))
    if op == "fn" and node.value in ("sinh", "cosh", "gamma") and sizes[0] != _UNKNOWN and sizes[0] > 20:
        raise TooLarge("an exponent is too large")
    return max(sizes) + len(sizes)


def _checked(bits: float) -> float:
    if bits != _UNKNOWN and bits > 4 * MAX_BITS:
        raise TooLarge(f"a number would need more than {4 * MAX_BITS} bits")
    return bits


def _power_bits(node: Node, sizes: list[float]) -> float:
    base, exponent = sizes
    if exponent == _UNKNOWN:
        return _UNKNOWN
    size = _magnitude(node.args[1], exponent)
    if size > 2.0**40:
        raise TooLarge("an exponent is too large")
    if base == _UNKNOWN:
        if size > MAX_SYMBOLIC_EXPONENT:
            raise TooLarge(f"an exponent is larger than {MAX_SYMBOLIC_EXPONENT}")
        return _UNKNOWN
    if size * max(base, 1.0) > MAX_BITS:
        raise TooLarge(f"a power would need more than {MAX_BITS} bits")
    return size * max(base, 1.0)


def _magnitude(node: Node, bits: float) -> float:
    """Upper bound of the absolute value of a constant whose numerator and denominator have so many bits."""
    if bits <= 4096:
        exact = rational_value(node)
        if exact is not None:
            top, bottom = abs(exact.exact.numerator), exact.exact.denominator
            return 2.0 ** min(1000, top.bit_length() - bottom.bit_length() + 1) if top > 2**50 else top / bottom
    return 2.0 ** min(bits, 1000)


def _binomial_bits(sizes: list[float]) -> float:
    if _UNKNOWN in sizes:
        return _UNKNOWN
    top, bottom = sizes
    if (top > 14 and bottom > 7) or top > 64:
        raise TooLarge("a binomial coefficient is too large")
    return top * 2.0 ** min(bottom, top)


def _series_bits(node: Node, sizes: list[float]) -> float:
    body, start, end = sizes
    span = 2.0 ** min(64.0, max(start, end)) if math.inf not in (start, end) else 0.0
    if span > 2 * MAX_SERIES_TERMS:
        raise TooLarge(f"a sum or product has more than {MAX_SERIES_TERMS} terms")
    if body == _UNKNOWN:
        return _UNKNOWN
    return _checked(body * max(span, 1.0) if node.op == "prod" else body + 16)
