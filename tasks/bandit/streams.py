"""Where the randomness of rewards comes from: draw number i, whatever was pulled before.

Each pull takes one draw, and the arm only decides what becomes of it (a threshold, or a shift and a scale). So the
draws do not depend on the order of pulls, and a state needs no more than the number of pulls made.
"""

import threading
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from ..rng import GOLDEN_GAMMA, MASK64

_BLOCK = 64
_LEAST = 2.0**-54
_MOST = 1.0 - 2.0**-53
_quantile = NormalDist().inv_cdf


def normal_quantile(uniform: float) -> float:
    """Return the standard normal number below which a share of `uniform`, in [0, 1), of all lie; always finite."""
    return _quantile(min(uniform + _LEAST, _MOST))


def counter_uniforms(key: int, start: int, count: int) -> list[float]:
    """Return `rng.counter_uniform(key, i)` for `count` counters from `start`, computed together."""
    first = (key + (start + 1) * GOLDEN_GAMMA) & MASK64
    value = np.uint64(first) + np.arange(count, dtype=np.uint64) * np.uint64(GOLDEN_GAMMA)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    value ^= value >> np.uint64(31)
    return ((value >> np.uint64(11)) * 2.0**-53).tolist()


class Draws:
    """A list of draws that grows when a later one is asked for; all states of a task share it."""

    def __init__(self, draw: Callable[[int, int], list[float]]) -> None:
        self._draw = draw
        self._values: list[float] = []
        self._lock = threading.Lock()

    def __getitem__(self, index: int) -> float:
        try:
            return self._values[index]
        except IndexError:
            with self._lock:
                values = self._values
                while index >= len(values):
                    values.extend(self._draw(len(values), max(_BLOCK, len(values))))
            return values[index]

    def __deepcopy__(self, memo: dict[int, object]) -> "Draws":
        return self  # only ever grows, the same for everyone


def counter_draws(key: int, *, normal: bool) -> Draws:
    """Return draws made from a hash of (key, number): uniform ones, or their normal quantiles."""
    if not normal:
        return Draws(lambda start, count: counter_uniforms(key, start, count))
    return Draws(lambda start, count: [normal_quantile(u) for u in counter_uniforms(key, start, count)])


def numpy_draws(seed: int, *, normal: bool) -> Draws:
    """Return the draws of `numpy.random.default_rng(seed)`, as a program that takes one of them a pull sees them."""
    generator = np.random.default_rng(seed)
    if normal:
        return Draws(lambda start, count: generator.standard_normal(count).tolist())
    return Draws(lambda start, count: generator.random(count).tolist())
