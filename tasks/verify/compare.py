"""Structural comparison of two answers: lists, sets, intervals, relations, units; values are left to an oracle.

The same code runs in the caller's process, with an oracle that knows exact rational numbers only, and in a worker,
with one that also knows symbolic mathematics; so a fast verdict and a full verdict cannot differ in structure.
"""

from typing import Protocol

from .nodes import INFINITY, Node, number, product, symbols
from .policy import VerifyPolicy
from .units import compatible
from .vocabulary import SINGLE_LETTER_UNITS

_REVERSED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!=", "~": "~", "==": "=="}
_REALS = Node("group", (Node("neg", (INFINITY,)), INFINITY), "()")
_MAX_SIGN_CHOICES = 3


class Undecided(Exception):
    """The oracle cannot decide whether two values are equal; a stronger one must be asked."""


class Oracle(Protocol):
    """Decides whether two values without structure are equal."""

    def equal(self, gold: Node, answer: Node) -> bool:
        """Whether both are the same value; raises `Undecided` where it does not know."""
        ...

    def ratio_sign(self, gold: Node, answer: Node) -> int:
        """Sign of the constant c in answer = c * gold, 0 where there is none; raises `Undecided`."""
        ...

    def same_region(self, gold: Node, answer: Node) -> bool:
        """Whether two unions of intervals and points are the same set of reals; raises `Undecided`."""
        ...


