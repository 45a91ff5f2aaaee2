"""Where the randomness of rewards comes from: draw number i, whatever was pulled before.

Each pull takes one draw, and the arm only decides what becomes of it (a threshold, or a shift and a scale). So the
draws do not depend on the order of pulls, and a state needs no more than the number of draws taken.
"""

import math
import threading
from typing import Protocol

import numpy as np

from ..rng import counter_uniform


class Stream(Protocol):
    """Independent draws by number, from 0."""

    def uniform(self, index: int) -> float:
        """Return a uniform draw in [0, 1)."""

    def normal(self, index: int) -> float:
        """Return a standard normal draw."""


class CounterStream:
    """Draws computed from (key, index) alone; nothing is kept."""

    def __init__(self, key: int) -> None:
        self.key = key

    def uniform(self, index: int) -> float:
        """Return a uniform draw in [0, 1)."""
        return counter_uniform(self.key, index)

    def normal(self, index: int) -> float:
        """Return a standard normal draw from two uniform ones (Box and Muller 1958)."""
        radius = math.sqrt(-2.0 * math.log1p(-counter_uniform(self.key, 2 * index)))
        return radius * math.cos(2.0 * math.pi * counter_uniform(self.key, 2 * index + 1))


class NumpyStream:
    """The draws of `numpy.random.default_rng(seed)`, as a program that takes one of them a pull sees them.

    Drawn in blocks when first needed and kept, so that every state of a task shares them. One object serves either
    uniform or normal draws, because numpy's generator is consumed by both.
    """

    def __init__(self, seed: int, *, normal: bool) -> None:
        generator = np.random.default_rng(seed)
        self._draw = generator.standard_normal if normal else generator.random
        self._values: list[float] = []
        self._lock = threading.Lock()

    def _value(self, index: int) -> float:
        values = self._values
        if index >= len(values):
            with self._lock:
                while index >= len(values):
                    values.extend(self._draw(max(64, len(values))).tolist())
        return values[index]

    uniform = _value
    normal = _value
