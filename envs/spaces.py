"""The text space of every observation and action: any Unicode string, the empty one too."""

from typing import Any

import numpy as np
from gymnasium import spaces

NOMINAL_LENGTH = 1 << 16
"""What the space reports as `max_length`; longer strings are contained too."""

_SAMPLE_CHARS = (*map(chr, range(32, 127)), "\n", "\t", "é", "ß", "Ω", "√", "中", "🙂")
_SAMPLE_LENGTH = 32


class UnicodeText(spaces.Text):
    """All strings.

    A subclass of `gymnasium.spaces.Text`, so that type checks of others keep working, with three differences:
    every Unicode string is contained, `contains` takes constant time, and samples are short (at most 32
    characters).
    """

    def __init__(self, seed: int | np.random.Generator | None = None) -> None:
        super().__init__(NOMINAL_LENGTH, min_length=0, charset="".join(_SAMPLE_CHARS), seed=seed)

    def contains(self, x: Any) -> bool:
        """Return whether x is a string."""
        return isinstance(x, str)

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        """Return a random string of 0 to 32 characters; masks have no meaning here."""
        if mask is not None or probability is not None:
            raise ValueError("UnicodeText.sample takes neither a mask nor a probability.")
        length = int(self.np_random.integers(_SAMPLE_LENGTH + 1))
        return "".join(_SAMPLE_CHARS[i] for i in self.np_random.integers(len(_SAMPLE_CHARS), size=length))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnicodeText)

    def __hash__(self) -> int:
        return 0x7E47

    def __repr__(self) -> str:
        return "UnicodeText()"