class Comparison:
    """One comparison under one policy."""

    def __init__(self, policy: VerifyPolicy, oracle: Oracle) -> None:
        self.policy = policy
        self.oracle = oracle

    def same(self, gold: Node, answer: Node) -> bool:
        """Whether the answer is the gold answer.

        Args:
            gold: Tree of the gold answer.
            answer: Tree of the answer.

        Returns:
            Whether they are equal under the policy.

        Raises:
            Undecided: The oracle does not know some value.
            TooLarge: A number exceeds a static limit.
        """
        if gold == answer:
            return True
        golds, answers = _values(gold), _values(answer)
        if len(golds) == 1 and len(answers) == 1:
            return self._one(golds[0], answers[0])
        return self._several(golds, answers)

    # Several values

    def _several(self, golds: list[Node], answers: list[Node]) -> bool:
        gold_single, answer_single = len(golds) == 1, len(answers) == 1
        if gold_single or answer_single:
            single = _unassigned((golds if gold_single else answers)[0])
            many = [*(answers if gold_single else golds)]
            if single.op == "set" and len(single.args) == len(many):
                pairs = (list(single.args), many) if gold_single else (many, list(single.args))
                return self._matching(*pairs)
            if single.op == "group" and single.value == "()" and len(single.args) == len(many):
                pairs = (list(single.args), many) if gold_single else (many, list(single.args))
                return self._in_order(*pairs)
            many = self._distinct(many)
            if len(many) == 1:
                return self._one(single, many[0]) if gold_single else self._one(many[0], single)
            return False
        if len(golds) < len(answers) and len(self._distinct(golds)) == len(golds):
            # A value that the answer repeats is stated once.
            answers = self._distinct(answers)
        if len(golds) != len(answers):
            return False
        if self.policy.list_order == "same":
            return self._in_order(golds, answers)
        return self._matching(golds, answers)

    def _in_order(self, golds: list[Node], answers: list[Node]) -> bool:
        return len(golds) == len(answers) and all(self.same(g, a) for g, a in zip(golds, answers, strict=True))

    def _matching(self, golds: list[Node], answers: list[Node]) -> bool:
        """Whether the items can be paired off; one undecided pair does not hide a certain mismatch elsewhere."""
        if len(golds) != len(answers):
            return False
        left = list(answers)
        undecided = False
        for gold in golds:
            for index, answer in enumerate(left):
                try:
                    found = self.same(gold, answer)
                except Undecided:
                    undecided = True
                    continue
                if found:
                    del left[index]
                    break
            else:
                if undecided:
                    raise Undecided
                return False
        return True

    # One value

    def _one(self, gold: Node, answer: Node) -> bool:
        if gold == answer:
            return True
        gold, answer = _member(gold), _member(answer)
        if gold.op == "rel" or answer.op == "rel":
            return self._relations(gold, answer)
        if "list" in (gold.op, answer.op):
            return self.same(_grouped(gold), _grouped(answer))
        if gold.op in ("text", "word") or answer.op in ("text", "word"):
            verdict = self._texts(gold, answer)
            if verdict is not None:
                return verdict
        gold, answer = _reals(gold), _reals(answer)
        sets = ("union", "inter", "minus")
        if gold.op in sets or answer.op in sets:
            return self._regions(gold, answer)
        if gold.op == "set" or answer.op == "set":
            return self._sets(gold, answer)
        if gold.op in ("group", "matrix") or answer.op in ("group", "matrix"):
            return self._collections(gold, answer)
        if gold.op == "ratio" or answer.op == "ratio":
            return self._ratios(gold, answer)
        if gold.op == "based" or answer.op == "based":
            verdict = self._based(gold, answer)
            if verdict is not None:
                return verdict
        return self._quantities(gold, answer)

    def _texts(self, gold: Node, answer: Node) -> bool | None:
        """Word answers; `None` where letters on both sides may also be a product of symbols."""
        first, second = plain_letters(gold), plain_letters(answer)
        if first is not None and second is not None and first == second:
            return True
        if gold.op == "text" or answer.op == "text":
            return False
        if len(gold.value if gold.op == "word" else answer.value) > 3:
            return False if {gold.op, answer.op} <= {"word", "sym", "const"} else None
        return None

    def _sets(self, gold: Node, answer: Node) -> bool:
        if gold.op == answer.op == "set":
            return self._matching(self._members(gold), self._members(answer))
        single, other = (gold, answer) if gold.op == "set" else (answer, gold)
        items = self._members(single)
        if other.op == "group" and self.policy.set_as_tuple and len(other.args) == len(items):
            pairs = (items, list(other.args)) if single is gold else (list(other.args), items)
            return self._matching(*pairs)
        if other.op == "group":
            return len(items) == 1 and other.value == "[]" and len(set(other.args)) == 1 and items[0] == other.args[0]
        return len(items) == 1 and (self._one(items[0], other) if single is gold else self._one(other, items[0]))

    def _members(self, node: Node) -> list[Node]:
        return self._distinct([value for part in node.args for value in _values(part)])

    def _distinct(self, items: list[Node]) -> list[Node]:
        kept: list[Node] = []
        for item in items:
            if not any(self._surely_same(item, other) for other in kept):
                kept.append(item)
        return kept

    def _surely_same(self, first: Node, second: Node) -> bool:
        try:
            return self.same(first, second)
        except Undecided:
            return False

    def _collections(self, gold: Node, answer: Node) -> bool:
        gold, answer = evaluated_matrix(gold), evaluated_matrix(answer)
        if gold.op == answer.op == "group":
            same_kind = gold.value == answer.value or (
                self.policy.set_as_tuple and {gold.value, answer.value} <= {"()", "[]"}
            )
            return same_kind and self._in_order(list(gold.args), list(answer.args))
        if gold.op == answer.op == "matrix":
            return gold.value == answer.value and self._in_order(list(gold.args), list(answer.args))
        if {gold.op, answer.op} == {"group", "matrix"}:
            group, matrix = (gold, answer) if gold.op == "group" else (answer, gold)
            vector = 1 in matrix.value and group.value in ("()", "[]")
            return vector and self._in_order(list(gold.args), list(answer.args))
        for one, other in ((gold, answer), (answer, gold)):
            if one.op == "matrix" and other.op in ("mul", "add", "neg", "pow", "div", "fn"):
                if any(part.op == "matrix" for part in other.args):
                    raise Undecided
        return False

    def _regions(self, gold: Node, answer: Node) -> bool:
        if gold.op == answer.op and gold.op != "minus" and len(gold.args) == len(answer.args):
            if self._surely(self._matching, [_reals(a) for a in gold.args], [_reals(a) for a in answer.args]):
                return True
        return self.oracle.same_region(gold, answer)

    def _surely(self, question: object, *args: object) -> bool:
        try:
            return bool(question(*args))  # type: ignore[operator]
        except Undecided:
            return False

    def _ratios(self, gold: Node, answer: Node) -> bool:
        first = gold.args if gold.op == "ratio" else gold.args if gold.op == "div" else (gold, number(1))
        second = answer.args if answer.op == "ratio" else answer.args if answer.op == "div" else (answer, number(1))
        if len(first) != len(second):
            return False
        return all(
            self.oracle.equal(product([first[i], second[i + 1]]), product([first[i + 1], second[i]]))
            for i in range(len(first) - 1)
        )

    def _based(self, gold: Node, answer: Node) -> bool | None:
        if gold.op == answer.op == "based":
            return bool(gold.value[0].upper().lstrip("0") == answer.value[0].upper().lstrip("0")) and (
                gold.value[1] == answer.value[1]
            )
        based, other = (gold, answer) if gold.op == "based" else (answer, gold)
        digits, base = based.value
        if base == 10:
            return None
        if self.policy.base_subscript == "optional" and other.op == "num" and other.value.places is None:
            return str(other.value.exact) == digits.lstrip("0")
        return False

    # Relations

    def _relations(self, gold: Node, answer: Node) -> bool:
        first, second = assignment(gold), assignment(answer)
        if gold.op == "rel" and answer.op == "rel":
            if first is not None and second is not None:
                if same_name(first[0], second[0]):
                    return self.same(first[1], second[1])
                return self._equations(gold, answer)
            return self._equations(gold, answer)
        if self.policy.relation_as_interval:
            region, other = (as_interval(gold), answer) if gold.op == "rel" else (as_interval(answer), gold)
            if region is not None and other.op in ("group", "union"):
                return self._one(region, other) if gold.op == "rel" else self._one(other, region)
        if first is not None:
            return self.same(first[1], answer)
        if second is not None:
            return self.same(gold, second[1])
        relation = gold if gold.op == "rel" else answer
        if set(relation.value) <= {"=", "~"}:
            return self._approximations(gold, answer, relation)
        return False

    def _approximations(self, gold: Node, answer: Node, relation: Node) -> bool:
        """A chain of equal or approximate values without any symbol, such as `0.56 = 56%` or `70/9 ~ 7.78`."""
        if any(symbols(side) for side in relation.args):
            return False
        if relation is answer and "~" in relation.value:
            return any(self.same(gold, side) for side in relation.args) and self._rounded_chain(relation)
        if relation is answer:
            return self.same(gold, relation.args[-1])
        return any(self.same(side, answer) for side in relation.args)

    def _rounded_chain(self, chain: Node) -> bool:
        """Whether all sides of an approximation agree to a part in a thousand, so that it states one value."""
        loose = Comparison(self.policy._replace(tolerance=max(self.policy.tolerance, 1e-3)), self.oracle)
        return all(loose.same(chain.args[0], side) for side in chain.args[1:])

    def _equations(self, gold: Node, answer: Node) -> bool:
        for candidate in (answer, _reverse(answer)):
            if candidate.value == gold.value and self._surely(self._in_order, list(gold.args), list(candidate.args)):
                return True
        if len(gold.args) != 2 or len(answer.args) != 2:
            if all(sign == "=" for sign in (*gold.value, *answer.value)):
                return self._in_order([gold.args[0], gold.args[-1]], [answer.args[0], answer.args[-1]])
            return False
        if any(side.op in ("group", "list", "set", "matrix", "text") for side in (*gold.args, *answer.args)):
            return False
        sign, other = gold.value[0], answer.value[0]
        if sign not in _REVERSED or other not in (sign, _REVERSED[sign]):
            return False
        direction = self.oracle.ratio_sign(_difference(gold), _difference(answer))
        if sign in ("=", "!=", "~", "=="):
            return direction != 0 and sign == other
        return direction == (1 if sign == other else -1)

    # Values with units

    def _quantities(self, gold: Node, answer: Node) -> bool:
        gold_value, gold_unit = split_unit(gold)
        answer_value, answer_unit = split_unit(answer)
        if gold_unit == "%" or answer_unit == "%":
            return self._percents(gold, gold_value, gold_unit, answer, answer_value, answer_unit)
        if gold_unit is None and answer_unit is None:
            return self._loose_units(gold, answer)
        policy = self.policy.units
        if gold_unit == answer_unit or policy == "ignored":
            return self.oracle.equal(gold_value, answer_value)
        if "degree" in (gold_unit, answer_unit) and (gold_unit is None or answer_unit is None):
            return self._angles(gold, gold_value, gold_unit, answer, answer_value)
        if policy == "required":
            return False
        if gold_unit is not None and answer_unit is not None and not compatible(gold_unit, answer_unit):
            return False
        return self.oracle.equal(gold_value, answer_value)

    def _angles(self, gold: Node, gold_value: Node, gold_unit: str | None, answer: Node, answer_value: Node) -> bool:
        bare = answer if gold_unit == "degree" else gold
        if any(part.op == "const" and part.value == "pi" for part in bare.args) or bare.value == "pi":
            return self.oracle.equal(gold, answer)
        if self.policy.units == "required":
            return False
        return self.oracle.equal(gold_value, answer_value)

    def _percents(
        self, gold: Node, gold_value: Node, gold_unit: str | None, answer: Node, answer_value: Node,
        answer_unit: str | None,
    ) -> bool:  # fmt: skip
        if gold_unit == answer_unit:
            return self.oracle.equal(gold_value, answer_value)
        other = answer_unit if gold_unit == "%" else gold_unit
        if other is not None and self.policy.units != "ignored":
            return False
        convention = self.policy.percent
        if convention in ("unit", "either") and self.oracle.equal(gold_value, answer_value):
            return True
        return convention in ("exact", "either") and self.oracle.equal(gold, answer)

    def _loose_units(self, gold: Node, answer: Node) -> bool:
        """Plain letters after a number: symbols, or a unit that the other side leaves out."""
        if self.policy.units != "required":
            if not symbols(gold):
                value = without_letters(answer)
                if value is not None and not symbols(value):
                    return self.oracle.equal(gold, value)
            elif gold.op == "mul" and gold.args[-1].op == "word" and not symbols(answer):
                return self.oracle.equal(product(list(gold.args[:-1])), answer)
        return self.oracle.equal(gold, answer)


