"""Structural comparison of two answers: lists, sets, intervals, relations, units; values are left to an oracle.

The same code runs in the caller's process, with an oracle that knows exact rational numbers only, and in a worker,
with one that also knows symbolic mathematics; so a fast verdict and a full verdict cannot differ in structure.
"""

from typing import Protocol

from .limits import TooLarge
from .matrices import evaluated_matrix, nested_lists
from .nodes import Node, number, product, symbols, walk
from .policy import VerifyPolicy
from .quantities import split_unit, with_loose_unit, without_letters
from .shapes import (
    REVERSED,
    as_interval,
    as_reals,
    assignment,
    difference,
    grouped,
    member,
    plain_letters,
    reverse,
    same_name,
    spelled_number,
    stated_values,
    unassigned,
    written_like,
)
from .units import compatible

_MAX_COMPARISONS = 20_000
"""Pairs of parts that one comparison may look at, so that long lists cannot take long."""


class Undecided(Exception):
    """The oracle cannot decide whether two values are equal; a stronger one must be asked."""


class Oracle(Protocol):
    """Decides whether two values without structure are equal."""

    def under(self, policy: VerifyPolicy) -> "Oracle":
        """The same oracle under another policy."""
        ...

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
        self.comparisons = 0

    def same(self, gold: Node, answer: Node) -> bool:
        """Whether the answer is the gold answer.

        Args:
            gold: Tree of the gold answer.
            answer: Tree of the answer.

        Returns:
            Whether they are equal under the policy.

        Raises:
            Undecided: The oracle does not know some value.
            TooLarge: A number exceeds a static limit, or the lists are too long to be matched.
        """
        self.comparisons += 1
        if self.comparisons > _MAX_COMPARISONS:
            raise TooLarge("its lists are too long to be compared")
        if gold == answer:
            return True
        golds, answers = stated_values(gold), stated_values(answer)
        if len(golds) == 1 and len(answers) == 1:
            return self._one(golds[0], answers[0])
        return self._several(golds, answers)

    # Several values

    def _several(self, golds: list[Node], answers: list[Node]) -> bool:
        gold_single, answer_single = len(golds) == 1, len(answers) == 1
        if gold_single or answer_single:
            single = member(unassigned((golds if gold_single else answers)[0]))
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
        gold, answer = member(gold), member(answer)
        if gold.op == "rel" or answer.op == "rel":
            return self._relations(gold, answer)
        if "list" in (gold.op, answer.op):
            return self.same(grouped(gold), grouped(answer))
        if gold.op in ("text", "word") or answer.op in ("text", "word"):
            gold, answer = spelled_number(gold), spelled_number(answer)
            verdict = self._texts(gold, answer) if {gold.op, answer.op} & {"text", "word"} else None
            if verdict is not None:
                return verdict
        gold, answer = as_reals(gold), as_reals(answer)
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
        return self._distinct([value for part in node.args for value in stated_values(part)])

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
        gold, answer = evaluated_matrix(nested_lists(gold)), evaluated_matrix(nested_lists(answer))
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
            computed = other.op in ("mul", "add", "neg", "pow", "div", "fn")
            if one.op == "matrix" and computed and any(part.op == "matrix" for part in other.args):
                return self._equal(gold, answer)
        return False

    def _regions(self, gold: Node, answer: Node) -> bool:
        parts = [as_reals(a) for a in gold.args], [as_reals(a) for a in answer.args]
        if gold.op == answer.op != "minus" and len(gold.args) == len(answer.args):
            try:
                if self._matching(*parts):
                    return True
            except Undecided:
                pass
        return self.oracle.same_region(gold, answer)

    def _ratios(self, gold: Node, answer: Node) -> bool:
        first = gold.args if gold.op == "ratio" else gold.args if gold.op == "div" else (gold, number(1))
        second = answer.args if answer.op == "ratio" else answer.args if answer.op == "div" else (answer, number(1))
        if len(first) != len(second):
            return False
        return all(
            self._equal(product([first[i], second[i + 1]]), product([first[i + 1], second[i]]))
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
        policy = self.policy._replace(tolerance=max(self.policy.tolerance, 1e-3))
        loose = Comparison(policy, self.oracle.under(policy))
        return all(loose.same(chain.args[0], side) for side in chain.args[1:])

    def _equations(self, gold: Node, answer: Node) -> bool:
        for candidate in (answer, reverse(answer)):
            try:
                if candidate.value == gold.value and self._in_order(list(gold.args), list(candidate.args)):
                    return True
            except Undecided:
                continue
        if len(gold.args) != 2 or len(answer.args) != 2:
            if all(sign == "=" for sign in (*gold.value, *answer.value)):
                return self._in_order([gold.args[0], gold.args[-1]], [answer.args[0], answer.args[-1]])
            return False
        if any(side.op in ("group", "list", "set", "matrix", "text") for side in (*gold.args, *answer.args)):
            return False
        sign, other = gold.value[0], answer.value[0]
        if sign not in REVERSED or other not in (sign, REVERSED[sign]):
            return False
        direction = self.oracle.ratio_sign(difference(gold), difference(answer))
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
        if gold_unit is None or answer_unit is None:
            gold_value, gold_unit = with_loose_unit(gold_value, gold_unit)
            answer_value, answer_unit = with_loose_unit(answer_value, answer_unit)
        policy = self.policy.units
        if gold_unit == answer_unit or policy == "ignored":
            return self._equal(gold_value, answer_value)
        if "degree" in (gold_unit, answer_unit) and (gold_unit is None or answer_unit is None):
            return self._angles(gold, gold_value, gold_unit, answer, answer_value)
        if policy == "required":
            return False
        if gold_unit is not None and answer_unit is not None and not compatible(gold_unit, answer_unit):
            return False
        return self._equal(gold_value, answer_value)

    def _equal(self, gold: Node, answer: Node) -> bool:
        if self.policy.literal_numbers and not written_like(gold, answer):
            return False
        return self.oracle.equal(gold, answer)

    def _angles(self, gold: Node, gold_value: Node, gold_unit: str | None, answer: Node, answer_value: Node) -> bool:
        bare = answer if gold_unit == "degree" else gold
        if any(part.op == "const" and part.value == "pi" for part in walk(bare)):
            return self._equal(gold, answer)
        if self.policy.units == "required":
            return False
        return self._equal(gold_value, answer_value)

    def _percents(
        self, gold: Node, gold_value: Node, gold_unit: str | None, answer: Node, answer_value: Node,
        answer_unit: str | None,
    ) -> bool:  # fmt: skip
        if gold_unit == answer_unit:
            return self._equal(gold_value, answer_value)
        other = answer_unit if gold_unit == "%" else gold_unit
        if other is not None and self.policy.units != "ignored":
            return False
        convention = self.policy.percent
        if convention in ("unit", "either") and self._equal(gold_value, answer_value):
            return True
        return convention in ("exact", "either") and self._equal(gold, answer)

    def _loose_units(self, gold: Node, answer: Node) -> bool:
        """Plain letters after a number: symbols, or a unit that the other side leaves out."""
        if self.policy.units != "required":
            if not symbols(gold):
                value = without_letters(answer)
                if value is not None and not symbols(value):
                    return self._equal(gold, value)
            elif gold.op == "mul" and gold.args[-1].op == "word" and not symbols(answer):
                return self._equal(product(list(gold.args[:-1])), answer)
        return self._equal(gold, answer)
