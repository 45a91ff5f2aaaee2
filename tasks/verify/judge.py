"""The verdict on one extracted answer; the same code in the caller's process and in the workers."""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from .closeness import same_number
from .compare import Comparison, Oracle, Undecided
from .exact import check_cost, rational
from .lexer import UnknownConstruct, Unreadable, clean, tokenize
from .limits import TooLarge, check_text
from .nodes import Decimal, Node
from .parser import parse_clean
from .policy import VerifyPolicy
from .verdict import VerdictStatus

_THOUSANDS = re.compile(r"\d,\d{3}(?!\d)")
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
_OPTION = re.compile(r"\\(?:text|textbf|mathbf|mathrm|textrm)\{\s*\(?([A-J])\)?:?\s*\}\s*:?\s*([^\s,].*)", re.DOTALL)
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_LONGEST_TEXT = 20_000
"""Longest gold and answer that are compared as texts."""
_LOCAL_BITS = 8192
"""Exact numbers larger than this are left to a worker."""

TextOracle = Callable[[str, str], bool | None]


class Ruling(NamedTuple):
    """Status and reason, before the times are known."""

    status: VerdictStatus
    reason: str


class ExactOracle:
    """Knows rational numbers of moderate size; everything else is undecided."""

    def __init__(self, policy: VerifyPolicy) -> None:
        self.policy = policy

    def under(self, policy: VerifyPolicy) -> "ExactOracle":
        """The same oracle under another policy."""
        return ExactOracle(policy)

    def equal(self, gold: Node, answer: Node) -> bool:
        """Whether both are the same rational number."""
        if gold == answer:
            return True
        first, second = _local(gold), _local(answer)
        if first is None or second is None:
            raise Undecided
        return same_number(first, second, self.policy)

    def ratio_sign(self, gold: Node, answer: Node) -> int:
        """Equations are left to a worker."""
        raise Undecided

    def same_region(self, gold: Node, answer: Node) -> bool:
        """Unions of intervals are left to a worker."""
        raise Undecided


def _local(node: Node) -> Decimal | None:
    if node.op != "num" and check_cost(node) > _LOCAL_BITS:
        return None
    return rational(node)


def rule(
    golds: tuple[str, ...],
    answer: str,
    others: tuple[str, ...],
    policy: VerifyPolicy,
    oracle: Oracle,
    ask: TextOracle | None = None,
) -> Ruling:
    """Judges an answer.

    Args:
        golds: Accepted gold answers, any of which suffices.
        answer: The extracted final answer.
        others: Other statements of the same kind in the same text; they must all agree with the answer, else it hedges.
        policy: The conventions.
        oracle: Decides values.
        ask: Decides texts that our grammar does not read; `None` in the caller's process.

    Returns:
        The ruling.

    Raises:
        Undecided: A stronger oracle must be asked.
    """
    problems: list[str] = []
    undecided = False
    for gold in golds:
        try:
            if _matches(gold, answer, policy, oracle, ask):
                return _unanimous(answer, others, policy, oracle, ask)
        except Undecided:
            undecided = True
        except Unreadable as error:
            problems.append(f"The answer cannot be read: {error}.")
        except TooLarge as error:
            problems.append(f"The answer is too large: {error}.")
        except _BadGold as error:
            if len(golds) == 1:
                return Ruling(VerdictStatus.ERROR, f"The gold answer cannot be used: {error}.")
    if undecided:
        raise Undecided
    if problems:
        return Ruling(VerdictStatus.UNPARSABLE, problems[0])
    return Ruling(VerdictStatus.WRONG, "The answer is not equal to the gold answer.")


def _unanimous(
    answer: str, others: tuple[str, ...], policy: VerifyPolicy, oracle: Oracle, ask: TextOracle | None
) -> Ruling:
    for other in others:
        try:
            agrees = _matches(answer, other, policy, oracle, ask)
        except (Unreadable, TooLarge, _BadGold):
            agrees = False
        if not agrees:
            return Ruling(VerdictStatus.WRONG, "The text states several different final answers.")
    return Ruling(VerdictStatus.CORRECT, "The answer equals the gold answer.")