# Shapes


def _values(node: Node) -> list[Node]:
    """The values that a node states: the items of a list, both signs of a plus-minus."""
    if node.op == "list":
        return [value for item in node.args for value in (_values(item) if item.op != "list" else [item])]
    if node.op == "rel" and all(sign == "=" for sign in node.value) and assignment(node) is not None:
        inner = _values(node.args[-1])
        if len(inner) > 1:
            return [Node("rel", (node.args[0], value), ("=",)) for value in inner]
    return expand_signs(node)


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
    last = args[-1] if plus else _negative(args[-1])
    return last if len(args) == 1 else Node("add", (args[0], last))


def _negative(node: Node) -> Node:
    if node.op == "num":
        return Node("num", (), node.value._replace(exact=-node.value.exact))
    return Node("neg", (node,))


def _grouped(node: Node) -> Node:
    """A list inside a list is one tuple: the values of its assignments in order."""
    if node.op != "list":
        return node
    return Node("group", tuple(_unassigned(item) for item in node.args), "()")


def _unassigned(node: Node) -> Node:
    parts = assignment(node)
    return node if parts is None else parts[1]


def _member(node: Node) -> Node:
    """`x in S` states the set S."""
    if node.op == "rel" and node.value == ("in",) and is_name(node.args[0]):
        return node.args[1]
    return node


