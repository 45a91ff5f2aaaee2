"""Evaluation of answers at sample points with many digits (mpmath); imported in workers only.

Two expressions are the same function if they agree at enough generic points to far more digits than chance allows,
and they are certainly not the same if they differ at one point where both are defined. The points are fixed: they are
derived by hashing the symbols' names, so a verdict never depends on a random state.
"""

import hashlib
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any

import mpmath
from mpmath import mp

from .limits import MAX_SERIES_TERMS
from .nodes import Node, walk

DIGITS = 50
"""Working precision at sample points, in decimal digits."""
CONSTANT_DIGITS = 420
"""Working precision with which two constants are told apart."""
_AGREE = mpmath.mpf(10) ** -32
_MAX_EXPONENT = 100_000
_CHOP = 12
"""Digits of the working precision that a sum may lose before its remainder counts as zero."""


class NoValue(ArithmeticError):
    """The expression has no value at this point, or we do not know how to compute it."""


_SIMPLE: dict[str, Callable[..., Any]] = {
    "sin": mpmath.sin, "cos": mpmath.cos, "tan": mpmath.tan, "cot": mpmath.cot, "sec": mpmath.sec, "csc": mpmath.csc,
    "asin": mpmath.asin, "acos": mpmath.acos, "atan": mpmath.atan, "acot": mpmath.acot, "asec": mpmath.asec,
    "acsc": mpmath.acsc, "sinh": mpmath.sinh, "cosh": mpmath.cosh, "tanh": mpmath.tanh, "coth": mpmath.coth,
    "asinh": mpmath.asinh, "acosh": mpmath.acosh, "atanh": mpmath.atanh, "sqrt": mpmath.sqrt, "abs": mpmath.fabs,
    "re": mpmath.re, "im": mpmath.im, "arg": mpmath.arg, "erf": mpmath.erf, "gamma": mpmath.gamma,
    "sign": mpmath.sign,
}  # fmt: skip
DISCRETE = frozenset(["floor", "ceil", "gcd", "lcm", "binom", "factorial", "gamma", "mod"])
"""Functions whose meaning shows at integers only, or jumps there."""


class Point:
    """Values for the symbols: one sample point.

    Args:
        index: Number of the point; points with the same number agree on every symbol.
        kind: `small` (0 to 1), `large` (1 to 4), `signed` (-3 to 3), `integer` (2 to 14).
    """

    def __init__(self, index: int, kind: str) -> None:
        self.index = index
        self.kind = kind
        self.bound: dict[str, Any] = {}

    def value(self, name: str) -> Any:
        """The value of a symbol at this point."""
        if name in self.bound:
            return self.bound[name]
        return _sample(name, self.index, self.kind)


@lru_cache(maxsize=1024)
def _sample(name: str, index: int, kind: str) -> Any:
    digest = hashlib.blake2b(f"{kind}:{index}:{name}".encode("utf-8", "replace"), digest_size=8).digest()
    unit = Fraction(int.from_bytes(digest, "big") % 999_983 + 7, 1_000_003)
    if kind == "integer":
        return mpmath.mpf(2 + int(unit * 12))
    if kind == "small":
        value = unit
    elif kind == "large":
        value = 1 + 3 * unit
    else:
        value = 6 * unit - 3
    return _number(value)


def _number(value: Fraction) -> Any:
    return mpmath.mpf(value.numerator) / value.denominator


def evaluate(node: Node, point: Point) -> Any:
    """Value of a tree at a point.

    Args:
        node: A tree without lists, relations or sets.
        point: Values of the symbols.

    Returns:
        An mpmath number, real or complex, finite.

    Raises:
        NoValue: There is no finite value, or the tree has an operation that is not numeric.
    """
    try:
        value = _evaluate(node, point)
    except (ZeroDivisionError, OverflowError, ValueError, TypeError, mpmath.libmp.NoConvergence) as error:
        raise NoValue(str(error)) from error
    if not mpmath.isfinite(value):
        raise NoValue("not finite")
    return value


def _evaluate(node: Node, point: Point) -> Any:
    op = node.op
    if op == "num":
        return _number(node.value.exact)
    if op == "sym":
        return point.value(node.value)
    if op == "const":
        return _constant(node.value)
    if op == "add":
        return _chopped_sum([_evaluate(part, point) for part in node.args])
    if op == "mul":
        result = mpmath.mpf(1)
        for part in node.args:
            result *= _evaluate(part, point)
        return result
    if op == "div":
        bottom = _evaluate(node.args[1], point)
        if bottom == 0:
            raise NoValue("division by zero")
        return _evaluate(node.args[0], point) / bottom
    if op == "pow":
        return _power(_evaluate(node.args[0], point), _evaluate(node.args[1], point))
    if op == "neg":
        return -_evaluate(node.args[0], point)
    if op == "percent":
        return _evaluate(node.args[0], point) / 100
    if op == "degree":
        return _evaluate(node.args[0], point) * mp.pi / 180
    if op == "fact":
        return _gamma(_evaluate(node.args[0], point) + 1)
    if op == "fn":
        return _function(node, point)
    if op == "word":
        result = mpmath.mpf(1)
        for letter in node.value:
            result *= _constant(letter) if letter in "ei" and letter not in point.bound else point.value(letter)
        return result
    if op == "text":
        return point.value("text:" + node.value.strip())
    if op in ("index", "app"):
        return _unknown(node, point)
    if op in ("sum", "prod"):
        return _series(node, point)
    if op == "based":
        return mpmath.mpf(int(node.value[0], node.value[1]))
    raise NoValue(f"{op} has no numeric value")


