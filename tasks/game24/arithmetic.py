"""Exact arithmetic on a handful of numbers: moves, solvability, and a parser that never evaluates text."""

import re
from fractions import Fraction
from functools import lru_cache
from typing import Literal, NamedTuple

Division = Literal["exact", "rational"]
"""`exact`: integers only, larger minus smaller, division only without remainder (the game of Intelligent
Go-Explore). `rational`: all four operations in both orders on exact fractions (the classic game)."""

Number = int | Fraction
Numbers = tuple[Number, ...]

MAX_EXPRESSION_CHARS = 400
MAX_DEPTH = 40


class Move(NamedTuple):
    """One operation on two of the numbers."""

    text: str
    """`8 / 2`."""
    result: Number
    rest: Numbers
    """The other numbers, sorted."""

    @property
    def left(self) -> Numbers:
        """The numbers after it, sorted."""
        return tuple(sorted((*self.rest, self.result)))


def normal(value: Number) -> Number:
    """Return an integer where the value is one."""
    return value.numerator if isinstance(value, Fraction) and value.denominator == 1 else value


@lru_cache(maxsize=4096)
def moves(numbers: Numbers, division: Division) -> tuple[Move, ...]:
    """Return every legal move from a sorted tuple of numbers, without repetitions.

    Sums and products are listed once, larger number first; the parser takes both orders.
    """
    found: list[Move] = []
    seen: set[Numbers] = set()
    for i, low in enumerate(numbers):
        for j in range(i + 1, len(numbers)):
            high = numbers[j]
            if (low, high) in seen:
                continue
            seen.add((low, high))
            rest = numbers[:i] + numbers[i + 1 : j] + numbers[j + 1 :]
            if division == "exact":
                found.append(Move(f"{high} + {low}", low + high, rest))
                found.append(Move(f"{high} - {low}", high - low, rest))
                found.append(Move(f"{high} * {low}", low * high, rest))
                if low != 0 and high % low == 0:
                    found.append(Move(f"{high} / {low}", high // low, rest))
                continue
            results: list[tuple[str, Number]] = [
                (f"{high} + {low}", low + high),
                (f"{high} - {low}", high - low),
                (f"{high} * {low}", low * high),
            ]
            if low != high:
                results.append((f"{low} - {high}", low - high))
            if low != 0:
                results.append((f"{high} / {low}", Fraction(high) / Fraction(low)))
            if high not in (0, low):
                results.append((f"{low} / {high}", Fraction(low) / Fraction(high)))
            found.extend(Move(text, normal(result), rest) for text, result in results)
    return tuple(found)


@lru_cache(maxsize=4096)
def winning_moves(numbers: Numbers, target: int, division: Division) -> tuple[str, ...] | None:
    """Return the texts of a sequence of moves from the numbers to the target, or None; depth-first and exact."""
    if len(numbers) == 1:
        return () if numbers[0] == target else None
    for move in moves(numbers, division):
        rest = winning_moves(move.left, target, division)
        if rest is not None:
            return (move.text, *rest)
    return None


def random_success(numbers: Numbers, target: int, division: Division) -> Fraction:
    """Return the exact chance that uniformly random legal moves end at the target."""
    if len(numbers) == 1:
        return Fraction(int(numbers[0] == target))
    options = moves(numbers, division)
    return sum((random_success(move.left, target, division) for move in options), Fraction(0)) / len(options)


def find_expression(numbers: Numbers, target: int, division: Division, *, subset: bool = False) -> str | None:
    """Return an expression with the target's value over all the numbers (or some of them), or None; exact.

    Depth-first over multisets of intermediate values, each visited once.
    """
    if subset and target in numbers:
        return str(target)
    visited: set[Numbers] = set()
    stack: list[list[tuple[Number, str]]] = [[(number, str(number)) for number in numbers]]
    while stack:
        items = stack.pop()
        children = []
        for i in range(len(items)):
            for j in range(i + 1, len(items)):
                (low, small), (high, large) = sorted((items[i], items[j]), key=lambda item: item[0])
                made: list[tuple[Number, str]] = [
                    (high + low, f"({large} + {small})"),
                    (high - low, f"({large} - {small})"),
                    (high * low, f"({large} * {small})"),
                ]
                if division == "exact":
                    if low != 0 and high % low == 0:
                        made.append((high // low, f"({large} / {small})"))
                else:
                    made.append((low - high, f"({small} - {large})"))
                    if low != 0:
                        made.append((normal(Fraction(high) / low), f"({large} / {small})"))
                    if high != 0:
                        made.append((normal(Fraction(low) / high), f"({small} / {large})"))
                rest = [item for k, item in enumerate(items) if k != i and k != j]
                for value, text in made:
                    if value == target and (subset or not rest):
                        return text[1:-1]
                    if rest:
                        after = [*rest, (normal(value), text)]
                        key = tuple(sorted(item[0] for item in after))
                        if key not in visited:
                            visited.add(key)
                            children.append(after)
        stack.extend(reversed(children))
    return None


class ExpressionError(ValueError):
    """A text that is no arithmetic expression; the message says why, without a full stop."""


class Expression(NamedTuple):
    """A parsed expression."""

    value: Fraction
    numbers: tuple[int, ...]
    """The integer literals in it, in order."""


_TOKEN = re.compile(r"\s*(?:(\d+)|([-+*/()×÷x·−]))", re.IGNORECASE)
_SIGNS = {"×": "*", "x": "*", "X": "*", "·": "*", "÷": "/", "−": "-"}


def parse_expression(text: str) -> Expression:
    """Read an expression over non-negative integers with `+ - * / ( )` and compute it exactly.

    A recursive-descent parser: nothing is ever evaluated as code, and length and depth are bounded.

    Raises:
        ExpressionError: If the text is no such expression, or divides by zero.
    """
    if len(text) > MAX_EXPRESSION_CHARS:
        raise ExpressionError(f"the expression is longer than {MAX_EXPRESSION_CHARS} characters")
    tokens: list[str] = []
    position = 0
    text = text.strip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise ExpressionError(f"{text[position : position + 12].strip()!r} does not belong in an expression")
        number, sign = found.groups()
        if number is not None and (not number.isascii() or len(number) > 9):
            raise ExpressionError("numbers have at most nine digits")
        tokens.append(number if number is not None else _SIGNS.get(sign, sign))
        position = found.end()
    if not tokens:
        raise ExpressionError("there is no expression")
    literals: list[int] = []
    index = 0

    def peek() -> str:
        return tokens[index] if index < len(tokens) else ""

    def take() -> str:
        nonlocal index
        index += 1
        return tokens[index - 1]

    def total(depth: int) -> Fraction:
        value = product(depth)
        while peek() in ("+", "-"):
            value = value + product(depth) if take() == "+" else value - product(depth)
        return value

    def product(depth: int) -> Fraction:
        value = atom(depth)
        while peek() in ("*", "/"):
            if take() == "*":
                value *= atom(depth)
            else:
                divisor = atom(depth)
                if divisor == 0:
                    raise ExpressionError("it divides by zero")
                value /= divisor
        return value

    def atom(depth: int) -> Fraction:
        if depth > MAX_DEPTH:
            raise ExpressionError(f"the parentheses are more than {MAX_DEPTH} deep")
        if index >= len(tokens):
            raise ExpressionError("the expression ends too early")
        token = take()
        if token == "(":
            value = total(depth + 1)
            if peek() != ")":
                raise ExpressionError("a parenthesis is not closed")
            take()
            return value
        if token == "-":
            return -atom(depth + 1)
        if token in ("+", "*", "/", ")"):
            raise ExpressionError(f"{token!r} stands where a number should be")
        literals.append(int(token))
        return Fraction(int(token))

    value = total(0)
    if index < len(tokens):
        raise ExpressionError(f"{tokens[index]!r} stands where an operation should be")
    return Expression(value, tuple(literals))
