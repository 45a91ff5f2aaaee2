"""Random numbers that are the same on every machine and every Python: splitmix64 over named seeds.

Seeds are derived by hashing *names* (`derive_seed(run, group, "task")`), never by adding to a seed and never by
call order, so two streams with different names are independent and adding a stream moves no other.
"""

from collections.abc import MutableSequence, Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

MASK64 = (1 << 64) - 1
GOLDEN_GAMMA = 0x9E3779B97F4A7C15


def derive_seed(*names: str | int) -> int:
    """Return a 63-bit seed for a path of names; every part counts, and `("ab", "c") != ("a", "bc")`."""
    parts: list[bytes] = []
    for name in names:
        part = f"{type(name).__name__[0]}{name}".encode("utf-8", "surrogatepass")
        parts += (len(part).to_bytes(8, "little"), part)
    return int.from_bytes(blake2b(b"".join(parts), digest_size=8).digest(), "little") >> 1


def mix64(value: int) -> int:
    """Finalise a 64-bit integer (the output function of splitmix64; Steele, Lea and Flood 2014)."""
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & MASK64
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & MASK64
    return value ^ (value >> 31)


def counter_uniform(key: int, counter: int) -> float:
    """Return the `counter`-th uniform number in [0, 1) of stream `key`, with no state to carry."""
    return (mix64((key + (counter + 1) * GOLDEN_GAMMA) & MASK64) >> 11) * 2.0**-53


class Rng:
    """A small, fast, portable generator (splitmix64).

    Not for cryptography. Unlike `random.Random`, whose `shuffle` and `choice` may change between Python
    versions, the mapping from seed to sequence is part of this project's contract.
    """

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed & MASK64

    @classmethod
    def named(cls, *names: str | int) -> "Rng":
        """Return the generator for a path of names (see `derive_seed`)."""
        return cls(derive_seed(*names))

    def u64(self) -> int:
        """Return a uniform integer in [0, 2**64)."""
        self._state = state = (self._state + GOLDEN_GAMMA) & MASK64
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & MASK64
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB & MASK64
        return state ^ (state >> 31)

    def random(self) -> float:
        """Return a uniform float in [0, 1) with 53 random bits."""
        return (self.u64() >> 11) * 2.0**-53

    def below(self, n: int) -> int:
        """Return a uniform integer in [0, n); the bias of the multiply-shift map is below n / 2**64."""
        if n <= 0:
            raise ValueError(f"below() needs a positive bound, not {n}")
        return (self.u64() * n) >> 64

    def integer(self, low: int, high: int) -> int:
        """Return a uniform integer in [low, high], both ends included."""
        return low + self.below(high - low + 1)

    def choice(self, items: Sequence[T]) -> T:
        """Return one item, uniformly."""
        return items[self.below(len(items))]

    def shuffle(self, items: MutableSequence[T]) -> None:
        """Shuffle in place (Fisher-Yates)."""
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]

    def sample(self, items: Sequence[T], k: int) -> list[T]:
        """Return k distinct positions' items, in random order."""
        if k > len(items):
            raise ValueError(f"cannot draw {k} of {len(items)} items")
        pool = list(items)
        for i in range(k):
            j = i + self.below(len(pool) - i)
            pool[i], pool[j] = pool[j], pool[i]
        return pool[:k]
