"""How many problems fall to one arithmetic expression over the numbers in their statements.

A *template* is an expression over positions: "the second number times the fifth, plus the first". A generator would
be cheap if one template solved many of its problems, so we try all templates with up to two operations over the
numbers that a statement shows and the constants 1 and 2, and all with three over the first numbers that vary. Problems
whose statements are equal but for the numbers share positions; each such group is measured by itself, because a
template of one means nothing in another.

With hundreds of thousands of templates the best one of a group is right now and then by luck. So the best templates
are chosen on one half of the group and measured on the other half.
"""

import re
from collections import defaultdict

import numpy as np

NUMBER = re.compile(
    r"(?:- ?|\+ )?\d+|(?<![a-z])(?:two|three|four|five|six|seven|eight|nine|ten)(?![a-z])", re.IGNORECASE
)
WORDS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
LIMIT = 10**9
SMALLEST_GROUP = 40
CARRIED = 40
"""Templates carried along from every block of a search."""
MEASURED = 8
"""Templates of the first half that are measured on the second; the best of them counts."""


def numbers(statement):
    """The numbers of a statement with their signs, in order."""
    return [WORDS.get(found.lower()) or int(found.replace(" ", "")) for found in NUMBER.findall(statement)]


def grouped(problems):
    """Arrays (numbers [problems, positions], answers [problems]) of problems whose numbers stand in the same places.

    These are statements with the same words; where too few share all words (lists of names vary in length, "once"
    becomes "twice"), those of one wording with equally many numbers are put together.
    """
    by_words, by_length = defaultdict(list), defaultdict(list)
    for problem in problems:
        by_words[NUMBER.sub("#", problem.statement)].append(problem)
    for group in list(by_words.values()):
        if len(group) < SMALLEST_GROUP:
            for problem in group:
                by_length[problem.params["wording"], len(numbers(problem.statement))].append(problem)
    return [
        (
            np.array([numbers(problem.statement) for problem in group], dtype=np.int64),
            np.array([problem.answer for problem in group], dtype=np.int64),
        )
        for group in (*by_words.values(), *by_length.values())
        if len(group) >= SMALLEST_GROUP and numbers(group[0].statement)
    ]


def columns_of(values, most, shown_constants):
    """The first `most` positions whose numbers vary, and the constants 1 and 2 (and those that are shown)."""
    varying = [i for i in range(values.shape[1]) if len(set(values[:, i])) > 1][:most]
    constants = {1, 2}
    if shown_constants:
        constants |= {int(column[0]) for column in values.T if len(set(column)) == 1}
    constants = np.tile(np.array(sorted(constants), dtype=np.int64), (len(values), 1))
    return np.concatenate([values[:, varying], constants], axis=1)


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
    """All results of one operation on a column of `a` and one of `b`."""
    return np.concatenate([np.clip(part.reshape(len(a), -1), -LIMIT, LIMIT) for part in _operations(a, b)], axis=1)


def best_share(columns, answers, operations):
    """Share of the second half that the templates solve which did best on the first half.

    Args:
        columns: Numbers and constants, [problems, columns].
        answers: [problems].
        operations: The largest number of operations, 2 or 3.
    """
    half = len(columns) // 2
    one = np.unique(columns, axis=1)
    first = np.unique(np.concatenate([one, combine(one, one)], axis=1), axis=1)
    chosen = [_best(first, answers, half, CARRIED)]
    for start in range(0, first.shape[1], 64):
        block = combine(first[:, start : start + 64], one)
        chosen.append(_best(block, answers, half, CARRIED))
        if operations > 2:
            block = np.unique(block, axis=1)
            for inner in range(0, block.shape[1], 128):
                chosen.append(_best(combine(block[:, inner : inner + 128], one), answers, half, CARRIED))
    if operations > 2:
        for start in range(0, first.shape[1], 16):
            chosen.append(_best(combine(first[:, start : start + 16], first), answers, half, CARRIED))
    finalists = _best(np.concatenate(chosen, axis=1), answers, half, MEASURED)
    return float((finalists == answers[:, None])[half:].mean(axis=0).max(initial=0.0))


def _best(columns, answers, half, most):
    """The columns that are right most often in the first half."""
    hits = (columns[:half] == answers[:half, None]).sum(axis=0)
    order = np.argsort(-hits, kind="stable")[:most]
    return columns[:, order[hits[order] > 0]]


def template_share(problems, *, positions, operations):
    """Share of the problems that the best templates of their groups solve, and how many problems were measured."""
    solved = measured = 0.0
    for values, answers in grouped(problems):
        solved += best_share(columns_of(values, positions, operations < 3), answers, operations) * len(answers)
        measured += len(answers)
    return (solved / measured if measured else 0.0), int(measured)
