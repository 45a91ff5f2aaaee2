"""The part of a verification that needs no worker: extraction, static limits, texts and rational numbers."""

import re
import time
from collections.abc import Sequence
from typing import NamedTuple

from .extraction import extract, extract_choice, extract_gold, gold_choice
from .judge import ExactOracle, rule
from .policy import VerifyPolicy
from .verdict import Verdict, VerdictStatus

_INTEGER = re.compile(r"\s*([-+]?\d{1,18})\s*\Z")


class Job(NamedTuple):
    """A comparison that a worker must decide, with the seconds already spent."""

    golds: tuple[str, ...]
    answer: str
    others: tuple[str, ...]
    spent_s: float


def plain_integers(gold: str | Sequence[str], answer: str, policy: VerifyPolicy) -> Verdict | None:
    """The verdict where gold and answer are integers and nothing else; `None` for all other texts.

    Args:
        gold: The gold answer.
        answer: The model's text.
        policy: The conventions; under a tolerance an integer may be close.

    Returns:
        The verdict that the full path would give.
    """
    if not isinstance(gold, str) or not isinstance(answer, str) or policy.tolerance:
        return None
    start = time.perf_counter()
    first = _INTEGER.match(gold)
    second = _INTEGER.match(answer) if first is not None else None
    if first is None or second is None:
        return None
    if int(first[1]) == int(second[1]):
        status, reason = VerdictStatus.CORRECT, "The answer equals the gold answer."
    else:
        status, reason = VerdictStatus.WRONG, "The answer is not equal to the gold answer."
    return Verdict(status, second[1], reason, time.perf_counter() - start)


def settle(gold: str | Sequence[str], answer: str, policy: VerifyPolicy) -> Verdict | Job:
    """Judges what can be judged in microseconds.

    Args:
        gold: The gold answer, or several accepted ones.
        answer: The model's text.
        policy: The conventions.

    Returns:
        The verdict, or the job for a worker.
    """
    start = time.perf_counter()
    golds = tuple(gold) if isinstance(gold, (list, tuple)) else (gold,)
    if not isinstance(answer, str) or not all(isinstance(text, str) for text in golds):
        return Verdict(VerdictStatus.ERROR, None, "Gold answer and answer must be texts.")
    choices = tuple(letter for text in golds if (letter := gold_choice(text))) if policy.choice_letters else ()
    found = extract_choice(answer, policy) if choices else extract(answer, policy)
    if found.answer is None:
        reason = f"There is no final answer: {found.problem}."
        return Verdict(VerdictStatus.UNPARSABLE, None, reason, time.perf_counter() - start)
    accepted = choices or tuple(text for text in (extract_gold(text) for text in golds) if text)
    if not accepted:
        return Verdict(VerdictStatus.ERROR, found.answer, "The gold answer is empty.", time.perf_counter() - start)
    if not found.others:
        # Integers are by far the most frequent answers; under most policies they need no tree.
        for text in accepted:
            quick = plain_integers(text, found.answer, policy)
            if quick is None:
                break
            if quick.correct or len(accepted) == 1:
                return Verdict(quick.status, found.answer, quick.reason, time.perf_counter() - start)
    others = found.others if policy.several_boxes == "agree" else ()
    try:
        ruling = rule(accepted, found.answer, others, policy, ExactOracle(policy))
    except Exception:
        # Undecided, or the caller's stack is nearly full, or a defect: a worker decides, or reports what went wrong,
        # so that no text ever raises into the caller.
        return Job(accepted, found.answer, others, time.perf_counter() - start)
    return Verdict(ruling.status, found.answer, ruling.reason, time.perf_counter() - start)
