"""Shapes of an answer: the values it states, its assignments and names, inequalities as intervals."""

from .nodes import INFINITY, Node, negate, number, symbols
from .vocabulary import NUMBER_WORDS

REVERSED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!=", "~": "~", "==": "=="}
_REALS = Node("group", (Node("neg", (INFINITY,)), INFINITY), "()")


def stated_values(node: Node) -> list[Node]:
    """The values that a node states: the items of a list, both signs of a plus-minus."""
    if node.op == "list":
        node = _without_conditions(node)
        return [value for item in node.args for value in (stated_values(item) if item.op != "list" else [item])]
    if node.op == "rel" and all(sign == "=" for sign in node.value) and assignment(node) is not None:
        inner = stated_values(node.args[-1])
        if len(inner) > 1:
            return [Node("rel", (node.args[0], value), ("=",)) for value in inner]
    return expand_signs(node)


def _without_conditions(node: Node) -> Node:
    """`2n - 1, n in Z` states one value and what its symbol stands for."""
    kept = tuple(
        item for item in node.args if not (item.op == "rel" and item.value == ("in",) and item.args[1].op == "const")
    )
    return node._replace(args=kept) if kept else node


def spelled_number(node: Node) -> Node:
    """`seven` as the number 7; every other node unchanged."""
    if node.op in ("text", "word"):
        value = NUMBER_WORDS.get(node.value.strip().casefold())
        if value is not None:
            return number(value)
    return node


def expand_signs(node: Node) -> list[Node]:
    """Both choices of every plus-minus sign; all signs of a value switch together, as is usual."""
    if not _has_sign(node):
        return [node]
    return [_choose(node, upper) for upper in (True, False)]


def _has_sign(node: Node) -> bool:
    return node.op == "pm" or any(_has_sign(part) for part in node.args)


def _choose(node: Node, upper: bool) -> Node:
    args = tuple(_choose(part, upper) for part in node.args)
    if node.op != "pm":
        return node._replace(args=args)
    plus = upper == (node.value == "+-")
    last = args[-1] if plus else negate(args[-1])
    return last if len(args) == 1 else Node("add", (args[0], last))


def grouped(node: Node) -> Node:
    """A list inside a list is one tuple: the values of its assignments in order."""
    if node.op != "list":
        return node
    return Node("group", tuple(unassigned(item) for item in node.args), "()")


def unassigned(node: Node) -> Node:
    """The value of an assignment; every other node unchanged."""
    parts = assignment(node)
    return node if parts is None else parts[1]


def member(node: Node) -> Node:
    """`x in S` states the set S."""
    if node.op == "rel" and node.value == ("in",) and is_name(node.args[0]):
        return node.args[1]
    return node


def as_reals(node: Node) -> Node:
    """The set of real numbers as an interval; every other node unchanged."""
    return _REALS if node.op == "const" and node.value == "R" else node


def assignment(node: Node) -> tuple[Node, Node] | None:
    """Name and value of `x = 5`, `f(x) = ... = 2x`, `5 = x`; `None` for every other relation."""
    if node.op != "rel" or any(sign not in ("=", "~") for sign in node.value):
        return None
    if is_name(node.args[0]):
        return node.args[0], node.args[-1]
    if len(node.args) == 2 and node.args[1].op in ("sym", "index") and not symbols(node.args[0]):
        return node.args[1], node.args[0]
    return None


def is_name(node: Node) -> bool:
    """Whether the node can be the left side of an assignment: a symbol, f(x), (p, q), AB, S : T, a word."""
    if node.op in ("sym", "index", "app", "word", "text"):
        return True
    if node.op == "const":
        return node.value in ("e", "i")
    if node.op in ("group", "list"):
        return all(is_name(part) for part in node.args)
    if node.op == "ratio":
        return all(is_name(part) for part in node.args)
    if node.op == "fn" and node.value == "abs":
        return is_name(node.args[0]) and node.args[0].op in ("mul", "word")
    if node.op == "mul":
        return all(part.op == "sym" and (part.value[:1].isupper() or "_" in part.value) for part in node.args)
    return False


