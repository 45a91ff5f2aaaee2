"""What sample points cannot settle is put to math-verify; imported in workers only.

math-verify's own rules accept too much in a few places (equations by their right side, rounding to six decimals), so
its acceptance counts only where both sides were really parsed, are of the same kind and have the same symbols.
"""

import logging
from functools import lru_cache
from typing import Any

import math_verify
import sympy
from latex2sympy2_extended.latex2sympy2 import latex2sympy, normalize_latex
from math_verify import LatexExtractionConfig

from .nodes import Node

logging.getLogger("math_verify").setLevel(logging.CRITICAL)
_DECIMALS = 12
_FUNCTIONS: dict[str, Any] = {
    "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "cot": sympy.cot, "sec": sympy.sec, "csc": sympy.csc,
    "asin": sympy.asin, "acos": sympy.acos, "atan": sympy.atan, "acot": sympy.acot, "asec": sympy.asec,
    "acsc": sympy.acsc, "sinh": sympy.sinh, "cosh": sympy.cosh, "tanh": sympy.tanh, "coth": sympy.coth,
    "asinh": sympy.asinh, "acosh": sympy.acosh, "atanh": sympy.atanh, "log": sympy.log, "sqrt": sympy.sqrt,
    "abs": sympy.Abs, "floor": sympy.floor, "ceil": sympy.ceiling, "re": sympy.re, "im": sympy.im, "arg": sympy.arg,
    "max": sympy.Max, "min": sympy.Min, "binom": sympy.binomial, "gcd": sympy.gcd, "lcm": sympy.lcm, "erf": sympy.erf,
    "gamma": sympy.gamma, "sign": sympy.sign,
}  # fmt: skip


class NotSymbolic(ValueError):
    """The tree has no counterpart in sympy."""


def proved_equal(gold: Node, answer: Node) -> bool:
    """Whether math-verify proves two trees equal.

    Args:
        gold: A value that could not be judged at sample points.
        answer: Likewise.

    Returns:
        True only for a proof.
    """
    try:
        first, second = to_sympy(gold), to_sympy(answer)
    except (NotSymbolic, ValueError, TypeError, ArithmeticError, AttributeError):
        return False
    return _verified(first, second)


def texts_equal(gold: str, answer: str) -> bool | None:
    """Whether math-verify accepts two texts that our grammar does not read.

    Args:
        gold: The gold answer.
        answer: The answer.

    Returns:
        Its verdict, or `None` if it cannot parse one of them.
    """
    first, second = _parsed(gold), _parsed(answer)
    if first is None or second is None:
        return None
    return _verified(first, second)


@lru_cache(maxsize=2048)
def _parsed(text: str) -> Any:
    # The parser of math-verify without its extraction, which would settle for a part of a text that it cannot read.
    normalized = normalize_latex(text, LatexExtractionConfig().normalization_config)
    try:
        parsed = latex2sympy(normalized, is_real="\\i" not in text, convert_degrees=False, normalization_config=None)
    except (RecursionError, MemoryError):
        raise
    except Exception:  # whatever its grammar or sympy raises, the text could not be parsed
        return None
    return parsed if hasattr(parsed, "free_symbols") else None


def _verified(gold: Any, answer: Any) -> bool:
    if _kind(gold) != _kind(answer) or gold.free_symbols != answer.free_symbols:
        return False
    return bool(math_verify.verify(gold, answer, float_rounding=_DECIMALS, strict=True, timeout_seconds=None))


def _kind(expression: Any) -> str:
    if isinstance(expression, (sympy.logic.boolalg.Boolean, sympy.core.relational.Relational)):
        return "relation"
    if isinstance(expression, sympy.MatrixBase):
        return "matrix"
    if isinstance(expression, (sympy.Set, sympy.Tuple)):
        return "set"
    return "value"


def to_sympy(node: Node) -> Any:
    """The sympy expression of a tree.

    Args:
        node: The tree.

    Returns:
        The expression, with real symbols.

    Raises:
        NotSymbolic: The tree has an operation that has no counterpart.
    """
    op = node.op
    if op == "num":
        return sympy.Rational(node.value.exact.numerator, node.value.exact.denominator)
    if op == "sym":
        return sympy.Symbol(node.value, real=True)
    if op == "const":
        return _constant(node.value)
    args = [to_sympy(part) for part in node.args]
    if op == "add":
        return sympy.Add(*args)
    if op == "mul":
        return sympy.Mul(*args)
    if op == "div":
        return args[0] / args[1]
    if op == "pow":
        return args[0] ** args[1]
    if op == "neg":
        return -args[0]
    if op == "percent":
        return args[0] / 100
    if op == "degree":
        return args[0] * sympy.pi / 180
    if op == "fact":
        return sympy.factorial(args[0])
    if op in ("index", "app"):
        return sympy.Function(node.value)(*args)
    if op == "fn":
        return _function(node.value, args)
    if op in ("sum", "prod"):
        bound = sympy.Symbol(node.value, real=True)
        kind = sympy.Sum if op == "sum" else sympy.Product
        return kind(args[0], (bound, args[1], args[2]))
    if op == "matrix":
        rows, columns = node.value
        return sympy.Matrix(rows, columns, args)
    raise NotSymbolic(op)


def _constant(name: str) -> Any:
    known = {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "inf": sympy.oo}
    if name not in known:
        raise NotSymbolic(name)
    return known[name]


def _function(name: str, args: list[Any]) -> Any:
    if name == "root":
        return args[0] ** (1 / args[1])
    if name == "cbrt":
        return sympy.cbrt(args[0])
    if name == "det":
        return args[0].det()
    if name not in _FUNCTIONS:
        raise NotSymbolic(name)
    return _FUNCTIONS[name](*args)
