"""Learners that know the arms only from their rewards: UCB, Thompson sampling, greedy; and the oracle that knows.

A learner's choice is a function of the statistics (pulls and sum of rewards of each arm) and, for Thompson sampling,
of a seed; so it can be asked anywhere in an episode, and a restored episode gets the same advice.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from ..rng import Rng
from .streams import normal_quantile

UCB_ALPHA = 0.5


class ArmValue(NamedTuple):
    """What UCB knows about one arm."""

    value: float
    """Mean reward so far; 0 before the first pull."""
    bonus: float
    """sqrt(alpha ln t / n), infinite before the first pull."""


def ucb_values(counts: Sequence[int], sums: Sequence[float], alpha: float = UCB_ALPHA) -> list[ArmValue]:
    """Return each arm's exploitation value and exploration bonus.

    `bonus = sqrt(alpha * ln(t) / n)` with t pulls in all and n of this arm (UCB1 of Auer, Cesa-Bianchi and Fischer
    2002 has alpha 2; EVOLvE, Nie et al. 2024, uses 0.5 and shows both numbers to the model as guidance).
    """
    total = sum(counts)
    spread = alpha * math.log(total) if total else 0.0
    return [
        ArmValue(earned / count, math.sqrt(spread / count)) if count else ArmValue(0.0, math.inf)
        for count, earned in zip(counts, sums, strict=True)
    ]


def _first_best(values: Sequence[float]) -> int:
    return max(range(len(values)), key=values.__getitem__)


class Learner(ABC):
    """Chooses arms from what it has seen.

    Args:
        arms: Number of arms.
        counts: Pulls of each arm so far; none if None.
        sums: Sum of each arm's rewards so far.
    """

    def __init__(self, arms: int, counts: Sequence[int] | None = None, sums: Sequence[float] | None = None) -> None:
        self.counts = [0] * arms if counts is None else list(counts)
        self.sums = [0.0] * arms if sums is None else list(sums)

    @abstractmethod
    def choose(self) -> int:
        """Return the number of the arm to pull now; asking does not change anything."""

    def update(self, arm: int, reward: float) -> None:
        """Take in one pull's reward."""
        self.counts[arm] += 1
        self.sums[arm] += reward


class UCB(Learner):
    """Each arm once, then the largest mean plus bonus (the first of equals); see `ucb_values`."""

    def __init__(
        self,
        arms: int,
        counts: Sequence[int] | None = None,
        sums: Sequence[float] | None = None,
        *,
        alpha: float = UCB_ALPHA,
    ) -> None:
        super().__init__(arms, counts, sums)
        self.alpha = alpha

    def choose(self) -> int:
        """Return an arm never pulled, else the one with the largest upper confidence bound."""
        if 0 in self.counts:
            return self.counts.index(0)
        return _first_best([sum(arm) for arm in ucb_values(self.counts, self.sums, self.alpha)])


class Greedy(Learner):
    """Each arm once, then the largest mean (the first of equals), without any bonus."""

    def choose(self) -> int:
        """Return an arm never pulled, else the one that did best so far."""
        if 0 in self.counts:
            return self.counts.index(0)
        return _first_best([earned / count for count, earned in zip(self.counts, self.sums, strict=True)])


class Thompson(Learner):
    """Draws a mean for each arm from what is known about it and pulls the largest (Thompson 1933).

    Bernoulli arms have the uniform prior Beta(1, 1). Gaussian arms have the known deviation d and the prior
    N(0, d^2), from which EVOLvE's arms are drawn, so the posterior is N(sum / (n + 1), d^2 / (n + 1)).

    Args:
        arms: Number of arms.
        counts: Pulls of each arm so far; none if None.
        sums: Sum of each arm's rewards so far.
        deviation: Of a Gaussian arm's reward; 0 means Bernoulli arms.
        seed: Names the learner's own randomness.
    """

    def __init__(
        self,
        arms: int,
        counts: Sequence[int] | None = None,
        sums: Sequence[float] | None = None,
        *,
        deviation: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__(arms, counts, sums)
        self.deviation = deviation
        self.seed = seed

    def choose(self) -> int:
        """Return the arm with the largest drawn mean."""
        rng = Rng.named("thompson", self.seed, sum(self.counts))
        if self.deviation:
            draws = [
                earned / (count + 1) + self.deviation / math.sqrt(count + 1) * normal(rng)
                for count, earned in zip(self.counts, self.sums, strict=True)
            ]
        else:
            draws = [
                beta(rng, 1 + earned, 1 + count - earned) for count, earned in zip(self.counts, self.sums, strict=True)
            ]
        return _first_best(draws)


class Oracle(Learner):
    """Knows the means: the bound that no learner beats in expectation."""

    def __init__(self, means: Sequence[float]) -> None:
        super().__init__(len(means))
        self.best = _first_best(means)

    def choose(self) -> int:
        """Return the arm with the largest mean."""
        return self.best


def normal(rng: Rng) -> float:
    """Return a standard normal draw."""
    return normal_quantile(rng.random())


def gamma(rng: Rng, shape: float) -> float:
    """Return a draw from Gamma(shape, 1) for shape >= 1 (Marsaglia and Tsang 2000)."""
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = normal(rng)
        v = (1.0 + c * x) ** 3
        if v > 0 and math.log1p(-rng.random()) < 0.5 * x * x + d * (1.0 - v + math.log(v)):
            return d * v


def beta(rng: Rng, a: float, b: float) -> float:
    """Return a draw from Beta(a, b) for a, b >= 1."""
    x = gamma(rng, a)
    return x / (x + gamma(rng, b))