def same_name(first: Node, second: Node) -> bool:
    """Whether two left sides name the same thing; `y` and `f(x)` do."""
    if first == second:
        return True
    if first.op == "app" or second.op == "app":
        app, other = (first, second) if first.op == "app" else (second, first)
        if other.op == "sym":
            return other.value in ("y", app.value)
        return False
    letters = plain_letters(first), plain_letters(second)
    if letters[0] is not None and letters[0] == letters[1]:
        return True
    return first.op in ("text", "word") or second.op in ("text", "word")


def plain_letters(node: Node) -> str | None:
    """The letters of a word answer, for comparison as text; `None` for everything else."""
    if node.op in ("text", "word"):
        text = "".join(node.value.split()).strip("().,:;!?\"'").replace("~", "")
    elif node.op == "sym":
        text = node.value.lstrip("\\")
    elif node.op == "const":
        text = node.value
    elif node.op == "num" and node.value.places is None and node.value.exact.denominator == 1:
        text = str(node.value.exact)
    elif node.op == "mul" and all(part.op in ("sym", "const", "word") for part in node.args):
        text = "".join(part.value for part in node.args)
    else:
        return None
    return text.casefold() if len(text) > 1 else text


def as_interval(relation: Node) -> Node | None:
    """The set of reals that an inequality in one symbol describes, `None` for every other relation."""
    sides, signs = relation.args, relation.value
    if any(sign not in ("<", ">", "<=", ">=") for sign in signs):
        return None
    if len(sides) == 2 and sides[1].op == "sym" and not symbols(sides[0]):
        return as_interval(reverse(relation))
    if len(sides) == 2 and sides[0].op == "sym" and not symbols(sides[1]):
        if signs[0] in ("<", "<="):
            return Node("group", (Node("neg", (INFINITY,)), sides[1]), "(" + (")" if signs[0] == "<" else "]"))
        return Node("group", (sides[1], INFINITY), ("(" if signs[0] == ">" else "[") + ")")
    if len(sides) == 3 and sides[1].op == "sym":
        if all(sign in (">", ">=") for sign in signs):
            return as_interval(reverse(relation))
        if all(sign in ("<", "<=") for sign in signs):
            return Node(
                "group", (sides[0], sides[2]), ("(" if signs[0] == "<" else "[") + (")" if signs[1] == "<" else "]")
            )
    return None


def reverse(relation: Node) -> Node:
    """The same relation read from right to left."""
    signs = tuple(REVERSED.get(sign, sign + "?") for sign in reversed(relation.value))
    return Node("rel", tuple(reversed(relation.args)), signs)


def difference(relation: Node) -> Node:
    """Left side minus right side."""
    return Node("add", (relation.args[0], Node("neg", (relation.args[1],))))


def written_like(gold: Node, answer: Node) -> bool:
    """Whether the answer is written out as far as a numeric gold is: a number for a number, no sum or power."""
    if _is_literal(gold):
        return _is_literal(answer)
    if _is_fraction(gold):
        return _is_literal(answer) or _is_fraction(answer)
    return True


def _is_literal(node: Node) -> bool:
    if node.op in ("neg", "percent", "degree", "quantity"):
        return _is_literal(node.args[0])
    if node.op == "mul" and len(node.args) == 2 and node.args[1].op == "pow":
        base = node.args[1].args[0]
        return node.args[0].op == "num" and base.op == "num" and base.value.exact == 10
    return node.op == "num"


def _is_fraction(node: Node) -> bool:
    if node.op in ("neg", "percent", "degree", "quantity"):
        return _is_fraction(node.args[0])
    return node.op == "div" and all(_is_literal(part) for part in node.args)