def _reals(node: Node) -> Node:
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


def split_unit(node: Node) -> tuple[Node, str | None]:
    """Value and unit; the unit is `None` where there is none, `%` for a percentage, `degree` for an angle."""
    if node.op == "quantity":
        value, unit = split_unit(node.args[0])
        if unit == "degree" and node.value in ("C", "F", "K"):
            return value, "deg" + node.value
        return (value, node.value) if unit is None else (node.args[0], node.value)
    if node.op == "percent":
        return node.args[0], "%"
    if node.op == "degree":
        return node.args[0], "degree"
    if node.op == "mul" and len(node.args) == 2 and node.args[0].op == "degree":
        # "1950^\\circ C": the letter names the scale.
        tail = node.args[1]
        if tail.op == "sym" and tail.value in ("C", "F", "K"):
            return node.args[0].args[0], "deg" + tail.value
    if node.op == "neg":
        value, unit = split_unit(node.args[0])
        if unit is not None:
            return Node("neg", (value,)), unit
    return node, None


def without_letters(node: Node) -> Node | None:
    """The value before a unit in plain letters, or `None` where no such unit stands at the end."""
    if node.op != "mul":
        return None
    tail = node.args[-1]
    if tail.op == "pow" and tail.args[0].op == "sym":
        tail = tail.args[0]
    if tail.op == "word" or (tail.op == "sym" and tail.value in SINGLE_LETTER_UNITS):
        return product(list(node.args[:-1]))
    return None


