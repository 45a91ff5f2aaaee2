"""All kinds of text, each in its share."""

from collections.abc import Iterator

from ...tasks.rng import Rng
from . import babyai, household, reasoning, shop, textworld
from .families import KINDS, family_texts
from .grammar import Grammar, expand

GRAMMARS: dict[str, Grammar] = {
    "household": household.GRAMMAR,
    "shop": shop.GRAMMAR,
    "textworld": textworld.GRAMMAR,
    "babyai": babyai.GRAMMAR,
    "reasoning": reasoning.GRAMMAR,
}


def grammar_texts(name: str, seed: int) -> Iterator[str]:
    """Yield texts of one of `GRAMMARS` without end."""
    rng = Rng.named("corpus", seed, name)
    while True:
        yield expand(GRAMMARS[name], "text", rng)


def _cut(texts: Iterator[str], characters: int) -> Iterator[str]:
    left = characters
    while left > 0:
        text = next(texts)
        left -= len(text)
        yield text


def corpus(seed: int = 0, characters: int = 400_000) -> Iterator[str]:
    """Yield the texts of every kind, the same on every machine.

    Args:
        seed: Names all of them.
        characters: Of each grammar; of our environments the share that `KINDS` says.
    """
    for name in GRAMMARS:
        yield from _cut(grammar_texts(name, seed), characters)
    for kind, (_, _, share) in enumerate(KINDS):
        yield from _cut(family_texts(kind, seed), round(share * characters))
