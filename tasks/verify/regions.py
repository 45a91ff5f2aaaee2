"""Unions, intersections and differences of real intervals and finite sets, compared as sets of numbers."""

from collections.abc import Callable
from typing import Any, NamedTuple

import mpmath
from mpmath import mp

from .compare import Undecided
from .nodes import Node, symbols
from .numeric import DIGITS, NoValue, Point, evaluate

_SAME = mpmath.mpf(10) ** -35


class Piece(NamedTuple):
    """One interval; a point has equal ends and both closed."""

    start: Any
    end: Any
    left_closed: bool
    right_closed: bool


def same_region(gold: Node, answer: Node, equal: Callable[[Node, Node], bool]) -> bool:
    """Whether two set expressions describe the same set of reals.

    Args:
        gold: A union, intersection, difference, interval, finite set or number set.
        answer: Likewise.
        equal: Decides single values; used where the bounds have symbols.

    Returns:
        Whether the sets are equal.
    """
    if symbols(gold) or symbols(answer):
        return _same_structure(gold, answer, equal)
    with mp.workdps(DIGITS):
        try:
            first, second = _pieces(gold), _pieces(answer)
        except NoValue:
            return False
        return len(first) == len(second) and all(_same_piece(a, b) for a, b in zip(first, second, strict=True))


def _same_structure(gold: Node, answer: Node, equal: Callable[[Node, Node], bool]) -> bool:
    if gold.op != answer.op or gold.value != answer.value or len(gold.args) != len(answer.args):
        return False
    if not gold.args:
        return gold == answer
    if gold.op not in ("union", "inter", "set"):
        return all(_same_part(g, a, equal) for g, a in zip(gold.args, answer.args, strict=True))
    left = list(answer.args)
    for part in gold.args:
        found = next((other for other in left if _same_part(part, other, equal)), None)
        if found is None:
            return False
        left.remove(found)
    return True


def _same_part(gold: Node, answer: Node, equal: Callable[[Node, Node], bool]) -> bool:
    shapes = ("group", "set", "union", "inter", "minus", "const")
    if gold == answer:
        return True
    if gold.op in shapes or answer.op in shapes:
        return _same_structure(gold, answer, equal)
    try:
        return equal(gold, answer)
    except Undecided:
        return False


def _pieces(node: Node) -> list[Piece]:
    """The set as disjoint pieces in rising order, touching ones joined."""
    if node.op == "union":
        return _joined([piece for part in node.args for piece in _pieces(part)])
    if node.op == "set":
        values = [_bound(part) for part in node.args]
        return _joined([Piece(value, value, True, True) for value in values])
    if node.op == "group" and len(node.args) == 2 and node.value[0] in "([" and node.value[1] in ")]":
        start, end = _bound(node.args[0]), _bound(node.args[1])
        return [Piece(start, end, node.value[0] == "[", node.value[1] == "]")]
    if node.op == "const" and node.value == "R":
        return [Piece(-mpmath.inf, mpmath.inf, False, False)]
    if node.op == "inter":
        result = _pieces(node.args[0])
        for part in node.args[1:]:
            result = _complement(_joined(_complement(result) + _complement(_pieces(part))))
        return result
    if node.op == "minus":
        first, second = (_pieces(part) for part in node.args)
        return _complement(_joined(_complement(first) + second))
    value = _bound(node)
    return [Piece(value, value, True, True)]


def _bound(node: Node) -> Any:
    if node.op == "const" and node.value == "inf":
        return mpmath.inf
    if node.op == "neg":
        return -_bound(node.args[0])
    value = evaluate(node, Point(0, "large"))
    if mpmath.im(value) != 0:
        raise NoValue("a bound is not real")
    return value


def _same(first: Any, second: Any) -> bool:
    if mpmath.isinf(first) or mpmath.isinf(second):
        return bool(first == second)
    return bool(abs(first - second) <= _SAME * max(1, abs(first)))


def _same_piece(first: Piece, second: Piece) -> bool:
    return _same(first.start, second.start) and _same(first.end, second.end) and first[2:] == second[2:]


def _joined(pieces: list[Piece]) -> list[Piece]:
    ordered = sorted(
        (p for p in pieces if p.start < p.end or (p.left_closed and p.right_closed and p.start == p.end)),
        key=lambda p: (p.start, not p.left_closed),
    )
    result: list[Piece] = []
    for piece in ordered:
        if not result:
            result.append(piece)
            continue
        last = result[-1]
        touches = piece.start < last.end or (_same(piece.start, last.end) and (piece.left_closed or last.right_closed))
        if not touches:
            result.append(piece)
        elif _same(piece.end, last.end):
            result[-1] = last._replace(right_closed=last.right_closed or piece.right_closed)
        elif piece.end > last.end:
            result[-1] = last._replace(end=piece.end, right_closed=piece.right_closed)
    return result


def _complement(pieces: list[Piece]) -> list[Piece]:
    result: list[Piece] = []
    start, closed = -mpmath.inf, False
    for piece in pieces:
        if start < piece.start or (closed and not piece.left_closed and _same(start, piece.start)):
            result.append(Piece(start, piece.start, closed, not piece.left_closed))
        start, closed = piece.end, not piece.right_closed
    if start != mpmath.inf:
        result.append(Piece(start, mpmath.inf, closed, False))
    return result