def as_interval(relation: Node) -> Node | None:
    """The set of reals that an inequality in one symbol describes, `None` for every other relation."""
    sides, signs = relation.args, relation.value
    if any(sign not in ("<", ">", "<=", ">=") for sign in signs):
        return None
    if len(sides) == 2 and sides[1].op == "sym" and not symbols(sides[0]):
        return as_interval(_reverse(relation))
    if len(sides) == 2 and sides[0].op == "sym" and not symbols(sides[1]):
        if signs[0] in ("<", "<="):
            return Node("group", (Node("neg", (INFINITY,)), sides[1]), "(" + (")" if signs[0] == "<" else "]"))
        return Node("group", (sides[1], INFINITY), ("(" if signs[0] == ">" else "[") + ")")
    if len(sides) == 3 and sides[1].op == "sym":
        if all(sign in (">", ">=") for sign in signs):
            return as_interval(_reverse(relation))
        if all(sign in ("<", "<=") for sign in signs):
            return Node(
                "group", (sides[0], sides[2]), ("(" if signs[0] == "<" else "[") + (")" if signs[1] == "<" else "]")
            )
    return None


def _reverse(relation: Node) -> Node:
    signs = tuple(_REVERSED.get(sign, sign + "?") for sign in reversed(relation.value))
    return Node("rel", tuple(reversed(relation.args)), signs)


def _difference(relation: Node) -> Node:
    return Node("add", (relation.args[0], Node("neg", (relation.args[1],))))


def evaluated_matrix(node: Node) -> Node:
    """Sums and products of literal matrices worked out cell by cell; other nodes unchanged."""
    if node.op not in ("add", "mul", "neg") or not any(part.op == "matrix" for part in node.args):
        return node
    if node.op == "neg":
        matrix = node.args[0]
        return matrix._replace(args=tuple(Node("neg", (cell,)) for cell in matrix.args))
    parts = [evaluated_matrix(part) for part in node.args]
    if node.op == "add":
        if any(part.op != "matrix" or part.value != parts[0].value for part in parts):
            return node
        cells = zip(*(part.args for part in parts), strict=True)
        return parts[0]._replace(args=tuple(Node("add", column) for column in cells))
    result = parts[0]
    for part in parts[1:]:
        multiplied = _multiply(result, part)
        if multiplied is None:
            return node
        result = multiplied
    return result


def _multiply(left: Node, right: Node) -> Node | None:
    if left.op != "matrix" and right.op != "matrix":
        return product([left, right])
    if left.op != "matrix":
        return right._replace(args=tuple(product([left, cell]) for cell in right.args))
    if right.op != "matrix":
        return left._replace(args=tuple(product([right, cell]) for cell in left.args))
    (rows, inner), (height, columns) = left.value, right.value
    if inner != height:
        return None
    cells = tuple(
        Node("add", tuple(product([left.args[i * inner + k], right.args[k * columns + j]]) for k in range(inner)))
        for i in range(rows)
        for j in range(columns)
    )
    return Node("matrix", cells, (rows, columns))
