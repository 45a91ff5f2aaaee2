"""Context-free grammars that make sentences: a symbol in braces is replaced by one of its options, at random."""

import re
from collections.abc import Mapping, Sequence

from ...tasks.rng import Rng

Grammar = Mapping[str, Sequence[str]]

_SYMBOL = re.compile(r"\{(\w+)\}")
_NUMBER = re.compile(r"(\d+)_(\d+)")


def expand(grammar: Grammar, symbol: str, rng: Rng) -> str:
    """Return a random text of a symbol.

    `{name}` stands for one of the grammar's options for `name`, `{1_9}` for a whole number from 1 to 9.

    Raises:
        KeyError: The grammar has no such symbol.
    """
    number = _NUMBER.fullmatch(symbol)
    if number is not None:
        return str(rng.integer(int(number[1]), int(number[2])))
    return _SYMBOL.sub(lambda found: expand(grammar, found[1], rng), rng.choice(grammar[symbol]))


def words(text: str) -> list[str]:
    """Return the options of a list written with commas."""
    return text.split(",")