def _constant(name: str) -> Any:
    if name == "pi":
        return +mp.pi
    if name == "e":
        return +mp.e
    if name == "i":
        return mpmath.mpc(0, 1)
    raise NoValue(f"{name} is no number")


def _chopped_sum(values: list[Any]) -> Any:
    """The sum, zero where it is nothing but the rounding of terms that cancel."""
    total = sum(values[1:], values[0])
    largest = max(abs(value) for value in values)
    return mpmath.mpf(0) if abs(total) < largest * mpmath.mpf(10) ** (_CHOP - mp.dps) else total


def _power(base: Any, exponent: Any) -> Any:
    if base == 0:
        if mpmath.re(exponent) <= 0:
            raise NoValue("zero to a power that is not positive")
        return mpmath.mpf(0)
    if abs(exponent) * (abs(mpmath.log(abs(base))) + 1) > _MAX_EXPONENT:
        raise NoValue("the power is too large")
    if isinstance(exponent, mpmath.mpf) and exponent == int(exponent) and abs(exponent) < _MAX_EXPONENT:
        return base ** int(exponent)
    return mpmath.power(base, exponent)


def _gamma(value: Any) -> Any:
    if abs(value) > _MAX_EXPONENT:
        raise NoValue("the factorial is too large")
    return mpmath.gamma(value)


def _function(node: Node, point: Point) -> Any:
    name = node.value
    values = [_evaluate(part, point) for part in node.args]
    if name == "log":
        if len(values) == 2:
            return mpmath.log(values[0]) / mpmath.log(values[1])
        return mpmath.log(values[0])
    if name == "root":
        if mpmath.im(values[0]) == 0 and mpmath.re(values[0]) < 0 and values[1] % 2 == 1:
            return -mpmath.root(-values[0], int(values[1]))
        return _power(values[0], 1 / values[1])
    if name == "cbrt":
        return -mpmath.cbrt(-values[0]) if mpmath.re(values[0]) < 0 else mpmath.cbrt(values[0])
    if name in ("floor", "ceil"):
        return _whole(values[0], name)
    if name in ("max", "min"):
        return max(values) if name == "max" else min(values)
    if name == "binom":
        return mpmath.binomial(values[0], values[1])
    if name == "mod":
        return values[0] - values[1] * _whole(values[0] / values[1], "floor")
    if name in ("gcd", "lcm"):
        return _common(values, name)
    simple = _SIMPLE.get(name)
    if simple is None or len(values) != 1:
        raise NoValue(f"{name} is not known")
    result = simple(values[0])
    if name in ("sin", "cos", "tan", "cot") and abs(result) < mpmath.mpf(10) ** (_CHOP - mp.dps):
        # sin(pi) is zero, not the rounding of pi; a sine of something tiny stays.
        return result if abs(values[0]) < 1 else mpmath.mpf(0)
    return result


def _whole(value: Any, name: str) -> Any:
    nearest = mpmath.nint(mpmath.re(value))
    if abs(value - nearest) < mpmath.mpf(10) ** (_CHOP - mp.dps):
        return nearest
    return mpmath.floor(value) if name == "floor" else mpmath.ceil(value)


def _common(values: list[Any], name: str) -> Any:
    import math

    if any(value != int(value) for value in values):
        raise NoValue(f"{name} of numbers that are not whole")
    wholes = [int(value) for value in values]
    return mpmath.mpf(math.gcd(*wholes) if name == "gcd" else math.lcm(*wholes))


def _unknown(node: Node, point: Point) -> Any:
    """An unknown function is any function: its value is derived from its name and the values of its arguments."""
    values = [_evaluate(part, point) for part in node.args]
    text = node.value + ":" + ",".join(mpmath.nstr(value, 25) for value in values)
    return _sample(text, point.index, "large" if point.kind == "integer" else point.kind)


def _series(node: Node, point: Point) -> Any:
    body, start, end = node.args
    first, last = _evaluate(start, point), _evaluate(end, point)
    if first != int(first) or last != int(last) or last - first > MAX_SERIES_TERMS:
        raise NoValue("the range of the sum is not finite and whole")
    before = point.bound.get(node.value)
    values = []
    for index in range(int(first), int(last) + 1):
        point.bound[node.value] = mpmath.mpf(index)
        values.append(_evaluate(body, point))
    if before is None:
        point.bound.pop(node.value, None)
    else:
        point.bound[node.value] = before
    if node.op == "sum":
        return _chopped_sum(values) if values else mpmath.mpf(0)
    result = mpmath.mpf(1)
    for value in values:
        result *= value
    return result


def close(first: Any, second: Any, relative: Any = _AGREE) -> bool:
    """Whether two values agree to the relative precision."""
    return bool(abs(first - second) <= relative * max(abs(first), abs(second)))


def is_real(value: Any) -> bool:
    """Whether a value has no imaginary part worth the name."""
    return bool(abs(mpmath.im(value)) <= _AGREE * max(abs(value), mpmath.mpf(10) ** -30))


def has_imaginary(node: Node) -> bool:
    """Whether the tree names the imaginary unit."""
    return any(part.op == "const" and part.value == "i" for part in walk(node))


def is_discrete(node: Node) -> bool:
    """Whether the tree has an operation that is meant for integers or jumps at them."""
    return any(
        part.op in ("sum", "prod", "fact", "index") or (part.op == "fn" and part.value in DISCRETE)
        for part in walk(node)
    )
