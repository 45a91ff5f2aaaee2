"""The expression tree of an answer: plain immutable tuples, hashable and cheap to build."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple


class Node(NamedTuple):
    """One operation with its arguments; `op` decides what `value` means.

    | op | args | value |
    | --- | --- | --- |
    | num | | `Decimal` literal: exact fraction, decimal places, significant digits |
    | const | | `pi`, `e`, `i`, `inf` or a number set such as `R` |
    | sym | | name, decorations included (`theta_w`, `vec:v`, `x'`) |
    | word | | two or more plain letters: a product of symbols, or the name of a unit |
    | text | | what stood in a text command, or a word answer |
    | index | subscript | name: `F_{n-1}` |
    | app | arguments | name of an unknown function: `f(2)` |
    | fn | arguments | name of a known function; `log` may carry its base as second argument |
    | add, mul | terms, factors | |
    | div, pow | two | |
    | neg, fact, percent, degree | one | |
    | pm | two, or one where nothing stands before the sign | `+-` or `-+` |
    | matrix | cells, row by row | (rows, columns) |
    | group | items | opening and closing sign: `()`, `[)`, ... |
    | set, list, ratio, union, inter, minus | items | |
    | rel | sides of a chain | the relation signs between them |
    | based | | (digits, base) |
    | quantity | one | canonical name of the unit |
    | sum, prod | body, start, end | name of the bound symbol |
    """

    op: str
    args: tuple["Node", ...] = ()
    value: Any = None


class Decimal(NamedTuple):
    """A number literal: its exact value and, where written with a decimal point, how precisely.

    Attributes:
        exact: The value as written.
        places: Digits after the decimal point, `None` for an integer.
        significant: Number of digits without leading zeros.
    """

    exact: Fraction
    places: int | None
    significant: int


ZERO = Node("num", (), Decimal(Fraction(0), None, 1))
ONE = Node("num", (), Decimal(Fraction(1), None, 1))
IMAGINARY = Node("const", (), "i")
INFINITY = Node("const", (), "inf")


def number(value: int | Fraction) -> Node:
    """The literal of an exact integer or fraction."""
    return Node("num", (), Decimal(Fraction(value), None, len(str(value))))


def product(factors: list[Node]) -> Node:
    """Product of the factors; a single factor is itself, and nested products are flattened."""
    flat: list[Node] = []
    for factor in factors:
        flat.extend(factor.args if factor.op == "mul" else (factor,))
    if len(flat) == 1:
        return flat[0]
    return Node("mul", tuple(flat)) if flat else ONE


def negate(node: Node) -> Node:
    """The negative; signs of literals are folded so that -5 is a literal."""
    if node.op == "num":
        return Node("num", (), node.value._replace(exact=-node.value.exact))
    if node.op == "neg":
        return node.args[0]
    if node.op == "quantity":
        return node._replace(args=(negate(node.args[0]),))
    return Node("neg", (node,))


def walk(node: Node) -> Iterator[Node]:
    """Every node of the tree, parents first, without recursion."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(current.args)


def symbols(node: Node) -> frozenset[str]:
    """Names of the free symbols; the letters of a word count one by one."""
    names: set[str] = set()
    for part in walk(node):
        if part.op in ("sym", "text"):
            names.add(part.value)
        elif part.op == "word":
            names.update(part.value)
        elif part.op in ("index", "app"):
            names.add(part.value)
    return frozenset(names)