class _BadGold(ValueError):
    """The gold answer exceeds a limit."""


class _Gold(NamedTuple):
    """A gold answer, read once: its uniform text, its readings (none where the grammar fails), its problem."""

    text: str
    readings: tuple[Node, ...]
    problem: str


@lru_cache(maxsize=2048)
def _read_gold(gold: str, space_thousands: bool, decimal_comma: bool) -> _Gold:
    """Golds come again and again in training, so their trees are remembered."""
    text = _uniform(gold)
    try:
        check_text(gold)
        readings = tuple(_readings(text, VerifyPolicy(space_thousands=space_thousands, decimal_comma=decimal_comma)))
        for reading in readings:
            check_cost(reading)
    except TooLarge as error:
        return _Gold(text, (), str(error))
    except Unreadable:
        return _Gold(text, (), "")
    return _Gold(text, readings, "")


def _uniform(text: str) -> str:
    """The text in the one spelling in which equal texts are compared."""
    return " ".join(clean(text[:_LONGEST_TEXT]).split())


def _matches(gold: str, answer: str, policy: VerifyPolicy, oracle: Oracle, ask: TextOracle | None) -> bool:
    if gold == answer:
        return True
    known = _read_gold(gold, policy.space_thousands, policy.decimal_comma)
    text = _uniform(answer)
    if known.text == text and max(len(gold), len(answer)) <= _LONGEST_TEXT:
        return True
    if policy.time_of_day and _same_time(known.text, text):
        return True
    if known.problem:
        raise _BadGold(known.problem)
    check_text(answer)
    unreadable: Unreadable | None = None
    try:
        readings = tuple(_readings(text, policy))
    except UnknownConstruct as error:
        readings, unreadable = (), error
    except Unreadable:
        if _same_tokens(known.text, text):
            return True
        raise
    for reading in readings:
        check_cost(reading)
    if not known.readings or not readings:
        if _same_tokens(known.text, text):
            return True
        return _asked(known.text, text, unreadable, ask)
    comparison = Comparison(policy, oracle)
    undecided = False
    for first in known.readings:
        for second in readings:
            try:
                if comparison.same(first, second):
                    return True
            except Undecided:
                undecided = True
    if undecided:
        raise Undecided
    return False


def _same_tokens(first: str, second: str) -> bool:
    """Whether two texts that cannot be read differ in nothing but white space."""
    try:
        return [t[:2] for t in tokenize(first)] == [t[:2] for t in tokenize(second)]
    except Unreadable:
        return False


def _asked(gold: str, answer: str, unreadable: Unreadable | None, ask: TextOracle | None) -> bool:
    if ask is None:
        raise Undecided
    verdict = ask(gold, answer)
    if verdict is None and unreadable is not None:
        raise unreadable
    return bool(verdict)


def _readings(text: str, policy: VerifyPolicy) -> Iterator[Node]:
    """The ways to read a clean text: as it stands, and with its commas as separators or decimal signs."""
    labelled = _OPTION.fullmatch(text)
    if labelled:
        # "(B) 12": the option, and what it says.
        yield parse_clean(labelled[1])
        text = labelled[2]
    yield parse_clean(text, space_thousands=policy.space_thousands)
    if "," in text:
        if _THOUSANDS.search(text) and not any(sign in text for sign in "([{"):
            yield parse_clean(", ".join(text.split(",")))
        if policy.decimal_comma:
            replaced = _DECIMAL_COMMA.sub(".", text)
            if replaced != text:
                try:
                    yield parse_clean(replaced)
                except Unreadable:
                    return


def _same_time(gold: str, answer: str) -> bool:
    first, second = _TIME.fullmatch(gold), _TIME.fullmatch(answer)
    if first is None or second is None:
        return False
    return [int(part or 0) for part in first.groups()] == [int(part or 0) for part in second.groups()]
