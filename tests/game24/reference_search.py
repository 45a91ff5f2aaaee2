"""The graph-search baselines of Intelligent Go-Explore's Game of 24, written over our moves.

There an action is a pair of positions and an operation, in a fixed order, always larger minus smaller and larger by
smaller; a division with a remainder is an action too, which is spent and ends the episode.
"""

from fractions import Fraction
from functools import cache

Numbers = tuple[int, ...]


@cache
def successors(numbers: Numbers) -> tuple[Numbers | None, ...]:
    after: list[Numbers | None] = []
    for i in range(len(numbers)):
        for j in range(i + 1, len(numbers)):
            low, high = numbers[i], numbers[j]
            rest = [number for k, number in enumerate(numbers) if k not in (i, j)]
            quotient = high // low if low and high % low == 0 else None
            for result in (high + low, high - low, high * low, quotient):
                after.append(None if result is None else tuple(sorted([*rest, result])))
    return tuple(after)


def operations_to_solve(numbers: Numbers, order: str) -> int:
    """Count operations until 24: `dfs` takes the newest state with untried actions, `bfs` the oldest."""
    archive = [numbers]
    untried = {numbers: list(successors(numbers))}
    count = 0
    while True:
        open_states = [state for state in archive if untried[state]]
        state: Numbers | None = open_states[-1 if order == "dfs" else 0]
        while True:
            count += 1
            assert state is not None
            state = untried[state].pop(0)
            if state is None:
                break
            if len(state) > 1:
                if state not in untried:
                    archive.append(state)
                    untried[state] = list(successors(state))
                if order == "bfs" or not untried[state]:
                    break
            else:
                break
        if state == (24,):
            return count


@cache
def sequences(numbers: tuple[Fraction | int, ...], division: str) -> tuple[int, int]:
    """Count complete sequences of legal operations: those that end at 24, and all."""
    if len(numbers) == 1:
        return int(numbers[0] == 24), 1
    wins = total = 0
    for i in range(len(numbers)):
        for j in range(i + 1, len(numbers)):
            a, b = numbers[i], numbers[j]
            rest = [number for k, number in enumerate(numbers) if k not in (i, j)]
            if division == "rational":
                results = [a + b, a * b, a - b, b - a]
                results += [Fraction(a) / b] if b else []
                results += [Fraction(b) / a] if a else []
            else:
                results = [a + b, a * b, b - a]
                results += [b // a] if a and b % a == 0 else []
            for result in results:
                more = sequences(tuple(sorted([*rest, result])), division)
                wins, total = wins + more[0], total + more[1]
    return wins, total
