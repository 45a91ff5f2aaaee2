"""Scores and their uncertainty: pure functions over arrays, no records and no pages.

How the numbers of a table are made, from the bottom up:

1. A *task* (one group of an entry) scores the mean of its members that count; verifier time-outs do not count.
2. An *entry* (one environment at one difficulty) scores the mean of its tasks.
3. A *family* and a *suite* score the mean of their entries, each weighing the same, however many tasks it has.
4. The interquartile mean is taken over the entries' normalised scores (Agarwal et al. 2021, "Deep reinforcement
   learning at the edge of the statistical precipice"), with fractional weights at the two cuts.
5. Intervals come from one bootstrap a table row: tasks are resampled with replacement within their entry
   (stratified, members of a group stay together), every statistic is computed from the same resamples.
"""

from collections.abc import Callable, Mapping, Sequence
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..tasks.rng import GOLDEN_GAMMA, MASK64, derive_seed

RESAMPLES = 4000
"""Bootstrap resamples of an interval: the 2.5 % quantile is then known to about 0.25 percentage points of rank."""
CONFIDENCE = 0.95

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""Maps entry means of shape (..., E) to values of shape (...)."""


class Interval(NamedTuple):
    """A two-sided confidence interval."""

    low: float
    high: float


class Estimate(NamedTuple):
    """A statistic with its interval; the interval is None where some entry has a single task."""

    value: float
    interval: Interval | None


def counter_uniforms(key: int, count: int) -> Floats:
    """Return the first `count` numbers of `rng.counter_uniform(key, 0..)` as one array of shape (count,)."""
    steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GOLDEN_GAMMA)
    value = np.uint64(key & MASK64) + steps
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    value ^= value >> np.uint64(31)
    return (value >> np.uint64(11)).astype(np.float64) * 2.0**-53


def interquartile_mean(values: ArrayLike) -> Floats:
    """Return the mean of the middle half of the last axis, with fractional weights at the cuts.

    Of n sorted values, exactly n/4 of the weight is cut at either end: where n/4 is no integer, the values at the
    cuts count in part (with n = 5 the weights are 0, 0.75, 1, 0.75, 0).

    Args:
        values: Shape (..., n), n at least 1.

    Returns:
        Shape (...).
    """
    array = np.sort(np.asarray(values, dtype=np.float64), axis=-1)
    count = array.shape[-1]
    if count == 0:
        raise ValueError("The interquartile mean of no values is not defined.")
    upper = np.arange(1, count + 1, dtype=np.float64)
    weights = np.clip(upper - count / 4, 0, 1) - np.clip(upper - 3 * count / 4, 0, 1)
    result: Floats = array @ (weights / weights.sum())
    return result


def plain_mean(means: Floats) -> Floats:
    """Return the mean over entries, each weighing the same."""
    result: Floats = means.mean(axis=-1)
    return result


def normalised(score: float, random: float | None, expert: float | None) -> float | None:
    """Return (score - random) / (expert - random), or None where a reference is missing or both are equal."""
    if random is None or expert is None or expert == random:
        return None
    return (score - random) / (expert - random)


def group_means(scores: Mapping[int, Sequence[float]]) -> Floats:
    """Return the mean score of each group that has a counted member (shape (tasks,)), in order of group number."""
    return np.array([float(np.mean(scores[group])) for group in sorted(scores) if len(scores[group])])


def resampled_means(tasks: Sequence[Floats], *, name: str, resamples: int = RESAMPLES) -> Floats:
    """Return bootstrap replicates of the entry means.

    Tasks are drawn with replacement within their entry. The spread of n drawn tasks is too small by the factor
    sqrt((n - 1) / n), so deviations are stretched by its inverse (Rao and Wu 1988, "Resampling inference with
    complex survey data"), which matters for the few tasks of a quick suite.

    Args:
        tasks: One array of task scores an entry, E in all; an entry of one task does not vary.
        name: Names the random stream; equal names and data give equal replicates on every machine.
        resamples: How many, R.

    Returns:
        Shape (R, E); values may leave [0, 1] a little.
    """
    replicates = np.empty((resamples, len(tasks)))
    for index, scores in enumerate(tasks):
        count = len(scores)
        centre = float(scores.mean())
        if count == 1:
            replicates[:, index] = centre
            continue
        uniforms = counter_uniforms(derive_seed("bootstrap", name, index), resamples * count)
        drawn = scores[(uniforms * count).astype(np.intp)].reshape(resamples, count).mean(axis=1)
        replicates[:, index] = centre + (drawn - centre) * np.sqrt(count / (count - 1))
    return replicates


def estimate(
    tasks: Sequence[Floats],
    statistic: Statistic,
    replicates: Floats,
    *,
    bounds: tuple[float, float] | None = None,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Return a statistic of the entry means with its percentile bootstrap interval.

    Where every task of an entry scores 1 (or 0), resampling sees no spread and would claim certainty. What such
    entries leave open is added: with n tasks in all of them and no failure, success rates down to
    (alpha / 2) ** (1 / n), common to them, are compatible with what was seen (Clopper and Pearson 1934). The
    distance by which the statistic moves when they have that rate, and the bootstrap's own, are independent, so
    they add as the root of the sum of squares (Zou and Donner 2008, "MOVER").

    Args:
        tasks: One array of task scores an entry.
        statistic: Maps entry means to the value.
        replicates: What `resampled_means` returned for these tasks.
        bounds: The range that the statistic cannot leave, if there is one.
        confidence: The nominal coverage.
    """
    means = np.array([scores.mean() for scores in tasks])
    value = float(statistic(means))
    if any(len(scores) < 2 for scores in tasks):
        return Estimate(value, None)
    tail = (1 - confidence) / 2
    low, high = (float(edge) for edge in np.quantile(statistic(replicates), [tail, 1 - tail]))
    below, above = max(0.0, value - low), max(0.0, high - value)
    for mark in (0.0, 1.0):
        certain = np.array([bool(np.all(scores == mark)) for scores in tasks])
        count = sum(len(scores) for scores, same in zip(tasks, certain, strict=True) if same)
        if count:
            edge = tail ** (1 / count)
            shift = float(statistic(np.where(certain, edge if mark else 1 - edge, means))) - value
            below, above = float(np.hypot(below, max(0.0, -shift))), float(np.hypot(above, max(0.0, shift)))
    low, high = value - below, value + above
    if bounds is not None:
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return Estimate(value, Interval(low, high))


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Return the unbiased estimate of the chance that one of k samples is correct (Chen et al. 2021, "Codex").

    Args:
        samples: Samples drawn, n; at least k.
        correct: How many of them are correct, c.
        k: The budget of the label `pass@k`.

    Returns:
        1 - C(n - c, k) / C(n, k).
    """
    if not 0 <= correct <= samples or not 1 <= k <= samples:
        raise ValueError(f"pass@{k} needs 0 <= correct <= samples and 1 <= k <= samples, not {correct} of {samples}.")
    return 1.0 - comb(samples - correct, k) / comb(samples, k)


def majority_at_k(answers: Sequence[str | None], correct: Sequence[bool]) -> float:
    """Return whether the most frequent of k answers is correct, ties shared evenly.

    Args:
        answers: The extracted answers as texts; None (no answer found) is no vote.
        correct: Whether each is correct.

    Returns:
        A number in [0, 1]; 0 where nobody answered.
    """
    votes: dict[str, list[bool]] = {}
    for answer, right in zip(answers, correct, strict=True):
        if answer is not None:
            votes.setdefault(answer, []).append(right)
    if not votes:
        return 0.0
    most = max(len(group) for group in votes.values())
    winners = [sum(group) / len(group) for group in votes.values() if len(group) == most]
    return sum(winners) / len(winners)
