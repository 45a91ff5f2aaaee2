"""How many problems fall to one arithmetic expression over the numbers in their statements.

A *template* is an expression over positions: "the second number times the fifth, plus the first". A generator would be
cheap if one template solved many of its problems, so we try all templates with up to two operations over all numbers
that a statement shows (and the constants 1 and 2), and all with three operations over its first numbers. Problems whose
statements are equal but for the numbers share positions; each such group is measured by itself, because a template of
one means nothing in another.

With hundreds of thousands of templates, the best one of a group is right now and then by luck. So the best templates
are chosen on one half of the group and measured on the other half.
"""

import re
from collections import defaultdict

import numpy as np

NUMBER = re.compile(r"(?:- ?|\+ )?\d+|(?<![a-z])(?:two|three|four|five|six|seven|eight|nine|ten)(?![a-z])", re.IGNORECASE)
WORDS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
LIMIT = 10**9
KEPT = 40  # templates carried from the first half to the second


def numbers(statement):
    return [WORDS.get(found.lower()) or int(found.replace(" ", "")) for found in NUMBER.findall(statement)]


def skeleton(statement):
    return NUMBER.sub("#", statement)


def grouped(problems):
    """Statements with the same words (signs belong to the numbers): {skeleton: (numbers [problems, positions], answers [problems])}."""
    groups = defaultdict(list)
    for problem in problems:
        groups[skeleton(problem.statement)].append(problem)
    return {
        words: (
            np.array([numbers(p.statement) for p in group], dtype=np.int64),
            np.array([p.answer for p in group], dtype=np.int64),
        )
        for words, group in groups.items()
    }


def _operations(a, b):
    """Every operation on all pairs of columns, both ways round: arrays [problems, columns of a, columns of b]."""
    x, y = a[:, :, None], b[:, None, :]
    yield x + y
    yield x - y
    yield y - x
    yield x * y
    for top, bottom in ((x, y), (y, x)):
        safe = np.where(bottom == 0, 1, bottom)
        yield np.where(bottom == 0, LIMIT, top // safe)
        yield np.where(bottom == 0, LIMIT, top % safe)
    yield np.gcd(x, y)
    for base, exponent in ((x, y), (y, x)):
        fits = (exponent >= 0) & (exponent * np.log(np.maximum(np.abs(base), 1)) <= np.log(LIMIT))
        yield np.where(fits, np.where(fits, base, 0) ** np.where(fits, exponent, 0), LIMIT)


def combine(a, b):
    """All results of one operation on a column of `a` and one of `b`, without repeated columns."""
    parts = [np.clip(part.reshape(len(a), -1), -LIMIT, LIMIT) for part in _operations(a, b)]
    return np.unique(np.concatenate(parts, axis=1), axis=1)


def _best(columns, answers):
    """The templates with the most hits, at most KEPT."""
    hits = (columns == answers[:, None]).sum(axis=0)
    order = np.argsort(-hits, kind="stable")[:KEPT]
    return columns[:, order[hits[order] > 0]]


def best_share(values, answers, operations):
    """Share of the second half that the best of the templates solves which did best on the first half.

    Args:
        values: The numbers, [problems, positions].
        answers: [problems].
        operations: The largest number of operations, 2 or 3.
    """
    half = len(values) // 2
    # Both halves are evaluated together, so that a column stays one template; the choice looks at the first only.
    one = np.unique(values, axis=1)
    first = np.unique(np.concatenate([one, combine(one, one)], axis=1), axis=1)
    chosen = [_select(first, answers, half)]
    second = []
    for start in range(0, first.shape[1], 64):
        block = combine(first[:, start : start + 64], one)
        chosen.append(_select(block, answers, half))
        if operations > 2:
            second.append(block)
    if operations > 2:
        for start in range(0, first.shape[1], 16):
            chosen.append(_select(combine(first[:, start : start + 16], first), answers, half))
        for block in second:
            for start in range(0, block.shape[1], 128):
                chosen.append(_select(combine(block[:, start : start + 128], one), answers, half))
    columns = np.concatenate(chosen, axis=1)
    hits = (columns == answers[:, None])[:half].sum(axis=0)
    order = np.argsort(-hits, kind="stable")[:KEPT]
    later = (columns[:, order] == answers[:, None])[half:].mean(axis=0)
    return float(later.max(initial=0.0))


def _select(columns, answers, half):
    hits = (columns[:half] == answers[:half, None]).sum(axis=0)
    order = np.argsort(-hits, kind="stable")[:KEPT]
    return columns[:, order[hits[order] > 0]]
